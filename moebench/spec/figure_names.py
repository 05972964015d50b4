"""Names of the figures that a suite may ask for; `moebench.reports` draws them."""

from typing import Literal, get_args

Figure = Literal["pareto", "scaling", "health", "curves", "costs", "speed", "test-time"]

FIGURES: tuple[Figure, ...] = get_args(Figure)
DEFAULT_FIGURES: tuple[Figure, ...] = ("pareto", "scaling")
"""Figures of a suite that names none."""
