"""Texts of a drawn figure that cover each other or leave the figure."""

from itertools import combinations

from matplotlib.axis import Tick
from matplotlib.figure import Figure
from matplotlib.text import Text


def overlaps(figure: Figure) -> list[str]:
    """Return pairs of texts whose boxes overlap by more than a pixel, and texts that leave the figure."""
    figure.draw_without_rendering()
    spare = {label for tick in figure.findobj(Tick) for label in (tick.label1, tick.label2)} - _labels(figure)
    shown = [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown if text not in spare]
    width, height = figure.bbox.width, figure.bbox.height
    found = [
        f"{text!r} leaves the figure"
        for text, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    for (one, first), (other, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        along = min(first.y1, second.y1) - max(first.y0, second.y0)
        if across > 1 and along > 1:
            found.append(f"{one!r} covers {other!r}")
    return found


def _labels(figure: Figure) -> set[Text]:
    """Return the labels of ticks that are drawn; matplotlib keeps spare ticks, and ticks beyond an axis's limits."""
    drawn: set[Text] = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
                if axes.get_visible() and axis.get_visible() and low <= tick.get_loc() <= high:
                    drawn |= {label for label in (tick.label1, tick.label2) if label.get_visible()}
    return drawn
