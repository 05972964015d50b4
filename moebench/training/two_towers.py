"""The programs of two towers: training steps on pairs, and embeddings of images and texts.

The programs are of the kind of those that classify, over one device or a mesh, with captions in place of labels. With a
frozen image tower a training step takes embeddings in place of images; each image is embedded once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import use_abstract_mesh
from jaxtyping import Array, Float, Int
from typing_extensions import override

from moebench.models import TextConfig, TwoTowers, TwoTowersConfig, Vit, VitConfig
from moebench.models.stacked_arrays import arrays_by_block, arrays_in_stacks
from moebench.routers import RoutingCounts
from moebench.training.contrastive_losses import contrastive_loss, logits
from moebench.training.optimizer import Schedule
from moebench.training.program import (
    Program,
    TrainState,
    auxiliary_loss,
    calls_by_image,
    processed_by_token,
    split,
    to_compute_dtype,
)
from moebench.training.sharded import WideProgram

IMAGE = "image"
"""Name of the image tower among the arrays of both towers."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ImageReport:
    """Embeddings of a batch of images, and the routing of the images."""

    embeddings: Float[Array, "image dim"]
    """Embeddings of length 1."""
    routing: list[RoutingCounts]
    """Counts over all images of the batch, for each MoE layer of the image tower."""
    calls: Float[Array, "image"] | None
    """Expert calls for a token of each image; None if all images have equally many."""
    processed: Float[Array, "image token"] | None
    """Share of the MoE layers in which an expert processes each token; None if slots contain mixtures."""


class TwoTowersProgram(Program):
    """Programs of two towers for batches of pairs of one size."""

    config: TwoTowersConfig

    def __init__(self, config: TwoTowersConfig, schedule: Schedule, batch: int) -> None:
        """Trace the shapes of both towers.

        Args:
            config: both towers.
            schedule: default hyperparameters of states.
            batch: pairs of a training step.
        """
        super().__init__(config, schedule, batch)

    @property
    def text(self) -> TextConfig:
        """Shape of the text tower."""
        assert self.config.text is not None
        return self.config.text

    @override
    def build(self, drawn_from: nnx.Rngs) -> nnx.Module:
        return TwoTowers(self.config, rngs=drawn_from)

    @override
    def split(self, model: nnx.Module) -> tuple[Any, Any, Any]:
        if not self.config.frozen:
            return split(model)
        parts: Any = nnx.split(model, nnx.All(nnx.Param, lambda path, _: path[0] != IMAGE), ...)
        return parts[0], parts[1], parts[2]

    @override
    def gradient(
        self, state: TrainState, images: Float[Array, "image ..."], labels: Int[Array, "image token"]
    ) -> tuple[Any, tuple[Array, Array, Any]]:
        """Return the gradient of the objective by the parameters, and further results.

        The further results are (loss, accuracy, other state of the towers). The accuracy is the share of images whose
        own caption scores highest in the batch.

        Args:
            state: state of the training.
            images: a batch of images, or their embeddings if the image tower is frozen.
            labels: the tokens of a caption of each image.
        """

        def objective(parameters: Any) -> tuple[Array, tuple[Array, Array, Any]]:
            # A copy, because routers write to their variables, and an array of the outer trace cannot be written here.
            towers: TwoTowers = nnx.merge(self.graph, to_compute_dtype(parameters), state.variables, copy=True)
            of_image, of_text = jax.random.split(jax.random.fold_in(state.key, state.step))
            embedded, routings = (images, []) if self.config.frozen else towers.embed_images(images, noise_key=of_image)
            texts, text_routings = towers.embed_texts(labels, noise_key=of_text)
            scores = logits(embedded, texts, towers.scale, towers.bias)
            loss = contrastive_loss(self.config.loss, scores).mean()
            accuracy = (scores.argmax(-1) == jnp.arange(len(scores))).mean()
            auxiliary = auxiliary_loss(state.schedule.loss_weights, [*routings, *text_routings])
            return loss + auxiliary, (loss, accuracy, self.split(towers)[2])

        gradient: tuple[Any, tuple[Array, Array, Any]] = jax.grad(objective, has_aux=True)(state.parameters)
        return gradient

    def towers(self, state: TrainState) -> TwoTowers:
        """Return both towers with the parameters of a state."""
        towers: TwoTowers = nnx.merge(self.graph, to_compute_dtype(state.parameters), state.variables)
        return towers

    @override
    def model(self, state: TrainState) -> Vit:
        """Return the image tower with the parameters of a state."""
        return self.towers(state).image

    @override
    def infer(self, state: TrainState, images: Float[Array, "image height width channel"]) -> Float[Array, "image dim"]:
        """Return the embeddings of images, of length 1."""
        return self.embed_images(state, images).embeddings

    def embed_images(self, state: TrainState, images: Float[Array, "image height width channel"]) -> ImageReport:
        """Return the embeddings of images and their routing."""
        embeddings, routings = self.towers(state).embed_images(images)
        return ImageReport(
            embeddings=embeddings,
            routing=[routing.counts() for routing in routings],
            calls=calls_by_image(routings, len(images)),
            processed=processed_by_token(routings, len(images)),
        )

    def embed_texts(self, state: TrainState, captions: Int[Array, "text token"]) -> Float[Array, "text dim"]:
        """Return the embeddings of captions, of length 1."""
        return self.towers(state).embed_texts(captions)[0]

    def scores(
        self, state: TrainState, images: Float[Array, "image dim"], texts: Float[Array, "text dim"]
    ) -> Float[Array, "image text"]:
        """Return the logits of images with texts, both embedded."""
        towers = self.towers(state)
        return logits(images, texts, towers.scale, towers.bias)

    def pair_loss(
        self, state: TrainState, images: Float[Array, "pair dim"], texts: Float[Array, "pair dim"]
    ) -> tuple[Float[Array, ""], Float[Array, ""]]:
        """Return loss and accuracy of a batch of embedded pairs.

        The accuracy is the share of images whose own text scores highest.
        """
        scores = self.scores(state, images, texts)
        accuracy = (scores.argmax(-1) == jnp.arange(len(scores))).mean()
        return contrastive_loss(self.config.loss, scores).mean(), accuracy

    @override
    def abstract_batch(self, count: int) -> tuple[Any, Any]:
        """Return shapes and types of `count` images, and of their captions' tokens.

        A frozen image tower takes embeddings in place of images.
        """
        embeddings = jax.ShapeDtypeStruct((count, self.config.preset.size.width), jnp.float32)
        return embeddings if self.config.frozen else self.abstract_images(count), self.abstract_captions(count)

    def abstract_captions(self, count: int) -> Any:
        """Return shape and type of the tokens of `count` captions."""
        return jax.ShapeDtypeStruct((count, self.text.length), jnp.int32)


class WideTwoTowersProgram(WideProgram, TwoTowersProgram):
    """Programs of two towers whose pairs, experts and slots are split over a mesh.

    The loss is that of the whole batch: XLA gathers the embeddings of all devices for the product of all pairs.
    """

    @override
    def embed_images(self, state: TrainState, images: Any) -> ImageReport:
        with use_abstract_mesh(self.mesh.abstract_mesh):
            report: ImageReport = self._everywhere(super().embed_images(state, images))
        return report

    @override
    def embed_texts(self, state: TrainState, captions: Any) -> Any:
        with use_abstract_mesh(self.mesh.abstract_mesh):
            return self._everywhere(super().embed_texts(state, captions))

    @override
    def abstract_captions(self, count: int) -> Any:
        return self._split(super().abstract_captions(count))


def program_on_one_device(config: VitConfig, schedule: Schedule, batch: int) -> Program:
    """Return the programs of a model, of two towers or of one, on one device.

    Args:
        config: the model.
        schedule: default hyperparameters of states.
        batch: images or pairs of a training step.
    """
    if isinstance(config, TwoTowersConfig):
        return TwoTowersProgram(config, schedule, batch)
    return Program(config, schedule, batch)


def image_arrays(config: VitConfig, state: TrainState) -> dict[str, Any]:
    """Return the parameters and variables of the image tower as one tree.

    The arrays have the names of a model that classifies. Blocks are named one by one, even if the model has them in
    stacks.

    Args:
        config: a model that classifies, all of whose arrays are returned, or two towers.
        state: state of that model.
    """
    if not isinstance(config, TwoTowersConfig):
        parameters, variables = state.parameters, state.variables
    elif config.frozen:
        parameters, variables = nnx.split_state(state.variables[IMAGE], nnx.Param, ...)
    else:
        parameters, variables = state.parameters[IMAGE], state.variables.get(IMAGE, nnx.State({}))
    return {"parameters": arrays_by_block(parameters, config), "variables": arrays_by_block(variables, config)}


def with_image_arrays(config: VitConfig, state: TrainState, arrays: Mapping[str, Any]) -> TrainState:
    """Return a state with other arrays of the image tower.

    Args:
        config: a model that classifies, or two towers.
        state: state of that model.
        arrays: in the form that `image_arrays` returns.
    """
    parameters, variables = (arrays_in_stacks(arrays[name], config) for name in ("parameters", "variables"))
    if not isinstance(config, TwoTowersConfig):
        return replace(state, parameters=parameters, variables=variables)
    if config.frozen:
        return replace(state, variables=_with_image(state.variables, nnx.merge_state(parameters, variables)))
    changed = replace(state, parameters=_with_image(state.parameters, parameters))
    return replace(changed, variables=_with_image(state.variables, variables)) if IMAGE in state.variables else changed


def _with_image(towers: Any, image: Any) -> Any:
    # The plain mappings below a State, since its items are wrapped and a State of States is another tree.
    return nnx.State({**towers.raw_mapping, IMAGE: image.raw_mapping})
