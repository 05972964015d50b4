"""How far trained models can be cut, from tables whose answer is plain."""

from typing import Any

import pandas as pd
from report_frames import suite_frame

from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.test_time import cuts
from moebench.reports.answer.sentence import details


def tried(*losses: float) -> list[dict[str, Any]]:
    """The trained setting, then one at half its FLOPs and one at a quarter, which lose so much accuracy."""
    settings = (("{}", 4.0, 0.0), ('{"top_k": 1}', 2.0, losses[0]), ('{"capacity_factor": 0.25}', 1.0, losses[1]))
    return [
        {"setting": setting, "accuracy": 0.9 - lost, "flops_forward_per_image": flops}
        for setting, flops, lost in settings
    ]


def frame() -> pd.DataFrame:
    one = suite_frame(seeds=2, failed=())
    kept = one[one["experts"] == 8].copy()
    # bpr loses half a point and then three; tokens-choice two at once; the others were not tried.
    settings = {
        ("bpr", 0): tried(0.004, 0.03),
        ("bpr", 1): tried(0.006, 0.03),
        ("tokens-choice", 0): tried(0.02, 0.04),
        ("tokens-choice", 1): tried(0.02, 0.04),
    }
    kept["test_time"] = [settings.get(key) for key in zip(kept["router"], kept["seed"], strict=True)]
    return kept


def test_the_cheapest_setting_within_a_point_is_found() -> None:
    found = cuts(Results.from_frame(frame())).set_index("router")
    assert found.loc["bpr", ["setting", "share"]].tolist() == ["top_k 1", 0.5]
    assert round(found.loc["bpr", "change"], 6) == -0.005
    assert found.loc["bpr", "low"] < -0.005 < found.loc["bpr", "high"]
    assert found.loc["tokens-choice", "setting"] == ""
    assert len(found) == 2


def test_the_answer_tells_what_may_be_cut_after_training() -> None:
    sentence = (
        "; cut after training, an estimated point at most is lost by bpr[experts=8] at 50.0 % of its FLOPs "
        "(top_k 1: -0.5"
    )
    text = details(Results.from_frame(frame()))
    assert sentence in text
    assert "every cheaper setting tried is estimated to cost more than a point for tokens-choice[experts=8]" in text
