"""Find the router that diverges at the lowest learning rate, and whether its seeds agree."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from moebench.claims.divergence import diverged, without_rate
from moebench.errors import BadInput
from moebench.reports.analysis.cells import prepared
from moebench.reports.analysis.ranking import SETTING
from moebench.reports.labels import cell_labels

Row = dict[Hashable, Any]


def stability(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the learning rates from which on the seeds of each configuration diverge.

    A seed has diverged if its loss was not finite at some step, or if its final loss is no better than guessing:
    `train_loss` at 0.99 log(classes) or above. A rate at which all seeds guess, and above which some seeds learn, does
    not count as diverged: it was too low. A configuration is a cell without its learning rate.

    Args:
        frame: the result table, one row for each cell and seed.

    Returns:
        One row for each configuration that was trained at two learning rates or more, the least stable first:
        suite, model, data, device_kind; `label` and `router`; `rates`, the number of learning rates, `lowest` and
        `highest`; `first`, the lowest rate at which a seed diverged, with `diverged` of `seeds` seeds there; `all`, the
        lowest rate at which all seeds diverged; `step`, the median step at which losses were no longer finite at
        `first`, if any were not; `survived`, the highest rate below `first` at which every seed has a result. `first`
        and `all` are missing for configurations that never diverged, `survived` for those without such a rate.

    Raises:
        BadInput: no configuration was trained at several learning rates.
    """
    rows = prepared(frame)
    rows = rows[rows["status"].isin(["ok", "diverged"]) & rows["learning_rate"].notna()]
    nothing = BadInput("no cell of these results was trained at several learning rates.")
    if rows["learning_rate"].nunique() < 2:  # a quick check, if there are thousands of cells
        raise nothing
    rows = rows.assign(configuration=[without_rate(config) for config in rows["config"]])
    groups = rows.groupby([*SETTING, "configuration"], dropna=False, sort=False)
    several = [group.assign(lost=diverged(group)) for _, group in groups if group["learning_rate"].nunique() > 1]
    if not several:
        raise nothing
    one_each = pd.concat([group.nsmallest(1, "learning_rate") for group in several])
    labels = cell_labels(one_each.assign(learning_rate=0.0))
    found = [{"label": label, **_of(group)} for label, group in zip(labels, several, strict=True)]
    order = ["first", "all", "share"]
    table = pd.DataFrame(found).sort_values(order, ascending=[True, True, False], kind="stable", na_position="last")
    return table.drop(columns="share").reset_index(drop=True)


def verdict(table: pd.DataFrame) -> str:
    """Return the result of `stability` in one sentence.

    The sentence names the router that diverges first with its certainty, and the stable routers.
    """
    parts = []
    for _, group in table.groupby(list(SETTING), dropna=False, sort=False):
        rows: list[Row] = group.to_dict("records")
        parts.append(_sentence([row for row in rows if not np.isnan(row["first"])], rows))
    if len(parts) == 1:
        return parts[0]
    names = [" on ".join(map(str, row)) for row in table[["model", "data"]].drop_duplicates().to_numpy()]
    if len(set(names)) != len(parts):
        names = [f"setting {number}" for number in range(1, len(parts) + 1)]
    return "; ".join(f"{name}: {part}" for name, part in zip(names, parts, strict=True))


def _sentence(fallen: list[Row], rows: list[Row]) -> str:
    if not fallen:
        return f"no router diverges at learning rates up to {min(row['highest'] for row in rows):g}"
    leader, others = fallen[0], fallen[1:]
    standing = [row for row in rows if np.isnan(row["first"])]
    text = f"{leader['label']} diverges first, {_at(leader)}"
    # One router diverges before another only if all of its seeds have diverged at a rate that all seeds of the other
    # survive. Where the other was not trained, nothing is known.
    near = [str(row["label"]) for row in (*others, *standing) if not leader["all"] <= row["survived"]]
    if near:
        text += f", though not with every seed before {_listed(near)}"
    if others:
        text += f"; then {_listed([str(row['label']) + ' ' + _at(row) for row in others])}"
    if standing:
        rate = min(row["highest"] for row in standing)
        text += f"; {_listed([str(row['label']) for row in standing])} not up to {rate:g}"
    return text


def _at(row: Row) -> str:
    seeds = f"{row['diverged']} of {row['seeds']} seeds"
    split = "" if row["diverged"] == row["seeds"] else ", so that the seeds disagree"
    return f"at a learning rate of {row['first']:g} ({seeds}{split})"


def _of(group: pd.DataFrame) -> Row:
    lost = group.groupby("learning_rate")["lost"].agg(["sum", "count"]).sort_index()
    some, every = lost[lost["sum"] > 0], lost[lost["sum"] == lost["count"]]
    first = float(some.index[0]) if len(some) else np.nan
    kept = lost[(lost["sum"] == 0) & (lost["count"] == lost["count"].max())]
    below = kept.index[kept.index < (first if len(some) else np.inf)]
    steps = group.loc[group["learning_rate"] == first, "diverged_step"].dropna()
    at_first = some.iloc[0] if len(some) else {"sum": 0, "count": lost["count"].max()}
    return {
        **{key: group[key].iloc[0] for key in (*SETTING, "router")},
        "rates": len(lost),
        "lowest": float(lost.index[0]),
        "highest": float(lost.index[-1]),
        "first": first,
        "diverged": int(at_first["sum"]),
        "seeds": int(at_first["count"]),
        "all": float(every.index[0]) if len(every) else np.nan,
        "survived": float(below.max()) if len(below) else np.nan,
        "step": float(steps.median()) if len(steps) else np.nan,
        "share": at_first["sum"] / at_first["count"],
    }


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
