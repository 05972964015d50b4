"""Write the files of a finished suite: its figures, its page and its report."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from moebench.errors import BadInput
from moebench.files import publishing
from moebench.reports.analysis import chart_data
from moebench.reports.analysis.cells import Results
from moebench.reports.quantities import quantity
from moebench.results import Store, gather
from moebench.results.csv_files import write_csv_frame
from moebench.spec.figure_names import ROUTING_FIGURES
from moebench.spec.records import FileName, read_record
from moebench.version import __version__

if TYPE_CHECKING:
    import pandas as pd

    from moebench.claims.claim import Claim
    from moebench.inside.load import Recording
    from moebench.reports.dashboard.build import SuiteResults
    from moebench.reports.figures.layout import Drawing
    from moebench.reports.figures.recorded import Choice

_FORMATS = ("png", "svg", "pdf")
_STAMP = ".made-from.json"


def results_of(
    store: Store, root: Path, cell_ids: Sequence[str], claims: "Sequence[Claim]" = ()
) -> tuple[Results, list[str]]:
    """Return the results of cells, and a line for each unreadable file.

    The folder may have more cells: of other profiles, devices and earlier versions of the suite.

    Args:
        store: results of the suite.
        root: results folder.
        cell_ids: the cells.
        claims: the claims of the suite.
    """
    table, problems = gather(root, store.suite)
    frame = table.to_pandas()
    chosen = Results.from_frame(frame[frame["cell_id"].isin(cell_ids)], claims)
    return chosen, [f"left out: {problem}" for problem in problems]


def write_report(
    store: Store, results: Results, *, title: str, question: str, figures: Sequence[str]
) -> tuple[list[Path], list[str]]:
    """Draw a suite's figures and its page, unless they exist already.

    Args:
        store: the suite's folder.
        results: the rows and cells to report.
        title: the suite's name.
        question: the suite's question.
        figures: names of the figures.

    Returns:
        The paths of all files, and a sentence for each figure that these results cannot give.
    """
    folder = store.report_folder
    suite, unread = suite_results(store, title, question, results)
    made_from = _made_from(results, title, question, figures, [each.path.name for each in suite.recordings])
    earlier = _earlier(folder, made_from)
    if earlier is not None:
        return earlier
    names, replaced = _for_what_varies(results, figures)
    paths, missing = _draw_all(results, names, folder, _FORMATS)
    missing = [*replaced, *missing, *unread]
    paths.append(write_dashboard([suite], folder / "dashboard.html"))
    stamp = {"made_from": made_from, "paths": [path.name for path in paths], "missing": missing}
    _publish(folder / _STAMP, json.dumps(stamp))
    return paths, missing


def _for_what_varies(results: Results, names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the figures, with `dots` in place of `scaling` if no number varies.

    A sentence names the replacement.
    """
    if "scaling" not in names or chart_data.varied_number(results):
        return list(names), []
    chosen = dict.fromkeys("dots" if name == "scaling" else name for name in names)
    sentence = "'dots' is drawn in place of 'scaling': no router has several values of a number, such as experts."
    return list(chosen), [sentence]


def _publish(path: Path, text: str) -> None:
    with publishing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def suite_results(store: Store, title: str, question: str, results: Results) -> "tuple[SuiteResults, list[str]]":
    """Return the contents of a suite's page, and a sentence for each unreadable recording.

    Args:
        store: the suite's folder.
        title: the suite's name.
        question: the suite's question.
        results: the rows and cells; only recordings of these cells are shown.
    """
    from moebench.inside.files import read_facts, recording_paths
    from moebench.inside.load import Recording
    from moebench.reports.dashboard.build import SuiteResults

    recordings, unread = [], []
    cells = set(results.cells["cell_id"])
    for path in (path for folder in store.recording_folders() for path in recording_paths(folder)):
        try:
            recording = Recording(path, read_facts(path))
        except BadInput as error:
            unread.append(f"left out: {error}")
            continue
        if recording.facts.cell_id in cells:
            recordings.append(recording)
    return SuiteResults(title, question, results, recordings), unread


def write_dashboard(suites: "Sequence[SuiteResults]", page: Path) -> Path:
    """Publish the page of suites as one HTML file."""
    from moebench.reports.dashboard import build

    content = build.build(suites)
    _publish(page, content)
    return page


def write_look(recordings: "Sequence[Recording]", images: int, page: Path) -> Path:
    """Publish the page of recorded routing.

    Args:
        recordings: recordings of equal images, as `side_by_side` chooses them.
        images: number of images to show.
        page: path of the HTML file.
    """
    from moebench.reports.look import build

    content = build.build(recordings, images)
    _publish(page, content)
    return page


def write_markdown(results: Results, page: Path, *, title: str, question: str) -> tuple[list[Path], list[str]]:
    """Publish the report of these results as Markdown, with its figures.

    The figures are in the folder STEM_figures beside the report.

    Returns:
        The paths of the report and its figures, and a sentence for each figure that these results cannot give.
    """
    from moebench.reports import figures, markdown

    folder = page.parent / f"{page.stem}_figures"
    # Both figures have equal numbers: over a number that varies, or by another varied input.
    other = "dots" if chart_data.varied_number(results) else "scaling"
    drawn, missing = _draw_all(results, [name for name in figures.entries() if name != other], folder, ["png"])
    pictures = [(f"{folder.name}/{path.name}", figures.entries()[path.stem].caption) for path in drawn]
    content = markdown.build(results, title, question, pictures)
    _publish(page, content)
    return [page, *drawn], missing


def write_agreement(frame: "pd.DataFrame", folder: Path) -> list[Path]:
    """Publish counts beside printed values as a figure and as CSV, and return the paths."""
    from moebench.reports import figures

    table = folder / "agreement.csv"
    with publishing(table) as temporary:
        write_csv_frame(frame, temporary)
    return [table, *figures.save(figures.agreement(frame), folder / "agreement", _FORMATS)]


def check_figure(name: str, x: str | None = None, y: str | None = None) -> None:
    """Check a figure's name and axes before results are read.

    Args:
        name: the figure's name.
        x: column of the x axis; None if the user chose none.
        y: column of the y axis; None if the user chose none.

    Raises:
        BadInput: the figure or a column is unknown, or an axis of the figure cannot be chosen.
    """
    from moebench.reports import figures

    if name in ROUTING_FIGURES and (x or y):
        raise BadInput(f"the axes of the figure '{name}' are fixed.")
    if name in ROUTING_FIGURES:
        return
    figures.check(name, x=x, y=y)
    for axis in filter(None, (x, y)):
        quantity(axis)


def draw(
    results: Results,
    name: str,
    stem: Path,
    *,
    formats: Sequence[str] | None = None,
    x: str | None = None,
    y: str | None = None,
    style: str = "paper",
    columns: int = 2,
    data: Path | None = None,
) -> list[Path]:
    """Draw one figure into files and return their paths.

    Args:
        results: the rows and cells to draw.
        name: the figure's name.
        stem: the path without its ending.
        formats: endings; None means PNG, SVG and PDF.
        x: column of the x axis; None leaves the choice to the figure.
        y: column of the y axis; None leaves the choice to the figure.
        style: paper, talk or notebook.
        columns: the figure's width in columns of a page, 1 or 2.
        data: file for the numbers behind the figure, as CSV; None writes none.

    Raises:
        BadInput: the results have nothing to draw, or an argument has none of the values listed here.
    """
    from moebench.reports import figures

    figure = figures.draw(name, results, figures.Layout(style, columns), x=x, y=y)
    return _saved(figure, stem, formats, data)


def draw_recordings(
    recordings: "Sequence[Recording]",
    name: str,
    stem: Path,
    choice: "Choice",
    *,
    formats: Sequence[str] | None = None,
    style: str = "paper",
    columns: int = 2,
    data: Path | None = None,
) -> list[Path]:
    """Draw one figure of recordings of routing into files and return their paths.

    Args:
        recordings: the recordings to show side by side.
        name: the figure's name.
        stem: the path without its ending.
        choice: the layer and the number of images.
        formats: endings; None means PNG, SVG and PDF.
        style: paper, talk or notebook.
        columns: the figure's width in columns of a page, 1 or 2.
        data: file for the numbers behind the figure, as CSV; None writes none.

    Raises:
        BadInput: the recordings have nothing to draw, or an argument has none of the values listed here.
    """
    from moebench.reports import figures
    from moebench.reports.figures import recorded

    figure = recorded.draw_recordings(name, recordings, choice, figures.Layout(style, columns))
    return _saved(figure, stem, formats, data)


def _saved(figure: "Drawing", stem: Path, formats: Sequence[str] | None, data: Path | None) -> list[Path]:
    """Publish a figure and the numbers behind it."""
    from moebench.reports import figures

    paths = figures.save(figure, stem, formats or _FORMATS)
    if data is not None:
        with publishing(data) as temporary:
            # Numbers of experts and seeds are whole, also if a cell has none and pandas holds them as floats.
            write_csv_frame(figure.frame.convert_dtypes(), temporary)
        paths.append(data)
    return paths


def _draw_all(
    results: Results, names: Sequence[str], folder: Path, formats: Sequence[str]
) -> tuple[list[Path], list[str]]:
    paths: list[Path] = []
    missing: list[str] = []
    for name in names:
        try:
            paths += draw(results, name, folder / name, formats=formats)
        except BadInput as error:
            reason = str(error).removeprefix("nothing to draw: ")
            missing.append(f"the figure '{name}' is left out: {reason}")
    return paths, missing


class _Stamp(BaseModel):
    """The inputs of a report, as a hash, and its files."""

    model_config = ConfigDict(strict=True, frozen=True)

    made_from: str
    paths: tuple[FileName, ...]
    missing: tuple[str, ...]


def _made_from(results: Results, title: str, question: str, figures: Sequence[str], recordings: Sequence[str]) -> str:
    """Return a hash of a report's inputs.

    The inputs are the title, the question, the claims, the rows that count, the names of the figures and recordings,
    and the version of moebench.
    """
    columns = ["cell_id", "seed", "run_id", "attempt", "status"]
    keys = sorted(results.rows[columns].astype(str).itertuples(index=False, name=None))
    claims = [claim.model_dump() for claim in results.claims]
    content = [__version__, title, question, claims, list(figures), sorted(recordings), keys]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _earlier(folder: Path, made_from: str) -> tuple[list[Path], list[str]] | None:
    """Return the earlier result of `write_report` for equal inputs.

    The result is None if a file is missing or the inputs differ.
    """
    try:
        stamp = read_record(folder / _STAMP, _Stamp, "record of a report")
    except BadInput:  # writing the report again replaces the record
        return None
    if stamp.made_from != made_from:
        return None
    paths = [folder / name for name in stamp.paths]
    return (paths, list(stamp.missing)) if all(path.exists() for path in paths) else None
