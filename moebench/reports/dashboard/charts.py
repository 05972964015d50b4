"""Build the page's charts as Vega-Lite specifications, with Altair.

A specification contains no data: the page feeds the named sets `points`, `front`, `dense` and so on, reduced by its
filters. Strings that begin with @ are placeholders for the reader's choices, such as the title of an axis, which the
page fills in. Colours of text and lines are those of the page (`currentColor`), so that light, dark and print need no
second drawing.
"""

from collections.abc import Sequence
from functools import cache

from moebench.reports import style
from moebench.reports.dashboard.vega import Looks, Spec, axis, specification, tooltip


def specifications(routers: Sequence[str], tried: Sequence[str] = ()) -> dict[str, Spec]:
    """Return every chart of a suite by name.

    Args:
        routers: the routers of the cells.
        tried: the routers with which trained models were evaluated.
    """
    return _specifications(tuple(style.in_order(routers)), tuple(style.in_order(tried)))


@cache  # suites of one page often have the same routers, and Altair takes half a second
def _specifications(routers: tuple[str, ...], tried: tuple[str, ...]) -> dict[str, Spec]:
    looks = Looks(routers)
    return {
        "pareto": _pareto(looks),
        "scaling": _scaling(looks),
        "curves": _curves(looks),
        "loads": _load(),
        "parts": _parts(),
        "speed": _speed(looks),
        "test_time": _test_time(Looks(tried)),
    }


def _pareto(looks: Looks) -> Spec:
    """Return quality over cost: intervals, front, points that can be brushed, their names."""
    import altair as alt

    x = alt.X("x:Q", axis=axis("x"), scale=alt.Scale(zero=False, padding=24))
    y = alt.Y("y:Q", axis=axis("y"), scale=alt.Scale(zero=False, padding=16))
    bare = alt.Chart(alt.NamedData("points")).encode(x=x, y=y)
    base = bare.encode(color=looks.color)
    brush = alt.selection_interval(name="brush", encodings=["x", "y"])
    chart = alt.layer(
        alt.Chart(alt.NamedData("front"))
        .mark_line(interpolate="step-after", strokeDash=[5, 4], strokeWidth=1.3, color="currentColor", opacity=0.75)
        .encode(x=x, y=y, detail="group:N"),
        base.mark_line(strokeWidth=1.2, opacity=0.35).encode(detail="path:N", order="x:Q"),
        base.mark_rule(strokeWidth=1.2, opacity=0.6).encode(x="x_low:Q", x2="x_high:Q"),
        base.mark_rule(strokeWidth=1.2, opacity=0.6).encode(y="y_low:Q", y2="y_high:Q"),
        bare.mark_point(size=95, strokeWidth=1.6, filled=False, opacity=1)
        .encode(
            shape=looks.shape,
            stroke=looks.color,
            fill=looks.color,
            fillOpacity=alt.FillOpacity("fill:Q", scale=None, legend=None),
            tooltip=tooltip(
                ("label", "cell"), ("x_text", "@x.title"), ("y_text", "@y.title"), ("chance", "on the front")
            ),
        )
        .add_params(brush),
        bare.mark_text(dx=9, dy=-9, fontSize=10, opacity=0.8).encode(text="name:N"),
    )
    return specification(chart, looks.legend, height=330)


def _scaling(looks: Looks) -> Spec:
    """Return a quantity over experts or another input, with the dense cell as a band."""
    import altair as alt

    x = alt.X(
        "x:Q",
        axis=axis("x", values={"expr": "@x.values"}),
        scale=alt.Scale(type="log", base=2, nice=False, padding=20),
    )
    y = alt.Y("y:Q", axis=axis("y"), scale=alt.Scale(zero=False, padding=12))
    dense = alt.Chart(alt.NamedData("dense"))
    base = alt.Chart(alt.NamedData("points")).encode(x=x, y=y, color=looks.color)
    chart = alt.layer(
        dense.mark_rect(opacity=0.18).encode(y="y_low:Q", y2="y_high:Q", color=looks.color),
        dense.mark_rule(strokeWidth=1.6).encode(y="y:Q", color=looks.color),
        base.mark_line(strokeWidth=1.8).encode(detail="path:N"),
        base.mark_rule(strokeWidth=1.2, opacity=0.6).encode(y="y_low:Q", y2="y_high:Q"),
        base.mark_point(size=70, filled=True, opacity=1).encode(
            shape=looks.shape,
            tooltip=tooltip(("label", "cell"), ("x_text", "@x.title"), ("y_text", "@y.title")),
        ),
    )
    return specification(chart, looks.legend)


def published(routers: Sequence[str]) -> Spec:
    """Return the chart of results that papers printed, for these routers."""
    import altair as alt

    looks = Looks(routers)
    x = alt.X("x:Q", axis=axis("x"), scale=alt.Scale(type="log", nice=False, padding=24))
    y = alt.Y("y:Q", axis=axis("y"), scale=alt.Scale(zero=False, padding=16))
    base = alt.Chart(alt.NamedData("points")).encode(x=x, y=y, color=looks.color)
    chart = alt.layer(
        base.mark_line(strokeWidth=1.2, strokeDash=[2, 3], opacity=0.8).encode(detail="path:N", order="x:Q"),
        base.mark_point(size=55, strokeWidth=1.4, opacity=0.9).encode(
            shape=looks.shape,
            tooltip=tooltip(
                ("label", "published, not measured here"),
                ("source", "source"),
                ("x_text", "@x.title"),
                ("y_text", "@y.title"),
            ),
        ),
    )
    return specification(chart, looks.legend)


def _curves(looks: Looks) -> Spec:
    """Return training curves, a line for each cell over the band of its seeds.

    Lines are stronger for more experts.
    """
    import altair as alt

    scale = alt.Scale(zero=False)
    x = alt.X("x:Q", axis=alt.Axis(title="Step", format="~s", tickCount=6), scale=alt.Scale(nice=False))
    base = alt.Chart(alt.NamedData("points")).encode(x=x, color=looks.color, detail="label:N")
    chart = alt.layer(
        base.mark_area(opacity=0.13).encode(y=alt.Y("low:Q", axis=axis("y"), scale=scale), y2="high:Q"),
        base.mark_line(strokeWidth=1.6).encode(
            y=alt.Y("y:Q", axis=axis("y"), scale=scale),
            opacity=alt.Opacity("strength:Q", scale=None, legend=None),
            tooltip=tooltip(("label", "cell"), ("x", "step"), ("y_text", "@y.title")),
        ),
    )
    return specification(chart, looks.legend)


def _load() -> Spec:
    """Return a heat map of load, a line for each cell and block.

    The experts of a line are in order of descending load.
    """
    import altair as alt

    chart = (
        alt.Chart(alt.NamedData("points"))
        .mark_rect()
        .encode(
            x=alt.X(
                "from:Q",
                axis=alt.Axis(title="experts of a block, fullest first", labels=False, ticks=False, grid=False),
                scale=alt.Scale(domain=[0, 1], nice=False),
            ),
            x2="to:Q",
            y=alt.Y(
                "line:N", sort=None, axis=alt.Axis(title=None, labelFontSize=10), scale=alt.Scale(paddingInner=0.08)
            ),
            color=alt.Color(
                "load:Q",
                scale=alt.Scale(scheme="purpleorange", domain=["@load.low", "@load.high"], domainMid=1, clamp=True),
                legend=alt.Legend(title="load / even share", gradientLength=160, tickCount=4),
            ),
            tooltip=tooltip(("line", "cell · block"), ("place", "place"), ("load_text", "load / even share")),
        )
    )
    return specification(chart, 200)


def _parts() -> Spec:
    """Return the parts of the FLOPs of a forward pass as bars."""
    import altair as alt

    chart = (
        alt.Chart(alt.NamedData("points"))
        .mark_bar()
        .encode(
            x=alt.X("flops:Q", axis=axis("x")),
            y=alt.Y("label:N", sort=None, axis=alt.Axis(title=None)),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=list(style.PARTS), range=list(style.PARTS.values())),
                legend=alt.Legend(labelLimit=320),
            ),
            order="order:Q",
            tooltip=tooltip(("label", "cell"), ("part", "part"), ("flops_text", "FLOPs"), ("share", "share")),
        )
    )
    return specification(chart, 270)


def _speed(looks: Looks) -> Spec:
    """Return time over that of the dense twin, timed alternately, with its interval."""
    import altair as alt

    x = alt.X("x:Q", axis=axis("x"), scale=alt.Scale(zero=False, padding=16))
    y = alt.Y("label:N", sort=None, axis=alt.Axis(title=None, grid=True))
    base = alt.Chart(alt.NamedData("points")).encode(x=x, y=y, color=looks.color)
    chart = alt.layer(
        alt.Chart(alt.NamedData("one")).mark_rule(strokeDash=[4, 3], opacity=0.6).encode(x="x:Q"),
        base.mark_rule(strokeWidth=2, opacity=0.6).encode(x="x_low:Q", x2="x_high:Q"),
        base.mark_point(size=60, filled=True, opacity=1).encode(
            shape=looks.shape, tooltip=tooltip(("label", "cell"), ("x_text", "@x.title"))
        ),
    )
    return specification(chart, looks.legend)


def _test_time(looks: Looks) -> Spec:
    """Return trained models in other settings, a line for each router and k.

    A ring is around the trained setting.
    """
    import altair as alt

    x = alt.X("x:Q", axis=axis("x"), scale=alt.Scale(zero=False, padding=20))
    y = alt.Y("y:Q", axis=axis("y"), scale=alt.Scale(zero=False, padding=16))
    bare = alt.Chart(alt.NamedData("points")).encode(x=x, y=y)
    base = bare.encode(color=looks.color)
    dashes = alt.Legend(title=None, labelExpr="'k ' + datum.label", symbolStrokeColor="currentColor")
    chart = alt.layer(
        base.mark_line(strokeWidth=1.6).encode(
            detail="path:N", strokeDash=alt.StrokeDash("k:N", sort="descending", legend=dashes)
        ),
        base.mark_rule(strokeWidth=1.2, opacity=0.6).encode(x="x_low:Q", x2="x_high:Q"),
        base.mark_rule(strokeWidth=1.2, opacity=0.6).encode(y="y_low:Q", y2="y_high:Q"),
        base.mark_point(size=70, filled=True, opacity=1).encode(
            shape=looks.shape,
            tooltip=tooltip(("label", "setting"), ("x_text", "@x.title"), ("y_text", "@y.title")),
        ),
        alt.Chart(alt.NamedData("trained"))
        .mark_point(size=330, filled=False, color="currentColor", strokeWidth=1.4, opacity=1, shape="circle")
        .encode(x=x, y=y),
    )
    return specification(chart, looks.legend, height=330)
