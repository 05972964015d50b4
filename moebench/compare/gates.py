"""A comparison as a gate for continuous integration: passed, failed, or undecided.

A gate fails when A is shown to be worse and the estimated change is at least as large as the gate's share, over all
cells together or in any one cell. Otherwise the gate passes, and its line gives the largest change that is not ruled
out: a gate that failed whenever a slow-down is possible would fail on every noisy machine. The gate is undecided, which
is no pass, if A lacks values that B has: a cell that failed, a single seed, times of another machine.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from moebench.compare.compare import WORSE, Report
from moebench.compare.metrics import TIMED
from moebench.compare.render import named, written_change
from moebench.errors import BadInput

State = Literal["passed", "failed", "undecided"]


@dataclass(frozen=True)
class Outcome:
    """The result of one gate."""

    gate: str
    """The gate as written on the command line."""
    state: State
    why: str

    def __str__(self) -> str:
        return f"{self.gate}: {'cannot be decided' if self.state == 'undecided' else self.state}, {self.why}"


def parse_share(text: str, option: str) -> float:
    """Return a share written as 5% or 0.05.

    Args:
        text: the share.
        option: option of the command line, for the message.

    Raises:
        BadInput: `text` is neither a percentage nor a share below 1.
    """
    number, percent, rest = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if rest or not 0 <= share < 1:
        raise BadInput(f"{option} takes a share below 1, such as 5% or 0.05, not '{text}'.")
    return share


def slower(report: Report, share: float, gate: str) -> Outcome:
    """Return whether A is slower by a share of time.

    Times beside the dense twin decide; other times decide if no time beside the dense twin is compared.

    Args:
        report: the comparison.
        share: the slow-down that fails, 0.05 for 5 %.
        gate: the gate as written on the command line.
    """
    timed = [metric for metric in report.overall["metric"] if metric in TIMED]
    beside = [metric for metric in timed if metric.endswith("_vs_dense")]
    lost = [why for metric in report.lost if metric in TIMED for why in report.lost[metric]]
    return _outcome(
        report,
        gate,
        beside or timed,
        lost,
        share,
        f"slower by {100 * share:.3g} %",
        "a time; --metric train_step_vs_dense adds one",
    )


def worse(report: Report, share: float, gate: str) -> Outcome:
    """Return whether the accuracy of A is lower by a share.

    Args:
        report: the comparison.
        share: the loss of accuracy that fails, 0.05 for 5 points.
        gate: the gate as written on the command line.
    """
    metrics = [metric for metric in report.overall["metric"] if metric == "accuracy"]
    lost = list(report.lost.get("accuracy", ()))
    return _outcome(
        report,
        gate,
        metrics,
        lost,
        share,
        f"worse by {100 * share:.3g} points",
        "accuracy; --metric accuracy adds it",
    )


def _outcome(
    report: Report, gate: str, metrics: Sequence[str], lost: Sequence[str], share: float, what: str, needed: str
) -> Outcome:
    together, cells = (_of(frame, metrics) for frame in (report.overall, report.rows))
    beyond = [
        f"{named(row)} {written_change(row)} {where}"
        for where, row in [
            *(("over all cells", row) for row in together),
            *((f"in {row['a']}", row) for row in cells if len(cells) > len(together)),
        ]
        if row["verdict"] == WORSE and abs(row["change"]) >= share
    ]
    if beyond:
        return Outcome(gate, "failed", "; ".join(beyond))
    if lost:
        return Outcome(gate, "undecided", f"for A lacks what B has: {'; '.join(dict.fromkeys(lost))}")
    if not metrics:
        return Outcome(gate, "undecided", f"for nothing was compared in {needed}")
    measured = "; ".join(f"{named(row)} {written_change(row)}" for row in together)
    where = "over all cells or in any one" if len(cells) > len(together) else "here"
    return Outcome(gate, "passed", f"A is not shown to be {what} or more, {where}. Measured: {measured}")


def _of(frame: pd.DataFrame, metrics: Sequence[str]) -> list[dict[Hashable, Any]]:
    return frame[frame["metric"].isin(list(metrics))].to_dict("records")
