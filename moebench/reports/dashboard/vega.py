"""Parts of the page's Vega-Lite charts: look, axes, tooltips, and the specification of a chart."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from moebench.reports import style
from moebench.results.schema import Kind

if TYPE_CHECKING:
    import altair as alt

Spec = dict[str, Any]

CONFIG: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "domainColor": "currentColor",
        "tickColor": "currentColor",
        "gridColor": "currentColor",
        "gridOpacity": 0.12,
        "domainOpacity": 0.5,
        "tickOpacity": 0.5,
        "titleFontWeight": "normal",
        "titleFontSize": 12,
        "labelFontSize": 11,
        "labelLimit": 220,
        "titlePadding": 10,
    },
    "legend": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "labelFontSize": 12,
        "labelLimit": 180,
        "symbolSize": 90,
        "orient": "top",
        "title": None,
        "columnPadding": 14,
        # Over names of cells as well, so that a narrow page has room for a legend.
        "layout": {"top": {"anchor": "start", "bounds": "full"}},
    },
    "rule": {"color": "currentColor"},
    "text": {"color": "currentColor"},
}


def _prefixed(unit: str) -> str:
    return f"replace(format(datum.value, '~s'), /([a-zA-Zµ]?)$/, ' $1{unit}')"


LABELS: dict[Kind, str] = {
    "share": "datum.value < 0 || datum.value > 1 ? '' : format(datum.value * 100, '~r') + ' %'",
    "ratio": "format(datum.value, '~f') + ' ×'",
    "s": _prefixed("s"),
    "bytes": _prefixed("B"),
    "FLOPs": _prefixed(""),
    "count": _prefixed(""),
    "FLOPs/s": _prefixed("FLOPs/s"),
    "bytes/s": _prefixed("B/s"),
    "number": "format(datum.value, '~r')",
}
"""Vega's expressions for the labels of an axis, by the kind of its quantity."""


def specification(chart: Any, legend: int, height: int = 300) -> Spec:
    """Return a chart as Vega-Lite, as wide as its container; the page's configuration replaces Altair's.

    Args:
        chart: the chart.
        legend: width in pixels of one column of the legend, from which the page computes the number of columns.
        height: height in pixels.
    """
    fit = {"type": "fit-x", "contains": "padding", "resize": True}
    sized = chart.properties(width="container", height=height, autosize=fit)
    # Altair's check of its own output takes half of the time, and no data can change the outcome: tests make it.
    made: Spec = sized.properties(usermeta={"legend": legend}).to_dict(validate=False)
    del made["config"]
    return made


class Looks:
    """Colour and shape of the routers as Altair's encodings."""

    def __init__(self, routers: Sequence[str]) -> None:
        import altair as alt

        styles = [style.style_of(router) for router in routers]
        # Names of about 7 pixels a letter, their symbols, and the space between columns.
        self.legend = min(7 * max(map(len, routers), default=0), CONFIG["legend"]["labelLimit"]) + 30
        legend = alt.Legend(symbolOpacity=1) if len(routers) > 1 else None
        self.color = alt.Color(
            "router:N", scale=alt.Scale(domain=list(routers), range=[each.color for each in styles]), legend=legend
        )
        self.shape = alt.Shape(
            "router:N", scale=alt.Scale(domain=list(routers), range=[each.shape for each in styles]), legend=legend
        )


def axis(which: str, **options: Any) -> "alt.Axis":
    """Return the axis whose title and labels the page fills in for @WHICH."""
    import altair as alt

    return alt.Axis(title=f"@{which}.axis", labelExpr=f"@{which}.labels", tickCount=6, **options)


def tooltip(*fields: tuple[str, str]) -> "list[alt.Tooltip]":
    """Return a tooltip of fields, each with its title."""
    import altair as alt

    return [alt.Tooltip(f"{field}:N", title=title) for field, title in fields]
