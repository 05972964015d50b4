"""The layout of figures: place and size, letters, and the frame behind the drawing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, get_args

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from moebench.errors import BadInput, unknown

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Style = Literal["paper", "talk", "notebook"]
Columns = Literal[1, 2]
INK = "#333333"
_TICKS = {"major.width": 0.7, "major.size": 4.8, "minor.width": 0.8, "minor.size": 3.2}
_RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # part of matplotlib, so that a figure is equal on every machine
    "font.size": 9.6,
    "axes.labelsize": 8.5,
    "axes.titlesize": 8.5,
    "legend.fontsize": 8,
    "legend.title_fontsize": 9.6,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.linewidth": 0.7,
    **{f"{axis}tick.{size}": value for axis in "xy" for size, value in _TICKS.items()},
    "lines.linewidth": 1.2,
    "lines.markersize": 4.8,
    "lines.solid_capstyle": "round",
    "patch.linewidth": 0.8,
    "patch.edgecolor": "white",
    "patch.force_edgecolor": True,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "pdf.fonttype": 42,  # TrueType inside the file, as conferences require
    "svg.fonttype": "none",  # text stays text, and is not drawn as paths
    "svg.hashsalt": "moebench",  # equal figures make equal files
}


@dataclass(frozen=True)
class Layout:
    """The place and width of a figure: paper, slide or notebook, one or two columns.

    Letters have equal sizes in points in all places. A figure for a talk is drawn small, so that its letters can be
    read from the last row when a slide shows it at more than twice its size.

    Raises:
        BadInput: the style is unknown, or the number of columns is other than 1 and 2.
    """

    style: str = "paper"
    columns: int = 2
    axes: tuple["Axes", ...] = ()
    """The caller's axes to draw in; empty for a figure of its own."""

    def __post_init__(self) -> None:
        """Check style and columns."""
        if self.style not in get_args(Style):
            raise unknown("figure style", self.style, get_args(Style))
        if self.columns not in get_args(Columns):
            raise BadInput(f"a figure is 1 or 2 columns wide, not {self.columns}.")

    @property
    def width(self) -> float:
        """Width in inches; two columns of a paper are the width of its text."""
        return _WIDTHS[self.style][self.columns - 1]

    @property
    def dpi(self) -> int:
        """Dots for each inch of a PNG."""
        return _DPI[self.style]


_WIDTHS = {"paper": (3.25, 7.0), "talk": (3.0, 5.6), "notebook": (4.2, 7.0)}
_DPI = {"paper": 300, "talk": 400, "notebook": 120}
PAPER = Layout()


class Drawing(Figure):
    """A matplotlib figure with the frame behind it, which a notebook shows."""

    def __init__(self, layout: Layout, frame: pd.DataFrame, height: float) -> None:
        """Make an empty figure.

        Args:
            layout: place and size of the figure.
            frame: the numbers that will be drawn.
            height: inches.
        """
        super().__init__(figsize=(layout.width, height), dpi=layout.dpi, layout="constrained")
        self.frame, self.given = frame, layout.axes

    def __repr__(self) -> str:
        """Return rows and size."""
        width, height = self.get_size_inches()
        return f"<Drawing of {len(self.frame)} rows, {width:.1f} by {height:.1f} inches; .frame has the numbers>"

    def _repr_png_(self) -> bytes:
        """Return the figure as PNG for notebooks.

        A notebook shows the PNG if the figure is the last line of a cell.
        """
        content = BytesIO()
        with look():
            self.savefig(content, format="png", facecolor="white")
        return content.getvalue()


@contextmanager
def look() -> Iterator[None]:
    """Draw figures in moebench's look while the block lasts, and restore matplotlib's settings afterwards."""
    with matplotlib.rc_context(_RC):
        yield
