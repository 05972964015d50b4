"""The tables of a report: texts for readers, values to sort by, and marks of unequal cost."""

import numpy as np
import pandas as pd
import pytest
from report_frames import suite_frame

from moebench.reports import run_facts, tables
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.equal_flops import cost_mark, flops_vs_dense
from moebench.reports.analysis.test_set import test_images as images_of


def test_a_table_holds_a_text_and_a_value_for_each_field_and_row() -> None:
    made = tables.all_tables(Results.from_frame(suite_frame()))
    assert [table.name for table in made] == ["main", "slopes", "health", "timing", "failed", "environment"]
    for table in made:
        for field in table.fields:
            assert len(table.texts[field.key]) == len(table.values[field.key]) == len(table.rows)


def test_the_main_table_has_ranks_points_and_paired_ratios_but_no_seconds() -> None:
    table = tables.main(Results.from_frame(suite_frame()))
    assert [field.key for field in table.fields][:4] == ["label", "rank", "accuracy", "accuracy_vs_dense"]
    assert "train_step_vs_dense" in table.texts
    assert not any(key.endswith("_s") or key == "infer_s_per_image" for key in table.texts)
    assert table.texts["rank"].count("highest") == 1
    assert "none: oom" in table.texts["rank"]


def test_cells_of_unequal_cost_are_marked() -> None:
    frame = suite_frame()
    # soft takes 3.4e6 · 1.02 with 2 experts and 3.4e6 · 1.16 with 16; dense 3.4e6.
    ratios = flops_vs_dense(Results.from_frame(frame).cells)
    labels = Results.from_frame(frame).cells["label"]
    assert ratios[labels == "soft[experts=16]"].item() == pytest.approx(1.16)
    assert [cost_mark(ratio) for ratio in (1.02, 0.971, 1.16, 0.75, np.nan)] == [
        "",
        "",
        "1.16 × FLOPs",
        "0.75 × FLOPs",
        "",
    ]
    texts = dict(zip(labels, tables.main(Results.from_frame(frame)).texts["flops_vs_dense"], strict=True))
    assert texts["soft[experts=2]"] == "1.02 ×"
    assert texts["soft[experts=16]"] == "1.16 × ≠"


def test_a_table_without_unequal_cells_has_no_column_for_them() -> None:
    frame = suite_frame().assign(flops_forward_per_image=3.4e6)
    assert "flops_vs_dense" not in tables.main(Results.from_frame(frame)).texts


def test_the_quality_of_a_timing_comes_from_its_samples() -> None:
    frame = suite_frame(seeds=1)
    frame = frame[frame["router"] == "dense"].reset_index(drop=True)
    frame["train_step_s"], frame["train_step_s_ci_low"], frame["train_step_s_ci_high"] = 1.0, 0.9, 1.1
    frame["train_step_s_samples"] = [[1.0, 1.0, 1.0, 1.2, 1.2, 1.2, 1.5, 1.5, 1.5]]
    quality = tables.timing_quality(Results.from_frame(frame)).iloc[0]
    # Medians 1.0, 1.5 and, of all, 1.2; half of 1.1 − 0.9 over 1.0.
    assert (quality["samples"], quality["drift"], quality["half_width"]) == pytest.approx((9, 0.5 / 1.2, 0.1))


def test_the_test_set_is_as_large_as_accuracies_tell() -> None:
    counts = [341, 347, 352, 350, 349]
    rows = pd.DataFrame({"data": "digits", "accuracy": [np.float32(count / 360) for count in counts]})
    assert images_of(rows) == {"digits": 360}
    # Three shares of few images are shares of many sets.
    assert images_of(rows.iloc[:3]) == {}
    assert images_of(rows.assign(image_correct=[[True] * 720] * 5)) == {"digits": 720}
    assert images_of(rows.assign(accuracy=np.linspace(0.1, 0.9, 5) ** np.pi)) == {}


def test_facts_name_the_test_set_and_the_training() -> None:
    frame = suite_frame(failed=())
    frame["accuracy"] = np.round(frame["accuracy"] * 360) / 360
    facts = run_facts.facts(Results.from_frame(frame))
    assert facts["Test set"] == "360 images, one is 0.28 points"
    assert facts["Training"] == "250 steps of 64 images, learning rate 0.002"
    rates = frame.assign(learning_rate=np.where(frame["router"] == "soft", 0.1, 0.2))
    assert "Training" not in run_facts.facts(Results.from_frame(rates))


def test_tuning_is_told_with_its_budget_and_its_edges() -> None:
    plain = suite_frame()
    assert "Tuning" not in run_facts.facts(Results.from_frame(plain))
    tuned = plain.assign(tuned='{"learning_rate": 0.01}', tuned_tries=3, tuned_on_edge=plain["router"] == "soft")
    cells, of_soft = (frame["cell_id"].nunique() for frame in (plain, plain[plain["router"] == "soft"]))
    assert run_facts.facts(Results.from_frame(tuned))["Tuning"] == (
        f"learning_rate, 3 tries for each cell; the best value is at the edge of its grid in {of_soft} of {cells} cells"
    )
    rates = np.where(plain["router"] == "soft", 0.1, 0.2)
    facts = run_facts.facts(Results.from_frame(tuned.assign(tuned_on_edge=False, learning_rate=rates)))
    assert facts["Tuning"] == "learning_rate, 3 tries for each cell"
    assert facts["Training"] == "250 steps of 64 images"
