"""Name the figures that suites, the command line and notebooks may ask for."""

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
"""A name here and the function that draws the figure, registered in `moebench.reports.figures`, are one figure."""

FIGURES: tuple[Figure, ...] = get_args(Figure)
DEFAULT_FIGURES: tuple[Figure, ...] = ("pareto", "scaling")
"""Figures of a suite that names none."""

RoutingFigure = Literal["routing", "dropped", "slots", "specialisation", "coactivation", "dynamics"]
"""Figures drawn from recordings of routing, registered in `moebench.reports.figures` by modules of these names."""

ROUTING_FIGURES: tuple[RoutingFigure, ...] = get_args(RoutingFigure)
