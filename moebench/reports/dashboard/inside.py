"""Build the section of recorded routing: pictures of bounded size, sentences, and a command.

Each picture has a sentence, and the command shows more of the recordings.
"""

import base64
import html
import io
from collections.abc import Callable, Sequence

from moebench.errors import BadInput
from moebench.inside.load import Recording
from moebench.reports.answer import inside
from moebench.reports.figures.layout import Drawing, look
from moebench.reports.figures.recorded import draw_recordings, not_shown, routing_entries, side_by_side
from moebench.spec.figure_names import RoutingFigure

PICTURES: dict[RoutingFigure, Callable[[Sequence[Recording]], str]] = {
    "routing": inside.on_routing,
    "dropped": inside.on_dropped,
    "slots": inside.on_slots,
    "specialisation": inside.on_specialisation,
}
"""Figures of the section, each with the function that writes its sentence."""
MOST_BYTES = 260_000
"""Bytes of all pictures of a page, before base64 makes them a third larger."""
_DPI = (130, 110, 90, 75, 60)
"""Dots per inch that are tried in turn until a picture fits; the last shows an image at 50 dots."""
_COLOURS = 128


def inside_html(place: int, name: str, recordings: Sequence[Recording], most_bytes: int) -> str:
    """Return pictures of a suite's recordings with a sentence each.

    The text is empty for a suite without recordings.

    Args:
        place: number of the suite on the page.
        name: name of the suite.
        recordings: recordings of the suite.
        most_bytes: largest size of all pictures together; a picture that does not fit at any resolution is left out,
            and its sentence stays.
    """
    if not recordings:
        return ""
    try:
        shown = side_by_side(recordings)
        parts = [_picture(figure, shown, most_bytes // len(PICTURES)) for figure in PICTURES]
        rest = not_shown(recordings, shown)
    except BadInput as error:
        parts, rest = [f"<p>{html.escape(str(error))}</p>"], ""
    more = (
        f'<p class="small">To look at single patches, layers and capacities: <code>moebench look '
        f"{html.escape(name)}</code>. {html.escape(rest)}</p>"
    )
    return f'<div data-inside="{place}">\n{"".join(parts)}{more}\n</div>'


def _picture(name: RoutingFigure, recordings: Sequence[Recording], most_bytes: int) -> str:
    """Return a figure with its sentence.

    The text is empty if these recordings have nothing to draw for the figure.
    """
    try:
        drawing = draw_recordings(name, recordings)
    except BadInput:
        return ""
    sentence = html.escape(PICTURES[name](recordings))
    caption = html.escape(routing_entries()[name].caption)
    png = small_png(drawing, most_bytes)
    if png is None:
        return f"<p><b>{sentence}</b></p>\n"
    width, height = (round(90 * inches) for inches in drawing.get_size_inches())
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return (
        f'<figure class="picture"><figcaption><b>{sentence}</b> {caption}</figcaption>'
        f'<img src="{source}" width="{width}" height="{height}" alt="{sentence}"></figure>\n'
    )


def small_png(drawing: Drawing, most_bytes: int) -> bytes | None:
    """Return a figure as PNG of few colours, at the highest resolution that fits.

    The result is None if no resolution fits.
    """
    from PIL import Image

    bytes_a_square_dot = 0.0
    for dpi in _DPI:
        if bytes_a_square_dot * dpi**2 > most_bytes:
            continue  # a coarser picture has more bytes a dot, not fewer, so that this one needs no drawing
        content, small = io.BytesIO(), io.BytesIO()
        with look():
            drawing.savefig(content, format="png", dpi=dpi, facecolor="white")
        drawing.set_layout_engine("none")  # places are the same at any resolution
        image = Image.open(content).convert("RGB")
        image.quantize(_COLOURS, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
        if small.tell() <= most_bytes:
            return small.getvalue()
        bytes_a_square_dot = small.tell() / dpi**2
    return None
