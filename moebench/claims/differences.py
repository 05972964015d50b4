"""Evidence for `better` and `no_loss`: the mean difference over pairs of cells."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from moebench.claims import timing
from moebench.claims.claim import RATIOS, Claim
from moebench.claims.evidence import Evidence, Undecidable
from moebench.claims.left_out import with_left_out
from moebench.claims.pairing import Numbers, equal_cost, pairs_of
from moebench.claims.suite_rows import SuiteRows

DIFFERENCE = "difference of cells paired by seed and test image"
"""Crossed random effects: seeds are blocks, and their scatter is pooled over cells.

Rows without values of single images are paired by seed alone.
"""
RATIO = "ratio of times beside the dense twin, scatter between timings included"
_NORMAL = 1e6


def difference(claim: Claim, rows: SuiteRows) -> Evidence:
    """Return the mean difference over pairs of cells; for `no_loss` against the allowed loss.

    Raises:
        Undecidable: no cells match, have equal cost, or share two seeds.
    """
    pairs = equal_cost(claim, pairs_of(claim, rows), rows)
    return _of_times(claim, rows, pairs) if claim.on in RATIOS else _of_seeds(claim, rows, pairs)


def mean_terms(pairs: Sequence[Numbers]) -> list[dict[int, float]]:
    """Return the parts of the mean difference over pairs of cells, one for each pair."""
    return [mean_weights([pair], len(pairs)) for pair in pairs]


def mean_weights(pairs: Sequence[Numbers], count: int | None = None) -> dict[int, float]:
    """Return each cell's weight in the mean difference over pairs of cells.

    Args:
        pairs: the pairs; two cells of one number are one measurement, whose difference is 0.
        count: number of pairs to divide by; None is the number of `pairs`.
    """
    share = 1 / (count or len(pairs))
    weights: dict[int, float] = {}
    for i, j in pairs:
        weights[i] = weights.get(i, 0.0) + share
        weights[j] = weights.get(j, 0.0) - share
    return weights


def _of_seeds(claim: Claim, rows: SuiteRows, pairs: Sequence[Numbers]) -> Evidence:
    values, matched = rows.values(claim.on), mean_weights(pairs)
    pairs = [pair for pair in pairs if (~np.isnan(values.means[list(pair)])).all(axis=0).sum() >= 2]
    if not pairs:
        raise Undecidable("no two cells share two seeds")
    weights = mean_weights(pairs)
    contrast = values.contrast(mean_terms(pairs), rows.pools)
    sign = 1.0 if claim.higher_is_better else -1.0
    null = -sign * claim.beyond if claim.beyond is not None else 0.0
    found = Evidence.from_contrast(contrast, DIFFERENCE, sign, len(pairs), images=values.images_of(weights), null=null)
    return with_left_out(found, rows, matched, higher=claim.higher_is_better)


def _of_times(claim: Claim, rows: SuiteRows, pairs: Sequence[Numbers]) -> Evidence:
    """Return the mean log ratio of times.

    The ratio of a dense cell is 1, because every router was timed beside a dense twin.
    """
    cells = pd.DataFrame([cell.shared for cell in rows.cells]).reset_index(drop=True)
    scatter = timing.scatter_of(pd.concat([cell.rows for cell in rows.cells], ignore_index=True))
    times = timing.quoted(cells, claim.on, scatter.value)
    dense = (cells["router"] == "dense").to_numpy()
    middle, high = (times[name].to_numpy(np.float64) for name in ("value", "high"))
    logs = np.where(dense, 0.0, np.log(middle))
    errors = np.where(dense, 0.0, np.log(high / middle) / timing.Z)
    pairs = [(i, j) for i, j in pairs if np.isfinite(logs[[i, j]]).all() and np.isfinite(errors[[i, j]]).all()]
    if not pairs:
        raise Undecidable("the cells were not timed")
    weights = mean_weights(pairs)
    value = sum(weight * logs[cell] for cell, weight in weights.items())
    error = np.sqrt(sum((weight * errors[cell]) ** 2 for cell, weight in weights.items()))
    disturbed = sum(times["clock"][cell] == "processor" for cell, weight in weights.items() if weight)
    return Evidence(
        RATIO,
        float(value),
        float(error),
        _NORMAL,
        sign=-1.0,
        pairs=len(pairs),
        seeds=1,
        null=float(np.log1p(claim.beyond or 0.0)),
        note=f"{disturbed} cells by processor time" if disturbed else "",
    )
