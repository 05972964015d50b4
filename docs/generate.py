"""Generate the pages of the documentation that code and results decide, while mkdocs builds the site."""

import contextlib
import importlib
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import mkdocs_gen_files
import typer

from moebench import routers
from moebench.cli import app
from moebench.cli.claims import claims
from moebench.results.schema import COLUMNS
from moebench.suites.keys import suite_keys

ROOT = Path(__file__).parents[1]
# mkdocs runs this file by its path, so that its neighbours are not found by themselves.
sys.path.append(str(ROOT / "docs"))

gallery, pages, pictures = map(importlib.import_module, ("gallery", "router_pages", "pictures"))
cell = pages.cell


def write(path: str, text: str) -> None:
    """Write one page of the site."""
    with mkdocs_gen_files.open(path, "w") as page:
        page.write(text)


def router_pages() -> None:
    """Write one page and one picture for each router, and their list."""
    names = routers.names()
    for name in names:
        write(f"routers/{name}.md", pages.router_page(name, pictures.note(name)))
        write(f"routers/{name}.svg", pictures.svg(name))
    write("routers/index.md", pages.index(names))


def column_page() -> None:
    """Write the reference of the result table from its schema."""
    lines = ["# Columns of the result table", "", "One row for each cell and seed.", ""]
    for group in dict.fromkeys(column.group for column in COLUMNS):
        lines += [f"## {group}", "", "| Column | Unit | Meaning |", "| --- | --- | --- |"]
        for column in COLUMNS:
            if column.group == group:
                lines.append(f"| `{column.name}` | {column.unit or ''} | {cell(column.meaning)} |")
        lines.append("")
    write("reference/columns.md", "\n".join(lines))


def key_page() -> None:
    """Write the reference of a suite's keys from their declarations."""
    lines = ["# Keys of a suite", "", "| Key | Where | Default | Meaning |", "| --- | --- | --- | --- |"]
    for key in suite_keys():
        default = f"`{key.default}`" if key.default else "must be given"
        lines.append(f"| `{key.name}` | {key.where} | {cell(default)} | {cell(key.meaning)} |")
    write("reference/keys.md", "\n".join(lines))


def command_page() -> None:
    """Write the help of every command."""
    lines = ["# Commands", ""]
    for name, command in helped(typer.main.get_command(app), ()):
        lines += [f"## moebench {name}".rstrip(), "", "```text", command.strip(), "```", ""]
    write("reference/commands.md", "\n".join(lines))


def helped(group: object, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the name and the help of a command and of all commands below."""
    context = group.make_context("moebench " + " ".join(path), [], resilient_parsing=True)  # type: ignore[attr-defined]
    yield " ".join(path), group.get_help(context)  # type: ignore[attr-defined]
    for name, command in getattr(group, "commands", {}).items():
        yield from helped(command, (*path, name))


def claim_page() -> None:
    """Write what the reference results say of the claims of all suites."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        claims(as_markdown=True, results=ROOT / "results" / "reference")
    write("claims.md", f"# Claims of the papers, and what was measured\n\n{printed.getvalue()}")


def api_page() -> None:
    """Write the reference of the public names."""
    names = ["moebench.results.load", "moebench.inside.load.load_routing", "moebench.plot", "moebench.routers.Router"]
    parts = "\n\n".join(f"::: {name}" for name in [*names, "moebench.routers.SparseRouter", "moebench.routers.Routing"])
    write("reference/api.md", f"# Python API\n\n{parts}\n")


def gallery_page() -> None:
    """Write the figures of the reference results."""
    write("gallery.md", gallery.page())
    for figure in gallery.SHOWN:
        write(f"images/{figure}.svg", gallery.drawing(figure))
    with mkdocs_gen_files.open("images/routing.png", "wb") as file:
        file.write((ROOT / "dashboards" / "reference" / "routing.png").read_bytes())


router_pages()
gallery_page()
column_page()
key_page()
command_page()
claim_page()
api_page()
write("reference/changelog.md", (ROOT / "CHANGELOG.md").read_text("utf-8"))
write("benchmarks.md", (ROOT / "benchmarks" / "README.md").read_text("utf-8"))
write("contributing.md", (ROOT / "CONTRIBUTING.md").read_text("utf-8").replace("](docs/", "]("))
