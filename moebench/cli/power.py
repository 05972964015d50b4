"""The command `power`, which computes how many seeds would find a difference."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moebench.cli import options

if TYPE_CHECKING:
    import pandas as pd

    from moebench.claims.power import Plan


def power(
    suite: Annotated[str, typer.Argument(metavar="SUITE|FILE.yaml", help="The suite.")],
    difference: Annotated[
        float,
        typer.Option(
            parser=options.number,
            metavar="POINTS",
            help="The true difference to find: points of shares, else in the unit of the claim's metric.",
        ),
    ] = 1.0,
    results: options.Results = Path("results"),
) -> None:
    """Say how many seeds would find a difference, claim by claim.

    Found means significant in 80 % of runs. The scatter over seeds and test images is estimated from the suite's
    results. Without results an accuracy is assumed to scatter by 0.6 points over seeds. Each claim is tested at 5 %
    divided by the number of claims.
    """
    from rich.table import Table
    from rich.text import Text

    from moebench.claims.power import DEFAULT_SCATTER, MOST_SEEDS, plan
    from moebench.cli.narrow_tables import print_table
    from moebench.errors import BadInput
    from moebench.suites import find
    from moebench.suites.published_costs_file import CountingSuite

    chosen = find.find(suite)
    if isinstance(chosen, CountingSuite) or not chosen.claims:
        raise BadInput(f"the suite '{chosen.name}' has no claims, so that there is no difference to find.")
    frame, device = _rows(results, chosen.name)
    cells = max(len(profile.cells) for profile in chosen.profiles.values())
    plans = plan(chosen.claims, frame, cells, difference)
    console = options.console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("claim", "difference", "seeds now", "found by them", "seeds needed"):
        table.add_column(heading, justify="left" if heading == "claim" else "right")
    for each in plans:
        table.add_row(Text(each.claim.says), *_numbers(each))
    print_table(console, table)
    ground = (
        f"Scatter of {device}, from {results}."
        if frame is not None
        else f"No results of '{chosen.name}' in {results}: accuracies are taken to scatter by "
        f"{100 * DEFAULT_SCATTER:g} points over seeds, and the test images for all there are."
    )
    console.print(ground, markup=False, soft_wrap=not console.is_terminal)
    for each in plans:
        if each.images_needed is not None:
            console.print(
                f"{each.claim.says}: {each.images:,} test images leave more doubt than {MOST_SEEDS} seeds remove; "
                f"about {each.images_needed:,} would do.",
                markup=False,
                soft_wrap=not console.is_terminal,
            )


def _rows(results: Path, suite: str) -> "tuple[pd.DataFrame | None, str]":
    """Return a suite's rows on the device with most rows, and the device's name.

    Without results the rows are None.
    """
    from moebench.results import gather, suite_names

    if not results.is_dir() or suite not in suite_names(results):
        return None, ""
    table, problems = gather(results, suite)
    for problem in problems:
        options.say(f"moebench: left out: {problem}", err=True)
    frame = table.to_pandas()
    device = str(frame["device_kind"].value_counts().index[0])
    return frame[frame["device_kind"] == device], device


def _numbers(each: "Plan") -> tuple[str, str, str, str]:
    from moebench.results.number_text import three_digits
    from moebench.results.schema import column

    if each.reason:
        return "–", "–", "–", each.reason
    share = column(each.claim.on).unit == "share"
    unit = " points" if share else f" {column(each.claim.on).unit}"
    factor = 100.0 if share else 1.0
    needed = str(each.needed) if each.needed is not None else "no number"
    shown = [f"{three_digits(factor * value)}{unit}" for value in (each.difference, each.detectable)]
    return shown[0], str(each.seeds), shown[1], needed
