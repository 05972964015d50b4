"""The programs of a model: initialise, train a step, infer, evaluate.

Each program serves all seeds of a cell.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from moebench.models import Vit, VitConfig
from moebench.models.rngs import rngs
from moebench.routers import Router, Routing, RoutingCounts
from moebench.training.optimizer import Schedule


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """State that a training step reads and changes.

    Leaves are arrays, or shapes if a program is made from shapes.
    """

    parameters: Any
    variables: Any
    """Other state of the model, such as the biases of routers that balance by them."""
    optimizer: Any
    step: Any
    """Steps taken, int32[]."""
    key: Any
    """Key of the routing noise."""
    schedule: Schedule
    """Hyperparameters, equal in all steps."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class StepReport:
    """One training step's cross-entropy in nats, without auxiliary losses, and accuracy on its batch."""

    loss: Float[Array, ""]
    accuracy: Float[Array, ""]
    gradient_norm: Float[Array, ""]
    """Global norm of the gradient, auxiliary losses included, before it is clipped."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class EvalReport:
    """Results of an evaluation batch: sums, routing counts, and values by image.

    The sums are over the images of the batch, and the counts are those of each MoE layer.
    """

    loss: Float[Array, ""]
    """Weighted sum of the cross-entropies in nats."""
    correct: Float[Array, ""]
    """Weighted number of images whose label got the highest logit."""
    routing: list[RoutingCounts]
    image_loss: Float[Array, "image"] | None
    """Cross-entropy of each image in nats; None once taken out."""
    image_correct: Bool[Array, "image"] | None
    """Whether the label of each image got the highest logit; None once taken out."""
    calls: Float[Array, "image"] | None
    """Expert calls for a token of each image; None if all images have equally many."""
    processed: Float[Array, "image token"] | None
    """Share of the MoE layers in which an expert processes each token; None if slots contain mixtures."""


class Program:
    """Programs of one model for batches of one size, made from shapes alone."""

    def __init__(self, config: VitConfig, schedule: Schedule, batch: int) -> None:
        """Trace the shapes of the model.

        Args:
            config: the model.
            schedule: default hyperparameters of states; no part of the compiled step.
            batch: images of a training step.
        """
        self.config, self.batch = config, batch
        model = nnx.eval_shape(lambda: self.build(rngs(0)))
        self.graph, parameters, self._variables = self.split(model)
        self._parameters = jax.eval_shape(self.to_storage_dtype, parameters)
        self.routers = [module for _, module in nnx.iter_graph(model) if isinstance(module, Router)]
        weights = {name: weight for router in self.routers for name, weight in router.loss_weights.items() if weight}
        self.schedule = replace(schedule, loss_weights={**weights, **schedule.loss_weights})

    def build(self, drawn_from: nnx.Rngs) -> nnx.Module:
        """Return the module of the programs, with fresh parameters."""
        return Vit(self.config, rngs=drawn_from)

    def split(self, model: nnx.Module) -> tuple[Any, Any, Any]:
        """Split a model into its graph, the parameters that training changes, and all other state."""
        return split(model)

    def optimizer(self, schedule: Schedule) -> optax.GradientTransformation:
        """Return the optimiser of a training step, whose hyperparameters may be traced."""
        return schedule.optimizer(jnp.bfloat16 if self.config.precision == "bfloat16" else jnp.float32)

    def init(self, seed: Int[Array, ""], schedule: Schedule | None = None) -> TrainState:
        """Draw fresh parameters and optimiser state.

        Args:
            seed: seed of the parameters and of the routing noise.
            schedule: hyperparameters of the training, as `Schedule.as_arrays` returns them; None takes the program's.
        """
        key = jax.random.key(seed)
        schedule = schedule or self.schedule.as_arrays()
        model = self.build(rngs(jax.random.fold_in(key, 0)))
        _, parameters, variables = self.split(model)
        parameters = self.to_storage_dtype(parameters)
        return TrainState(
            parameters=parameters,
            variables=variables,
            optimizer=self.optimizer(schedule).init(parameters),
            step=jnp.zeros((), jnp.int32),
            key=jax.random.fold_in(key, 1),
            schedule=jax.tree.map(jnp.asarray, schedule),
        )

    def train_step(
        self, state: TrainState, images: Float[Array, "image ..."], labels: Int[Array, "image ..."]
    ) -> tuple[TrainState, StepReport]:
        """Take one step of gradient descent on cross-entropy plus the routers' weighted auxiliary losses."""
        gradient, (loss, accuracy, variables) = self.gradient(state, images, labels)
        report = StepReport(loss, accuracy, global_norm(gradient))
        updates, optimizer = self.optimizer(state.schedule).update(gradient, state.optimizer, state.parameters)
        parameters = optax.apply_updates(state.parameters, updates)
        return TrainState(parameters, variables, optimizer, state.step + 1, state.key, state.schedule), report

    def gradient(
        self, state: TrainState, images: Float[Array, "image height width channel"], labels: Int[Array, "image"]
    ) -> tuple[Any, tuple[Array, Array, Any]]:
        """Return the gradient of the objective by the parameters, and further results.

        The further results are (loss, accuracy, other state of the model).
        """

        def objective(parameters: Any) -> tuple[Array, tuple[Array, Array, Any]]:
            # A copy, because routers write to their variables, and an array of the outer trace cannot be written here.
            model = nnx.merge(self.graph, to_compute_dtype(parameters), state.variables, copy=True)
            logits, routings = model(images, noise_key=jax.random.fold_in(state.key, state.step))
            loss = cross_entropy(logits, labels).mean()
            accuracy = (logits.argmax(-1) == labels).mean()
            variables = self.split(model)[2]
            return loss + auxiliary_loss(state.schedule.loss_weights, routings), (loss, accuracy, variables)

        gradient: tuple[Any, tuple[Array, Array, Any]] = jax.grad(objective, has_aux=True)(state.parameters)
        return gradient

    def model(self, state: TrainState) -> Vit:
        """Return the model with the parameters of a state."""
        model: Vit = nnx.merge(self.graph, to_compute_dtype(state.parameters), state.variables)
        return model

    def to_storage_dtype(self, parameters: Any) -> Any:
        """Cast parameters to the type in which they are stored from step to step."""
        if self.config.precision != "bfloat16":
            return parameters
        return jax.tree.map(lambda array: array.astype(jnp.bfloat16), parameters)

    def infer(
        self, state: TrainState, images: Float[Array, "image height width channel"]
    ) -> Float[Array, "image label"]:
        """Return the logits."""
        logits: Array = self.model(state)(images)[0]
        return logits

    def features(
        self, state: TrainState, images: Float[Array, "image height width channel"]
    ) -> Float[Array, "image dim"]:
        """Return the inputs of the head: the tokens' mean, or the class token."""
        model = self.model(state)
        pooled: Array = model.pooled(model.encoded(images, None)[0])
        return pooled

    def evaluate(
        self,
        state: TrainState,
        images: Float[Array, "image height width channel"],
        labels: Int[Array, "image"],
        weights: Float[Array, "image"],
    ) -> EvalReport:
        """Sum loss and correct images by weight, and count how all images were routed."""
        logits, routings = self.model(state)(images)
        loss, correct = cross_entropy(logits, labels), logits.argmax(-1) == labels
        return EvalReport(
            loss=(weights * loss).sum(),
            correct=(weights * correct).sum(),
            routing=[routing.counts() for routing in routings],
            image_loss=loss,
            image_correct=correct,
            calls=calls_by_image(routings, len(images)),
            processed=processed_by_token(routings, len(images)),
        )

    @cached_property
    def abstract_state(self) -> TrainState:
        """Shapes and types of the state."""
        return TrainState(
            parameters=self._parameters,
            variables=self._variables,
            optimizer=jax.eval_shape(self.optimizer(self.schedule).init, self._parameters),
            step=jax.eval_shape(lambda: jnp.zeros((), jnp.int32)),
            key=jax.eval_shape(lambda: jax.random.key(0)),
            schedule=self.abstract_schedule,
        )

    @property
    def abstract_schedule(self) -> Schedule:
        """Shapes and types of the hyperparameters."""
        shapes: Schedule = jax.tree.map(
            lambda number: jax.ShapeDtypeStruct((), number.dtype), self.schedule.as_arrays()
        )
        return shapes

    def abstract_images(self, count: int) -> Any:
        """Return shape and type of `count` images."""
        side, channels = self.config.image_size, self.config.channels + self.config.truth
        return jax.eval_shape(lambda: jnp.zeros((count, side, side, channels)))

    def abstract_batch(self, count: int) -> tuple[Any, Any]:
        """Return shapes and types of `count` images and their labels."""
        return self.abstract_images(count), jax.eval_shape(lambda: jnp.zeros(count, jnp.int32))

    @property
    def shards(self) -> int:
        """Number of parts that a batch is split into."""
        return 1

    def device_put(self, *arrays: Any) -> tuple[Any, ...]:
        """Copy arrays over a batch's images from the host to the programs' devices."""
        placed: tuple[Any, ...] = jax.device_put(arrays)
        return placed

    def with_host_batch(self, step: jax.stages.Compiled) -> Callable[..., Any]:
        """Return a compiled program that takes its batch from the host's memory."""
        return lambda state, *batch: step(state, *self.device_put(*batch))


def compiled(function: Callable[..., Any], *arguments: Any, donate: tuple[int, ...] = ()) -> jax.stages.Compiled:
    """Compile a function ahead of time.

    Nothing is traced while the function is timed.

    Args:
        function: traced with the arguments.
        *arguments: arrays or their shapes.
        donate: positions of the arguments whose memory the outputs reuse.
    """
    return jax.jit(function, donate_argnums=donate).lower(*arguments).compile()


def compile_unoptimized(function: Callable[..., Any], *arguments: Any) -> jax.stages.Compiled:
    """Compile a function without optimisation.

    For a function that runs once or twice, optimising would take longer than it saves.
    """
    return jax.jit(function).lower(*arguments).compile(compiler_options={"xla_backend_optimization_level": "0"})


def global_norm(gradient: Any) -> Float[Array, ""]:
    """Return the root of the sum of all squares, in float32."""
    squares = [jnp.square(leaf.astype(jnp.float32)).sum() for leaf in jax.tree.leaves(gradient)]
    return jnp.sqrt(jnp.stack(squares).sum())


def to_compute_dtype(parameters: Any) -> Any:
    """Cast parameters to float32 or wider, as inputs of the model.

    The model casts its parameters further to its compute type.
    """
    return jax.tree.map(lambda array: array.astype(jnp.promote_types(array.dtype, jnp.float32)), parameters)


def split(model: nnx.Module) -> tuple[Any, Any, Any]:
    """Split a model into its graph, its parameters, and its other state."""
    parts: Any = nnx.split(model, nnx.Param, ...)
    return parts[0], parts[1], parts[2]


def cross_entropy(logits: Float[Array, "image label"], labels: Int[Array, "image"]) -> Float[Array, "image"]:
    """Return the cross-entropy of each image in nats."""
    losses: Array = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses


def calls_by_image(routings: list[Routing], images: int) -> Float[Array, "image"] | None:
    """Return expert calls for a token of each image, or None if all equal.

    The calls are a mean over tokens and MoE layers.
    """
    calls = [routing.calls for routing in routings]
    layers = [each.reshape(images, -1).mean(1) for each in calls if each is not None]
    return jnp.stack(layers).mean(0) if layers else None


def processed_by_token(routings: list[Routing], images: int) -> Float[Array, "image token"] | None:
    """Return the share of MoE layers in which an expert processes each token.

    The result is None if slots contain mixtures.
    """
    calls = [routing.calls for routing in routings]
    layers = [(each > 0).reshape(images, -1).astype(jnp.float32) for each in calls if each is not None]
    return jnp.stack(layers).mean(0) if layers else None


def auxiliary_loss(weights: Mapping[str, Any], routings: list[Routing]) -> Float[Array, ""]:
    """Sum the auxiliary losses of all MoE layers by weight.

    Args:
        weights: weight of each loss by its name; losses without a weight are not computed.
        routings: one for each MoE layer.
    """
    total = jnp.zeros(())
    for routing in routings:
        for name, weight in weights.items():
            total += weight * routing.losses[name]
    return total
