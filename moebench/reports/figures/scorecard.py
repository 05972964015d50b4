"""Draw the score card of diagnostic tasks: routers in rows, tasks in columns.

The rows of routers are between the rows of oracle and of chance.
"""

from collections.abc import Hashable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.score_card import COST, score_card
from moebench.reports.figures.axes import grid, plain
from moebench.reports.figures.layout import PAPER, Drawing, Layout, look
from moebench.reports.figures.registry import figure
from moebench.reports.labels import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NARROW = 3.25
"""Inches for which the letters of a narrow card are made; they shrink with the card."""
_ROOMY = 7
"""Columns for which letters have their full size; they shrink with the room of a column."""


@figure(
    "scorecard",
    caption="Routers on tasks whose right answer is known. Colour: from chance (light) to the best possible (dark). "
    "Small numbers: half of the 95 % interval over seeds.",
)
def scorecard(results: Results, layout: Layout = PAPER) -> Drawing:
    """Draw the score of each router on each diagnostic task.

    Colours are from chance to the best possible score.

    Args:
        results: the rows and cells to draw.
        layout: place and size of the figure.

    Raises:
        BadInput: no cell is of a diagnostic task.
    """
    import seaborn

    card = score_card(results)
    narrow = layout.columns == 1
    card["heading"] = [_heading(row, narrow=narrow) for row in card.to_dict("records")]
    card["text"] = [_text(row, narrow=narrow) for row in card.to_dict("records")]
    routers, columns = list(dict.fromkeys(card["router"])), list(dict.fromkeys(card["heading"]))
    scores, texts = (card.pivot(index="router", columns="heading", values=name) for name in ("score", "text"))
    scores, texts = scores.loc[routers, columns], texts.loc[routers, columns]
    fit = min(1.0, _ROOMY / len(columns)) * (min(1.0, layout.width / _NARROW) if narrow else 1.0)
    with look():
        drawing, axes = grid(layout, card, 1, 1, 0.9 + (0.3 if narrow else 0.27) * len(routers))
        panel = axes[0, 0]
        seaborn.heatmap(
            scores.to_numpy(float),
            annot=texts.fillna("–").to_numpy(str),
            fmt="",
            vmin=0,
            vmax=1,
            cmap="Blues",
            ax=panel,
            linewidths=0.8,
            linecolor="white",
            annot_kws={"fontsize": (5.2 if narrow else 7) * fit, "linespacing": 0.95},
            cbar=False,
            xticklabels=False,
            yticklabels=False,
        )
        # seaborn writes no text in a cell without a score.
        scored = panel.collections[0].get_facecolors()[np.isfinite(scores.to_numpy(float)).ravel()]
        for text, color in zip(panel.texts, scored, strict=True):
            text.set_color(_legible_on(color))
        panel.grid(visible=False)
        panel.tick_params(length=0)
        names = [plain(shortened(name, 14 if narrow else 17)) for name in routers]
        panel.set_yticks(np.arange(len(routers)) + 0.5, names)
        panel.set_xticks(np.arange(len(columns)) + 0.5, columns)
        panel.tick_params(axis="x", labelsize=(4.8 if narrow else 7.5) * fit, labelrotation=0)
        panel.tick_params(axis="y", labelsize=6 if narrow else 7.5, labelrotation=0)
        panel.xaxis.tick_top()
        _rule_off(panel, routers)
        notes = ("colour: from chance to the best possible", "±: half of the 95 % interval · empty: not defined")
        drawing.supxlabel(("\n" if narrow else " · ").join(notes), fontsize=5.5 if narrow else 7)
    return drawing


def _legible_on(color: Sequence[float]) -> str:
    """Return black or white, whichever has more contrast with a colour (WCAG 2.2, relative luminance)."""
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in color[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"


def _rule_off(panel: "Axes", routers: list[str]) -> None:
    """Separate the bounds, the first and the last row, from the routers by lines."""
    for place in (1 if routers[0] == "oracle" else 0, len(routers) - 1):
        panel.axhline(place, color="#333333", linewidth=0.9)


def _heading(row: dict[Hashable, Any], *, narrow: bool) -> str:
    """Return task and score in lines, with the unit and any slots for each token."""
    slots = row["slots_per_token"]
    at = "" if np.isnan(slots) else f"\nk·C{chr(10) if narrow else ' '}= {Fraction(slots).limit_denominator(64)}"
    unit = {"memorised_bits": "kbit", "domain_information": "bits", COST: "× dense"}.get(row["quantity"], "%")
    task = row["data"].replace("-", "-\n") if narrow else row["data"]
    return f"{task}\n{row['title']}{at}\n({unit})"


def _text(row: dict[Hashable, Any], *, narrow: bool) -> str:
    """Return a value with half of its interval, in the unit of its heading."""
    units = {"memorised_bits": (1e-3, 2), "domain_information": (1.0, 2), COST: (1.0, 2)}
    factor, digits = units.get(row["quantity"], (100.0, 0))
    if np.isnan(row["value"]):
        return "–"
    shown = f"{row['value'] * factor:.{digits}f}"
    half = (row["high"] - row["low"]) / 2
    if np.isnan(half):
        return shown
    return f"{shown}{chr(10) if narrow else ' '}±{half * factor:.{digits}f}"
