"""Make the data of figures and charts of cells: tidy frames from a result table."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports import flag_marks, style
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.equal_flops import flops_vs_dense, unequal
from moebench.reports.analysis.ranking import SETTING
from moebench.reports.labels import paths, point_names, tuned_keys
from moebench.reports.quantities import possible, quantity
from moebench.results.schema import in_section
from moebench.statistics import pareto_probability

FRONT = ("data", "device_kind")
"""Cells compete for one Pareto front if they agree in these columns; models of different size compete."""

# Slots follow from a capacity factor, and slots of an image compare routers of different groups.
INPUTS = tuple(
    each.name
    for each in sorted(in_section("input axis"), key=lambda of: (of.unit == "slots", of.name != "slots_per_image"))
)
"""Inputs that suites vary and quantities are drawn over; among equals the first is taken."""
RATIOS = ("train_step_vs_dense", "infer_vs_dense")
_COUNTED = ("flops_experts", "flops_padding", "flops_router", "flops_dispatch_combine")
IDENTITY = ("cell", "cell_id", "label", "router", "experts", *SETTING)
"""Columns that identify the cell of a point."""
_POINT = ("x", "x_low", "x_high", "y", "y_low", "y_high")


def time_column(results: Results) -> str:
    """Return the column in which step times of these cells compare best.

    Cells are timed minutes or days apart, and the machine changes in the meantime; the ratio to the dense twin, timed
    in turns with the cell, is free of such changes. Dense twins of different models differ, so that several models need
    seconds.
    """
    cells = results.cells
    paired = cells["train_step_vs_dense"].notna().any() and cells["model"].nunique() <= 1
    return "train_step_vs_dense" if paired else "train_step_s"


def leading_quality(results: Results) -> str:
    """Return the quality that charts show first.

    The quality is the share that most cells have, and accuracy among equals. Cells with a text tower have zero-shot
    accuracy in place of accuracy; cells without any share have a loss.
    """
    names = [each.name for each in in_section("quality axis")]
    shares = [name for name in names if quantity(name).kind == "share"]
    counts = results.cells[names].notna().sum()
    first = max(shares, key=lambda name: int(counts[name]))
    return first if counts[first] else next((name for name in names if counts[name]), first)


def pareto(results: Results, x: str = "flops_forward_per_image", y: str = "accuracy") -> pd.DataFrame:
    """Return quality over cost, one row for each cell that has both.

    Columns: `cell` (its position among `results.cells`), `cell_id label router experts suite model data device_kind`;
    `x y` with bounds `x_low x_high y_low y_high`, NaN if there is no interval; `path`, the line that joins the cell
    with other cells of its router; `name`, the values that the suite varies; `on_front`; and `front_probability`, given
    the scatter of seeds and timed samples, NaN for a cell with one seed. All cells of one data set on one device
    compete for a front.

    Args:
        results: the rows and cells.
        x: column of the cost.
        y: column of the quality.

    Raises:
        BadInput: an axis is no numeric column, or no cell has both.
    """
    points = _with(results, x, y)
    for axis, column in (("x", x), ("y", y)):
        points[axis] = points[column]
        for end in ("low", "high"):
            points[f"{axis}_{end}"] = _bound(points, column, end)
    points[["on_front", "front_probability"]] = fronts(results, x, y)
    points["path"], points["name"] = paths(results.cells)[points.index], point_names(results.cells, FRONT)[points.index]
    return points[[*IDENTITY, *_POINT, "path", "name", "on_front", "front_probability"]].reset_index(drop=True)


def fronts(results: Results, x: str, y: str) -> pd.DataFrame:
    """Return `on_front` and `front_probability` of `pareto` for each cell with both axes.

    The index is the position of the cell.

    Args:
        results: the rows and cells.
        x: column of the cost.
        y: column of the quality.

    Raises:
        BadInput: an axis is no numeric column, or no cell has both.
    """
    points = _with(results, x, y)
    found = pd.DataFrame({"on_front": False, "front_probability": np.nan}, index=points.index)
    good = results.rows[results.rows["status"] == "ok"]
    needed = [name for name in dict.fromkeys(("seed", x, y, f"{x}_samples", f"{y}_samples")) if name in good]
    rows = good[needed].assign(cell=results.places(good))
    for _, group in points.groupby(list(FRONT), dropna=False):
        front = pareto_probability(
            rows[rows["cell"].isin(group.index)],
            x,
            y,
            cell="cell",
            x_higher_is_better=quantity(x).higher_is_better,
            y_higher_is_better=quantity(y).higher_is_better,
        ).set_index("cell")
        found.loc[group.index, "on_front"] = front["on_front"]
        found.loc[group.index, "front_probability"] = front["probability"]
    return found


def given_inputs(results: Results) -> list[str]:
    """Return the inputs that the cells were given; a tuned one is a result of its cell."""
    tuned = tuned_keys(results.cells)
    return [name for name in INPUTS if name not in tuned]


def varied(results: Results) -> str:
    """Return the input that distinguishes most cells of a router.

    The result is the first of several such inputs, and experts if no input does.
    """
    inputs = given_inputs(results)
    levels = results.cells.groupby([*SETTING, "router"], dropna=False)[inputs].nunique()
    apart = (levels - 1).clip(lower=0).sum()
    return max(inputs, key=lambda name: int(apart[name]))


def varied_number(results: Results) -> str | None:
    """Return the numeric input that distinguishes most cells of a router.

    The result is None if no router has several values.
    """
    name = varied(results)
    sparse = results.cells[results.cells["router"] != "dense"]
    levels = sparse.groupby([*SETTING, "router"], dropna=False)[name].nunique()
    return name if len(levels) and levels.max() > 1 else None


def dots(results: Results, x: Sequence[str], apart: Sequence[str] = ()) -> pd.DataFrame:
    """Return quantities by the varied input, one row for each cell and quantity.

    Columns: those of `pareto` up to `device_kind`, `unequal` (whether FLOPs differ from dense's by more than 3 %),
    `category` (the values that vary, or the router if each has one cell), `quantity`, `x` with bounds `x_low x_high`.

    Args:
        results: the rows and cells.
        x: the quantities.
        apart: columns whose values have panels of their own.

    Raises:
        BadInput: a column is not numeric, or no cell has a value.
    """
    names = point_names(results.cells, apart)
    routers = results.cells["router"].astype(str)
    if results.cells.groupby([*apart, "router"], dropna=False).size().max() == 1:
        names = pd.Series("", index=names.index)
    # Dense has no value of a varied input; its single cell is no category of its own.
    alone = (names != "").groupby([results.cells[key] for key in apart] or [routers.map(len) * 0], dropna=False)
    categories = names.where(alone.transform("any"), routers)
    order = {name: place for place, name in enumerate(sorted(set(names), key=_as_read))}
    parts = []
    for column in x:
        known = _with(results, column)
        part = known[[*IDENTITY, "unequal"]].assign(category=categories[known.index], quantity=column, x=known[column])
        for end in ("low", "high"):
            part[f"x_{end}"] = _bound(known, column, end)
        parts.append(part)
    found = pd.concat(parts, ignore_index=True)
    if (names != "").any():
        found = found.sort_values("category", key=lambda column: column.map(order).fillna(-1), kind="stable")
    return found.reset_index(drop=True)


def _as_read(text: str) -> list[tuple[int, float, str]]:
    """Return a sort key of a text, with the numbers in it as numbers."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [(0, float(part), "") if re.fullmatch(r"\d+(\.\d+)?", part) else (1, 0.0, part) for part in parts]


def scaling(results: Results, y: Sequence[str], x: str = "experts") -> pd.DataFrame:
    """Return quantities over experts or another input, one row for each cell and quantity.

    Columns: those of `pareto` up to `device_kind`, `unequal` (whether FLOPs differ from dense's by more than 3 %),
    `quantity x y y_low y_high`.

    Args:
        results: the rows and cells.
        y: the quantities.
        x: the input.

    Raises:
        BadInput: a column is not numeric, or no cell has a value.
    """
    quantity(x)
    parts = []
    for column in y:
        known = _with(results, column)
        # Dense cells need no value of the varied input: they are the reference of all other cells.
        known = known[known[x].notna() | (known["router"] == "dense")]
        if known[x].isna().all():
            raise BadInput(f"nothing to draw: no cell has a value of {x} and {column}.")
        part = known[[*IDENTITY, "unequal"]].assign(quantity=column, x=known[x], y=known[column])
        for end in ("low", "high"):
            part[f"y_{end}"] = _bound(known, column, end)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def costs(results: Results) -> pd.DataFrame:
    """Return the forward FLOPs by part, one row for each cell and nonzero part.

    Columns: those of `pareto` up to `device_kind`, `part` of `style.PARTS`, `flops` for one image, and `share` of the
    cell's total.

    Raises:
        BadInput: no cell has its FLOPs counted.
    """
    known = _with(results, "flops_forward_per_image")
    total, known = known["flops_forward_per_image"], known.fillna(dict.fromkeys(_COUNTED, 0.0))
    experts, padding, router, moving = (known[name] for name in _COUNTED)
    flops = (total - experts - router - moving, experts - padding, padding, router, moving)
    parts = [
        known[list(IDENTITY)].assign(part=part, flops=of_part, share=of_part / total)
        for part, of_part in zip(style.PARTS, flops, strict=True)
    ]
    found = pd.concat(parts, ignore_index=True)
    return found[found["flops"] > 0].sort_values("cell", kind="stable").reset_index(drop=True)


def speed(results: Results) -> pd.DataFrame:
    """Return times over the dense twin's times, one row for each cell and ratio.

    A cell and its dense twin are timed in turns.

    Columns: those of `pareto` up to `device_kind`, `quantity` (train_step_vs_dense or infer_vs_dense), `x` with bounds
    `x_low x_high`, and `flags`, the flags of that time, empty if there are none.

    Raises:
        BadInput: no cell was timed beside a dense twin.
    """
    ratios = [name for name in RATIOS if results.cells[name].notna().any()]
    parts = []
    for column in ratios or RATIOS:
        known = _with(results, column)
        part = known[list(IDENTITY)].assign(quantity=column, x=known[column])
        for end in ("low", "high"):
            part[f"x_{end}"] = _bound(known, column, end)
        flags = [", ".join(flag_marks.concerning(column, found)) for found in known["timing_flags"]]
        parts.append(part.assign(flags=flags))
    return pd.concat(parts, ignore_index=True)


def _with(results: Results, *columns: str) -> pd.DataFrame:
    """Return the cells that have a value in all of these columns."""
    for column in columns:
        quantity(column)
    cells = results.cells.assign(cell=range(len(results.cells)), unequal=unequal(flops_vs_dense(results.cells)))
    known = cells[cells[list(columns)].notna().all(axis=1)]
    if known.empty:
        failed = int((cells["seeds"] == 0).sum())
        why = f"; {failed} of {len(cells)} cells failed" if failed else ""
        raise BadInput(f"nothing to draw: no cell has a value of {' and '.join(columns)}{why}.")
    return known


def _bound(cells: pd.DataFrame, column: str, end: str) -> "pd.Series[float]":
    """Return one end of a column's interval, clipped to possible values.

    The bounds of a column without intervals are NaN.
    """
    bounds = cells.get(f"{column}_ci_{end}", pd.Series(np.nan, index=cells.index)).astype(float)
    return bounds.map(lambda bound: possible(bound, quantity(column).kind), na_action="ignore")
