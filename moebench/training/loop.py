"""Training one seed, and evaluating what came out."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Float64

from moebench.data import Split
from moebench.routers import RoutingCounts
from moebench.training.program import EvalReport, StepReport, TrainState

CHECK_EVERY = 25
"""Steps between two looks at the losses; each look waits for the device."""
CURVE_POINTS = 25


@dataclass(frozen=True)
class Training:
    """What training one seed gave."""

    state: TrainState
    losses: Float64[np.ndarray, "step"]
    accuracies: Float64[np.ndarray, "step"]
    gradient_norms: Float64[np.ndarray, "step"]
    """Global norms of the gradients before clipping."""
    diverged_step: int | None
    """First step, from 1, whose loss was not finite; training ended there."""
    wall_s: float

    @property
    def final_loss(self) -> float:
        """Mean loss over the last tenth of the steps, in nats."""
        return float(self.losses[-max(1, len(self.losses) // 10) :].mean())

    def curve(self) -> tuple[list[int], list[float], list[float]]:
        """Steps, and mean loss and accuracy since the step before."""
        parts = self._parts()
        steps = [int(part[-1]) + 1 for part in parts]
        return steps, [float(self.losses[p].mean()) for p in parts], [float(self.accuracies[p].mean()) for p in parts]

    def gradient_norm_curve(self) -> tuple[list[float], list[float]]:
        """Medians and maxima of the gradients' norms between the same steps."""
        parts = [self.gradient_norms[part] for part in self._parts()]
        return [float(np.median(part)) for part in parts], [float(part.max()) for part in parts]

    def _parts(self) -> list[np.ndarray]:
        return np.array_split(np.arange(len(self.losses)), min(CURVE_POINTS, len(self.losses)))


@dataclass(frozen=True)
class Progress:
    """A training on its way: where it stands, and what it has seen of its losses."""

    state: TrainState
    losses: tuple[float, ...] = ()
    """Of each step so far, in nats."""
    accuracies: tuple[float, ...] = ()
    gradient_norms: tuple[float, ...] = ()
    wall_s: float = 0.0
    """Seconds that it took to come here, those of earlier processes included."""


def train(
    step: Callable[..., tuple[TrainState, StepReport]],
    start: Progress,
    batches: Iterable[Split],
    keep: Callable[[Progress], None] = lambda progress: None,
) -> Training:
    """Take a step with each batch, until they end or the loss is no longer finite.

    Args:
        step: a compiled training step.
        start: the state before the first of the batches, and the losses that led to it.
        batches: one for each step still to be taken.
        keep: called with a healthy training whenever its losses have been looked at; its time does not count.
    """
    began = time.perf_counter() - start.wall_s
    state, losses, accuracies, norms = start.state, [*start.losses], [*start.accuracies], [*start.gradient_norms]
    waiting: list[StepReport] = []

    def look() -> None:
        for report in jax.device_get([(each.loss, each.accuracy, each.gradient_norm) for each in waiting]):
            for known, value in zip((losses, accuracies, norms), report, strict=True):
                known.append(float(value))
        waiting.clear()

    for batch in batches:
        state, report = step(state, batch.images, batch.labels)
        waiting.append(report)
        if len(waiting) == CHECK_EVERY:
            look()
            if not np.isfinite(losses[-CHECK_EVERY:]).all():
                break
            looked = time.perf_counter()
            keep(Progress(state, tuple(losses), tuple(accuracies), tuple(norms), looked - began))
            began += time.perf_counter() - looked
    look()
    bad = np.flatnonzero(~np.isfinite(losses))
    diverged = int(bad[0]) + 1 if len(bad) else None
    return Training(
        state=state,
        losses=np.array(losses[:diverged]),
        accuracies=np.array(accuracies[:diverged]),
        gradient_norms=np.array(norms[:diverged]),
        diverged_step=diverged,
        wall_s=time.perf_counter() - began,
    )


@dataclass(frozen=True)
class Evaluation:
    """What a pass over a split gave."""

    accuracy: float
    loss: float
    """Mean cross-entropy in nats."""
    routing: list[RoutingCounts]
    """Sums over the whole pass, for each MoE layer."""
    wall_s: float
    calls: Float64[np.ndarray, "image"] | None = None
    """Expert calls for a token of each image, mean over its tokens and the MoE layers; None where all are the same."""


def evaluation_batch(images: int, batch: int, group_images: int) -> int:
    """Largest batch of whole groups, no larger than `batch` or one group, that divides the images into equal parts.

    Where the groups do not divide the images, the images are first counted up to whole groups.
    """
    groups = -(-images // group_images)
    most = max(1, batch // group_images)
    return group_images * max(n for n in range(1, most + 1) if groups % n == 0)


def evaluate(step: Callable[..., EvalReport], state: TrainState, split: Split, batch: int) -> Evaluation:
    """Every image of the split once.

    An incomplete last batch is filled with images from the beginning. They do not count in accuracy and loss; in
    the routing counts they do, since the others compete with them for slots.
    """
    began = time.perf_counter()
    count = len(split)
    total: EvalReport | None = None
    calls = []
    for part, weights in filled_batches(split, batch):
        report = step(state, part.images, part.labels, weights)
        if report.calls is not None:
            calls.append(report.calls)
        report = replace(report, calls=None)
        total = report if total is None else jax.tree.map(jnp.add, total, report)
    assert total is not None
    return Evaluation(
        accuracy=float(total.correct) / count,
        loss=float(total.loss) / count,
        routing=total.routing,
        calls=np.concatenate(jax.device_get(calls))[:count].astype(np.float64) if calls else None,
        wall_s=time.perf_counter() - began,
    )


def filled_batches(split: Split, batch: int) -> Iterator[tuple[Split, Float32[np.ndarray, "image"]]]:
    """The split's images mixed, always in the same way; the last batch is filled with the first of them again, which
    weigh 0 and all others 1.

    Many sets keep the images of a class together. In groups of one class more tokens want the same experts than in
    training, whose batches are mixed: routers of groups would drop more, and be worse, than they are.
    """
    count = len(split)
    order = np.random.default_rng(0).permutation(count)
    for start in range(0, count, batch):
        places = np.arange(start, start + batch)
        part = order[places % count]
        yield Split(split.images[part], split.labels[part]), (places < count).astype(np.float32)
