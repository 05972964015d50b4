"""Names of the figures that suites, the command line and notebooks can draw."""

from typing import Literal, get_args

Figure = Literal[
    "forest",
    "pareto",
    "scaling",
    "health",
    "curves",
    "costs",
    "speed",
    "test-time",
    "dots",
    "multiplier",
    "scorecard",
    "contrastive",
]
"""Names of figures; `moebench.reports.figures` registers the function that draws each figure."""

FIGURES: tuple[Figure, ...] = get_args(Figure)
DEFAULT_FIGURES: tuple[Figure, ...] = ("pareto", "scaling")
"""Figures of a suite that names no figures."""

RoutingFigure = Literal["routing", "dropped", "slots", "specialisation", "coactivation", "dynamics"]
"""Figures drawn from recordings of routing, registered in `moebench.reports.figures` by modules of these names."""

ROUTING_FIGURES: tuple[RoutingFigure, ...] = get_args(RoutingFigure)
