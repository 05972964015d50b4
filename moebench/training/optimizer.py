"""The optimiser of all cells: AdamW with warm-up, cosine decay and norm clipping.

Gradients are clipped by the global norm.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

UNDECAYED = ("bias", "scale", "positions")
OF_ROUTERS = {"scale": True, "phi": False}
"""Router parameters of another rule: the public configuration of Soft MoE decays the scale of its logits and not phi,
which is normalised (2308.00951)."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Schedule:
    """Hyperparameters of a training: numbers on the host, or arrays in a training step.

    A training step reads the hyperparameters from its state. Cells and tries that differ only in these numbers
    therefore share one compiled program.
    """

    steps: Any
    learning_rate: Any
    """Peak of the learning rate."""
    weight_decay: Any
    warmup: Any
    """Share of the steps over which the learning rate rises."""
    clip_norm: Any
    loss_weights: Mapping[str, Any] = field(default_factory=dict)
    """Weight of each auxiliary loss by its name; a program adds those of its routers."""

    def optimizer(self, dtype: Any = jnp.float32) -> optax.GradientTransformation:
        """Return AdamW after clipping, composed by optax.

        Args:
            dtype: type of the gradients, in which optax computes.
        """
        clip_norm, weight_decay = jnp.asarray(self.clip_norm, dtype), jnp.asarray(self.weight_decay, dtype)
        adamw = optax.adamw(self.rate, weight_decay=weight_decay, mask=decayed)
        return optax.chain(optax.clip_by_global_norm(clip_norm), adamw)

    def rate(self, step: Any) -> Float[Array, ""]:
        """Return the learning rate of a step, counted from 0.

        The rate rises linearly over the share `warmup` of the steps and falls to 0 on a cosine. The numbers are those
        of `optax.warmup_cosine_decay_schedule`, which does not accept traced numbers of steps.
        """
        rising_steps = jnp.round(self.warmup * self.steps)
        rising = step / jnp.maximum(rising_steps, 1)
        falling_steps = jnp.maximum(self.steps - rising_steps, 1)
        falling = 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip((step - rising_steps) / falling_steps, 0, 1)))
        rate: Array = self.learning_rate * jnp.where(step < rising_steps, rising, falling)
        return rate

    def as_arrays(self) -> "Schedule":
        """Return the hyperparameters as float32 scalars, and `steps` as int32."""
        found: Schedule = replace(jax.tree.map(np.float32, self), steps=np.int32(self.steps))
        return found


def decayed(parameters: Any) -> Any:
    """Return which parameters have weight decay: matrices, but no biases, scales or positions.

    Of routers the scale of the logits is decayed and phi is not.
    """

    def is_decayed(path: tuple[Any, ...], _: Any) -> bool:
        names = [str(getattr(part, "key", getattr(part, "name", ""))) for part in path]
        if "router" in names and (found := OF_ROUTERS.keys() & names):
            return OF_ROUTERS[found.pop()]
        return not any(part in name for name in names for part in UNDECAYED)

    return jax.tree_util.tree_map_with_path(is_decayed, parameters)
