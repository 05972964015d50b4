"""Split the gain of routers over dense into capacity, mixing and learned routing.

The parts are estimated from the control cells of a suite.

Capacity: a dense model with wider MLPs, and a frozen random gate, against dense. Mixing: Soft MoE with one expert,
which cannot route any token wrongly, against dense. Learned routing: routers against the frozen random gate, a hash and
a fixed expert for each token, and Soft MoE against its own single expert.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from moebench.claims.claim import ANY_COST, Claim, Selection, parse_claim
from moebench.claims.evidence import Undecidable
from moebench.claims.pairing import pairs_of
from moebench.claims.suite_rows import SuiteRows
from moebench.claims.verdict import NO_METHOD, judge
from moebench.reports import style
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.ranking import SETTING

FIXED = ("random", "hash", "identity")
"""Routers whose choices are not learned."""
_TOLD = "oracle"
"""The router that receives the right expert: its routing is not learned, and it is no control of learned routing."""
_PARTLY_FIXED = ("uniform", "soft-uniform", "uniform-soft")
"""Ablations of Soft MoE, which the claims of their suite compare."""
_COLUMNS = ("part", "a", "b", "device_kind", "params", "flops", "effect", "low", "high", "verdict", "text")
_WORDS = {"shown": "Better", "contradicted": "Worse", "undecided": "Not significant"}


class Side(NamedTuple):
    """One side of a comparison: its name and its cells."""

    name: str
    cells: Selection


def gains(results: Results) -> pd.DataFrame:
    """Return the parts of a gain in accuracy that the controls of a suite show.

    The differences are those of claims: cells paired by seed and test image, corrected for all rows (Holm), each
    interval excluding 0 exactly if the difference is significant.

    Args:
        results: the rows and cells of a suite.

    Returns:
        `part` (capacity, mixing or learned routing), `a` and `b` (the compared sides), `device_kind`; `params` and
        `flops`, those of a over those of b, geometric means over pairs of cells; `effect low high` in shares of the
        test images; `verdict` as of claims, and `text`. No row without controls, or without accuracies.
    """
    cells = results.cells[results.cells["accuracy"].notna()]
    if cells.empty or cells["suite"].nunique() > 1:
        return pd.DataFrame(columns=list(_COLUMNS))
    compared = list(_compared(cells))
    claims = [_claim(part, a, b) for part, a, b in compared]
    if not claims:
        return pd.DataFrame(columns=list(_COLUMNS))
    rows = []
    by_device = results.rows.groupby(results.rows["device_kind"].astype(str))
    cells_of = {str(device): SuiteRows.from_frame(frame) for device, frame in by_device}
    for at, verdict in enumerate(judge(results.rows, claims)):
        part, a, b = compared[at % len(compared)]
        params, flops = _cost_ratios(verdict.claim, cells_of[verdict.device_kind])
        _, _, rest = verdict.text.partition(": ")
        text = f"{'Not compared' if verdict.method == NO_METHOD else _WORDS[verdict.verdict]}: {rest}"
        numbers = (params, flops, *verdict.effect)
        rows.append((part, a.name, b.name, verdict.device_kind, *numbers, verdict.verdict, text))
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _compared(cells: pd.DataFrame) -> Iterator[tuple[str, Side, Side]]:
    """Yield each comparison that the cells allow, with the estimated part of the gain."""
    routers = style.in_order(cells["router"].astype(str))
    dense = _dense(cells)
    mixing = _single_expert(cells)
    learned = [each for each in routers if each not in ("dense", _TOLD, *FIXED, *_PARTLY_FIXED)]
    sides = [Side(router, side_of(cells, router)) for router in learned]
    for wide in dense[1:]:
        yield "capacity", wide, dense[0]
    if dense and "random" in routers:
        yield "capacity", Side("random gate", {"router": "random"}), dense[0]
    if dense and mixing:
        yield "mixing", mixing, dense[0]
    for side in sides:
        if mixing and side.cells != _all_of("soft").cells and side.name == "soft":
            yield "learned routing", side, mixing
        for fixed in FIXED:
            if fixed in routers:
                yield "learned routing", side, _all_of(fixed)


def side_of(cells: pd.DataFrame, router: str) -> Selection:
    """Return the selection of a router's cells without controls.

    Soft MoE with one expert is a control beside Soft MoE with several.
    """
    if router == "soft" and _single_expert(cells) and (cells.loc[cells["router"] == "soft", "experts"] > 1).any():
        return _several_experts(cells, router).cells
    return _all_of(router).cells


def _all_of(router: str) -> Side:
    return Side(router, {"router": router})


def _dense(cells: pd.DataFrame) -> list[Side]:
    """Return the dense cells by the width of their MLPs, the narrowest first.

    Widths that differ only between models or data sets are no control.
    """
    dense = cells[cells["router"] == "dense"]
    varied = dense.groupby(list(SETTING), dropna=False)["mlp_ratio"].transform("nunique") > 1
    widths = sorted(dense.loc[varied, "mlp_ratio"].dropna().unique().tolist())
    if not widths:
        return [_all_of("dense")] if len(dense) else []
    named = [f"dense, MLPs of {width:g} widths" for width in widths]
    sides = [Side(name, {"router": "dense", "mlp_ratio": width}) for name, width in zip(named, widths, strict=True)]
    return [sides[0]._replace(name="dense"), *sides[1:]]


def _single_expert(cells: pd.DataFrame) -> Side | None:
    single = (cells["router"] == "soft") & (cells["experts"] == 1)
    return Side("soft with one expert", {"router": "soft", "experts": 1}) if single.any() else None


def _several_experts(cells: pd.DataFrame, router: str) -> Side:
    levels = cells.loc[(cells["router"] == router) & (cells["experts"] > 1), "experts"].unique()
    return Side(router, {"router": router, "experts": [int(level) for level in sorted(levels)]})


def _claim(part: str, a: Side, b: Side) -> Claim:
    says = f"{part}: {a.name} over {b.name}"
    return parse_claim({"says": says, "source": "control", "better": a.cells, "than": b.cells, "at": ANY_COST})


def _cost_ratios(claim: Claim, rows: SuiteRows) -> tuple[float, float]:
    """Return the ratios of two sides' parameters and forward FLOPs.

    Ratios are those of the first side over the second side, and NaN without pairs of cells.
    """
    try:
        pairs = pairs_of(claim, rows)
    except Undecidable:
        return float("nan"), float("nan")
    params, flops = (ratio_over_pairs(column, pairs, rows) for column in ("params", "flops_forward_per_image"))
    return params, flops


def ratio_over_pairs(column: str, pairs: Sequence[tuple[int, int]], rows: SuiteRows) -> float:
    """Return the geometric mean, over pairs of cells, of a column's ratio.

    Args:
        column: one that all seeds of a cell share.
        pairs: numbers of cells in `rows`.
        rows: the cells.
    """
    values = [float(cell.shared[column]) for cell in rows.cells]
    return float(np.exp(np.mean([np.log(values[i] / values[j]) for i, j in pairs])))
