"""Which router diverges first, from tables whose answer is plain."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from report_frames import suite_frame

from moebench.errors import BadInput
from moebench.reports import markdown
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.divergence import stability, verdict
from moebench.reports.answer.sentence import details

Ends = dict[tuple[str, float], str]


def frame(ends: Ends) -> pd.DataFrame:
    """A row for each letter: `.` a seed that learned, `d` one without a finite loss at step 7, `g` one that guesses."""
    one = suite_frame(seeds=1, failed=()).set_index("router")
    rows: list[dict[str, Any]] = []
    for (router, rate), seeds in ends.items():
        like = one.loc[[router]].iloc[0].to_dict() | {"router": router}
        for seed, end in enumerate(seeds):
            # 10 classes: guessing has a loss of log(10) = 2.303.
            changed = {
                "cell_id": f"{router}{rate}",
                "seed": seed,
                "learning_rate": rate,
                "config": json.dumps({"router": router, "learning_rate": rate}),
                "status": "diverged" if end == "d" else "ok",
                "train_loss": {"d": np.nan, "g": 2.31, ".": 0.2}[end],
                "diverged_step": 7 if end == "d" else None,
                "accuracy": None if end == "d" else 0.9,
            }
            rows.append(like | changed)
    return pd.DataFrame(rows)


def test_the_lowest_rate_at_which_a_seed_diverges_decides() -> None:
    found = stability(
        frame(
            {
                ("dense", 0.1): "...", ("dense", 1.0): "...",
                ("soft", 0.1): "...", ("soft", 1.0): "ddd",
                ("bpr", 0.1): "ddg", ("bpr", 1.0): "ddd",
            }
        )
    )  # fmt: skip
    assert found["label"].tolist() == ["bpr[experts=2]", "soft[experts=2]", "dense"]
    assert found["first"].fillna(-1).tolist() == [0.1, 1.0, -1]
    assert found["diverged"].tolist() == [3, 3, 0]
    assert found["step"].fillna(-1).tolist() == [7, 7, -1]
    assert verdict(found) == (
        "bpr[experts=2] diverges first, at a learning rate of 0.1 (3 of 3 seeds); then soft[experts=2] at a learning "
        "rate of 1 (3 of 3 seeds); dense not up to 1"
    )


def test_seeds_that_disagree_leave_doubt() -> None:
    found = stability(frame({("soft", 0.1): "d..", ("soft", 1.0): "ddd", ("bpr", 0.1): "...", ("bpr", 1.0): "dgd"}))
    # A seed of soft fell earlier, but all of them only where bpr fell as well.
    assert found[["first", "all"]].to_numpy().tolist() == [[0.1, 1.0], [1.0, 1.0]]
    assert verdict(found) == (
        "soft[experts=2] diverges first, at a learning rate of 0.1 (1 of 3 seeds, so that the seeds disagree), though "
        "not with every seed before bpr[experts=2]; then bpr[experts=2] at a learning rate of 1 (3 of 3 seeds)"
    )
    # One seed of three against none: the seeds of the one that stands are not all later.
    alone = stability(frame({("soft", 0.1): "...", ("soft", 1.0): "d..", ("dense", 0.1): "...", ("dense", 1.0): "..."}))
    assert "though not with every seed before dense; dense not up to 1" in verdict(alone)


def test_a_router_that_was_not_trained_at_a_rate_may_diverge_there_too() -> None:
    # soft falls at 0.5, where bpr was not trained; at 0.1 both learn, at 1 both fall.
    rates: Ends = {("soft", 0.1): "..", ("soft", 0.5): "dd", ("bpr", 0.1): "..", ("bpr", 1.0): "dd"}
    found = stability(frame(rates))
    assert found[["first", "survived"]].to_numpy().tolist() == [[0.5, 0.1], [1.0, 0.1]]
    assert "though not with every seed before bpr[experts=2]" in verdict(found)
    # A rate at which one of two seeds has a result is not known to be survived.
    half = verdict(stability(frame(rates | {("bpr", 0.5): "."})))
    assert "though not with every seed before bpr[experts=2]" in half
    both = verdict(stability(frame(rates | {("bpr", 0.5): ".."})))
    assert "though not" not in both


def test_nobody_may_diverge_and_one_rate_is_no_sweep() -> None:
    calm = frame({("soft", 0.1): "..", ("soft", 0.5): ".."})
    assert verdict(stability(calm)) == "no router diverges at learning rates up to 0.5"
    with pytest.raises(BadInput, match="no cell of these results was trained at several learning rates"):
        stability(suite_frame())
    assert "diverge" not in details(Results.from_frame(suite_frame()))


def test_the_reports_tell_it() -> None:
    ends: Ends = {("soft", 0.1): "...", ("soft", 1.0): "ddd", ("dense", 0.1): "...", ("dense", 1.0): "..."}
    sentence = "soft[experts=2] diverges first, at a learning rate of 1 (3 of 3 seeds); dense not up to 1"
    assert f"; {sentence}" in details(Results.from_frame(frame(ends)))
    page = markdown.build(Results.from_frame(frame(ends)), "stability")
    assert "## Divergence over learning rates" in page
    assert "| soft\\[experts=2\\] | 2 from 0.1 to 1 | 1 | 3 of 3 | 1 | 7 |" in page


def test_a_rate_that_is_too_low_to_learn_at_is_none_to_diverge_at() -> None:
    slow = stability(frame({("soft", 0.01): "ggg", ("soft", 0.1): "...", ("soft", 1.0): "..g"}))
    # One of three at 1 does diverge: nobody learned at a higher one.
    assert slow[["first", "diverged"]].to_numpy().tolist() == [[1.0, 1]]
    # Without a finite loss, or where others learned at the same rate, it is divergence whatever came after.
    assert stability(frame({("soft", 0.01): "ddd", ("soft", 0.1): "..."}))["first"].tolist() == [0.01]
    assert stability(frame({("soft", 0.01): "g..", ("soft", 0.1): "..."}))["first"].tolist() == [0.01]
    # Where nothing was learned at any rate, the lowest was too high for all that is known.
    assert stability(frame({("soft", 0.01): "ggg", ("soft", 0.1): "ggg"}))["first"].tolist() == [0.01]
