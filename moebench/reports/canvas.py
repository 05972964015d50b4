"""What the figures share: fonts, panels, axes that know their quantity, one legend of routers, publishing files."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from moebench.errors import unknown
from moebench.reports import style
from moebench.reports.labels import shortened
from moebench.reports.quantities import Quantity
from moebench.results import publishing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Format = Literal["png", "svg", "pdf"]
WIDTH = 7.0
"""Inches: the text width of a two-column paper."""
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


@contextmanager
def look() -> Iterator[None]:
    """Within the block, figures are drawn in the look of moebench; afterwards matplotlib is as it was."""
    import matplotlib
    import seaborn

    settings: dict[Any, Any] = {**seaborn.axes_style("ticks"), **seaborn.plotting_context("paper"), **_RC}
    with matplotlib.rc_context(settings):
        yield


def panels(rows: int, columns: int, height: float, **options: Any) -> tuple["Figure", np.ndarray]:
    """A figure of the text width with Axes[rows, columns], each row `height` inches high."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height * rows + 0.5), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for each in axes.flat:
        each.spines[["top", "right"]].set_visible(False)
    return figure, axes


def two_rows(above: int, below: int, heights: tuple[float, float]) -> tuple["Figure", list["Axes"], list["Axes"]]:
    """A figure of the text width with `above` panels over `below` others, the rows so many inches high."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, sum(heights) + 0.5), layout="constrained")
    parts = figure.subfigures(2, 1, height_ratios=heights, squeeze=False)[:, 0]
    rows = [part.subplots(1, count, squeeze=False)[0] for part, count in zip(parts, (above, below), strict=True)]
    for each in [*rows[0], *rows[1]]:
        each.spines[["top", "right"]].set_visible(False)
    return figure, list(rows[0]), list(rows[1])


def groups(points: pd.DataFrame, keys: Sequence[str]) -> list[tuple[str, np.ndarray]]:
    """What shares a row of panels: a name for each setting in which the points differ, and its rows."""
    varying = [key for key in keys if points[key].nunique(dropna=False) > 1]
    if not varying:
        return [("", np.ones(len(points), bool))]
    found = []
    for _, group in points.groupby(varying, dropna=False, sort=False):
        name = " · ".join(shortened(str(value), 40) for value in group[varying].iloc[0])
        found.append((plain(name), np.asarray(points.index.isin(group.index))))
    return found


def dress(axis: "Axis", of: Quantity) -> None:
    """Name an axis after its quantity and write its ticks as readers expect them."""
    from matplotlib.ticker import EngFormatter, FuncFormatter

    axis.set_label_text(of.title)
    if of.kind == "share":
        axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    elif of.kind == "ratio":
        axis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g} ×"))
    elif of.kind in ("s", "FLOPs", "bytes", "count"):
        unit = {"s": "s", "FLOPs": "", "bytes": "B", "count": ""}[of.kind]
        axis.set_major_formatter(EngFormatter(unit=unit))


def bars(axes: "Axes", points: pd.DataFrame, color: str) -> None:
    """The intervals of points with columns `x y y_low y_high` and maybe `x_low x_high`; a missing one is not drawn."""
    form: dict[str, Any] = {"fmt": "none", "ecolor": color, "elinewidth": 0.8, "alpha": 0.6}
    axes.errorbar(points["x"], points["y"], yerr=_reach(points, "y"), **form)
    if "x_low" in points:
        axes.errorbar(points["x"], points["y"], xerr=_reach(points, "x"), **form)


def _reach(points: pd.DataFrame, axis: str) -> np.ndarray:
    """How far the bars reach below and above: float[2, points]."""
    low, high = points[axis] - points[f"{axis}_low"], points[f"{axis}_high"] - points[axis]
    # A median can lie on its bound, and rounding carry it past.
    return np.stack([low.clip(lower=0), high.clip(lower=0)]).astype(float)


def legend(figure: "Figure", routers: Iterable[str], note: str) -> None:
    """One legend of routers above the panels, and a note on what is drawn below them."""
    from matplotlib.lines import Line2D

    names = style.in_order(routers)
    handles = [
        Line2D([], [], color=style.of(name).color, marker=style.of(name).marker, markersize=5, linewidth=1.2)
        for name in names
    ]
    labels = [plain(shortened(name, 40)) for name in names]
    figure.legend(handles, labels, loc="outside upper center", ncols=min(len(names), 5), frameon=False)
    figure.supxlabel(note, fontsize=6.5, color="#666666")


def plain(text: str) -> str:
    """Text that matplotlib draws as it is: no formulas, nothing that cannot be printed."""
    return "".join(c if c.isprintable() else " " for c in text).replace("$", r"\$")


def save(figure: "Figure", stem: Path | str, formats: Sequence[str] = ("png", "svg", "pdf")) -> list[Path]:
    """Publish a figure as STEM.FORMAT for each format and return the paths.

    A file appears whole or not at all. Fonts are embedded; the same figure gives the same bytes.

    Raises:
        BadInput: an unknown format, or a folder that cannot be written.
    """
    import warnings

    written = []
    for form in formats:
        if form not in get_args(Format):
            raise unknown("figure format", form, get_args(Format))
    for form in formats:
        path = Path(f"{stem}.{form}")
        dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
        with publishing(path) as temporary, look(), warnings.catch_warnings():
            # A name in a script that the font lacks is drawn as boxes; that is no reason to fail.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            figure.savefig(temporary, format=form, dpi=200, metadata=dates, facecolor="white")
        written.append(path)
    return written
