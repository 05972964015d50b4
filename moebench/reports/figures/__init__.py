"""Figures for papers, talks and notebooks, each drawn from a frame of `moebench.reports.frames`.

A router looks the same in all of them, and the frame behind a figure is its attribute `frame`.
"""

from moebench.reports.canvas import save
from moebench.reports.drawing import Layout
from moebench.reports.figures.agreement import agreement
from moebench.reports.figures.cost import costs, speed
from moebench.reports.figures.inside import curves, health
from moebench.reports.figures.quality import pareto, scaling
from moebench.reports.figures.test_time import at_test_time

__all__ = ["Layout", "agreement", "at_test_time", "costs", "curves", "health", "pareto", "save", "scaling", "speed"]
