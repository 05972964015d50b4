"""Build the chart of routers against each other: its data and its specification."""

import pandas as pd

from moebench.errors import BadInput
from moebench.reports import style
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.chart_data import leading_quality
from moebench.reports.analysis.equal_flops import cost_mark
from moebench.reports.analysis.router_pairs import router_pairs
from moebench.reports.dashboard.vega import Spec, axis, specification, tooltip
from moebench.reports.quantities import quantity, written_change


def rows(results: Results) -> pd.DataFrame:
    """Return each two routers' difference with texts and colour, grey if not significant.

    Raises:
        BadInput: no two routers can be compared by a share.
    """
    metric = leading_quality(results)
    if quantity(metric).kind != "share":
        raise BadInput("the page compares routers by a share, and no cell has any.")
    found = router_pairs(results, metric)
    several = found["device_kind"].nunique() > 1
    made = []
    for row in found.to_dict("records"):
        look = style.style_of(row["better"] or row["a"])
        mark = " ≠" if cost_mark(row["flops"]) else ""
        device = f" ({row['device_kind']})" if several else ""
        made.append(
            {
                "label": f"{row['a']} − {row['b']}{device}{mark}",
                **{name: row[name] for name in ("effect", "low", "high")},
                "effect_text": written_change(row["effect"], row["low"], row["high"], "share"),
                "verdict": f"{row['better']} is better" if row["better"] else "not significant",
                "cells": f"{row['cells']}",
                "color": look.color if row["better"] else style.NOT_SIGNIFICANT,
                "shape": look.shape,
            }
        )
    return pd.DataFrame(made)


def chart() -> Spec:
    """Return the intervals of routers' differences, a line for each pair, with the numbers beside."""
    import altair as alt

    x = alt.X("effect:Q", axis=axis("x"), scale=alt.Scale(domain=["@x.low", "@x.high"], nice=False))
    y = alt.Y("label:N", sort=None, axis=alt.Axis(title=None, grid=True, labelLimit=300))
    color = alt.Color("color:N", scale=None, legend=None)
    shape = alt.Shape("shape:N", scale=None, legend=None)
    fields = tooltip(("label", "routers"), ("effect_text", "@x.title"), ("verdict", "verdict"))
    base = alt.Chart(alt.NamedData("points")).encode(y=y, color=color, tooltip=fields)
    numbers = base.mark_text(align="left", dx=8, fontSize=10.5)
    layers = alt.layer(
        alt.Chart(alt.NamedData("zero")).mark_rule(strokeDash=[4, 3], opacity=0.6).encode(x="x:Q"),
        base.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q"),
        base.mark_point(size=60, filled=True, opacity=1).encode(x=x, shape=shape),
        numbers.encode(x="high:Q", text="effect_text:N", color=alt.value("currentColor")),
    )
    return specification(layers, 200)
