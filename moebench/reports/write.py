"""The files that a suite ends with: its figures and its dashboard, made again only when the results are others."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from moebench.errors import BadInput, unknown
from moebench.files import publishing
from moebench.reports.quantities import quantity
from moebench.results import Store, gather
from moebench.spec.figure_names import Figure
from moebench.suites import find
from moebench.version import __version__

if TYPE_CHECKING:
    import pandas as pd

_FORMATS = ("png", "svg", "pdf")
_WITH_AXES = ("pareto", "scaling", "test-time")
_DRAWN_BY = {"test-time": "at_test_time"}
_STAMP = ".made-from.json"


def rows_of(store: Store, root: Path, cell_ids: Sequence[str]) -> "tuple[pd.DataFrame, list[str]]":
    """The result table of these cells, and the files that had to be left out.

    The folder may hold more: cells of other profiles, devices and earlier versions of the suite.
    """
    table, problems = gather(root, store.suite)
    frame: pd.DataFrame = table.to_pandas()
    return frame[frame["cell_id"].isin(cell_ids)], [f"left out: {problem}" for problem in problems]


def write_report(
    store: Store, frame: "pd.DataFrame", *, title: str, question: str, figures: Sequence[str]
) -> list[Path]:
    """Draw the figures and the dashboard of these rows, unless they are there already; the paths of all.

    A figure that these rows cannot give (every cell failed, say) is left out.
    """
    folder = store.report_folder
    made_from = _made_from(frame, title, question, figures)
    earlier = _earlier(folder, made_from)
    if earlier is not None:
        return earlier
    paths = [path for name in figures for path in _draw_if_possible(frame, name, folder / name)]
    paths.append(write_dashboard(frame, folder / "dashboard.html", title=title, question=question))
    stamp = {"made_from": made_from, "paths": [path.name for path in paths]}
    with publishing(folder / _STAMP) as temporary:
        temporary.write_text(json.dumps(stamp), encoding="utf-8")
    return paths


def write_dashboard(frame: "pd.DataFrame", page: Path, *, title: str, question: str) -> Path:
    """Publish the dashboard of these rows as one HTML file."""
    from moebench.reports.dashboard import build

    content = build.build(frame, title, question)
    with publishing(page) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return page


def write_markdown(frame: "pd.DataFrame", page: Path, *, title: str, question: str) -> list[Path]:
    """Publish the report of these rows as Markdown with its figures in the folder STEM_figures beside it.

    Returns the path of the report and those of the figures that these rows can give.
    """
    from moebench.reports import markdown

    folder = page.parent / f"{page.stem}_figures"
    drawn = [path for name in markdown.CAPTIONS for path in _draw_if_possible(frame, name, folder / name, ["png"])]
    content = markdown.build(frame, title, question, {path.stem: f"{folder.name}/{path.name}" for path in drawn})
    with publishing(page) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return [page, *drawn]


def write_agreement(frame: "pd.DataFrame", folder: Path) -> list[Path]:
    """Publish counts beside the print as a figure, and as a table of comma-separated values; the paths of all."""
    from moebench.reports import figures

    table = folder / "agreement.csv"
    with publishing(table) as temporary:
        frame.to_csv(temporary, index=False)
    return [table, *figures.save(figures.agreement(frame), folder / "agreement", _FORMATS)]


def question_of(suite: str) -> str:
    """The question of a shipped suite; of one that is not shipped, its name."""
    return find.find(suite).question if suite in find.shipped() else suite


def check_figure(name: str, x: str | None = None, y: str | None = None) -> None:
    """Raise BadInput for an unknown figure or column, or an axis that the figure does not let choose."""
    if name not in get_args(Figure):
        raise unknown("figure", name, get_args(Figure))
    for axis in filter(None, (x, y)):
        if name not in _WITH_AXES:
            raise BadInput(f"the axes of '{name}' are fixed; --x and --y are for {' and '.join(_WITH_AXES)}.")
        quantity(axis)


def draw(
    frame: "pd.DataFrame",
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
    """Draw one figure into STEM.FORMAT, by default PNG, SVG and PDF, and write the frame behind it to `data` as CSV.

    Raises BadInput if these rows have nothing to draw.
    """
    from moebench.reports import figures

    # Scaling sets several quantities beside each other, and takes a list of them.
    axes = {"x": x, "y": [y] if y and name == "scaling" else y}
    given = {axis: column for axis, column in axes.items() if column}
    figure = getattr(figures, _DRAWN_BY.get(name, name))(frame, layout=figures.Layout(style, columns), **given)
    paths = figures.save(figure, stem, formats or _FORMATS)
    if data is not None:
        with publishing(data) as temporary:
            # Numbers of experts and seeds are whole, also where a cell has none and pandas holds them as floats.
            figure.frame.convert_dtypes().to_csv(temporary, index=False)
        paths.append(data)
    return paths


def _draw_if_possible(frame: "pd.DataFrame", name: str, stem: Path, formats: Sequence[str] | None = None) -> list[Path]:
    try:
        return draw(frame, name, stem, formats=formats)
    except BadInput:
        return []


def _made_from(frame: "pd.DataFrame", title: str, question: str, figures: Sequence[str]) -> str:
    """A hash of what the report depends on: the rows that count, what is drawn, and the version that draws."""
    columns = ["cell_id", "seed", "run_id", "attempt", "status"]
    rows = sorted(frame[columns].astype(str).itertuples(index=False, name=None))
    content = [__version__, title, question, list(figures), rows]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _earlier(folder: Path, made_from: str) -> list[Path] | None:
    try:
        stamp = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    paths = [folder / name for name in stamp["paths"]]
    return paths if stamp["made_from"] == made_from and all(path.exists() for path in paths) else None
