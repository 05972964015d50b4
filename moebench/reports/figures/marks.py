"""Draw marks that figures share: intervals, names beside points, lines over a varied input."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from moebench.reports import style
from moebench.reports.figures.axes import plain
from moebench.reports.figures.units import dress
from moebench.reports.labels import shortened
from moebench.results import Column

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME_SIZE = 6.0
"""Points; names beside marks are small."""
_SIDES = [(across, along) for along in (4, -4, 11, -11, 18) for across in (1, -1, 0) if across or abs(along) > 8]
"""Positions of a name: right, left or above its mark, and the shift up or down in points."""


def bars(axes: "Axes", points: pd.DataFrame, color: str) -> None:
    """Draw the intervals of points `x y` on the axes that have bounds.

    The bounds are `x_low x_high y_low y_high`.
    """
    form: dict[str, Any] = {"fmt": "none", "ecolor": color, "elinewidth": 0.8, "alpha": 0.6}
    for axis in ("x", "y"):
        if f"{axis}_low" in points:
            reach: dict[str, Any] = {f"{axis}err": _reach(points, axis)}
            axes.errorbar(points["x"], points["y"], **reach, **form)


def _reach(points: pd.DataFrame, axis: str) -> np.ndarray:
    """Return the lengths of the bars below and above: float[2, points]."""
    low, high = points[axis] - points[f"{axis}_low"], points[f"{axis}_high"] - points[axis]
    # A median can be equal to its bound, and rounding can put it beyond.
    return np.stack([low.clip(lower=0), high.clip(lower=0)]).astype(float)


def name_points(axes: "Axes", points: pd.DataFrame, names: Sequence[str], size: tuple[float, float]) -> None:
    """Write a name beside each point `x y`, clear of points and other names.

    A name has the colour of its point's `router`. If neighbours have one name, one of them is named; a name without
    room is left out.

    Args:
        axes: axes with everything else drawn, so that their limits do not change any more.
        points: the points, with their routers.
        names: a name for each point; nothing is written if empty.
        size: approximate width and height of the panel in inches.
    """
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=1.5, foreground="white")]
    extent = np.array(size) * 72
    axes.get_xlim(), axes.get_ylim()  # matplotlib computes limits only when they are read
    at = (axes.transScale + axes.transLimits).transform(points[["x", "y"]].to_numpy(float)) * extent
    taken: list[tuple[np.ndarray, np.ndarray]] = [(place, np.array([3.5, 3.5])) for place in at]
    named: list[tuple[str, np.ndarray]] = []
    xy = points[["x", "y"]].to_numpy(float)
    for place in np.argsort(-at[:, 1]):
        name = plain(shortened(names[place], 20))
        if not name or any(name == other and np.abs(at[place] - where).max() < 18 for other, where in named):
            continue
        # Half a box: a letter of this size is a little more than half as wide as high.
        half = np.array([0.29 * _NAME_SIZE * len(name) + 1, 0.55 * _NAME_SIZE])
        sides = [np.array([across * (4.5 + half[0]), along]) for across, along in _SIDES]
        boxes = [(at[place] + side, half) for side in sides]
        free = [
            side
            for side, (middle, reach) in zip(sides, boxes, strict=True)
            if all((np.abs(middle - other) > reach + room).any() for other, room in taken)
            and (middle - reach > -2).all()
            and (middle + reach < extent + 2).all()
        ]
        if not free:
            continue
        taken.append((at[place] + free[0], half))
        named.append((name, at[place]))
        form: dict[str, Any] = {
            "textcoords": "offset points",
            "fontsize": _NAME_SIZE,
            "ha": "center",
            "va": "center",
            "color": style.style_of(str(points["router"].iloc[place])).color,
            "path_effects": halo,
            "zorder": 4,
        }
        axes.annotate(name, (xy[place, 0], xy[place, 1]), (free[0][0], free[0][1]), **form)


def draw_scaling(axes: "Axes", points: pd.DataFrame, y: Column, x: Column) -> None:
    """Draw one quantity of cells over another, a line for each router.

    One dense cell is a band.
    """
    bands = points[points["router"] == "dense"]
    bands = bands if bands["x"].nunique() <= 1 else bands.iloc[:0]
    sparse = points.drop(bands.index)
    for _, dense in bands.iterrows():
        color = style.style_of("dense").color
        axes.axhline(dense["y"], color=color, linewidth=1.2, zorder=1)
        if np.isfinite(dense["y_low"]):
            axes.axhspan(dense["y_low"], dense["y_high"], color=color, alpha=0.18, linewidth=0, zorder=0)
    routers = style.in_order(sparse["router"].astype(str))
    for place, router in enumerate(routers):
        group = sparse[sparse["router"] == router]
        look_of = style.style_of(router)
        # Side by side, so that one bar does not hide another.
        beside = 2 ** (0.05 * (place - (len(routers) - 1) / 2))
        line = group.groupby("x")["y"].mean()
        axes.plot(line.index * beside, line, color=look_of.color, linewidth=1.2, zorder=2)
        moved = group.assign(x=group["x"] * beside)
        bars(axes, moved, look_of.color)
        _mark(axes, moved, look_of)
    if len(sparse) and sparse["x"].min() > 0:
        axes.set_xscale("log", base=2)
        if sparse["x"].nunique() == 1:  # as wide as if there were more on either side
            axes.set_xlim(sparse["x"].iloc[0] / 2, sparse["x"].iloc[0] * 2)
        axes.set_xticks(sorted(sparse["x"].unique()), minor=False)
        axes.minorticks_off()
    dress(axes.xaxis, x)
    dress(axes.yaxis, y)


def _mark(axes: "Axes", points: pd.DataFrame, look_of: style.RouterStyle) -> None:
    """Draw the marks of one router, hollow if the cell's FLOPs differ from dense's."""
    faces = ["white" if unequal else look_of.color for unequal in points["unequal"]]
    form: dict[str, Any] = {"marker": look_of.marker, "s": 22, "linewidths": 0.9, "edgecolors": look_of.color}
    axes.scatter(points["x"], points["y"], facecolors=faces, zorder=3, **form)


def unequal_note(points: pd.DataFrame) -> str:
    """Return the note on hollow marks; empty if there are none."""
    return "hollow: FLOPs differ from dense's by more than 3 %" if points["unequal"].any() else ""


def draw_dots(axes: "Axes", points: pd.DataFrame, x: Column, title: str, beside: pd.DataFrame) -> None:
    """Draw one quantity of cells by `category`, a dot for each router.

    There is a row for each category, and one dense cell is a band.

    Args:
        axes: the panel.
        points: cells with `category` and `x x_low x_high`.
        x: the quantity.
        title: title of the categories.
        beside: the cells of all panels side by side, which share their rows although a cell may lack a quantity.
    """
    dense = beside["router"] == "dense"
    banded = beside.loc[dense, "category"].nunique() <= 1 < beside["category"].nunique()
    categories = list(dict.fromkeys(beside.loc[~dense, "category"] if banded else beside["category"]))
    bands = points[(points["router"] == "dense") & banded]
    sparse = points.drop(bands.index)
    for _, row in bands.iterrows():
        color = style.style_of("dense").color
        axes.axvline(row["x"], color=color, linewidth=1.2, zorder=1)
        if np.isfinite(row["x_low"]):
            axes.axvspan(row["x_low"], row["x_high"], color=color, alpha=0.18, linewidth=0, zorder=0)
    places = sparse["category"].map(categories.index)
    for router, group in sparse.groupby("router", sort=False):
        look_of = style.style_of(str(router))
        others = [style.in_order(sparse.loc[sparse["category"] == each, "router"]) for each in group["category"]]
        shifts = [0.5 * (names.index(str(router)) - (len(names) - 1) / 2) / max(len(names), 3) for names in others]
        moved = group.assign(y=places[group.index] + shifts)
        bars(axes, moved, look_of.color)
        _mark(axes, moved, look_of)
    axes.set_yticks(range(len(categories)), [plain(shortened(each, 24)) for each in categories])
    axes.set_ylim(len(categories) - 0.4, -0.6)
    axes.set_ylabel(title)
    axes.tick_params(axis="y", length=0)
    dress(axes.xaxis, x, narrow=True)
