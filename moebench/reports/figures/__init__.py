"""Draw the figures of papers, talks and notebooks from `Results`.

    draw("pareto", results, x="params")    a matplotlib figure; its attribute `frame` has the numbers
    save(figure, "pareto")                 pareto.png, pareto.svg and pareto.pdf
    entries()                              the figures: names, captions, axes

A router has one colour and one marker in all figures.
"""

from moebench.reports.figures.axes import axes_of
from moebench.reports.figures.layout import Layout
from moebench.reports.figures.published_costs import agreement
from moebench.reports.figures.registry import check, draw, entries
from moebench.reports.figures.save import save

__all__ = ["Layout", "agreement", "axes_of", "check", "draw", "entries", "save"]
