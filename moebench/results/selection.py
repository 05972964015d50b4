"""Select a part of the results by its name on the command line.

The name is a folder, a run, a commit, or keys with values.

    results-of-yesterday          a results folder, or the folder of one suite in it
    20250102T030405-abc123        a run
    4f77fe2                       rows that were measured at a commit of moebench
    router=soft,experts=8,16      cells whose router is soft and whose experts are 8 or 16

Runs and commits are searched in all attempts, replaced ones too; a folder and keys select the newest attempts.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from moebench.errors import BadInput, unknown
from moebench.results.loading import chosen_stores, located
from moebench.results.newest import newest
from moebench.results.parquet_files import Problem, read_files
from moebench.results.schema import COLUMNS
from moebench.results.store import concatenated
from moebench.results.suite_folder import suite_names

if TYPE_CHECKING:
    import pandas as pd

_SCALARS = tuple(column.name for column in COLUMNS if not pa.types.is_list(column.type))
_COMMIT = re.compile(r"[0-9a-f]{7,40}\+?")


@dataclass(frozen=True)
class Selection:
    """Rows of the result table, the newest attempt at each cell and seed."""

    name: str
    """The selection as the user wrote it."""
    rows: "pd.DataFrame"
    keys: frozenset[str]
    """Keys that the selection gives values to, by their names in a suite."""


class History:
    """Every attempt under a results folder, replaced ones too, read when first needed."""

    def __init__(self, root: Path, suite: str | None = None) -> None:
        self.root, self.suite = located(root, suite)
        self.problems: list[Problem] = []
        """Files that could not be read."""

    @cached_property
    def attempts(self) -> "pd.DataFrame":
        """All rows; `newest` marks those that count."""
        tables = []
        for store in chosen_stores(self.root, self.suite):
            replaced, lost = read_files(store.superseded_files())
            tables += [*replaced.values(), store.attempts()]
            self.problems += [*lost, *store.unreadable]
        table = concatenated(tables)
        if not table.num_rows:
            raise BadInput(f"no row of results could be read in {self.root}" + "".join(f"; {p}" for p in self.problems))
        frame: pd.DataFrame = table.to_pandas()
        return frame.assign(newest=newest(table))

    def select(self, text: str) -> Selection:
        """Return the rows of a selection.

        Raises:
            BadInput: the text selects nothing, or may name several runs or commits.
        """
        if not text.strip():
            raise BadInput("a selection is empty; write a folder, a run, a commit, or keys such as 'router=soft'.")
        if "=" not in text and Path(text).is_dir():
            return self._folder(Path(text))
        if "=" in text:
            return self._where(text)
        return self._made_by(text)

    def others(self, suites: Collection[str]) -> "pd.DataFrame | None":
        """Return the newest rows of some suites under the results folder.

        The result is None if the folder has no such rows.
        """
        if not self.root.is_dir() or not suite_names(self.root):
            return None
        rows = self.attempts[self.attempts["newest"] & self.attempts["suite"].isin(list(suites))]
        return rows.drop(columns="newest") if len(rows) else None

    def _made_by(self, text: str) -> Selection:
        """Return the rows of the run or commit whose name begins with `text`."""
        if not self.root.is_dir():
            raise BadInput(f"'{text}' is no folder, and there is no folder {self.root} to find a run or commit in.")
        for column in ("run_id", "git_commit"):
            names = self.attempts[column].dropna().unique()
            found = sorted(name for name in names if name.startswith(text) or _same_commit(text, name))
            if text in found:
                found = [text]
            if len(found) > 1:
                raise BadInput(f"'{text}' may be any of {', '.join(found)}: add more letters.")
            if found:
                return Selection(text, _newest(self.attempts[self.attempts[column] == found[0]]), frozenset())
        router = text.partition("[")[0]
        is_router = self.attempts["router"].eq(router).any()
        hint = f"did you mean 'router={router}'?" if is_router else "`moebench results ls` lists the runs."
        raise BadInput(f"'{text}' is no folder, and no run or commit in {self.root}; {hint}")

    def _folder(self, folder: Path) -> Selection:
        other = History(folder, self.suite)
        rows = other.attempts[other.attempts["newest"]]
        self.problems += other.problems
        return Selection(str(folder), rows.drop(columns="newest"), frozenset())

    def _where(self, text: str) -> Selection:
        rows = self.attempts[self.attempts["newest"]]
        configs = [config_of(text) for text in rows["config"]]
        known = {*_SCALARS, *(key for config in configs for key in config)}
        keep = [True] * len(rows)
        conditions = parse_conditions(text)
        for key, wanted in conditions.items():
            if key not in known:
                raise unknown("key", key, known, listing="moebench list columns")
            columns = [rows[key]] if key in rows else []
            configured = (config.get(key) for config in configs)
            values = [_first_known(*found) for found in zip(*columns, configured, strict=True)]
            # A value that contains commas, such as moe_layers=2,3, arrives in parts.
            chosen = [",".join(wanted)] if ",".join(wanted) in values else [_plain(value) for value in wanted]
            for value in chosen:
                if value not in values:
                    mistake = unknown(key, value, {*values} - {"none"}, of=f"the results in {self.root}")
                    elsewhere = "" if str(mistake).endswith("?") else " --results DIR reads another folder."
                    raise BadInput(f"{mistake}{elsewhere}")
            keep = [kept and value in chosen for kept, value in zip(keep, values, strict=True)]
        if not any(keep):
            raise BadInput(f"no cell in {self.root} has all of '{text}'; `moebench results ls` shows what there is.")
        keys = frozenset("batch" if key == "batch_size" else key for key in conditions)
        return Selection(text, rows[keep].drop(columns="newest"), keys)


def parse_conditions(text: str) -> dict[str, list[str]]:
    """Return the values of each key in a text such as `router=soft,experts=8,16`.

    A part without '=' is one more value of the key before it.

    Raises:
        BadInput: the text gives a key twice, or begins with a part without '='.
    """
    conditions: dict[str, list[str]] = {}
    key = ""
    for part in text.split(","):
        before, equals, after = part.partition("=")
        if equals:
            key, value = before.strip(), after.strip()
            if key in conditions:
                raise BadInput(f"'{text}' gives '{key}' twice; several values are written {key}=1,2.")
        else:
            value = part.strip()
        if not key or not value:
            raise BadInput(f"'{text}' is no selection; write key=value, such as 'router=soft,experts=8'.")
        conditions.setdefault(key, []).append(value)
    return conditions


def config_of(text: object) -> dict[str, Any]:
    """Return the keys of a row's `config`; empty without a config.

    Options of the router stand beside the other keys.
    """
    try:
        config = json.loads(text) if isinstance(text, str) else {}
        return {**config.pop("options", {}), **config}
    except (TypeError, ValueError, AttributeError):
        return {}


def _same_commit(text: str, stored: str) -> bool:
    """Return whether a full commit name begins with the stored letters.

    A stored '+' marks changed files.
    """
    clean = stored.removesuffix("+")
    return bool(_COMMIT.fullmatch(text)) and text.startswith(clean) and text.endswith("+") == stored.endswith("+")


def _newest(rows: "pd.DataFrame") -> "pd.DataFrame":
    table = pa.Table.from_pandas(rows[["suite", "cell_id", "seed", "attempt", "run_id", "started_at"]])
    return rows[newest(table)].drop(columns="newest")


def _first_known(*values: Any) -> str:
    """Return the first value that is not missing, as text."""
    return next((text for text in map(_plain, values) if text != "none"), "none")


def _plain(value: Any) -> str:
    """Return a value as text for comparison: numbers are equal however they are written."""
    if value is None or value != value:  # NaN
        return "none"
    try:
        return str(value).lower() if isinstance(value, bool) else f"{float(value):.15g}"
    except (TypeError, ValueError):
        return str(value).lower()
