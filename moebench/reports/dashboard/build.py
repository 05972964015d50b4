"""The dashboard: one HTML file with everything in it, for the browser of whoever gets it by mail.

No request leaves the page: a Content-Security-Policy forbids all of them and lets run only the scripts whose hashes
it names, so that nothing out of the results can become one.
"""

import base64
import hashlib
import html
import re
from importlib import resources
from typing import Any

import pandas as pd

from moebench.papers import results as published
from moebench.reports import flag_marks, run_facts, style
from moebench.reports.analysis import chart_data
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.expert_trend import trends
from moebench.reports.answer.sentence import answer
from moebench.reports.dashboard import charts
from moebench.reports.dashboard import data as payload
from moebench.reports.quantities import quantity, section, titled
from moebench.results import Column

_SCRIPTS = (
    "format.js",
    "store.js",
    "flags.js",
    "table.js",
    "budget.js",
    "charts.js",
    "test_time.js",
    "filters.js",
    "page.js",
)


_CURVES = [f"{name}{end}" for name in ("loss", "accuracy") for end in ("", "_low", "_high")]
_OF_MANY = (
    *("flops_forward_per_image", "train_step_s", "train_step_vs_dense", "infer_s_per_image", "params"),
    *("train_peak_bytes", "dropped_tokens"),
)
"""What a page of very many cells says of each, beside its accuracy and loss."""


def build(results: Results, title: str, question: str | None = None) -> str:
    """Return the whole page as HTML.

    Args:
        results: the rows and cells to show.
        title: the suite's name.
        question: the suite's question; None puts the title in its place.
    """
    import vl_convert

    data = payload.packed(_data(results, title))
    # The bundle's names are global and clash with others, hence the function around it.
    library = f"(function(){{{vl_convert.javascript_bundle('window.vegaEmbed = vegaEmbed;')}}})();"
    program = "(async function(){'use strict';\n" + "\n".join(map(_part, _SCRIPTS)) + "})();"
    parts = {
        "policy": _policy(library, program),
        "title": html.escape(title),
        "question": html.escape(question or title),
        "answer": html.escape(answer(results)),
        "facts": _facts(results),
        "rest": style.THE_REST,
        "style": _part("style.css"),
        "data": data,
        "library": library,
        "program": program,
    }
    # One pass, so that nothing that is put in is looked at again.
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _part("index.html"))


def _data(results: Results, title: str) -> dict[str, Any]:
    cells = results.cells
    routers = style.in_order(cells["router"].astype(str))
    tried = payload.tried(results)
    quantities = {
        # The page opens on the first; FLOPs are the cost that no machine disturbs.
        "costs": sorted(
            run_facts.available(cells, "cost axis"), key=lambda cost: cost.name != "flops_forward_per_image"
        ),
        "qualities": run_facts.available(cells, "quality axis"),
        "scaled": run_facts.available(cells, "scaled axis"),
        "inputs": [quantity(name) for name in _varying(results)],
        "table": run_facts.available(cells, "main"),
        "health": run_facts.available(cells, "health"),
        "timing": run_facts.available(cells, "timing"),
        "tried_costs": [each for each in section("test-time cost") if each.name in tried],
        "tried_qualities": [each for each in section("test-time quality") if each.name in tried],
    }
    return {
        "title": title,
        "routers": {
            name: {"color": style.style_of(name).color, "shape": style.style_of(name).shape} for name in routers
        },
        **(_many(cells, quantities) if len(cells) > payload.LARGE else _few(results)),
        "tried": payload.columns(tried, payload.DIGITS_DRAWN),
        "apart": payload.told_apart(results, quantities["qualities"]),
        "flags": flag_marks.meanings(cells),
        "fronts": payload.front_probabilities(results, quantities["costs"], quantities["qualities"]),
        "quantities": {use: [_described(each) for each in found] for use, found in quantities.items()},
        "published": payload.columns(published.results()),
        "second": _second(results, quantities["scaled"]),
        "parts": list(style.PARTS),
        "environment": payload.columns(run_facts.environments(results.rows)),
        "specifications": charts.specifications(routers, sorted(set(tried["test_router"].astype(str)))),
        "config": charts.CONFIG,
        "notes": _notes(len(cells)),
    }


def _few(results: Results) -> dict[str, Any]:
    """Everything about the cells."""
    return {
        "cells": payload.columns(pd.concat([results.cells, payload.timing(results)], axis=1)),
        "curves": payload.tidy(chart_data.curves, results, ["step", *_CURVES]),
        "load": payload.tidy(chart_data.load, results, ["layer", "place", "load"]),
        "slopes": payload.columns(trends(results.rows)),
    }


def _many(cells: pd.DataFrame, quantities: dict[str, list[Column]]) -> dict[str, Any]:
    """Of so many cells that everything about them would make no page for mail, what the charts and tables need."""
    for name in ("health", "timing"):
        quantities[name] = [each for each in quantities[name] if each.name in _OF_MANY]
    for name in ("costs", "scaled"):
        quantities[name] = [
            each for each in quantities[name] if each.name in _OF_MANY or "quality axis" in each.sections
        ]
    shown = [each for found in quantities.values() for each in found]
    return {
        "cells": payload.columns(payload.shown_only(cells, shown), payload.DIGITS_DRAWN),
        "curves": {},
        "load": {},
        "slopes": {},
    }


def _notes(cells: int) -> list[str]:
    """What this page leaves out because it has to show so many cells."""
    notes = []
    if cells > payload.LARGE:
        notes.append(
            f"Of {cells:,} cells this page leaves out training curves, expert loads, slopes, drifts, settings at test"
            f" time and all columns that it does not show, and keeps {payload.DIGITS_DRAWN} digits; the result files"
            " have them all."
        )
    if cells > payload.MOST_COMPETING:
        notes.append(
            "The probability of being on a Pareto front is not worked out for so many cells (marks on it are full), nor"
            " is from which others a cell is told apart, beside the best of its model, data and device."
        )
    return notes


def _described(of: Column) -> dict[str, Any]:
    return {
        "column": of.name,
        "title": titled(of),
        "kind": of.kind,
        "higher": of.higher_is_better,
        "meaning": of.meaning,
    }


def _varying(results: Results) -> list[str]:
    """Inputs that take several values, so that something can be drawn over them; first what the figures take."""
    sparse, first = results.cells[results.cells["router"] != "dense"], chart_data.varied(results)
    return sorted((name for name in chart_data.INPUTS if sparse[name].nunique() > 1), key=lambda name: name != first)


def _second(results: Results, scaled: list[Column]) -> str:
    """What is drawn beside the accuracy: step times, where cells were timed."""
    there = [each.name for each in scaled]
    wanted = (chart_data.time_column(results), "dropped_tokens", *there)
    return next((name for name in wanted if name in there), "accuracy")


def _facts(results: Results) -> str:
    """Device, versions, seeds and date under the headline, as terms and descriptions."""
    facts = run_facts.facts(results)
    return "".join(f"<div><dt>{term}</dt><dd>{html.escape(text)}</dd></div>" for term, text in facts.items())


def _policy(*scripts: str) -> str:
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _part(name: str) -> str:
    return (resources.files("moebench.reports.dashboard") / "page" / name).read_text(encoding="utf-8")
