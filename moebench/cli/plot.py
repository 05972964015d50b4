"""The commands `plot`, `dashboard` and `report`, which draw and write from results."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moebench.cli import options
from moebench.errors import BadInput
from moebench.spec.figure_names import FIGURES, ROUTING_FIGURES

if TYPE_CHECKING:
    from moebench.reports.analysis.cells import Results


def plot(
    kind: Annotated[
        str, typer.Argument(metavar="FIGURE", help=f"Figure to draw: {', '.join((*FIGURES, *ROUTING_FIGURES))}.")
    ],
    suite: options.SuiteAmongResults = None,
    x: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the x axis.")] = None,
    y: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column of the y axis.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .png, .svg or .pdf file; by default all three beside the results."),
    ] = None,
    style: Annotated[
        str,
        typer.Option(
            metavar="paper|talk|notebook", help="Place of the figure, which sets size, letters and resolution."
        ),
    ] = "paper",
    columns: Annotated[int, typer.Option(metavar="1|2", help="Width of the figure in columns of a page.")] = 2,
    data: Annotated[Path | None, typer.Option(metavar="FILE.csv", help="Also write the numbers of the figure.")] = None,
    cells: Annotated[
        list[str] | None,
        typer.Option("--cell", metavar="CELL", help="A recorded cell, such as 'bpr[experts=8]'; repeatable."),
    ] = None,
    layer: Annotated[
        int | None,
        typer.Option(parser=options.whole_number, metavar="N", help="Block number of a recorded MoE layer."),
    ] = None,
    images: Annotated[
        int | None, typer.Option(parser=options.whole_number, metavar="N", help="How many recorded images to show.")
    ] = None,
    results: options.Results = Path("results"),
) -> None:
    """Draw a figure from results or from recorded routing.

    Figures of recordings show one cell of each router unless --cell names cells; only these figures take --cell,
    --layer and --images.
    """
    from moebench.reports import write

    write.check_figure(kind, x, y)
    if kind in ROUTING_FIGURES:
        _plot_recordings(kind, suite, out, style, columns, data, cells or [], layer, images, results)
        return
    if cells or layer is not None or images is not None:
        raise BadInput(f"--cell, --layer and --images are for figures of recordings: {', '.join(ROUTING_FIGURES)}.")
    results, name, found = _load(results, suite)
    stem = out.with_suffix("") if out else _report_folder(results, name) / kind
    formats = [out.suffix.removeprefix(".")] if out and out.suffix else None
    for path in write.draw(found, kind, stem, formats=formats, x=x, y=y, style=style, columns=columns, data=data):
        options.say(path)


def _plot_recordings(
    kind: str,
    suite: str | None,
    out: Path | None,
    style: str,
    columns: int,
    data: Path | None,
    cells: list[str],
    layer: int | None,
    images: int | None,
    results: Path,
) -> None:
    from moebench.inside.load import find_recordings
    from moebench.reports import write
    from moebench.reports.figures.recorded import Choice, not_shown, side_by_side
    from moebench.results import located

    results, suite = located(results, suite)
    found = find_recordings(results, suite, cells)
    suites = list(dict.fromkeys(each.facts.suite for each in found))
    if len(suites) > 1:
        raise BadInput(f"{results} has recordings of several suites; give --suite: {', '.join(suites)}.")
    stem = out.with_suffix("") if out else _report_folder(results, suites[0]) / kind
    formats = [out.suffix.removeprefix(".")] if out and out.suffix else None
    shown, choice = side_by_side(found, all_cells=bool(cells)), Choice(layer, images)
    if rest := not_shown(found, shown):
        options.say(rest, err=True)
    for path in write.draw_recordings(
        shown, kind, stem, choice, formats=formats, style=style, columns=columns, data=data
    ):
        options.say(path)


def dashboard(
    suite: options.SuiteAmongResults = None,
    out: options.PageOut = None,
    show: options.Show = False,
    results: options.Results = Path("results"),
) -> None:
    """Write results as one HTML page that works offline.

    The page has one suite, or all suites of the results folder.
    """
    from moebench.reports import write
    from moebench.results import chosen_stores
    from moebench.suites.suite_record import question_and_claims

    stores = chosen_stores(results, suite)
    root = stores[0].root
    suites = []
    for store in stores:
        question = question_and_claims(store).question or store.suite
        found, unread = write.suite_results(store, store.suite, question, _load(root, store.suite)[2])
        suites.append(found)
        for sentence in unread:
            options.say(f"moebench: {sentence}", err=True)
    page = out or (stores[0].report_folder if len(stores) == 1 else root) / "dashboard.html"
    options.say_page(write.write_dashboard(suites, page), show)


def report(
    suite: options.SuiteAmongResults = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE.md", help="Where to write it; by default beside the results.")
    ] = None,
    results: options.Results = Path("results"),
) -> None:
    """Write the results as Markdown with figures."""
    from moebench.reports import write
    from moebench.results.suite_folder import SuiteFolder
    from moebench.suites.suite_record import question_and_claims

    results, name, found = _load(results, suite)
    page = out or _report_folder(results, name) / "report.md"
    paths, missing = write.write_markdown(
        found, page, title=name, question=question_and_claims(SuiteFolder(results, name)).question
    )
    for path in paths:
        options.say(path)
    for sentence in missing:
        options.say(f"moebench: {sentence}", err=True)


def _load(results: Path, suite: str | None) -> "tuple[Path, str, Results]":
    """Return the results folder, and the name and results of a suite.

    Without `suite`, the only suite in the folder is taken.

    Raises:
        BadInput: the folder has no results of the suite, or no suite is named and there are several.
    """
    from moebench.reports.analysis.cells import Results
    from moebench.results import gather, located, suite_names
    from moebench.results.suite_folder import SuiteFolder
    from moebench.suites.suite_record import question_and_claims

    results, suite = located(results, suite)
    names = suite_names(results)
    if suite is None and len(names) > 1:
        raise BadInput(f"{results} has several suites; give --suite: {', '.join(names)}.")
    table, problems = gather(results, suite)
    for problem in problems:
        options.say(f"moebench: left out: {problem}", err=True)
    name = suite or names[0]
    return results, name, Results.from_frame(table.to_pandas(), question_and_claims(SuiteFolder(results, name)).claims)


def _report_folder(results: Path, suite: str) -> Path:
    from moebench.results.suite_folder import SuiteFolder

    return SuiteFolder(results, suite).report_folder
