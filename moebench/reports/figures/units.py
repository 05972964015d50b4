"""Name axes after their quantities, with units in titles and plain numbers at ticks."""

import re
from math import floor, isfinite, log10
from textwrap import fill
from typing import TYPE_CHECKING

from matplotlib.axis import Axis, YAxis
from matplotlib.ticker import Formatter

from moebench.reports.quantities import titled
from moebench.results import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST_TITLE = 26
"""Most letters of a line of a title beside a panel, which is seldom taller."""
_UNITS = {"s": "s", "FLOPs": "", "bytes": "B", "FLOPs/s": "FLOPs/s", "bytes/s": "B/s", "count": ""}
_PREFIXES = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}


class UnitFormatter(Formatter):
    """A formatter of a quantity's ticks, in the unit that suits the axis.

    The title of the axis contains the unit.
    """

    def __init__(self, of: Column, *, narrow: bool, logarithmic: bool, longest: int = LONGEST_TITLE) -> None:
        """Format ticks of a quantity.

        Args:
            of: the quantity.
            narrow: whether a long title is broken into lines.
            logarithmic: whether the axis is logarithmic.
            longest: letters of a line of a broken title.
        """
        self.longest = longest
        self.of, self.narrow, self.logarithmic = of, narrow, logarithmic

    def set_locs(self, locs: list[float]) -> None:
        """Write the unit that suits the range into the title.

        The range has changed when ticks change.
        """
        axis = self.axis
        if isinstance(axis, Axis) and axis.get_label_text():  # an axis within a grid has no title
            axis.set_label_text(self.title())

    def __call__(self, value: float, pos: int | None = None) -> str:
        """Return the text of one tick; empty at impossible shares."""
        if self.of.kind == "share" and not -1e-9 <= value <= 1 + 1e-9:
            return ""
        return f"{float(f'{value * self._factor()[0]:.6g}'):g}"

    def title(self) -> str:
        """Return the title of the axis, with its unit if the quantity has one."""
        unit = self._factor()[1]
        text = f"{self.of.title} ({unit})" if unit else titled(self.of)
        return broken(text, self.longest) if self.narrow else text

    def _factor(self) -> tuple[float, str]:
        if self.of.kind == "share":
            return 100.0, "%"
        if self.of.kind not in _UNITS:
            return 1.0, ""
        low, high = sorted(map(abs, self.axis.get_view_interval())) if isinstance(self.axis, Axis) else (1.0, 1.0)
        reach = low if self.logarithmic else high
        exponent = 3 * floor(log10(reach) / 3) if reach > 0 and isfinite(reach) else 0
        if self.of.kind == "count":
            exponent = max(exponent, 0)
        exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
        return 10.0**-exponent, f"{_PREFIXES[exponent]}{_UNITS[self.of.kind]}"


def dress(axis: Axis, of: Column, *, narrow: bool | None = None, longest: int = LONGEST_TITLE) -> None:
    """Name an axis after its quantity and write its ticks in the title's unit.

    Args:
        axis: an axis whose data are drawn.
        of: the quantity.
        narrow: whether a long title is broken; None breaks titles of vertical axes.
        longest: letters of a line of a broken title.
    """
    narrow = isinstance(axis, YAxis) if narrow is None else narrow
    formatter = UnitFormatter(of, narrow=narrow, logarithmic=axis.get_scale() == "log", longest=longest)
    axis.set_major_formatter(formatter)
    axis.set_label_text(formatter.title())


def in_ratios(axes: "Axes") -> None:
    """Scale a horizontal axis in equal ratios.

    Ticks are at 1, 2 and 5 times powers of ten, without minor ticks.
    """
    from matplotlib.ticker import LogLocator, NullLocator

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_minor_locator(NullLocator())


def broken(title: str, longest: int = LONGEST_TITLE) -> str:
    """Return a title in lines of at most `longest` letters.

    A title with a comma breaks at the comma.
    """
    if len(title) <= longest:
        return title
    return "\n".join(fill(part, longest) for part in re.split(r"(?<=,) ", title))
