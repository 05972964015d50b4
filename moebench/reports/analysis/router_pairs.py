"""Compare each router with each other router, pooled over the cells of a suite.

The method is that of claims and of `moebench compare`.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pandas as pd

from moebench.claims.claim import ANY_COST, METRICS, RATIOS, Claim, parse_claim
from moebench.claims.differences import difference
from moebench.claims.evidence import Evidence, Undecidable
from moebench.claims.pairing import pairs_of
from moebench.claims.suite_rows import SuiteRows
from moebench.errors import BadInput, unknown
from moebench.reports import style
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.gains import ratio_over_pairs, side_of
from moebench.results.schema import column
from moebench.statistics import holm

LEVEL = 0.05
MOST_ROUTERS = 7
"""Routers up to which every pair is compared; with more, each is compared with the first, which is dense if present."""
MOST_CELLS = 600
COLUMNS = ("a", "b", "device_kind", "cells", "seeds", "flops", "effect", "low", "high", "p_value", "p_corrected")


def router_pairs(results: Results, metric: str = "accuracy") -> pd.DataFrame:
    """Return the mean difference between the two routers of each pair.

    The difference is over cells that differ only in the router.

    Args:
        results: the rows and cells of a suite.
        metric: a column that seeds vary and that has a better and a worse.

    Returns:
        `a b device_kind`; `cells` (pairs of cells) and `seeds`; `flops`, the forward FLOPs of a over those of b, a
        geometric mean; `effect` (a less b) with its 95 % interval `low high`; `p_value` and `p_corrected`, by Holm for
        all rows; `better`, the router that is significantly better, or an empty text. Pairs with dense come first, in
        the order of their effects, then all other pairs.

    Raises:
        BadInput: the metric does not exist, or no two routers have cells that differ in nothing else and share two
            seeds.
    """
    over_seeds = [name for name in METRICS if name not in RATIOS]
    if metric not in over_seeds:
        raise unknown("metric that seeds vary", metric, over_seeds)
    rows = [] if len(results.cells) > MOST_CELLS else list(_compared(results, metric))
    if not rows:
        raise BadInput(
            f"no two routers to compare by {metric}: no cells differ in the router alone and share two seeds, or there "
            f"are more than {MOST_CELLS} cells."
        )
    found = pd.DataFrame(rows, columns=COLUMNS[:-1])
    found["p_corrected"] = holm(found["p_value"].to_numpy(np.float64))
    up = (found["effect"] > 0) == column(metric).higher_is_better
    found["better"] = np.where(found["p_corrected"] < LEVEL, found["a"].where(up, found["b"]), "")
    order = found.assign(_others=found["b"] != "dense").sort_values(["_others", "effect"], ascending=[True, False])
    return found.loc[order.index].reset_index(drop=True)


def _compared(results: Results, metric: str) -> Iterator[tuple[object, ...]]:
    good = results.cells[results.cells["seeds"] > 0]
    routers = style.in_order(good["router"].astype(str))
    pairs = list(combinations(routers, 2))
    if len(routers) > MOST_ROUTERS:
        pairs = [pair for pair in pairs if routers[0] in pair]
    for device, frame in results.rows.groupby("device_kind", sort=False, dropna=False):
        rows = SuiteRows.from_frame(frame)
        for b, a in pairs:
            claim = _claim(side_of(good, a), side_of(good, b), metric)
            try:
                found, compared = difference(claim, rows), pairs_of(claim, rows)
            except Undecidable:
                continue
            flops = ratio_over_pairs("flops_forward_per_image", compared, rows)
            yield a, b, str(device), found.pairs, found.seeds, flops, *_interval(found), found.p_value


def _interval(found: Evidence) -> tuple[float, float, float]:
    interval = found.interval(1 - LEVEL)
    return interval.value, interval.low, interval.high


def _claim(a: object, b: object, metric: str) -> Claim:
    says = f"{metric} of one router over that of another"
    return parse_claim({"says": says, "source": "suite", "better": a, "than": b, "on": metric, "at": ANY_COST})
