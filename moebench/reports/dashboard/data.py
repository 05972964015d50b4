"""Collect the page's data on a suite: numbers by columns, and their texts for readers."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.papers import results as published
from moebench.reports import flag_marks, run_facts, style
from moebench.reports.analysis import chart_data, seed_data
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.ranking import SETTING, shown_better, suite_pools
from moebench.reports.analysis.test_time import settings
from moebench.reports.dashboard import charts, forest, tries, vega
from moebench.reports.dashboard.packing import DIGITS, DIGITS_DRAWN, DIGITS_OF_MANY, Packed, columns, numbers, texts
from moebench.reports.labels import paths, point_names, varied_title
from moebench.reports.quantities import possible, quantity, section, titled, written, written_interval
from moebench.reports.tables import Field, Table, all_tables, cell_texts, few_tables
from moebench.results.schema import Column, Kind

LARGE = 600
"""Number of cells above which the page has no curves, loads, parts, settings and intervals in words."""
MOST_NAMED = 30
"""Number of cells above which points have no names beside them, for names would cover each other."""
MOST_COMPETING = 120
"""Number of cells above which probabilities of being on a front are not computed: each pair of axes takes seconds."""
_OF_MANY = {
    *(of.name for of in section("quality axis")),
    *("flops_forward_per_image", "train_step_s", "train_step_vs_dense", "infer_s_per_image", "params"),
    *("train_peak_bytes", "dropped_tokens"),
}
"""Columns of each cell on a page of very many cells."""
_NAMING = ("label", "router", "model", "data", "device_kind", "experts", "status", "seeds", "seeds_failed")
_ON_CELLS = ("cost", "quality", "scaled", "input", "ratio")
_CURVES: dict[str, Kind] = {"loss": "number", "accuracy": "share"}


def suite_data(results: Results, name: str) -> dict[str, Any]:
    """Return all data of the page on one suite.

    Args:
        results: the rows and cells of the suite.
        name: the suite's name.
    """
    many = len(results.cells) > LARGE
    axes = _axes(results, many)
    tables = few_tables(results, _OF_MANY) if many else all_tables(results)
    routers = style.in_order(results.cells["router"].astype(str))
    tried = pd.DataFrame() if many else test_time(results)
    axes["test_time_cost"] = [of for of in section("test-time cost") if of.name in tried]
    axes["test_time_quality"] = [of for of in section("test-time quality") if of.name in tried]
    few = len(results.cells) <= MOST_COMPETING
    return {
        "name": name,
        "routers": {
            name: {"color": style.style_of(name).color, "shape": style.style_of(name).shape} for name in routers
        },
        **_cells(results, tables, axes, many=many),
        "tables": {table.name: _table(table) for table in tables},
        "axes": {use: [_axis(each) for each in found] for use, found in axes.items()},
        "named": varied_title(results.cells) if len(results.cells) <= MOST_NAMED else "",
        "second": _second(results, axes["scaled"]),
        "fronts": front_probabilities(results, axes) if few else {},
        "better": _better(results, axes["quality"]) if few else {},
        "tries": {} if many else tidy(tries.rows, results),
        "curves": {} if many else tidy(curves, results),
        "loads": {} if many else tidy(loads, results),
        "parts": {} if many else tidy(parts, results),
        "test_time": columns(tried, DIGITS_DRAWN),
        "forest": tidy(forest.rows, results),
        "compared": quantity(chart_data.leading_quality(results)).title,
        "flags": flag_marks.meanings(results.cells),
        "specifications": charts.specifications(routers, sorted(set(tried.get("test_router", pd.Series(dtype=str)))))
        | {"forest": forest.chart(), "tries": tries.chart(routers)},
        "notes": notes(len(results.cells)),
    }


def common_data() -> dict[str, Any]:
    """Return the data that all suites of a page share.

    The data are printed results of papers, and the look of charts.
    """
    printed = published.results()
    axes = [
        quantity(name)
        for name in ("flops_forward_per_image", "params", "flops_train_total", "infer_s_per_image", "experts")
    ]
    for of in (*axes, quantity("accuracy")):
        printed[f"{of.name}_text"] = [written(value, of.kind) for value in printed[of.name]]
    routers = style.in_order(printed["router"])
    return {
        "config": vega.CONFIG,
        "labels": {name: vega.LABELS[kind] for name, kind in _CURVES.items()} | {"number": vega.LABELS["number"]},
        "published": columns(printed, DIGITS_DRAWN),
        "published_axes": [_axis(of) for of in axes],
        "specification": charts.published(routers),
    }


def curves(results: Results) -> pd.DataFrame:
    """Return the training curves with a text for each mean."""
    found = seed_data.curves(results)
    for name, kind in _CURVES.items():
        found[f"{name}_text"] = [written(value, kind) for value in found[name]]
    names = [f"{name}{end}" for name in _CURVES for end in ("", "_low", "_high", "_text")]
    return found[["cell", "step", *names]]


def loads(results: Results) -> pd.DataFrame:
    """Return the experts' loads with a text for each."""
    found = seed_data.load(results)
    return found[["cell", "layer", "place", "load"]].assign(text=[f"{value:.2f}" for value in found["load"]])


def parts(results: Results) -> pd.DataFrame:
    """Return the parts of the forward FLOPs with texts."""
    found = chart_data.costs(results)
    flops = [written(value, "FLOPs") for value in found["flops"]]
    shares = [written(value, "share") for value in found["share"]]
    return found[["cell", "part", "flops"]].assign(flops_text=flops, share_text=shares)


def test_time(results: Results) -> pd.DataFrame:
    """Return trained models in other settings, bounds named like the bounds of cells.

    The frame is empty if there are no such models.
    """
    fields = [*section("test-time cost"), *section("test-time quality")]
    try:
        found = settings(results, *(of.name for of in fields))
    except BadInput:
        return pd.DataFrame()
    shown = [of for of in fields if found[of.name].notna().any()]
    out = found[["cell", "setting", "test_router", "test_top_k"]].copy()
    for of in shown:
        value, low, high = (found[f"{of.name}{end}"] for end in ("", "_low", "_high"))
        out[of.name] = value
        out[f"{of.name}_ci_low"], out[f"{of.name}_ci_high"] = _clipped(low, of.kind), _clipped(high, of.kind)
        out[f"{of.name}_text"] = [written_interval(*row, kind=of.kind) for row in zip(value, low, high, strict=True)]
    return out


def front_probabilities(results: Results, axes: dict[str, list[Column]]) -> dict[str, list[str | None]]:
    """Return each cell's probability of the Pareto front, by pairs `COST QUALITY`, as text."""
    out = {}
    for cost in axes["cost"]:
        for quality in axes["quality"]:
            try:
                points = chart_data.fronts(results, cost.name, quality.name)
            except BadInput:
                continue
            chances = points["front_probability"].reindex(range(len(results.cells)))
            out[f"{cost.name} {quality.name}"] = [None if pd.isna(each) else f"{each:.3f}" for each in chances]
    return out


def tidy(make: Callable[[Results], pd.DataFrame], results: Results) -> Packed:
    """Return a chart's frame by columns; empty if there is nothing to show."""
    try:
        return columns(make(results), DIGITS_DRAWN)
    except BadInput:
        return {}


def notes(cells: int) -> list[str]:
    """Return what the page leaves out because of the number of cells, a sentence each.

    Args:
        cells: number of cells.
    """
    found = []
    if cells > LARGE:
        found.append(
            f"Of {cells:,} cells this page leaves out training curves, expert loads, parts of the FLOPs, settings at "
            f"test time, intervals in tables and most columns, and keeps {DIGITS_DRAWN} digits; the result files have "
            "all of them."
        )
    if cells > MOST_COMPETING:
        found.append(
            "For so many cells neither probabilities of being on a Pareto front (marks on the front are full) nor "
            "tests between all pairs of cells are worked out."
        )
    return found


def _axes(results: Results, many: bool) -> dict[str, list[Column]]:
    """Return the quantities that charts offer, by use."""
    cells = results.cells
    found = {
        "cost": run_facts.available(cells, "cost axis"),
        "quality": run_facts.available(cells, "quality axis"),
        "scaled": run_facts.available(cells, "scaled axis"),
    }
    first = chart_data.leading_quality(results)
    for use in ("quality", "scaled"):  # the first is drawn until a reader chooses
        found[use].sort(key=lambda of: of.name != first)
    found["ratio"] = [quantity(name) for name in chart_data.RATIOS if cells[name].notna().any()]
    if many:
        found = {use: [of for of in axis if of.name in _OF_MANY] for use, axis in found.items()}
    return {**found, "input": [quantity(name) for name in _varying(results)]}


def _cells(results: Results, tables: Sequence[Table], axes: dict[str, list[Column]], *, many: bool) -> dict[str, Any]:
    """Return the numbers of all cells, and their texts in tables and charts."""
    cells, digits = results.cells, DIGITS_DRAWN if many else DIGITS
    named = cells[list(_NAMING)].assign(
        comparable=_comparable(cells),
        name=point_names(cells) if len(cells) <= MOST_NAMED else "",
        path=pd.factorize(paths(cells))[0],
    )
    values = columns(named, digits)
    words: dict[str, Packed] = {}
    for of in {of.name: of for use in _ON_CELLS for of in axes[use]}.values():
        values[of.name] = numbers(cells[of.name].tolist(), digits)
        for bound in (f"{of.name}_ci_low", f"{of.name}_ci_high"):
            if bound in cells and cells[bound].notna().any():
                values[bound] = numbers(_clipped(cells[bound], of.kind), DIGITS_OF_MANY if many else digits)
        words[of.name] = texts(cell_texts(cells, of, intervals=not many))
    for table in tables:
        for field in table.fields[1:] if table.cells else ():
            if field.key in words:  # of all cells, and not of the table's alone
                continue
            words[field.key] = texts(_spread(table.texts[field.key], table.cells, len(cells)))
            if field.number:
                values[field.key] = numbers(_spread(table.values[field.key], table.cells, len(cells), np.nan), digits)
    return {"cells": values, "texts": words}


def _comparable(cells: pd.DataFrame) -> list[int]:
    """Return for each cell the number of the group whose cells scatter alike."""
    group = {place: number for number, places in enumerate(suite_pools(cells)) for place in places}
    return [group[place] for place in range(len(cells))]


def _better(results: Results, qualities: Sequence[Column]) -> dict[str, list[list[int]]]:
    """Return for each quality and cell the positions of the cells that are significantly worse."""
    return {
        of.name: shown_better(results.cells, results.values(of.name), higher_is_better=of.higher_is_better)
        for of in qualities
    }


def _clipped(bounds: "pd.Series[float]", kind: Kind) -> list[float]:
    return [possible(bound, kind) for bound in bounds]


def _spread(found: Sequence[Any], places: Sequence[int], count: int, missing: Any = None) -> list[Any]:
    """Return a table's values at the positions of their cells among all cells."""
    at = dict(zip(places, found, strict=True))
    return [at.get(place, missing) for place in range(count)]


def _table(table: Table) -> dict[str, Any]:
    """Return a table for the page: its headings and its rows.

    The rows of cells are left out, because the page has the cells already.
    """
    heads = [
        {
            "key": field.key,
            "title": field.title,
            "number": field.number,
            "lower": field.better == "lower",
            "meaning": field.meaning,
        }
        for field in table.fields
    ]
    shown: dict[str, Any] = {"title": table.title, "fields": heads}
    if table.cells:
        return shown | {"cells": table.cells if table.cells != list(range(len(table.cells))) else []}
    return shown | {
        "values": {
            field.key: numbers(table.values[field.key])
            if _numeric(table, field)
            else texts(map(str, table.values[field.key]))
            for field in table.fields
        },
        "texts": {field.key: texts(table.texts[field.key]) for field in table.fields},
    }


def _numeric(table: Table, field: Field) -> bool:
    return all(isinstance(value, (int, float)) for value in table.values[field.key])


def _axis(of: Column) -> dict[str, Any]:
    return {
        "key": of.name,
        "title": titled(of),
        "kind": of.kind,
        "higher": of.higher_is_better,
        "labels": vega.LABELS[of.kind],
    }


def _varying(results: Results) -> list[str]:
    """Return the inputs with several values in some router, the figures' input first."""
    sparse, first = results.cells[results.cells["router"] != "dense"], chart_data.varied(results)
    inputs = chart_data.given_inputs(results)
    levels = sparse.groupby([*SETTING, "router"], dropna=False)[inputs].nunique().max()
    return sorted((name for name in inputs if levels[name] > 1), key=lambda name: name != first)


def _second(results: Results, scaled: Sequence[Column]) -> str:
    """Return the quantity that is drawn beside the accuracy: step times if cells were timed."""
    there = [of.name for of in scaled]
    wanted = (chart_data.time_column(results), "dropped_tokens", *there)
    return next((name for name in wanted if name in there), "accuracy")
