"""Compare counts with printed costs: deviation, tolerance, and tables."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from moebench.papers.printed import QUANTITIES, Entry, Printed, PrintedModel

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

Tolerance = float | Literal["digits"]
"""A share of the printed value; or "digits", the printed digits, rounded or cut."""
Known = Mapping[tuple[str, str, str], tuple[float, str]]
"""For each table, row and quantity a tolerance of its own, and the reason for it."""

_HEADINGS = {"params": "parameters", "eval_gflop_per_image": "GFLOP an image", "train_exaflop": "exaFLOP of training"}


def compare(
    models: Sequence[PrintedModel],
    counts: Sequence[Mapping[str, float]],
    tolerances: Mapping[str, Tolerance],
    known: Known,
) -> pd.DataFrame:
    """Return one row for each model and counted quantity.

    Args:
        models: rows of the printed tables.
        counts: counts of each model by quantity, in the units of `Printed.value`.
        tolerances: tolerance of each quantity.
        known: printed values outside the tolerances.

    Returns:
        Columns `table row label router cell quantity counted printed printed_value deviation tolerance agrees why`:
        `label` is the paper's name of the model and `cell` that of moebench; `deviation` is counted / printed − 1. If
        nothing was printed, the columns from `printed` on are missing values.
    """
    found: list[dict[str, Any]] = []
    for model, counted in zip(models, counts, strict=True):
        for quantity in filter(counted.__contains__, QUANTITIES):
            row: dict[str, Any] = {"table": model.table, "row": model.row, "label": model.label}
            row |= {"router": model.entry["router"], "cell": _cell_label(model.entry)}
            row |= {"quantity": quantity, "counted": counted[quantity]}
            if quantity in model.printed:
                own = known.get((model.table, model.row, quantity))
                tolerance, why = own or (tolerances[quantity], "")
                row |= _set_beside(model.printed[quantity], counted[quantity], tolerance) | {"why": why}
            found.append(row)
    return pd.DataFrame(found)


def _set_beside(printed: Printed, counted: float, tolerance: Tolerance) -> dict[str, Any]:
    deviation = counted / printed.value - 1
    agrees = printed.agrees_in_digits(counted) if tolerance == "digits" else abs(deviation) <= tolerance
    return {
        "printed": str(printed),
        "printed_value": printed.value,
        "deviation": deviation,
        "tolerance": str(tolerance),
        "agrees": agrees,
    }


def outside(frame: pd.DataFrame) -> list[str]:
    """Return a sentence for each count outside its tolerance.

    Args:
        frame: the result of `compare`.
    """
    wrong = frame[frame["agrees"].eq(False)]
    return [
        f"{row['table']} {row['row']}: {row['quantity']} {written(row)}, tolerance {row['tolerance']}"
        for row in wrong.to_dict("records")
    ]


def sentence(frame: pd.DataFrame) -> str:
    """Return how many printed values agree, and how many are known to differ.

    Args:
        frame: the result of `compare`.
    """
    printed = frame[frame["printed"].notna()]
    known = printed["why"].ne("")
    agree = printed["agrees"].eq(True)
    largest = printed.loc[~known & printed["quantity"].ne("params"), "deviation"].abs().max()
    end = f"; the largest deviation of FLOPs among them is {100 * largest:.2f} %" if largest == largest else ""
    odd = f", {known.sum()} are known to differ" if known.any() else ""
    return f"{(agree & ~known).sum()} of {len(printed)} printed values agree with the count{odd}{end}."


def render_tables(frame: pd.DataFrame) -> "list[Table]":
    """Return a terminal table for each printed table, with a row for each model.

    A row gives counted and printed costs, and their deviation.

    Args:
        frame: the result of `compare`.
    """
    from rich.table import Table
    from rich.text import Text

    tables = []
    for name, rows in frame.groupby("table", sort=False):
        shown = [quantity for quantity in _HEADINGS if rows.loc[rows["quantity"] == quantity, "printed"].notna().any()]
        shown += [quantity for quantity in _HEADINGS if quantity not in shown and quantity in set(rows["quantity"])]
        table = Table(title=Text(str(name)), title_justify="left", box=None, pad_edge=False, header_style="bold")
        table.add_column("row", no_wrap=True)
        table.add_column("model", no_wrap=True)
        for quantity in shown:
            table.add_column(_HEADINGS[quantity], justify="right", no_wrap=True)
        for row, group in rows.groupby("row", sort=False):
            cells = {cell["quantity"]: cell for cell in group.to_dict("records")}
            label = str(group["label"].iloc[0])
            number = str(row).removesuffix(label).rstrip(": ")
            table.add_row(Text(number), Text(label), *(_cell(cells[quantity]) for quantity in shown))
        tables.append(table)
    return tables


def _cell(row: Mapping[Any, Any]) -> "Text":
    from rich.text import Text

    text = written(row)
    if pd.isna(row["printed"]):
        return Text(text, style="dim")
    if not row["agrees"]:
        return Text(f"✗ {text}", style="red")
    return Text(f"~ {text}", style="yellow") if row["why"] else Text(text)


def written(row: Mapping[Any, Any]) -> str:
    """Return a count in printed units, with the printed value and its deviation.

    The printed value is missing if nothing was printed, and the deviation if the tolerance is the printed digits.

    Args:
        row: a row of the result of `compare`.
    """
    count = f"{row['counted'] / 1e6:,.1f}M" if row["quantity"] == "params" else f"{row['counted']:,.2f}"
    if pd.isna(row["printed"]):
        return count
    deviation = "" if row["tolerance"] == "digits" else f", {100 * row['deviation']:+.2f} %"
    return f"{count} ({row['printed']}{deviation})"


def _cell_label(entry: Entry) -> str:
    """Return the model with its router as written on the command line."""
    options = ",".join(f"{key}={value}" for key, value in entry.items() if key not in ("model", "router"))
    return f"{entry['model']} {entry['router']}" + (f"[{options}]" if options else "")
