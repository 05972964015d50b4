"""Models with printed costs, as entries of a suite, to count and compare their costs.

The tables are in `published/`:

- `soft_moe_long_runs`, arXiv 2308.00951v2, tables 1 and 8: parameters, training and inference cost;
- `soft_moe_table9_even`, arXiv 2308.00951v2, the rows of table 9 with an even number: training cost of short runs;
- `vmoe_models`, arXiv 2106.05974: parameters, read from a digest of the paper.
"""

import csv
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from moebench.errors import BadInput, unknown

TABLES = ("soft_moe_long_runs", "soft_moe_table9_even", "vmoe_models")
QUANTITIES = ("params", "eval_gflop_per_image", "train_exaflop")
"""Printed costs. A multiply-add is 2 FLOPs in GFLOP of inference, and 1 FLOP in exaFLOP of training."""

Entry = dict[str, str | int | float]
"""Values of a suite's entry, by key."""

BATCH = 4096
SHORT_STEPS = 300_000
"""Training steps of table 9 (2308.00951, section 3)."""
IMAGE_SIZE = 224
_ROUTERS = {"Dense": "dense", "Soft MoE": "soft", "Tokens Choice": "bpr", "Experts Choice": "experts-choice"}
"""Routers by the paper's names; the paper's Tokens Choice uses BPR unless the paper says otherwise."""
_DETAILS = {"E": "experts", "S": "group_size", "K": "K", "C": "C"}
_UNITS = {"M": 1e6, "B": 1e9}
_LETTERS = {unit: letter for letter, unit in _UNITS.items()}


@dataclass(frozen=True)
class Printed:
    """A number as printed."""

    text: str
    unit: float = 1.0

    def __str__(self) -> str:
        return self.text + _LETTERS.get(self.unit, "")

    @property
    def value(self) -> float:
        """The number in units of 1."""
        return float(self.text) * self.unit

    def agrees_in_digits(self, counted: float) -> bool:
        """Return whether a count gives the printed digits, rounded or cut: the papers do both."""
        last_digit = self.unit / 10 ** len(self.text.partition(".")[2])
        digits, shown = counted / last_digit, round(self.value / last_digit)
        return shown in (math.floor(digits), math.floor(digits + 0.5))


@dataclass(frozen=True)
class PrintedModel:
    """One row of a table: the model that moebench builds, and the printed costs."""

    table: str
    row: str
    """Key of the row in its table: its number, or the model's name."""
    label: str
    """The model in the paper's words."""
    entry: Entry
    images: int | None
    """Images seen in training; None if not printed."""
    printed: dict[str, Printed]
    """Printed costs by the names of `QUANTITIES`."""


def models(table: str, beside: Path = Path()) -> list[PrintedModel]:
    """Return the rows of a table.

    Args:
        table: one of `TABLES`, or a CSV file with the columns of one of them.
        beside: the folder that a relative path starts from.

    Raises:
        BadInput: the table is unknown, a file cannot be read, or a file has other columns or an unknown model.
    """
    if table.endswith(".csv"):
        path = beside / table
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"cannot read the table {path}: {error}.") from error
    elif table in TABLES:
        text = (resources.files("moebench.papers") / "tables" / f"{table}.csv").read_text(encoding="utf-8")
    else:
        raise unknown("table", table, TABLES)
    rows = list(csv.DictReader(text.splitlines()))
    read = next((read for column, read in _READERS.items() if rows and column in rows[0]), None)
    if read is None:
        raise BadInput(f"the table {table} has none of the columns that tell its kind: {', '.join(_READERS)}.")
    try:
        return [read(Path(table).stem, row) for row in rows]
    except (KeyError, ValueError, IndexError) as error:
        raise BadInput(f"the table {table} cannot be read as what its columns say: {error!r}.") from error


def _long_run(table: str, row: dict[str, str]) -> PrintedModel:
    dense, soft, experts = _matched(r"ViT (\S+)|Soft MoE (\S+) (\d+)E", row["model"])
    entry: Entry = {"model": (dense or soft).lower(), "router": "dense"}
    if soft:
        entry |= {"router": "soft", "experts": int(experts)}
    steps = int(row["steps"])
    printed = {key: Printed(row[key]) for key in ("eval_gflop_per_image", "train_exaflop")}
    printed["params"] = Printed(row["params"][:-1], _UNITS[row["params"][-1]])
    label = f"{row['model']}, {steps / 1e6:g}M steps"
    return PrintedModel(table, f"{row['table']}: {label}", label, entry, steps * BATCH, printed)


def _short_run(table: str, row: dict[str, str]) -> PrintedModel:
    (patch,) = _matched(r"\w+/(\d+)", row["model"])
    router = _ROUTERS[row["routing"]]
    entry: Entry = {"model": row["model"].lower(), "router": router}
    if router != "dense":
        entry |= {
            "experts": int(row["experts"]),
            "group_images": int(row["group_size"]) // (IMAGE_SIZE // int(patch)) ** 2,
        }
    if router in ("bpr", "experts-choice"):
        entry |= {"capacity_factor": float(row["C"]), "top_k": int(row["K"] or 1), "dispatch": "einsum"}
    details = [f"{key} {row[column]}" for key, column in _DETAILS.items() if row[column]]
    label = " ".join([row["model"], row["routing"], *details])
    printed = {"train_exaflop": Printed(row["train_exaflop"])}
    return PrintedModel(table, row["ref"], label, entry, SHORT_STEPS * BATCH, printed)


def _vmoe(table: str, row: dict[str, str]) -> PrintedModel:
    sparse, size, rule, last = _matched(r"(V-MoE|ViT)-(\S+)(?: (Every-2|Last-(\d+)))?", row["model"])
    entry: Entry = {"model": f"vmoe-{size.lower()}", "router": "dense"}
    if sparse == "V-MoE":
        moe_layers = f"last-n:{last}" if last else rule.lower()
        entry |= {"router": "tokens-choice", "top_k": int(row["k"]), "moe_layers": moe_layers}
    printed = {"params": Printed(row["params_millions"], 1e6)}
    return PrintedModel(table, row["model"], row["model"], entry, None, printed)


_READERS: dict[str, Callable[[str, dict[str, str]], PrintedModel]] = {
    "eval_gflop_per_image": _long_run,
    "group_size": _short_run,
    "params_millions": _vmoe,
}
"""Reader of each kind of table, by a column that only this kind has."""


def _matched(pattern: str, name: str) -> tuple[str, ...]:
    found = re.fullmatch(pattern, name)
    if found is None:
        raise ValueError(f"model {name}")
    return found.groups(default="")
