"""Generate the pages of the documentation that code and results decide, while mkdocs builds the site."""

import contextlib
import inspect
import io
import json
import re
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


def write(path: str, text: str) -> None:
    """Write one page of the site."""
    with mkdocs_gen_files.open(path, "w") as page:
        page.write(text)


def cell(text: str) -> str:
    """Escape a text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def router_pages() -> None:
    """Write one page for each router, and their list."""
    lines = ["# Routers", "", "| Router | Rule |", "| --- | --- |"]
    for name in routers.names():
        lines.append(f"| [`{name}`]({name}.md) | {cell(routers.summary(name))} |")
        write(f"routers/{name}.md", "\n".join(router_page(name)))
    write("routers/index.md", "\n".join(lines))


def router_page(name: str) -> Iterator[str]:
    """Yield the lines of one router's page: rule, source, options."""
    told = inspect.getdoc(routers.find(name)) or ""
    yield f"# {name}\n\n{told}\n"
    for paper in dict.fromkeys(re.findall(r"\b\d{4}\.\d{5}\b", told)):
        yield f"Source: [arXiv {paper}](https://arxiv.org/abs/{paper})\n"
    texts = routers.explanations(name)
    if options := routers.options(name):
        yield "| Option | Default | Meaning |\n| --- | --- | --- |"
        for option, default in options.items():
            given = "must be given" if default is inspect.Parameter.empty else f"`{json.dumps(default)}`"
            yield f"| `{option}` | {given} | {cell(texts.get(option, ''))} |"


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


router_pages()
column_page()
key_page()
command_page()
claim_page()
api_page()
write("reference/changelog.md", (ROOT / "CHANGELOG.md").read_text("utf-8"))
