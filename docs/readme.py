"""Write the parts of README.md that the reference results decide, between comments: python docs/readme.py."""

import io
from pathlib import Path

from rich.console import Console

from moebench.claims.written import markdown
from moebench.cli.printing import print_summary
from moebench.reports.analysis.cells import Results
from moebench.results import gather
from moebench.suites import find
from moebench.suites.published_costs_file import CountingSuite

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
SHOWN = "scaling-experts"
WIDTH = 118


def results_of(name: str) -> Results:
    """Return the reference results of a suite with its claims."""
    suite = find.find(name)
    assert not isinstance(suite, CountingSuite)
    return Results.from_frame(gather(REFERENCE, name)[0].to_pandas(), suite.claims)


def claims() -> str:
    """Return the count and the table of the claims that are decided."""
    names = [name for name in sorted(find.shipped()) if (REFERENCE / name).is_dir()]
    counted, decided = markdown([verdict for name in names for verdict in results_of(name).verdicts]).split("\n\n")[:2]
    return f"{counted}\n\n{decided}\n"


def run() -> str:
    """Return the table and the answer that a run of a suite ends with."""
    printed = io.StringIO()
    print_summary(Console(file=printed, width=WIDTH), results_of(SHOWN))
    table, *others = printed.getvalue().strip("\n").split("\n\n")
    lines = [line.rstrip() for line in table.splitlines()]
    legend = next(place for place, line in enumerate(lines) if line.startswith("●") and "highest" in line)
    answer = others[-1].splitlines()[0]
    return "\n".join(["```text", *lines[: legend + 1], "", answer, "```", ""])


def written(text: str) -> str:
    """Return the text of the README with its generated parts renewed."""
    for name, content in (("run", run()), ("claims", claims())):
        before, rest = text.split(f"<!-- {name} -->\n")
        _, after = rest.split(f"<!-- end of {name} -->")
        text = f"{before}<!-- {name} -->\n{content}<!-- end of {name} -->{after}"
    return text


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(written(readme.read_text("utf-8")), "utf-8")
    print(readme)
