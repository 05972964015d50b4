"""Draw the tests of two towers, a panel for each test, cells down.

Chance and printed results are marks.
"""

import numpy as np

from moebench.errors import BadInput
from moebench.papers.results import SOURCE
from moebench.reports import style
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.pair_scores import PRINTED_SIZE, pair_scores
from moebench.reports.figures.axes import grid, plain
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.legends import legend, noted
from moebench.reports.figures.registry import figure
from moebench.reports.labels import brief_labels

_DRAWN = (
    *("zero_shot_seen", "zero_shot_unseen", "image_to_text_r1", "text_to_image_r1"),
    *("binding_accuracy", "relations_accuracy"),
)


@figure(
    "contrastive",
    caption="Towers of images and texts on their tests. Bars: 95 % intervals over seeds. Dashed: chance. Hollow "
    f"diamonds: printed in {SOURCE}, table 3, for {PRINTED_SIZE} on ImageNet and COCO, not measured here.",
)
def contrastive(results: Results, layout: Layout = PAPER) -> Drawing:
    """Draw zero-shot accuracy, retrieval, binding and relations of cells with a text tower.

    Args:
        results: the rows and cells to draw.
        layout: place and size of the figure.

    Raises:
        BadInput: no cell has a text tower.
    """
    scores = pair_scores(results)
    names = [name for name in _DRAWN if (scores["quantity"] == name).any()]
    if not names:
        raise BadInput("nothing to draw: no cell has a text_model; the suite contrastive has such cells.")
    labels, routers = (list(dict.fromkeys(scores[name])) for name in ("label", "router"))
    # Options that all routed cells share are left out of names.
    brief, named = brief_labels(results.cells.set_index("label").loc[labels], 22)
    shown_as, named = (routers, "") if len(routers) == len(labels) else (brief.tolist(), named)
    narrow = layout.columns == 1
    across = 2 if narrow else 3
    with look():
        down = -(-len(names) // across)
        drawing, axes = grid(layout, scores, down, across, 0.75 + 0.16 * len(labels), sharey=True)
        for panel in axes.flat[len(names) :]:
            panel.remove()
        for place, (panel, name) in enumerate(zip(axes.flat, names, strict=False)):
            shown = scores[scores["quantity"] == name]
            for row in shown.to_dict("records"):
                down_at = labels.index(row["label"])
                look_of = style.style_of(row["router"])
                bars = 100 * np.array([[row["value"] - row["low"]], [row["high"] - row["value"]]])
                panel.errorbar(
                    [100 * row["value"]],
                    [down_at],
                    xerr=None if np.isnan(bars).any() else np.maximum(bars, 0),
                    fmt=look_of.marker,
                    color=look_of.color,
                    markersize=4,
                    elinewidth=1,
                )
                if not np.isnan(row["printed"]):
                    panel.plot(
                        [100 * row["printed"]], [down_at], marker="D", markersize=4, color="0.35", fillstyle="none"
                    )
            chance = float(shown["chance"].iloc[0])
            panel.axvline(100 * chance, color="0.4", linestyle="--", linewidth=0.8)
            panel.set_title(
                f"{plain(shown['title'].iloc[0])}\nchance {100 * chance:.3g} %", fontsize=6 if narrow else 7, loc="left"
            )
            panel.set_xlim(0, 103)
            panel.set_yticks(range(len(labels)), list(map(plain, shown_as)), fontsize=6.5 if narrow else 7.5)
            panel.set_ylim(len(labels) - 0.5, -0.5)
            if place + across >= len(names):
                panel.set_xlabel("%")
        printed = scores["printed"].notna().any()
        note = noted(
            "bars: 95 % intervals",
            "dashed: chance",
            named,
            f"hollow: printed in {SOURCE}, table 3, {PRINTED_SIZE} on ImageNet and COCO" if printed else "",
        )
        legend(drawing, scores["router"], note)
    return drawing
