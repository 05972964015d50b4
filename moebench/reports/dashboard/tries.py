"""Build the chart of tuning: its data and its specification."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from moebench.reports import style
from moebench.reports.analysis import tries as found
from moebench.reports.analysis.cells import Results
from moebench.reports.dashboard.vega import Looks, Spec, axis, specification, tooltip
from moebench.reports.quantities import written
from moebench.results.schema import Kind

CHOSEN, AT_EDGE = "chosen", "chosen, at the edge of the grid"
_KINDS: dict[str, Kind] = {"loss": "number", "accuracy": "share"}


def rows(results: Results) -> pd.DataFrame:
    """Return the tries of tuning with texts of numbers, and marks of chosen tries."""
    tried = found.tries(results)
    texts = {f"{name}_text": [written(value, kind) for value in tried[name]] for name, kind in _KINDS.items()}
    states = np.where(tried["at_edge"], AT_EDGE, np.where(tried["chosen"], CHOSEN, ""))
    return tried.drop(columns=["chosen", "at_edge"]).assign(state=states, **texts)


def chart(routers: Sequence[str]) -> Spec:
    """Return validation losses over the tuned values, a line for each cell.

    A chosen value at an edge is hollow.
    """
    import altair as alt

    looks = Looks(style.in_order(routers))
    x = alt.X("x:Q", axis=axis("x"), scale=alt.Scale(nice=False, padding=20))
    y = alt.Y("y:Q", axis=axis("y"), scale=alt.Scale(zero=False, padding=12))
    base = alt.Chart(alt.NamedData("points")).encode(x=x, y=y)
    numbers = (("x_text", "@x.title"), ("y_text", "@y.title"))
    layers = alt.layer(
        base.mark_line(strokeWidth=1.2, opacity=0.6).encode(color=looks.color, detail="path:N"),
        base.mark_point(strokeWidth=1.6, opacity=1).encode(
            shape=looks.shape,
            size=alt.Size("size:Q", scale=None, legend=None),
            stroke=looks.color,
            fill=looks.color,
            fillOpacity=alt.FillOpacity("fill:Q", scale=None, legend=None),
            tooltip=tooltip(("label", "cell"), *numbers, ("others", "with"), ("state", "try")),
        ),
    )
    return specification(layers, looks.legend)
