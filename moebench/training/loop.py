"""Train one seed: take steps until the batches end or the loss diverges."""

import time
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Float64

from moebench.data import Split
from moebench.training.program import StepReport, TrainState

CHECK_EVERY = 25
"""Steps between two reads of the losses; each read waits for the device."""
CURVE_POINTS = 25


@dataclass(frozen=True)
class EvalPoint:
    """Loss and accuracy on held-out images after some of the steps of a training."""

    step: int
    """Steps taken."""
    loss: float
    """Mean cross-entropy in nats."""
    accuracy: float


@dataclass(frozen=True)
class Training:
    """Result of training one seed."""

    state: TrainState
    losses: Float64[np.ndarray, "step"]
    accuracies: Float64[np.ndarray, "step"]
    gradient_norms: Float64[np.ndarray, "step"]
    """Global norms of the gradients before clipping."""
    diverged_step: int | None
    """First step, from 1, whose loss was not finite; training ended there."""
    wall_s: float
    """Seconds of the training, without evaluations and checkpoints."""
    eval_points: tuple[EvalPoint, ...] = ()
    """Evaluations during the training, in order."""

    @property
    def final_loss(self) -> float:
        """Mean loss over the last tenth of the steps, in nats."""
        return float(self.losses[-max(1, len(self.losses) // 10) :].mean())

    def curve(self) -> tuple[list[int], list[float], list[float]]:
        """Return up to 25 steps, and mean loss and accuracy between the steps.

        Each mean is over the steps since the step before.
        """
        parts = self._parts()
        steps = [int(part[-1]) + 1 for part in parts]
        return steps, [float(self.losses[p].mean()) for p in parts], [float(self.accuracies[p].mean()) for p in parts]

    def gradient_norm_curve(self) -> tuple[list[float], list[float]]:
        """Return medians and maxima of the gradient norms between the steps of `curve`."""
        parts = [self.gradient_norms[part] for part in self._parts()]
        return [float(np.median(part)) for part in parts], [float(part.max()) for part in parts]

    def _parts(self) -> list[np.ndarray]:
        return np.array_split(np.arange(len(self.losses)), min(CURVE_POINTS, len(self.losses)))


@dataclass(frozen=True)
class Progress:
    """A training under way: its state, and the losses of the steps taken."""

    state: TrainState
    losses: tuple[float, ...] = ()
    """Loss of each step taken, in nats."""
    accuracies: tuple[float, ...] = ()
    gradient_norms: tuple[float, ...] = ()
    wall_s: float = 0.0
    """Seconds of the steps taken, including those of earlier processes."""
    eval_points: tuple[EvalPoint, ...] = ()


def train(
    step: Callable[..., tuple[TrainState, StepReport]],
    start: Progress,
    batches: Iterable[Split],
    keep: Callable[[Progress], None] = lambda progress: None,
    evaluate: Callable[[TrainState], tuple[float, float]] | None = None,
    evaluate_at: Container[int] = (),
    visit: Callable[[int, TrainState], None] = lambda step, state: None,
    visit_at: Container[int] = (),
) -> Training:
    """Take a training step with each batch, while the loss is finite.

    Args:
        step: a compiled training step.
        start: the state before the first of the batches, and the losses of the steps before.
        batches: one for each step still to be taken.
        keep: called with an undiverged training after each read of its losses; its seconds do not count.
        evaluate: returns loss and accuracy of a state on held-out images; its seconds do not count.
        evaluate_at: numbers of steps, from 1, after which `evaluate` is called.
        visit: called with a step's number and the state after it; its seconds do not count.
        visit_at: numbers of steps, from 1, after which `visit` is called.
    """
    began = time.perf_counter() - start.wall_s
    state, points = start.state, [*start.eval_points]
    losses, accuracies, norms = [*start.losses], [*start.accuracies], [*start.gradient_norms]
    waiting: list[StepReport] = []

    def read_losses() -> None:
        for report in jax.device_get([(each.loss, each.accuracy, each.gradient_norm) for each in waiting]):
            for known, value in zip((losses, accuracies, norms), report, strict=True):
                known.append(float(value))
        waiting.clear()

    for batch in batches:
        state, report = step(state, batch.images, batch.labels)
        waiting.append(report)
        taken = len(losses) + len(waiting)
        due = evaluate is not None and taken in evaluate_at
        visited = taken in visit_at
        if not due and not visited and len(waiting) < CHECK_EVERY:
            continue
        first_unread = len(losses)
        read_losses()
        if not np.isfinite(losses[first_unread:]).all():
            break
        paused = time.perf_counter()
        if evaluate is not None and due:
            points.append(EvalPoint(taken, *evaluate(state)))
        if visited:
            visit(taken, state)
        keep(Progress(state, tuple(losses), tuple(accuracies), tuple(norms), paused - began, tuple(points)))
        began += time.perf_counter() - paused
    read_losses()
    bad = np.flatnonzero(~np.isfinite(losses))
    diverged = int(bad[0]) + 1 if len(bad) else None
    return Training(
        state=state,
        losses=np.array(losses[:diverged]),
        accuracies=np.array(accuracies[:diverged]),
        gradient_norms=np.array(norms[:diverged]),
        diverged_step=diverged,
        wall_s=time.perf_counter() - began,
        eval_points=tuple(points),
    )
