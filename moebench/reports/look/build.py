"""Build the page of recorded routing: equal images under two routers, one complete HTML file."""

import html
from collections.abc import Sequence

from moebench.inside.load import Recording
from moebench.reports.look.content import content
from moebench.reports.offline_page import filled, head, packed, part, program


def build(recordings: Sequence[Recording], images: int) -> str:
    """Return the whole page as HTML.

    Args:
        recordings: recordings of equal images, as `side_by_side` chooses them.
        images: number of images to show.

    Raises:
        BadInput: the recorded pictures are missing.
    """
    script = program(_part("look.js"))
    facts = recordings[0].facts
    shown = content(recordings, images)
    styles = part("moebench.reports.dashboard", "style.css") + _part("look.css")
    parts = {
        "head": head(f"Routing of {facts.suite}", styles, script),
        "suite": html.escape(facts.suite),
        "about": html.escape(
            f"{len(shown['images'])} test images of {facts.data} at {facts.image_size} pixels, "
            f"{len(recordings)} cells, model {facts.model}."
        ),
        "data": packed(shown),
        "program": script,
    }
    return filled(_part("index.html"), parts)


def _part(name: str) -> str:
    return part("moebench.reports.look", name)
