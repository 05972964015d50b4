"""Answers for cells that were timed and not trained, such as single layers."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from moebench.reports import flag_marks
from moebench.reports.quantities import written, written_interval

Cell = Mapping[Hashable, Any]
HEADINGS = ("FLOPs/image", "forward and backward", "× dense")


def numbers(cell: Cell) -> tuple[str, ...]:
    """Return a line of the table, one text for each heading."""
    flops = written(cell["flops_forward_per_image"], "FLOPs").removesuffix("FLOPs")
    marks = [flag_marks.mark(cell, name) for name in ("train_step_s", "train_step_vs_dense")]
    return flops, marks[0] + written(cell["train_step_s"], "s"), marks[1] + _ratio(cell)


def sentence(cells: Sequence[Cell]) -> str:
    """Return the times of the fastest and the slowest cell beside dense.

    The number of flagged timings follows.

    Args:
        cells: one timed cell or more.
    """
    first, *others = _by_time(cells)
    text = f"{first['label']} takes {_ratio(first)} the time of dense for forward and backward"
    if others:
        text += f", the least of {1 + len(others)} cells, and {others[-1]['label']} takes most, {_ratio(others[-1])}"
    flagged = sum(bool(cell["timing_flags"]) for cell in cells)
    return f"{text}; {flagged} of {len(cells)} timings are flagged" if flagged else text


def shortest(cells: Sequence[Cell]) -> str:
    """Return the fastest and the slowest timed cell beside dense, in a few words.

    Args:
        cells: one timed cell or more.
    """
    first, *others = _by_time(cells)
    text = f"Shortest step: {first['label']}, {written(first['train_step_vs_dense'], 'ratio')} dense"
    if not others:
        return text
    return f"{text}; longest: {others[-1]['label']}, {written(others[-1]['train_step_vs_dense'], 'ratio')}"


def _by_time(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells with experts, the fastest beside dense first.

    Without such cells, the result is the dense cells.
    """
    moe = [cell for cell in cells if cell["router"] != "dense"] or cells
    return sorted(moe, key=lambda cell: float(cell["train_step_vs_dense"]))


def _ratio(cell: Cell) -> str:
    low, high = cell["train_step_vs_dense_ci_low"], cell["train_step_vs_dense_ci_high"]
    return written_interval(cell["train_step_vs_dense"], low, high, "ratio")
