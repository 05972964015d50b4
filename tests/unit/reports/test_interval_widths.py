"""No interval without width, and none beyond what a quantity can be, in any table of cells or settings."""

import numpy as np
import pandas as pd
import pytest
from report_frames import suite_frame

from moebench.reports.analysis.cells import Results, summarise
from moebench.reports.analysis.test_time import cuts, settings
from moebench.reports.quantities import written_interval


def two_seeds(accuracies: tuple[float, float] = (1.0, 1.0)) -> pd.DataFrame:
    """The cells of a suite with two seeds each; those of soft have these accuracies."""
    frame = suite_frame(seeds=2, failed=())
    soft = frame["router"] == "soft"
    frame.loc[soft, "accuracy"] = [accuracies[int(seed)] for seed in frame.loc[soft, "seed"]]
    frame.loc[soft, ["dropped_tokens", "eval_loss"]] = (0.0, 0.25)
    return frame


@pytest.mark.parametrize("accuracies", [(1.0, 1.0), (0.0, 0.0), (0.5, 0.5), (0.998, 1.0)])
def test_accuracies_of_equal_seeds_have_intervals_that_end_at_0_and_100_percent(
    accuracies: tuple[float, float],
) -> None:
    cells = summarise(two_seeds(accuracies))
    assert (cells["accuracy_ci_low"] < cells["accuracy_ci_high"]).all()
    assert cells["accuracy_ci_low"].min() >= 0
    assert cells["accuracy_ci_high"].max() <= 1
    gains = cells[cells["router"] != "dense"]
    assert (gains["accuracy_vs_dense_ci_low"] < gains["accuracy_vs_dense_ci_high"]).all()


def test_a_suite_whose_every_accuracy_is_equal_has_intervals_as_wide_as_its_images_allow() -> None:
    frame = two_seeds().assign(accuracy=1.0, image_correct=[np.ones(100, dtype=bool)] * len(two_seeds()))
    cells = summarise(frame)
    assert (cells["accuracy_ci_low"] < 1).all()
    assert (cells["accuracy_ci_high"] == 1).all()


def test_quantities_of_equal_seeds_have_no_interval_of_their_own_scatter() -> None:
    cells = summarise(two_seeds()).set_index("label").loc["soft[experts=8]"]
    for name in ("dropped_tokens", "eval_loss"):
        assert np.isnan([cells[f"{name}_ci_low"], cells[f"{name}_ci_high"]]).all()


def test_shares_of_few_seeds_stay_within_0_and_100_percent() -> None:
    frame = two_seeds()
    frame["dropped_tokens"] = [(0.001, 0.2)[int(seed)] for seed in frame["seed"]]
    cells = summarise(frame)
    # By Student's t with one degree of freedom: 0.1 ± 1.26.
    assert cells["dropped_tokens_ci_low"].min() == 0
    assert cells["dropped_tokens_ci_high"].max() == 1


def test_intervals_are_written_with_their_width() -> None:
    assert written_interval(1.0, 0.9951, 1.0, "share") == "100.0 % [99.5, 100.0]"
    # Narrower than the digits that are shown, and shown all the same.
    assert written_interval(0.5, 0.49999, 0.50001, "share") == "50.0 % [50.0, 50.0]"


def test_settings_at_test_time_of_equal_seeds_have_width() -> None:
    frame = two_seeds()
    frame = frame[frame["router"] == "bpr"].copy()
    tried = [("{}", 4.0, 1.0), ('{"top_k": 1}', 2.0, 0.995)]
    frame["test_time"] = [
        [{"setting": name, "accuracy": value, "flops_forward_per_image": flops} for name, flops, value in tried]
    ] * len(frame)
    found = settings(Results.from_frame(frame), "accuracy")
    assert (found["accuracy_low"] < found["accuracy_high"]).all()
    assert found["accuracy_high"].max() <= 1
    cut = cuts(Results.from_frame(frame))
    assert (cut["low"] < cut["change"]).all()
    assert (cut["change"] < cut["high"]).all()
