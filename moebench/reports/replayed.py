"""Draw dropped tokens of recorded logits under other rules, over the capacity of slots."""

import pandas as pd

from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.style import in_order, style_of

_LABELS = {
    "dropped_tokens": "Dropped tokens (%)",
    "max_violation": "Max violation",
}


def draw(rows: pd.DataFrame, layout: Layout = PAPER) -> Drawing:
    """Draw a panel of dropped tokens and one of balance, over the effective capacity factor.

    Args:
        rows: the result of `moebench.replay.replay`, a row for each rule and layer.
        layout: place and size of the figure.

    Returns:
        The figure; a line joins the means over the layers of one router and top k, and a band spans the layers.
    """
    import seaborn

    frame = rows.assign(
        dropped_tokens=100 * rows["dropped_tokens"],
        line=rows["router"] + rows["top_k"].map(lambda k: "" if pd.isna(k) else f", k = {k:g}"),
    )
    lines = [line for name in in_order(frame["router"]) for line in frame["line"][frame["router"] == name].unique()]
    with look():
        figure = Drawing(layout, rows, 2.6 if layout.columns > 1 else 4.6)
        shape = (1, 2) if layout.columns > 1 else (2, 1)
        for axes, (column, title) in zip(figure.subplots(*shape).flat, _LABELS.items(), strict=True):
            seaborn.lineplot(
                frame,
                x="effective_capacity_factor",
                y=column,
                hue="line",
                hue_order=lines,
                palette={line: style_of(line.partition(",")[0]).color for line in lines},
                style="line",
                style_order=lines,
                markers=True,
                dashes=False,
                errorbar=("pi", 100),
                ax=axes,
                legend=column == "dropped_tokens",
            )
            axes.set_xlabel("Effective capacity factor")
            axes.set_ylabel(title)
            axes.set_ylim(bottom=0)
        first = figure.axes[0]
        handles, labels = first.get_legend_handles_labels()
        legend = first.get_legend()
        if legend is not None:
            legend.remove()
        figure.legend(handles, labels, loc="outside upper center", ncols=min(3, len(labels)))
    return figure
