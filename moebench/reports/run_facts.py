"""Facts on cells that every report contains: numbers, machine, data, dates and versions."""

from typing import Any

import pandas as pd

from moebench.reports import flag_marks
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.test_set import test_images
from moebench.reports.quantities import section
from moebench.results.schema import Column, Section
from moebench.results.selection import config_of


def available(cells: pd.DataFrame, name: Section) -> list[Column]:
    """Return the columns of a section of reports in which some cell has a value."""
    return [each for each in section(name) if cells[each.name].notna().any()]


def environments(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the environments of rows, the most frequent first, with the number of `rows`."""
    names = [each.name for each in section("environment")]
    return rows[names].value_counts(dropna=False).rename("rows").reset_index()


def facts(results: Results) -> dict[str, str]:
    """Return device, data, model, cells, seeds, versions, dates and flagged times, by their titles."""
    rows, cells = results.rows, results.cells
    times = pd.to_datetime(rows["started_at"], utc=True).dropna()
    dates = [f"{time:%Y-%m-%d}" for time in (times.min(), times.max())] if len(times) else ["–"]
    cpus = f" ({_all(rows['cpu'])})" if (rows["platform"] == "cpu").any() and rows["cpu"].notna().any() else ""
    return {
        "Device": _all(rows["device_kind"]) + cpus,
        "Data": _all(rows["data"]),
        **_test_set(rows),
        "Model": _all(rows["model"]),
        **_training(cells),
        **_tuning(cells),
        "Cells": f"{int((cells['seeds'] > 0).sum())} of {len(cells)} completed",
        "Seeds": _all(cells["seeds"] + cells["seeds_failed"]),
        "Versions": f"moebench {_all(rows['moebench_version'])}, jax {_all(rows['jax_version'])}",
        "Measured": " to ".join(dict.fromkeys(dates)),
        **({"Timing": timing} if (timing := _timing(cells)) else {}),
    }


def _timing(cells: pd.DataFrame) -> str:
    """Return the number of flagged timings, and the number of ratios of processor time."""
    return "; ".join(filter(None, (flag_marks.flagged(cells), flag_marks.clocks(cells))))


def _test_set(rows: pd.DataFrame) -> dict[str, str]:
    """Return the test set's size and one image's weight, if accuracies determine the size."""
    sizes = test_images(rows)
    texts = [f"{size:,} images, one is {100 / size:.2g} points" for size in sizes.values()]
    if len(sizes) > 1:
        texts = [f"{data}: {text}" for data, text in zip(sizes, texts, strict=True)]
    return {"Test set": "; ".join(texts[:3])} if texts else {}


def _training(cells: pd.DataFrame) -> dict[str, str]:
    """Return steps, batch and learning rate if all trained cells share them.

    A tuned learning rate is left out.
    """
    parts = {"steps": "{:g} steps", "batch_size": "of {:g} images", "learning_rate": "learning rate {:g}"}
    trained = cells[cells["steps"].notna()]
    if trained["tuned"].notna().any():
        del parts["learning_rate"]
    shared = [text.format(trained[name].iloc[0]) for name, text in parts.items() if trained[name].nunique() == 1]
    if len(shared) < len(parts):
        return {}
    return {"Training": " ".join(shared[:2]) + "".join(f", {text}" for text in shared[2:])}


def _tuning(cells: pd.DataFrame) -> dict[str, str]:
    """Return the tuned keys, and the tries of a cell.

    The text has the number of cells whose best value may lie beyond the grid.
    """
    tuned = cells[cells["tuned"].notna()]
    if tuned.empty:
        return {}
    keys = dict.fromkeys(key for text in tuned["tuned"] for key in config_of(text))
    tries = " to ".join(
        dict.fromkeys(f"{count:g}" for count in (tuned["tuned_tries"].min(), tuned["tuned_tries"].max()))
    )
    edge = int(tuned["tuned_on_edge"].eq(True).sum())
    flagged = f"; the best value is at the edge of its grid in {edge} of {len(tuned)} cells" if edge else ""
    return {"Tuning": f"{', '.join(keys)}, {tries} tries for each cell{flagged}"}


def _all(values: "pd.Series[Any]") -> str:
    """Return the distinct values, at most three of them by name."""
    names = [str(value) for value in values.dropna().unique()]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "–"
