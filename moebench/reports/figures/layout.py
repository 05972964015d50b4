"""Define figures: place and size, letters, and the frame behind the drawing."""

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
_RC = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that a figure is the same everywhere
    "axes.labelsize": 8.5,
    "axes.titlesize": 8.5,
    "legend.fontsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "axes.linewidth": 0.7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "pdf.fonttype": 42,  # TrueType inside the file, as conferences ask for
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "moebench",  # the same figure makes the same file
}


@dataclass(frozen=True)
class Layout:
    """Declare where a figure will stand: in a paper, on a slide or in a notebook, one or two columns wide.

    Letters have the same size in points everywhere. A figure for a talk is drawn small, so that on a slide, where it
    is shown at more than twice its size, they can be read from the last row.

    Raises:
        BadInput: an unknown style, or a number of columns other than 1 and 2.
    """

    style: str = "paper"
    columns: int = 2
    axes: tuple["Axes", ...] = ()
    """Axes of a figure of the caller's to draw in; a figure of its own without any."""

    def __post_init__(self) -> None:
        """Check style and columns."""
        if self.style not in get_args(Style):
            raise unknown("figure style", self.style, get_args(Style))
        if self.columns not in get_args(Columns):
            raise BadInput(f"a figure is 1 or 2 columns wide, not {self.columns}.")

    @property
    def width(self) -> float:
        """Inches; two columns of a paper are the width of its text."""
        return _WIDTHS[self.style][self.columns - 1]

    @property
    def dpi(self) -> int:
        """Dots of a PNG for each inch."""
        return _DPI[self.style]


_WIDTHS = {"paper": (3.25, 7.0), "talk": (3.0, 5.6), "notebook": (4.2, 7.0)}
_DPI = {"paper": 300, "talk": 400, "notebook": 120}
PAPER = Layout()


class Drawing(Figure):
    """Carry the frame behind a matplotlib figure, and show the figure in a notebook."""

    def __init__(self, layout: Layout, frame: pd.DataFrame, height: float) -> None:
        """Make an empty figure.

        Args:
            layout: where the figure will stand.
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
        """Return the figure as PNG, which a notebook shows if the figure is the last line of a cell."""
        content = BytesIO()
        with look():
            self.savefig(content, format="png", facecolor="white")
        return content.getvalue()


@contextmanager
def look() -> Iterator[None]:
    """Within the block, figures are drawn in the look of moebench; afterwards matplotlib is as it was."""
    import seaborn

    settings: dict[Any, Any] = {**seaborn.axes_style("ticks"), **seaborn.plotting_context("paper"), **_RC}
    with matplotlib.rc_context(settings):
        yield
