"""Judge the claims of the suites that two selections share, each selection for itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from moebench.claims.claim import Claim
from moebench.claims.verdict import NO_METHOD, Verdict, judge


@dataclass(frozen=True)
class ClaimBothWays:
    """The verdicts of A's rows and of B's rows on one claim."""

    suite: str
    says: str
    """The claim, with the kind of device if a side has several."""
    a: Verdict
    b: Verdict


def judge_both(claims: Mapping[str, Sequence[Claim]], a: pd.DataFrame, b: pd.DataFrame) -> tuple[ClaimBothWays, ...]:
    """Return the verdicts on claims by the rows of A and by those of B.

    Claims of whose cells neither A nor B has results are left out.

    Args:
        claims: the claims of each suite by its name.
        a: the rows of A.
        b: the rows of B.
    """
    return tuple(each for suite in sorted(claims) for each in _of_suite(suite, claims[suite], a, b))


def _of_suite(suite: str, claims: Sequence[Claim], a: pd.DataFrame, b: pd.DataFrame) -> list[ClaimBothWays]:
    sides = []
    for rows in (a, b):
        own = rows[rows["suite"] == suite]
        sides.append(judge(own, claims) if len(own) else [])
    several = any(len({verdict.device_kind for verdict in side}) > 1 for side in sides)
    ours, theirs = (
        {(verdict.claim.says, verdict.device_kind if several else ""): verdict for verdict in side} for side in sides
    )
    return [
        ClaimBothWays(suite, says + (f" ({device})" if device else ""), verdict, theirs[says, device])
        for (says, device), verdict in ours.items()
        if (says, device) in theirs and not verdict.method == theirs[says, device].method == NO_METHOD
    ]
