"""Programs of one MoE layer alone, forward and backward.

The programs take the place of a model and its training.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from moebench.data import Split
from moebench.models import mlp_or_experts, through
from moebench.routers import Routing
from moebench.training.optimizer import Schedule
from moebench.training.program import Program, TrainState, auxiliary_loss, split, to_compute_dtype


class LayerProgram(Program):
    """Programs of one MoE layer of a model, or of one MLP for `dense`.

    The router determines which: `dense` has no MoE layer. A row of tokens takes the place of each image, with the
    model's width as channels. A step is the forward and the backward pass, with gradients by the parameters and by the
    tokens, as inside a model, without an optimiser. The differentiated number is the product of outputs and tokens,
    plus the router's auxiliary losses.
    """

    def optimizer(self, schedule: Schedule) -> optax.GradientTransformation:
        """Return an optimiser that has no state and changes nothing."""
        return optax.identity()

    def build(self, drawn_from: nnx.Rngs) -> nnx.Module:
        """Return the layer with fresh parameters."""
        return mlp_or_experts(self.config, self.config.router != "dense", rngs=drawn_from)

    def train_step(self, state: TrainState, images: Any, labels: Any) -> tuple[TrainState, Any]:
        """Return outputs and both gradients; the parameters are not changed."""
        gradient, (outputs, variables) = self.gradient(state, images, labels)
        return replace(state, variables=variables, step=state.step + 1), (outputs, gradient)

    def gradient(self, state: TrainState, images: Any, labels: Any) -> tuple[Any, Any]:
        """Return the gradients by parameters and tokens, and (outputs, the layer's other state)."""

        def objective(parameters: Any, rows: Array) -> tuple[Array, tuple[Array, Any]]:
            # A copy, because routers write to their variables, and an array of the outer trace cannot be written here.
            layer = nnx.merge(self.graph, to_compute_dtype(parameters), state.variables, copy=True)
            outputs, routings = self._through(layer, rows, jax.random.fold_in(state.key, state.step))
            product = jnp.vdot(outputs, jax.lax.stop_gradient(rows))
            return product + auxiliary_loss(state.schedule.loss_weights, routings), (outputs, split(layer)[2])

        slope = jax.grad(objective, argnums=(0, 1), has_aux=True)
        gradient: tuple[Any, Any] = slope(state.parameters, self._rows(images))
        return gradient

    def infer(self, state: TrainState, images: Any) -> Any:
        """Return the outputs."""
        layer = nnx.merge(self.graph, to_compute_dtype(state.parameters), state.variables)
        return self._through(layer, self._rows(images), None)[0]

    def abstract_images(self, count: int) -> Any:
        """Return shape and type of the tokens of `count` images."""
        shape = (count, 1, self.config.tokens, self.config.preset.size.width)
        return jax.ShapeDtypeStruct(shape, jnp.float32)

    def random_tokens(self) -> Split:
        """Return a batch of normal tokens, drawn from a fixed seed."""
        images, labels = self.abstract_batch(self.batch)
        drawn = np.random.default_rng(0).standard_normal(images.shape, dtype=np.float32)
        return Split(drawn, np.zeros(labels.shape, np.int32))

    def _rows(self, images: Float[Array, "image 1 token dim"]) -> Float[Array, "row dim"]:
        return images.reshape(-1, images.shape[-1]).astype(self.config.dtype)

    def _through(
        self, layer: Any, rows: Float[Array, "row dim"], noise_key: PRNGKeyArray | None
    ) -> tuple[Float[Array, "row dim"], list[Routing]]:
        outputs, routing = through(layer, rows, self.config.tokens, noise_key)
        return outputs, [] if routing is None else [routing]
