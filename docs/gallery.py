"""Draw the gallery of figures from the reference results, each beside the command that draws it."""

from io import BytesIO
from pathlib import Path

import moebench
from moebench.reports.figures.layout import look
from moebench.reports.figures.registry import entries

REFERENCE = Path(__file__).parents[1] / "results" / "reference"
SHOWN = {
    "forest": "scaling-experts",
    "pareto": "scaling-experts",
    "scaling": "scaling-slots",
    "scorecard": "diagnostics",
    "dots": "routing-ablation",
    "health": "capacity",
    "curves": "stability",
    "costs": "pareto",
    "speed": "layers",
    "test-time": "test-time",
}
"""The suite whose rows a figure is drawn from."""


def drawing(figure: str) -> str:
    """Return a figure as SVG."""
    drawn = getattr(moebench.plot, figure.replace("-", "_"))(moebench.load(REFERENCE, suite=SHOWN[figure]))
    content = BytesIO()
    with look():
        drawn.savefig(content, format="svg", facecolor="white", metadata={"Date": None})
    return content.getvalue().decode()


def page() -> str:
    """Return the page that shows the figures under each other."""
    lines = ["# Gallery\n", "What `moebench plot` draws, here from the rows in `results/reference`.\n"]
    for figure, suite in SHOWN.items():
        caption = entries()[figure].caption
        lines += [f"## {figure}\n", f"![{caption}](images/{figure}.svg)\n", f"{caption}\n"]
        lines += [f"    moebench plot {figure} --suite {suite} --results results/reference --out {figure}.pdf\n"]
    lines += [
        "## routing\n",
        "![Three images, and the experts of their patches under two routers](images/routing.png)\n",
        "Which patch goes to which expert, from a recording. `dropped`, `slots`, `specialisation`, `coactivation` and "
        "`dynamics` are drawn from recordings as well; [Look inside](guides/inside.md) says how to make one.\n",
    ]
    return "\n".join(lines)
