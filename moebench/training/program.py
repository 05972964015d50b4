"""A model's programs: initialise, train a step, infer, evaluate; each compiled once for all seeds of a cell."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from moebench.models import Vit, VitConfig
from moebench.models.rngs import rngs
from moebench.routers import Router, Routing, RoutingCounts
from moebench.training.optimizer import Schedule


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TrainState:
    """Everything that a training step changes. Its leaves are arrays, or shapes when a program is made from shapes."""

    parameters: Any
    variables: Any
    """Other state of the model, such as the biases of routers that balance by them."""
    optimizer: Any
    step: Any
    """Steps taken, int32[]."""
    key: Any
    """Key of the routing noise."""


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
    """Sums over the images of an evaluation batch, and the routing counts of each MoE layer."""

    loss: Float[Array, ""]
    correct: Float[Array, ""]
    routing: list[RoutingCounts]
    calls: Float[Array, "image"] | None
    """Expert calls for a token of each image; None where every image's are the same."""


class Program:
    """The programs of one model under one schedule, made from shapes alone."""

    def __init__(self, config: VitConfig, schedule: Schedule, batch: int) -> None:
        self.config, self.batch = config, batch
        self.optimizer = schedule.optimizer()
        model = nnx.eval_shape(lambda: self.build(rngs(0)))
        self.graph, parameters, self._variables = split(model)
        self._parameters = jax.eval_shape(self.to_storage_dtype, parameters)
        self.routers = [module for _, module in nnx.iter_graph(model) if isinstance(module, Router)]

    def build(self, drawn_from: nnx.Rngs) -> nnx.Module:
        """What the programs are of, with fresh parameters."""
        return Vit(self.config, rngs=drawn_from)

    def init(self, seed: Int[Array, ""]) -> TrainState:
        """Fresh parameters and optimiser state, drawn from the seed."""
        key = jax.random.key(seed)
        model = self.build(rngs(jax.random.fold_in(key, 0)))
        _, parameters, variables = split(model)
        parameters = self.to_storage_dtype(parameters)
        return TrainState(
            parameters=parameters,
            variables=variables,
            optimizer=self.optimizer.init(parameters),
            step=jnp.zeros((), jnp.int32),
            key=jax.random.fold_in(key, 1),
        )

    def train_step(
        self, state: TrainState, images: Float[Array, "image height width channel"], labels: Int[Array, "image"]
    ) -> tuple[TrainState, StepReport]:
        """One step of gradient descent on cross-entropy plus the routers' weighted auxiliary losses."""
        gradient, (loss, accuracy, variables) = self.gradient(state, images, labels)
        report = StepReport(loss, accuracy, global_norm(gradient))
        updates, optimizer = self.optimizer.update(gradient, state.optimizer, state.parameters)
        parameters = optax.apply_updates(state.parameters, updates)
        return TrainState(parameters, variables, optimizer, state.step + 1, state.key), report

    def gradient(
        self, state: TrainState, images: Float[Array, "image height width channel"], labels: Int[Array, "image"]
    ) -> tuple[Any, tuple[Array, Array, Any]]:
        """Of a step's objective by the parameters; beside it loss, accuracy and the model's other state."""

        def objective(parameters: Any) -> tuple[Array, tuple[Array, Array, Any]]:
            # Copied, because routers store in them, and an array of the trace outside cannot be stored in here.
            model = nnx.merge(self.graph, to_compute_dtype(parameters), state.variables, copy=True)
            logits, routings = model(images, noise_key=jax.random.fold_in(state.key, state.step))
            loss = cross_entropy(logits, labels).mean()
            accuracy = (logits.argmax(-1) == labels).mean()
            variables = split(model)[2]
            return loss + auxiliary_loss(self.routers, routings), (loss, accuracy, variables)

        gradient: tuple[Any, tuple[Array, Array, Any]] = jax.grad(objective, has_aux=True)(state.parameters)
        return gradient

    def model(self, state: TrainState) -> Vit:
        """The model in a state."""
        model: Vit = nnx.merge(self.graph, to_compute_dtype(state.parameters), state.variables)
        return model

    def to_storage_dtype(self, parameters: Any) -> Any:
        """Parameters in the type in which they are kept from step to step."""
        if self.config.precision != "bfloat16":
            return parameters
        return jax.tree.map(lambda array: array.astype(jnp.bfloat16), parameters)

    def infer(
        self, state: TrainState, images: Float[Array, "image height width channel"]
    ) -> Float[Array, "image label"]:
        """Logits."""
        logits: Array = self.model(state)(images)[0]
        return logits

    def features(
        self, state: TrainState, images: Float[Array, "image height width channel"]
    ) -> Float[Array, "image dim"]:
        """What the head would see."""
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
        """Loss and hits summed over the images by weight, and how all of them were routed."""
        logits, routings = self.model(state)(images)
        return EvalReport(
            loss=(weights * cross_entropy(logits, labels)).sum(),
            correct=(weights * (logits.argmax(-1) == labels)).sum(),
            routing=[routing.counts() for routing in routings],
            calls=calls_by_image(routings, len(images)),
        )

    @cached_property
    def abstract_state(self) -> TrainState:
        """Shapes and types of the state."""
        return TrainState(
            parameters=self._parameters,
            variables=self._variables,
            optimizer=jax.eval_shape(self.optimizer.init, self._parameters),
            step=jax.eval_shape(lambda: jnp.zeros((), jnp.int32)),
            key=jax.eval_shape(lambda: jax.random.key(0)),
        )

    def abstract_batch(self, count: int) -> tuple[Any, Any]:
        """Shapes and types of so many images and their labels."""
        side, channels = self.config.image_size, self.config.channels
        return (
            jax.eval_shape(lambda: jnp.zeros((count, side, side, channels))),
            jax.eval_shape(lambda: jnp.zeros(count, jnp.int32)),
        )

    @property
    def shards(self) -> int:
        """Parts that a batch is split into."""
        return 1

    def device_put(self, *arrays: Any) -> tuple[Any, ...]:
        """Arrays over the images of a batch, from the host's memory to where the programs want them."""
        placed: tuple[Any, ...] = jax.device_put(arrays)
        return placed

    def with_host_batch(self, step: jax.stages.Compiled) -> Callable[..., Any]:
        """One of the compiled steps, for batches in the host's memory."""
        return lambda state, *batch: step(state, *self.device_put(*batch))


def compiled(function: Callable[..., Any], *arguments: Any, donate: tuple[int, ...] = ()) -> jax.stages.Compiled:
    """The function compiled ahead for these shapes, so that nothing is traced when it is timed."""
    return jax.jit(function, donate_argnums=donate).lower(*arguments).compile()


def compile_unoptimized(function: Callable[..., Any], *arguments: Any) -> jax.stages.Compiled:
    """The same for what runs once or twice, where optimising takes longer than it saves."""
    return jax.jit(function).lower(*arguments).compile(compiler_options={"xla_backend_optimization_level": "0"})


def global_norm(gradient: Any) -> Float[Array, ""]:
    """Root of the sum of all squares, in float32."""
    squares = [jnp.square(leaf.astype(jnp.float32)).sum() for leaf in jax.tree.leaves(gradient)]
    return jnp.sqrt(jnp.stack(squares).sum())


def to_compute_dtype(parameters: Any) -> Any:
    """Parameters as the model takes them, who casts each to the type in which it computes with it."""
    return jax.tree.map(lambda array: array.astype(jnp.promote_types(array.dtype, jnp.float32)), parameters)


def split(model: nnx.Module) -> tuple[Any, Any, Any]:
    """A model's graph, its parameters, and its other state."""
    parts: Any = nnx.split(model, nnx.Param, ...)
    return parts[0], parts[1], parts[2]


def cross_entropy(logits: Float[Array, "image label"], labels: Int[Array, "image"]) -> Float[Array, "image"]:
    """Of each image, in nats."""
    losses: Array = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return losses


def calls_by_image(routings: list[Routing], images: int) -> Float[Array, "image"] | None:
    """Expert calls for a token of each image, mean over its tokens and the MoE layers; None where all are the same."""
    calls = [routing.calls for routing in routings]
    layers = [each.reshape(images, -1).mean(1) for each in calls if each is not None]
    return jnp.stack(layers).mean(0) if layers else None


def auxiliary_loss(routers: list[Router], routings: list[Routing]) -> Float[Array, ""]:
    """Sum over the MoE layers of their routers' losses by the routers' weights."""
    total = jnp.zeros(())
    for router, routing in zip(routers, routings, strict=True):
        for name, weight in router.loss_weights.items():
            if weight:
                total += weight * routing.losses[name]
    return total
