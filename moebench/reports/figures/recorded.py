"""Register the figures of recorded routing, and choose the recordings and images that they show."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from moebench.errors import BadInput, unknown
from moebench.inside.load import Recording, check_same_images
from moebench.reports import style
from moebench.reports.figures.layout import PAPER, Drawing, Layout
from moebench.spec.figure_names import ROUTING_FIGURES, RoutingFigure

MOST_CELLS = 6
"""Most cells side by side in one figure."""

MOST_IMAGES = 24

DrawRecordings = Callable[..., Drawing]


@dataclass(frozen=True)
class Choice:
    """The layer and the number of images that a figure of recordings shows.

    Raises:
        BadInput: the number of images is 0, or more than a figure has room for.
    """

    layer: int | None = None
    """Block number of the MoE layer; None: the last one."""
    images: int | None = None
    """Number of images; None: as many as the figure has room for."""

    def __post_init__(self) -> None:
        """Check the number of images."""
        if self.images is not None and not 1 <= self.images <= MOST_IMAGES:
            raise BadInput(f"a figure shows 1 to {MOST_IMAGES} images, not {self.images}.")

    def layer_of(self, recording: Recording) -> int:
        """Return the layer of a recording.

        Raises:
            BadInput: the recording has no such MoE layer.
        """
        if self.layer is None:
            return recording.facts.layers[-1]
        recording.check_layers([self.layer])
        return self.layer


@dataclass(frozen=True)
class RoutingFigureEntry:
    """A figure of recordings: its name, the function that draws it, and its caption."""

    name: RoutingFigure
    draw: DrawRecordings
    caption: str


_ENTRIES: dict[str, RoutingFigureEntry] = {}


def routing_figure(name: RoutingFigure, *, caption: str) -> Callable[[DrawRecordings], DrawRecordings]:
    """Register the decorated function as the figure of a name.

    The function is called with recordings, a `Choice` and `layout=`.

    Args:
        name: the name in `moebench.spec.figure_names`.
        caption: the sentence under the figure in reports.
    """

    def register(draw: DrawRecordings) -> DrawRecordings:
        _ENTRIES[name] = RoutingFigureEntry(name, draw, caption)
        return draw

    return register


@cache
def routing_entries() -> dict[str, RoutingFigureEntry]:
    """Return the entries of the figures of recordings by their names."""
    for name in ROUTING_FIGURES:
        import_module(f"{__name__.rpartition('.')[0]}.{name}")
    return {name: _ENTRIES[name] for name in ROUTING_FIGURES}


def draw_recordings(
    name: str, recordings: Sequence[Recording], choice: Choice | None = None, layout: Layout = PAPER
) -> Drawing:
    """Draw a figure of recordings.

    Args:
        name: the figure's name.
        recordings: recordings of one seed of each cell; `side_by_side` chooses them.
        choice: layer and images to show; None leaves the choice to the figure.
        layout: place and size of the figure.

    Raises:
        BadInput: the figure or the layer does not exist, or the recordings have nothing to draw.
    """
    if name not in ROUTING_FIGURES:
        raise unknown("figure", name, ROUTING_FIGURES)
    return routing_entries()[name].draw(recordings, choice or Choice(), layout=layout)


def side_by_side(recordings: Sequence[Recording], *, all_cells: bool = False) -> list[Recording]:
    """Return the recordings of one figure: the first seed of one cell of each router.

    Cells of the images on which most routers were recorded are shown; of a router's cells the one with the most
    experts, and of equals the first. If routers are more than have room, the first in their usual order are shown.

    Args:
        recordings: recordings of one suite.
        all_cells: whether every cell is shown, because the user named the cells.

    Raises:
        BadInput: the cells were recorded on different images, or are more than a figure has room for.
    """
    first_seed: dict[str, Recording] = {}
    for each in sorted(recordings, key=lambda each: each.facts.seed):
        first_seed.setdefault(each.facts.cell_id, each)
    if all_cells:
        found = list(first_seed.values())
        if len(found) > MOST_CELLS:
            raise BadInput(f"{len(found)} cells do not fit side by side; choose at most {MOST_CELLS} with --cell.")
    else:
        found = _one_of_each_router(first_seed.values())
    check_same_images(found)
    order = style.in_order(each.facts.router for each in found)
    return sorted(found, key=lambda each: order.index(each.facts.router))[:MOST_CELLS]


def not_shown(recordings: Sequence[Recording], shown: Sequence[Recording]) -> str:
    """Return in a sentence which recorded routers are not shown, "" if all are."""
    names = style.in_order({each.facts.router for each in recordings} - {each.facts.router for each in shown})
    why = f"recorded on other images, or more than the {MOST_CELLS} cells that fit"
    return f"Not shown: {', '.join(names)} ({why}); name the cells to show them." if names else ""


def _one_of_each_router(recordings: Iterable[Recording]) -> list[Recording]:
    """Return the cell with the most experts of each router.

    Its images are those on which most routers were recorded, and of equals those of the first data set by name.
    """
    by_images: dict[str, dict[str, Recording]] = {}
    for each in sorted(recordings, key=lambda each: each.facts.data):
        chosen = by_images.setdefault(each.facts.images, {})
        if each.facts.router not in chosen or each.facts.experts > chosen[each.facts.router].facts.experts:
            chosen[each.facts.router] = each
    return list(max(by_images.values(), key=len).values())


def routed(recordings: Sequence[Recording], what: str) -> list[Recording]:
    """Return the recordings of routers other than dense.

    The layers of such routers have several experts, or tokens that can bypass the layer.

    Args:
        recordings: recordings of any routers.
        what: what a dense layer lacks, for the message.

    Raises:
        BadInput: there are no such recordings.
    """
    found = [each for each in recordings if each.facts.router != "dense"]
    if not found:
        raise BadInput(f"a dense layer has no {what}: choose a cell with a router.")
    return found
