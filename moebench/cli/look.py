"""The command `look`, which shows recorded routing on images, as a page."""

from pathlib import Path
from typing import Annotated

import typer

from moebench.cli import options
from moebench.errors import BadInput

MOST_IMAGES = 64


def look(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE|CELL…]", help="Suite or cells with recordings; may be left out if there is one suite."
        ),
    ] = None,
    images: Annotated[
        int, typer.Option(parser=options.whole_number, metavar="N", help="How many recorded images to show.")
    ] = 24,
    out: options.PageOut = None,
    show: options.Show = False,
    results: options.Results = Path("results"),
) -> None:
    """Show recorded routing on images, two routers side by side.

    Cells are recorded by the key record_routing. One cell of each router is shown unless cells are named.
    """
    from moebench.inside.load import find_recordings
    from moebench.reports import write
    from moebench.reports.figures.recorded import not_shown, routed, side_by_side
    from moebench.results import Store, located, suite_names

    if not 1 <= images <= MOST_IMAGES:
        raise BadInput(f"--images should be from 1 to {MOST_IMAGES}, not {images}.")
    results, suite = located(results, None)
    known = suite_names(results)
    named = [name for name in names or [] if name in known]
    cells = [name for name in names or [] if name not in known]
    if len(named) > 1:
        raise BadInput(f"a page shows one suite; choose one of {', '.join(named)}.")
    found = find_recordings(results, named[0] if named else suite, cells)
    suites = list(dict.fromkeys(each.facts.suite for each in found))
    if len(suites) > 1:
        raise BadInput(f"{results} holds recordings of several suites; name one: moebench look {suites[0]}.")
    page = out or Store(results, suites[0]).report_folder / "look.html"
    chosen = side_by_side(found, all_cells=bool(cells))
    if rest := not_shown(found, chosen):
        options.say(rest, err=True)
    shown = routed(chosen, "routing")
    options.say_page(write.write_look(shown, images, page), show)
