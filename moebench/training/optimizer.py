"""The optimiser that all cells share: AdamW with warm-up, cosine decay and clipping by the global norm."""

from dataclasses import dataclass
from typing import Any

import jax
import optax

UNDECAYED = ("bias", "scale", "positions")


@dataclass(frozen=True)
class Schedule:
    """How long, and how fast, a model is trained."""

    steps: int
    learning_rate: float
    weight_decay: float
    warmup: float
    clip_norm: float

    def optimizer(self) -> optax.GradientTransformation:
        """The learning rate rises linearly over the share `warmup` of the steps and falls to 0 on a cosine."""
        rate = optax.warmup_cosine_decay_schedule(
            init_value=0.0,
            peak_value=self.learning_rate,
            warmup_steps=round(self.warmup * self.steps),
            decay_steps=self.steps,
        )
        adamw = optax.adamw(rate, weight_decay=self.weight_decay, mask=decayed)
        return optax.chain(optax.clip_by_global_norm(self.clip_norm), adamw)


def decayed(parameters: Any) -> Any:
    """Which parameters weight decay pulls to zero: matrices, but no biases, scales or positions."""

    def is_decayed(path: tuple[Any, ...], _: Any) -> bool:
        names = [str(getattr(part, "key", getattr(part, "name", ""))) for part in path]
        return not any(part in name for name in names for part in UNDECAYED)

    return jax.tree_util.tree_map_with_path(is_decayed, parameters)
