"""Find claims whose cells cost different amounts, before anything runs."""

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from moebench.cells.resolve import resolve_cell
from moebench.checking.failure import Failure
from moebench.claims.claim import COST, Claim
from moebench.claims.evidence import Undecidable
from moebench.claims.pairing import UnequalCost, equal_cost, pairs_of
from moebench.claims.suite_rows import SuiteRows
from moebench.measuring import count_parameters, forward_flops
from moebench.spec.cell_spec import CellSpec
from moebench.suites.suite_file import Suite

_KNOWN = (COST, "params", "params_active")
"""Costs that follow from shapes; the costs of training steps are compared once there are rows."""


def unequal_costs(suite: Suite) -> Iterator[Failure]:
    """Yield each claim that, in some profile, finds no two cells of equal cost.

    Args:
        suite: a suite whose cells can all be resolved.
    """
    claims = [(place, claim) for place, claim in enumerate(suite.claims) if _is_checked(claim)]
    # Counting parameters takes far longer than counting FLOPs, and few claims are about them.
    with_parameters = any(claim.cost is not None and claim.cost[0] != COST for _, claim in claims)
    for name, profile in suite.profiles.items() if claims else ():
        specs = [cell.spec for cell in profile.cells]
        rows = SuiteRows.from_frame(pd.DataFrame(_rows(specs, with_parameters=with_parameters)))
        for place, claim in claims:
            try:
                equal_cost(claim, pairs_of(claim, rows), rows)
            except UnequalCost as unequal:
                key = "at" if claim.at is not None else claim.kind
                what = f"profile '{name}' has {unequal}; add 'at: any cost', or compare cells of equal cost."
                yield Failure(f"claim {place + 1}", str(suite.source.error(("claims", place, key), what)).rstrip("."))
            except Undecidable:  # cells that this profile leaves out
                continue


def _is_checked(claim: Claim) -> bool:
    return claim.cost is not None and claim.cost[0] in _KNOWN and not claim.at_test_time


def _rows(specs: Sequence[CellSpec], *, with_parameters: bool) -> Iterator[dict[str, Any]]:
    """Yield a row for each cell, with the costs that follow from shapes.

    The other columns are as in the rows of a run.

    Args:
        specs: the cells.
        with_parameters: whether to count parameters as well, which takes longer.
    """
    for number, spec in enumerate(specs):
        cell = resolve_cell(spec)
        row = {
            **cell.inputs,
            "suite": "check",
            "cell_id": str(number),
            "device_kind": "any",
            "seed": 0,
            "status": "ok",
            COST: forward_flops(cell.model, cell.router, training=False).total,
        }
        if with_parameters:
            parameters = count_parameters(cell.model, cell.router)
            row |= {"params": parameters.total, "params_active": parameters.active}
        yield row
