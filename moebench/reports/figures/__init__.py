"""Figures for papers, talks and notebooks, each drawn from a frame of `moebench.reports.analysis.chart_data`.

A router looks the same in all of them, and the frame behind a figure is its attribute `frame`.
"""

from moebench.reports.figures.axes import save
from moebench.reports.figures.costs_and_speed import costs, speed
from moebench.reports.figures.health_and_curves import curves, health
from moebench.reports.figures.layout import Layout
from moebench.reports.figures.pareto_and_scaling import pareto, scaling
from moebench.reports.figures.published_costs import agreement
from moebench.reports.figures.test_time import at_test_time

__all__ = ["Layout", "agreement", "at_test_time", "costs", "curves", "health", "pareto", "save", "scaling", "speed"]
