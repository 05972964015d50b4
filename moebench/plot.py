"""Figures for notebooks and scripts: the frame of `moebench.load` in, a matplotlib figure out.

    import moebench

    frame = moebench.load("results", "scaling-experts")
    figure = moebench.plot.pareto(frame[frame["model"] == "mu/2"])
    figure.frame                        the numbers that were drawn, as a pandas frame
    figure.savefig("pareto.pdf")        as with any matplotlib figure

A figure is shown where it is the last line of a notebook's cell. `style` is paper, talk or notebook, and `columns`, 1
or 2, how wide a figure is there. A frame that is no result table, or has nothing to draw, raises `BadInput`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from moebench.reports.figures.layout import Drawing

__all__ = ["at_test_time", "costs", "curves", "health", "pareto", "scaling", "speed"]


def pareto(
    frame: "pd.DataFrame",
    x: str | Sequence[str] | None = None,
    y: str = "accuracy",
    *,
    style: str = "notebook",
    columns: int = 2,
) -> "Drawing":
    """Quality `y` over cost `x`, a panel for each cost: FLOPs and step time unless told, with the Pareto front."""
    return _drawn("pareto", frame, style, columns, x=x, y=y)


def scaling(
    frame: "pd.DataFrame",
    y: Sequence[str] | None = None,
    x: str | None = None,
    *,
    style: str = "notebook",
    columns: int = 2,
) -> "Drawing":
    """Quantities `y` over an input `x`, a panel for each: accuracy and step time over experts, or what else varies."""
    return _drawn("scaling", frame, style, columns, y=y, x=x)


def health(frame: "pd.DataFrame", *, style: str = "notebook", columns: int = 2) -> "Drawing":
    """How evenly experts are used, and how many tokens are dropped."""
    return _drawn("health", frame, style, columns)


def curves(frame: "pd.DataFrame", *, style: str = "notebook", columns: int = 2) -> "Drawing":
    """Training loss and accuracy over steps."""
    return _drawn("curves", frame, style, columns)


def costs(frame: "pd.DataFrame", *, style: str = "notebook", columns: int = 2) -> "Drawing":
    """Where the FLOPs of a forward pass go."""
    return _drawn("costs", frame, style, columns)


def speed(frame: "pd.DataFrame", *, style: str = "notebook", columns: int = 2) -> "Drawing":
    """Times of training and inference over those of the dense twin."""
    return _drawn("speed", frame, style, columns)


def at_test_time(
    frame: "pd.DataFrame",
    x: str = "flops_forward_per_image",
    y: str = "accuracy",
    *,
    style: str = "notebook",
    columns: int = 2,
) -> "Drawing":
    """Quality `y` of trained models over a cost `x` that is chosen after training: other k, C, slots."""
    return _drawn("at_test_time", frame, style, columns, x=x, y=y)


def _drawn(name: str, frame: "pd.DataFrame", style: str, columns: int, **axes: Any) -> "Drawing":
    # Drawing libraries take a second to import, and most who import moebench draw nothing.
    from moebench.reports import figures

    drawn: Drawing = getattr(figures, name)(frame, layout=figures.Layout(style, columns), **axes)
    return drawn
