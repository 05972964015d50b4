"""Columns of the result table that follow from a recording."""

from typing import TYPE_CHECKING

import pandas as pd

from moebench.inside import analyses

if TYPE_CHECKING:
    from moebench.inside.load import Recording

RANDOM_ROUTER, PERMUTED_EXPERTS = "random router", "permuted experts"
"""Routings that replace a layer's own routing in an evaluation.

Random router: each token gets the routing of a random token of its group. Permuted experts: each expert is replaced by
the next one.
"""
DRAWS = 20
"""Permutations whose mean is subtracted from the information; more of them change its third digit."""


def recording_columns(recording: "Recording") -> dict[str, float | None]:
    """Return expert_class_information and the other columns of a recording; None for columns without a meaning.

    Information is the excess over the mean of its permutations; all columns are means over the MoE layers.
    """
    return {
        **_information(recording),
        "expert_output_similarity": _mean(recording.experts, "cosine"),
        "random_router_loss": _mean(_random(recording.swaps), "loss"),
    }


def _information(recording: "Recording") -> dict[str, float | None]:
    if recording.facts.experts < 2:
        return {"expert_class_information": None, "expert_position_information": None}
    frame = recording.frame()
    by_class, by_position = (analyses.expert_information(frame, of, draws=DRAWS) for of in analyses.OF)
    return {
        "expert_class_information": _mean(by_class, "excess"),
        "expert_position_information": _mean(by_position, "excess"),
    }


def _random(swaps: pd.DataFrame) -> pd.DataFrame:
    return analyses.swap_losses(swaps[swaps["swap"] == RANDOM_ROUTER])


def _mean(frame: pd.DataFrame, column: str) -> float | None:
    return float(frame[column].mean()) if len(frame) else None
