"""Choose hyperparameters of a cell on a validation split.

Every cell of a suite gets an equal number of tries.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from moebench.cells.log import say
from moebench.cells.seed import train_or_resume
from moebench.cells.seed_rows import SeedRunner
from moebench.cells.transfer import PretrainingDiverged
from moebench.cells.tries import Try, on_edge
from moebench.data import Dataset
from moebench.data.holdout import hold_out_validation
from moebench.training import Schedule

Row = dict[str, Any]
TUNING_SEED = 2**31 - 1
"""Seed of all tries; it differs from the seeds that are run, and does not depend on them."""


@dataclass(frozen=True)
class Tuned:
    """Hyperparameters of the seeds of a cell, and how they were chosen."""

    schedule: Schedule
    columns: Row
    """Columns of the tuning, which all seeds share."""
    failure: Row | None = None
    """Columns of a seed if no try succeeded; None otherwise."""


def tune(runner: SeedRunner, recorded: str | None = None) -> Tuned:
    """Try each combination of hyperparameters with one seed and return the best.

    Each try trains on the training images that are not held out for validation. All tries of all cells share the number
    of steps, the order of the images and the initial weights of their shared modules. The best try has the smallest
    loss on the validation split. The test split is not used.

    Args:
        runner: the cell, its images and compiled programs.
        recorded: tries that earlier seeds of the cell recorded, so that all seeds share one choice; None: none.

    Returns:
        The schedule of the best try; that of the specification if nothing is tuned or all tries diverged.
    """
    schedule, tries = runner.executables.program.schedule, runner.cell.tries
    if not tries:
        return Tuned(schedule, {})
    for each, row in zip(tries, recorded_tries(recorded, tries), strict=False):
        runner.checkpoints.rows.setdefault(_part(each), row)
    images = hold_out_validation(runner.images)
    schedules = [replace(schedule, **each.hyperparameters) for each in tries]
    found = [_row(runner, images, each, own) for each, own in zip(tries, schedules, strict=True)]
    columns: Row = {"tuned_tries": len(tries), "tuning": json.dumps(found)}
    ranked = ranking(row["loss"] for row in found)
    if not ranked:
        reason = f"all {len(tries)} tries of tune diverged"
        return Tuned(schedule, columns, {"status": "diverged", "status_reason": reason})
    chosen = ranked[0]
    best = tries[chosen]
    say(f"tuned: {best.label}")
    columns["tuned"] = json.dumps(best.values)
    columns["tuned_margin"] = found[ranked[1]]["loss"] - found[chosen]["loss"] if len(ranked) > 1 else None
    columns["tuned_on_edge"] = on_edge(best.values, runner.cell.spec.tune)
    columns["learning_rate"] = schedules[chosen].learning_rate
    return Tuned(schedules[chosen], columns)


def ranking(losses: Iterable[float | None]) -> list[int]:
    """Return the positions of the known losses in ascending order; ties keep their order."""
    known = [(loss, place) for place, loss in enumerate(losses) if loss is not None]
    return [place for _, place in sorted(known)]


def recorded_tries(text: str | None, tries: Sequence[Try]) -> list[Row]:
    """Return the rows of all tries from the column `tuning`.

    The list is empty if the text belongs to other tries.
    """
    try:
        found = json.loads(text or "[]")
        same = [{key: row[key] for key in each.values} for each, row in zip(tries, found, strict=True)]
        known = all(row["loss"] is None or math.isfinite(row["loss"]) for row in found)
    except (TypeError, ValueError, KeyError):
        return []
    return found if known and same == [dict(each.values) for each in tries] else []


def _part(each: Try) -> str:
    """Return the name of a try in checkpoints and log."""
    return f"try {each.label}"


def _row(runner: SeedRunner, images: Dataset, each: Try, schedule: Schedule) -> Row:
    """Return the result of one try as plain values.

    The result of a finished try comes from the checkpoint.
    """
    part = _part(each)
    if part in runner.checkpoints.rows:
        say(f"{part}: finished before")
    else:
        with runner.accounts.spending("tuning_s"):
            runner.checkpoints.finish(part, _run(part, runner, images, each, schedule))
    return runner.checkpoints.rows[part]


def _run(part: str, runner: SeedRunner, images: Dataset, each: Try, schedule: Schedule) -> Row:
    assert images.validation is not None
    row: Row = {**each.values, "loss": None, "accuracy": None, "diverged_step": None}
    try:
        start = runner.start(TUNING_SEED, schedule)
    except PretrainingDiverged:
        return row
    say(f"{part}: training {runner.cell.spec.steps} steps")
    training, _ = train_or_resume(
        part, TUNING_SEED, start, images.train, runner.cell.spec, runner.executables, runner.checkpoints, runner.turns
    )
    steps, losses, accuracies = training.curve()
    row |= {"steps": len(training.losses), "wall_s": training.wall_s, "diverged_step": training.diverged_step}
    row |= {"curve_step": steps, "curve_loss": [_finite(loss) for loss in losses], "curve_accuracy": accuracies}
    if training.diverged_step is None:
        evaluation = runner.evaluated(training.state, images.validation)
        row |= {"loss": _finite(evaluation.loss), "accuracy": evaluation.accuracy}
        say(f"{part}: validation loss {evaluation.loss:.4f} after {training.wall_s:.1f} s")
    return row


def _finite(value: float) -> float | None:
    """Return a finite number; None for infinity and NaN, which JSON cannot represent."""
    return value if math.isfinite(value) else None
