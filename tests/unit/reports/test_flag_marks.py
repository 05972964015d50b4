"""Timing flags in words, in an order that no process changes."""

import pandas as pd

from moebench.reports.flag_marks import flagged


def test_flags_come_by_their_number_and_then_by_name() -> None:
    flags = [["training:unsteady", "inference:budget_exhausted", "training:noisy"], ["drift", "training:noisy"], []]
    cells = pd.DataFrame({"timing_flags": flags, "train_step_s": [1.0, 1.0, 1.0], "infer_s_per_image": [1.0, 1.0, 1.0]})
    assert flagged(cells) == "2 of 3 cells flagged (noisy 2, budget exhausted 1, drift 1, unsteady 1)"
    # A cell without the times does not count.
    assert flagged(cells.assign(train_step_s=[float("nan"), 1.0, 1.0]), ["train_step_s"]) == (
        "1 of 2 cells flagged (drift 1, noisy 1)"
    )
