"""Trace one evaluation pass that returns the routing of every MoE layer beside the predictions.

Routings and experts of a layer can be exchanged inside the pass, so that recording and exchanging share one compiled
program.
"""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from moebench.models import Block, Experts, MoE
from moebench.routers import Routing
from moebench.routers.hard_routing import SlotRouting
from moebench.training import Program, TrainState

ALL_PAIRS = 1024
"""Pairs of a token and a slot, of one image in one layer, up to which all weights of a soft router are kept."""
KEPT_OF_SLOT = 16
"""Largest dispatch weights of each slot that are kept beyond `ALL_PAIRS` pairs."""
COMPARED_ROWS = 128
"""Rows of a batch on which the outputs of all experts are compared."""

Arrays = dict[str, Any]


@dataclass(eq=False)
class Pass:
    """The program of a model, and facts about the router that tracing finds."""

    program: Program
    soft: bool = False
    chosen_by: str = "nobody"
    """Who chooses, as in `Facts`."""
    experts: int = 1
    """Experts that a row can name."""
    kept: int | None = None
    """Number of dispatch weights kept of each slot, as in `Facts`."""
    compared: list[int] = field(default_factory=list)
    """Layers whose experts can be compared."""

    @property
    def routes(self) -> bool:
        """Whether tokens can be routed in more than one way; the dense layer's cannot."""
        return self.soft or self.experts > 1 or self.chosen_by != "nobody"

    def __call__(
        self,
        state: TrainState,
        images: Float[Array, "image height width channel"],
        exchange: Int[Array, "layer group place"],
        back: Int[Array, "layer group place"],
        shifted: Int[Array, "layer"],
        compare: Bool[Array, ""],
    ) -> tuple[Int[Array, "image"], list[Arrays], list[Arrays]]:
        """Evaluate a batch of whole groups.

        Args:
            state: state of the model.
            images: the batch.
            exchange: for each MoE layer and group, the tokens whose routing the first token, the second, … receives.
            back: the inverse permutations of `exchange`.
            shifted: for each MoE layer, the number of places by which its experts are rotated.
            compare: whether the outputs of the experts are compared.

        Returns:
            Predictions; for each MoE layer the arrays of its routing, `[image, token, …]`; for each layer in `compared`
            the
            sums over its rows from which similarity is computed.
        """
        config = self.program.config
        model = self.program.model(state)
        x, truth = model.embedded(images), model.truth(images)
        layers: list[Arrays] = []
        similarities: list[Arrays] = []
        self.compared = []
        for number, block in enumerate(model.each_block()):
            if number not in config.moe_blocks:
                x, _ = block(x, config.tokens, None)
                continue
            x = block.attend(x, config.tokens)
            tokens, routing = block.route(x, config.tokens, truth)
            place = len(layers)
            layers.append(self._routing(routing, len(images)))
            layer = block.mlp if isinstance(block, Block) else None
            if isinstance(layer, MoE) and layer.router.experts > 1:
                self.compared.append(number)
                similarities.append(_similarity(layer.experts, self._rows(tokens, routing), compare))
                _shift(layer.experts, shifted[place])
            # The tokens exchange their places, receive the routing of the tokens that were there, and return.
            there = _take(x, exchange[place]), _take(tokens.reshape(x.shape), exchange[place]).reshape(tokens.shape)
            x = _take(block.finish(*there, routing), back[place])
        return model.read_out(x).argmax(-1), layers, similarities

    def _routing(self, routing: Routing, images: int) -> Arrays:
        """Return the arrays of a layer's routing, images first."""
        pairs = routing.pairs()
        self.experts = routing.gates.shape[-1]
        arrays: Arrays = {"confidence": routing.gates.max(-1)}
        if pairs is None:
            self.soft = True
            return self._soft(routing, arrays, images)
        if isinstance(routing, SlotRouting) and routing.requested is None and not routing.choices:
            self.chosen_by = "experts"
        elif isinstance(routing, SlotRouting) and routing.requested is not None:
            self.chosen_by = "mask" if routing.requested.dtype == bool else "tokens"
        for name in ("expert", "gate", "weight", "dropped"):
            arrays[name] = getattr(pairs, name)
        by_image = {name: array.reshape(images, -1, *array.shape[2:]) for name, array in arrays.items()}
        return by_image if pairs.order is None else by_image | {"order": pairs.order}

    def _soft(self, routing: Routing, arrays: Arrays, images: int) -> Arrays:
        arrays |= {"dispatch": routing.dispatch_weights, "combine": routing.combine_weights}
        by_image = {name: array.reshape(images, -1, *array.shape[2:]) for name, array in arrays.items()}
        confidence, dispatch, combine = by_image.values()
        tokens, experts, slots = dispatch.shape[1:]
        if tokens * experts * slots <= ALL_PAIRS:
            return {"confidence": confidence, "dispatch": _half(dispatch), "combine": _half(combine)}
        self.kept = min(KEPT_OF_SLOT, tokens)
        flat, back = (array.reshape(images, tokens, -1).swapaxes(1, 2) for array in (dispatch, combine))
        largest, token = jax.lax.top_k(flat, self.kept)
        weight = jnp.take_along_axis(back, token, axis=-1)
        taken = jnp.arange(images)[:, None, None], token
        shape = (images, experts, slots)
        return {
            "confidence": confidence,
            "token": token.reshape(*shape, -1),
            "dispatch": _half(largest).reshape(*shape, -1),
            "combine": _half(weight).reshape(*shape, -1),
            "token_dispatch_rest": _half(flat.sum(1).at[taken].add(-largest)),
            "token_combine_rest": _half(back.sum(1).at[taken].add(-weight)),
            "slot_dispatch_rest": _half(flat.sum(-1) - largest.sum(-1)).reshape(shape),
            "slot_combine_rest": _half(back.sum(-1) - weight.sum(-1)).reshape(shape),
        }

    def _rows(self, tokens: Array, routing: Routing) -> Float[Array, "row dim"]:
        """Return inputs for comparing a layer's experts: tokens, or a soft router's slots."""
        groups = tokens.reshape(routing.gates.shape[0], -1, tokens.shape[-1])
        inputs = (routing.dispatch(groups) if self.soft else tokens).reshape(-1, tokens.shape[-1])
        return inputs[:: max(1, len(inputs) // COMPARED_ROWS)][:COMPARED_ROWS]


def _take(rows: Float[Array, "row dim"], places: Int[Array, "group place"]) -> Float[Array, "row dim"]:
    """Return the rows of each group in another order."""
    groups, count = places.shape
    return (rows.reshape(groups, count, -1)[jnp.arange(groups)[:, None], places]).reshape(rows.shape)


def _shift(experts: Experts, by: Int[Array, ""]) -> None:
    """Rotate the experts by a number of places."""
    state = nnx.state(experts, nnx.Param)
    nnx.update(experts, jax.tree.map(lambda array: jnp.roll(array, by, axis=0), state))


def _half(array: Array) -> Array:
    return array.astype(jnp.float16)


def _similarity(experts: Experts, rows: Float[Array, "row dim"], compare: Bool[Array, ""]) -> Arrays:
    """Return sums for the similarity of each two experts, from their outputs on equal rows.

    cosine: mean over the rows of the cosine of two outputs. hsic: ⟨K_e, K_f⟩ of the Gram matrices K = Y·Yᵀ of outputs Y
    less their mean over the rows, from which linear CKA follows (1905.00414).
    """
    count = experts.kernel_in.shape[0]

    def compared() -> tuple[Array, Array]:
        outputs = experts(jnp.broadcast_to(rows, (count, *rows.shape))).astype(jnp.float32)
        lengths = jnp.linalg.norm(outputs, axis=-1, keepdims=True)
        directions = outputs / jnp.maximum(lengths, 1e-12)
        cosine = jnp.einsum("end,fnd->ef", directions, directions) / rows.shape[0]
        centred = outputs - outputs.mean(1, keepdims=True)
        gram = jnp.einsum("end,emd->enm", centred, centred)
        return cosine, jnp.einsum("enm,fnm->ef", gram, gram)

    nothing = jnp.zeros((count, count))
    cosine, hsic = jax.lax.cond(compare, compared, lambda: (nothing, nothing))
    return {"cosine": cosine, "hsic": hsic}
