"""Find the significant differences of cells from dense, from the best and from each other.

Only cells of one setting are compared.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import special

from moebench.claims.cell_values import CellValues, pools_of
from moebench.statistics import tukey_critical

SETTING = ("suite", "model", "data", "device_kind")
"""Cells are compared with one another if they agree in these columns."""
LEVEL = 0.05
"""Probability of a false positive among all comparisons of a suite."""


def gains_over_dense(cells: pd.DataFrame, accuracy: CellValues) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return each cell's difference from the dense cell of equal settings, with its interval's bounds.

    Intervals cover together for all cells of a suite with 95 % (Bonferroni), so that one of them excludes 0 in at most
    5 % of suites without any difference.

    Args:
        cells: one row for each cell.
        accuracy: accuracies of the cells.
    """
    found = np.full((3, len(cells)), np.nan)
    baselines = dense_baselines(cells)
    errors, freedom = np.full(len(cells), np.nan), np.full(len(cells), np.nan)
    for members in suite_pools(cells):
        if members[0] not in baselines or len(members) < 2:
            continue
        dense = members.index(baselines[members[0]])
        gaps = accuracy.table(members).against(dense)
        others = [at for at in range(len(members)) if at != dense]
        places = [members[at] for at in others]
        found[0, places], errors[places], freedom[places] = (
            values[others] for values in (gaps.value, gaps.error, gaps.freedom)
        )
    known = ~np.isnan(errors)
    counts = pd.Series(known).groupby(cells["suite"].astype(str).to_numpy()).transform("sum").to_numpy()
    with np.errstate(invalid="ignore"):
        half = special.stdtrit(freedom, 1 - LEVEL / 2 / np.maximum(counts, 1)) * errors
    return found[0], np.maximum(found[0] - half, -1.0), np.minimum(found[0] + half, 1.0)


def dense_baselines(cells: pd.DataFrame) -> dict[int, int]:
    """Return for each cell's position the position of the dense cell trained alike.

    The narrowest of several dense cells is taken. Cells without such a dense cell are left out. A dense model with
    wider MLPs is a control, and no baseline.
    """
    routers, widths = cells["router"].tolist(), cells["mlp_ratio"].fillna(0).tolist()
    found: dict[int, int] = {}
    for members in suite_pools(cells):
        candidates = [(widths[place], place) for place in members if routers[place] == "dense"]
        if candidates:
            found |= dict.fromkeys(members, min(candidates)[1])
    return found


def suite_pools(cells: pd.DataFrame) -> list[list[int]]:
    """Return the positions of cells of one suite that scatter alike.

    Every cell is in one of the lists.
    """
    pools: dict[tuple[str, ...], list[int]] = {}
    for place, (suite, pool) in enumerate(zip(cells["suite"].astype(str), pools_of(cells), strict=True)):
        pools.setdefault((suite, *pool), []).append(place)
    return list(pools.values())


def rank_groups(cells: pd.DataFrame, accuracy: CellValues) -> list[str | None]:
    """Return each cell's rank group in its setting: best, tied with the best, or worse.

    The best cell is found by comparing all cells, so that all pairs of cells count: differences follow the studentised
    range (Tukey), and settings of one suite share the level of 5 %.

    Args:
        cells: one row for each cell.
        accuracy: accuracies of the cells.
    """
    groups: list[str | None] = [None] * len(cells)
    means = cells["accuracy"].to_numpy(float)
    for members, level in _settings(cells, ~np.isnan(means)):
        best = int(np.argmax(means[members]))
        apart = _apart(accuracy, members, best, level)
        for at, place in enumerate(members):
            groups[place] = None if np.isnan(apart[at]) else "worse" if apart[at] < 0 else "tied"
        groups[members[best]] = "best"
    return groups


def shown_better(cells: pd.DataFrame, values: CellValues, *, higher_is_better: bool) -> list[list[int]]:
    """Return for each cell the positions of the significantly worse cells of its setting.

    The tests are corrected for all pairs of cells.

    Args:
        cells: one row for each cell.
        values: a metric of the cells.
        higher_is_better: whether more of the metric is better.
    """
    better: list[list[int]] = [[] for _ in range(len(cells))]
    known: np.ndarray = np.asarray((~np.isnan(values.means)).any(axis=1))
    sign = 1 if higher_is_better else -1
    for members, level in _settings(cells, known):
        for at, place in enumerate(members):
            below = sign * _apart(values, members, at, level) < 0
            better[place] = [members[other] for other in np.flatnonzero(below)]
    return better


def compared_pairs(cells: pd.DataFrame, quality: str = "accuracy") -> int:
    """Return the number of pairs of cells of one setting.

    Rank groups are corrected for this number.
    """
    sizes = cells[cells[quality].notna()].groupby(list(SETTING), dropna=False).size()
    return int((sizes * (sizes - 1) // 2).sum())


def _settings(cells: pd.DataFrame, known: np.ndarray) -> list[tuple[list[int], float]]:
    """Return the positions of the cells of each setting, and the setting's test level."""
    names = [tuple(map(str, row)) for row in cells[list(SETTING)].to_numpy()]
    members: dict[tuple[str, ...], list[int]] = {}
    for place in np.flatnonzero(known).tolist():
        members.setdefault(names[place], []).append(place)
    several = [name[0] for name, places in members.items() if len(places) > 1]
    return [(places, LEVEL / max(several.count(name[0]), 1)) for name, places in members.items()]


def _apart(values: CellValues, members: Sequence[int], one: int, level: float) -> np.ndarray:
    """Return -1 for cells significantly below cell `one`, 1 for cells above, else 0.

    A value is NaN if the difference is unknown.

    Args:
        values: a metric of all cells.
        members: positions of the cells of a setting.
        one: position of the cell to compare with.
        level: level of the tests.
    """
    if len(members) < 2:
        return np.full(len(members), np.nan)
    table = values.table(members)
    gaps = table.against(one)
    with np.errstate(invalid="ignore"):
        critical = [tukey_critical(len(members), rounded(each), 1 - level) for each in gaps.freedom]
        found = np.where(np.abs(gaps.t) > critical, np.sign(gaps.value), 0.0)
    return np.where(np.isnan(gaps.error), np.nan, found)


def rounded(freedom: float) -> float:
    """Return degrees of freedom rounded down to a coarse grid.

    The grid keeps the number of critical values small.
    """
    grid = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 48, 64, 128, 512)
    below = [each for each in grid if each <= freedom]
    return float(below[-1]) if below else 1.0
