"""Gates: what fails, what passes and says what it leaves open, and what cannot be decided."""

import pandas as pd
import pytest
from comparison_frames import STEADY, cell, table

from moebench.compare import gates
from moebench.compare.compare import compare
from moebench.errors import BadInput


def times(factor: float, experts: int = 4, **columns: object) -> pd.DataFrame:
    return cell(experts=experts, ratios=[factor * sample for sample in STEADY], **columns)


def slower(a: pd.DataFrame, b: pd.DataFrame, share: float = 0.05) -> gates.Outcome:
    return gates.slower(compare(a, b), share, "--fail-if-slower")


def test_a_slow_down_of_the_size_fails_and_a_lesser_one_passes() -> None:
    failed = slower(times(1.1), times(1))
    assert failed.state == "failed"
    assert "Time of a training step, times dense +10.0 % [" in failed.why
    # Shown to be slower, but not by a fifth.
    assert slower(times(1.1), times(1), 0.2).state == "passed"
    assert slower(times(1), times(1.1)).state == "passed"


def test_one_cell_is_enough_though_the_mean_is_not() -> None:
    # The geometric mean of 1.12, 1 and 1 is 1.0385, less than 5 %.
    ours = table(times(1.12, 2), times(1, 4), times(1, 8))
    failed = slower(ours, table(*(times(1, experts) for experts in (2, 4, 8))))
    assert failed.state == "failed"
    assert "in soft[experts=2]" in failed.why
    assert "over all cells" not in failed.why


def test_where_nothing_is_shown_it_passes_and_says_what_may_be() -> None:
    # A third of the samples twice as long and a third half as long: anything between is possible.
    wild = [2.0, 0.5, 1.0] * 4
    passed = slower(cell(ratios=wild), cell(ratios=STEADY))
    assert passed.state == "passed"
    assert "A is not shown to be slower by 5 % or more, here" in passed.why
    assert "training step, times dense +0.0 % [" in passed.why


@pytest.mark.parametrize(
    ("ours", "theirs", "why"),
    [
        (times(1, jax_version="other"), times(1), "it is not compared (jax version: other against 0.10.2)"),
        (table(times(1), times(1, 8, status="oom")), table(times(1), times(1, 8)), "soft[experts=8] in A (oom)"),
        (cell(ratios=[]), cell(ratios=[]), "nothing was compared in a time"),
    ],
)
def test_what_a_lacks_and_b_has_is_no_pass(ours: pd.DataFrame, theirs: pd.DataFrame, why: str) -> None:
    outcome = slower(ours, theirs)
    assert outcome.state == "undecided"
    assert why in outcome.why


def test_what_b_lacks_is_no_ones_fault() -> None:
    assert slower(table(times(1), times(1, 8)), table(times(1), times(1, 8, status="oom"))).state == "passed"


def test_accuracy_in_points() -> None:
    ours, theirs = cell(accuracies=(0.93, 0.931, 0.932)), cell(accuracies=(0.95, 0.951, 0.952))
    report = compare(ours, theirs)
    # Two points lower: t = 0.02 / sqrt(2e-6 / 3) = 24.5.
    assert gates.worse(report, 0.01, "--fail-if-worse").state == "failed"
    assert gates.worse(report, 0.03, "--fail-if-worse").state == "passed"
    timed = compare(ours, theirs, metrics=["train_step_vs_dense"])
    assert "--metric accuracy adds it" in gates.worse(timed, 0.01, "--fail-if-worse").why


@pytest.mark.parametrize(("text", "share"), [("5%", 0.05), ("0.05", 0.05), (" 2.5 % ", 0.025), ("0", 0.0)])
def test_a_share_is_written_in_percent_or_not(text: str, share: float) -> None:
    assert gates.parse_share(text, "--fail-if-slower") == pytest.approx(share)


@pytest.mark.parametrize("text", ["5", "100%", "-1%", "five", "5%%", "nan"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"such as 5% or 0\.05"):
        gates.parse_share(text, "--fail-if-slower")
