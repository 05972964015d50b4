"""A against B: numbers by hand, what is corrected, what is refused, and that it has no side of its own."""

import json

import numpy as np
import pandas as pd
import pytest
from comparison_frames import STEADY, cell, table
from hypothesis import given, settings
from hypothesis import strategies as st

from moebench.compare.compare import BETTER, NEITHER, WORSE, Report, compare
from moebench.compare.render import _p_value, correction, legend, markdown, named, record, sentence
from moebench.errors import BadInput

SLOWER = tuple(1.2 * sample for sample in STEADY)
MIRROR = {BETTER: WORSE, WORSE: BETTER, NEITHER: NEITHER}


def verdicts(report: Report) -> dict[str, str]:
    return dict(zip(report.overall["metric"], report.overall["verdict"], strict=True))


def row(report: Report, metric: str) -> "pd.Series[float]":
    return report.overall.set_index("metric").loc[metric]


def test_accuracy_by_hand() -> None:
    # Means 0.97 and 0.94, both variances 1e-4: t = 0.03 / sqrt(2e-4 / 3) = 3.674 with 4 degrees of freedom.
    report = compare(cell(accuracies=(0.96, 0.97, 0.98)), cell(accuracies=(0.93, 0.94, 0.95)), metrics=["accuracy"])
    found = row(report, "accuracy")
    assert (found["value_a"], found["value_b"], found["change"]) == pytest.approx((0.97, 0.94, 0.03))
    assert found["p_value"] == pytest.approx(0.0213, abs=1e-4)
    # Student's t of 4 degrees of freedom is 2.776: 0.03 ± 2.776 · 0.008165 = 0.03 ± 0.0227; the bootstrap is near.
    assert (found["change_low"], found["change_high"]) == pytest.approx((0.0073, 0.0527), abs=0.004)
    # Of nine pairs of seeds all are won.
    assert found["improvement"] == 1
    assert found["improvement_low"] < 0.5
    assert (found["verdict"], found["smallest_effect"]) == (BETTER, 0.005)


def test_one_verdict_for_three_metrics_is_corrected_for_three() -> None:
    # The same accuracies beside times that are equal: 3 · 0.0213 = 0.064 is no longer below 0.05.
    report = compare(cell(accuracies=(0.96, 0.97, 0.98)), cell(accuracies=(0.93, 0.94, 0.95)))
    assert row(report, "accuracy")["p_corrected"] == pytest.approx(3 * 0.0213, abs=3e-4)
    assert set(verdicts(report).values()) == {NEITHER}
    assert "(Holm): 3 metrics over all cells" in sentence(report, "A", "B")
    # Of one comparison nothing is corrected.
    assert correction(compare(cell(), cell(), metrics=["accuracy"])) == "One comparison, at the 5 % level."


def test_times_by_hand() -> None:
    report = compare(cell(ratios=SLOWER), cell(), metrics=["train_step_vs_dense"])
    found = row(report, "train_step_vs_dense")
    # Every sample is 1.2 times one of the others', and the median of all ratios is 1.2 as well.
    assert (found["value_a"], found["value_b"], found["change"]) == pytest.approx((1.2, 1.0, 0.2), rel=1e-3)
    # Two timings of one program scatter by 1 % each, √2 % together: ± 1.96 · 1.41 % of 1.2 at the least.
    assert found["change_low"] < 0.2 - 1.2 * 1.96 * 0.0141 + 0.001
    assert found["change_high"] > 0.2 + 1.2 * 1.96 * 0.0141 - 0.001
    assert found["improvement"] == 0
    assert (found["verdict"], found["smallest_effect"]) == (WORSE, 0.05)


@pytest.mark.parametrize("router", ["soft", "dense"])
def test_the_numbers_of_a_row_agree_where_samples_fall_in_two_heaps(router: str) -> None:
    # Of 25 ratios 14 are near 1.2 and 11 near 1.6: their median is 1.2, what the test estimates more.
    heaps = [1.18, 1.19, 1.2, 1.21, 1.22] * 2 + [1.19, 1.2, 1.21, 1.2] + [1.6, 1.61, 1.59] * 3 + [1.6, 1.62]
    ours, theirs = cell(ratios=heaps), cell("dense", 1) if router == "dense" else cell()
    report = compare(ours, theirs, named={"router"} if router == "dense" else (), metrics=["train_step_vs_dense"])
    found = row(report, "train_step_vs_dense")
    assert found["change"] > 0.21
    assert found["value_a"] / found["value_b"] == pytest.approx(1 + found["change"])
    if router == "dense":
        assert found["value_b"] == 1


def test_a_p_value_tells_its_side_of_the_level() -> None:
    assert [_p_value(p) for p in (0.0502, 0.04996, 0.05, 0.3333, 0.0004, 1.0)] == [
        "0.0502", "0.04996", "0.05", "0.33", "< 0.001", "1",
    ]  # fmt: skip


def test_cells_set_up_alike_have_one_name() -> None:
    # On one side the model is needed to tell the cells apart, on the other there is but one.
    ours = table(cell(), cell(model="ti/2", config=None, cell_id="other"))
    report = compare(ours, cell(), metrics=["accuracy"])
    assert report.rows[["a", "b"]].to_numpy().tolist() == [["soft[experts=4] · mu/2"] * 2]


def test_a_real_change_that_does_not_matter_is_none() -> None:
    slightly = [1.015 * sample for sample in STEADY]
    found = row(compare(cell(ratios=slightly), cell(), metrics=["infer_vs_dense"]), "infer_vs_dense")
    assert found["change"] == pytest.approx(0.015)
    assert found["change_high"] < 0.05
    assert found["verdict"] == NEITHER
    # Likewise a third of a point of accuracy that all seeds agree on.
    accuracies = [accuracy + 0.003 for accuracy in (0.9500, 0.9501, 0.9502)]
    report = compare(cell(accuracies=accuracies), cell(accuracies=(0.9500, 0.9501, 0.9502)), metrics=["accuracy"])
    assert row(report, "accuracy")["p_corrected"] < 0.001
    assert verdicts(report) == {"accuracy": NEITHER}


def test_the_geometric_mean_over_cells_by_hand() -> None:
    # 1.2 times here and 1/1.2 there comes to 1; both cells changed.
    faster = [sample / 1.2 for sample in STEADY]
    ours = table(cell(experts=4, ratios=SLOWER), cell(experts=8, ratios=faster))
    report = compare(ours, table(cell(experts=4), cell(experts=8)), metrics=["train_step_vs_dense"])
    found = row(report, "train_step_vs_dense")
    assert found["change"] == pytest.approx(0, abs=1e-9)
    assert (found["cells"], found["better"], found["worse"], found["verdict"]) == (2, 1, 1, NEITHER)
    assert report.comparisons == (1, 2)
    assert "p: corrected for 2 comparisons of single cells and 1 of all cells (Holm)." in legend(report)
    assert found["value_a"] / found["value_b"] == pytest.approx(1)


def test_a_router_is_set_against_dense_by_the_twin_it_took_turns_with() -> None:
    # That the dense cell's own timing went wrong by a half does not matter.
    ours, dense = cell(ratios=SLOWER), cell("dense", 1, ratios=[1.5 * sample for sample in STEADY])
    report = compare(ours, dense, named={"router"}, metrics=["train_step_vs_dense"])
    found = row(report, "train_step_vs_dense")
    assert (found["test"], found["verdict"]) == ("signed rank against the dense twin", WORSE)
    assert found["change"] == pytest.approx(0.2, abs=0.003)


def test_what_is_counted_is_certain_and_counts_among_no_comparisons() -> None:
    report = compare(cell(params=101), cell(params=100), metrics=["params", "accuracy"])
    assert verdicts(report) == {"params": WORSE, "accuracy": NEITHER}
    assert report.comparisons == (1, 1)


def test_busy_processors_are_judged_by_processor_time() -> None:
    busy = {"other_process_cpu_share": 0.5, "train_step_cpu_vs_dense_samples": [list(STEADY)] * 3}
    ours, theirs = (cell(ratios=ratios).assign(**busy) for ratios in (SLOWER, STEADY))
    report = compare(ours, theirs, metrics=["train_step_vs_dense"])
    assert row(report, "train_step_vs_dense")["change"] == pytest.approx(0)
    assert any("processor time" in note for note in report.notes)
    assert named(report.overall.to_dict("records")[0]) == "Processor time of a training step, times dense"
    # On a GPU the processors are not what is timed.
    report = compare(ours.assign(platform="gpu"), theirs.assign(platform="gpu"), metrics=["train_step_vs_dense"])
    assert verdicts(report) == {"train_step_vs_dense": WORSE}


def test_samples_of_two_modes_on_busy_processors_show_nothing() -> None:
    # Seven of 15 samples near 1 and eight near 1.4: the estimate is 1.4, log 1.4 = 0.336, and the modes are as far
    # apart, so that the timing may be off by half of that: 0.336 is two standard deviations less what B adds.
    modes = [0.999, 1.0, 1.001, 1.0, 1.0, 1.0, 1.0, 1.399, 1.4, 1.401, 1.4, 1.4, 1.4, 1.4, 1.4]
    busy = {"other_process_cpu_share": 0.7, "train_step_cpu_vs_dense_samples": [modes] * 3}
    quiet = {"other_process_cpu_share": 0.7, "train_step_cpu_vs_dense_samples": [list(STEADY)] * 3}
    report = compare(cell().assign(**busy), cell().assign(**quiet), metrics=["train_step_vs_dense"])
    assert row(report, "train_step_vs_dense")["change"] == pytest.approx(0.4, abs=0.02)
    assert verdicts(report) == {"train_step_vs_dense": NEITHER}
    # Alone on a machine it is the program that has two modes.
    alone = compare(cell(ratios=modes), cell(), metrics=["train_step_vs_dense"])
    assert verdicts(alone) == {"train_step_vs_dense": WORSE}


def test_equal_accuracies_of_two_seeds_are_no_certainty() -> None:
    # 349 and 351 of 360 images right, both seeds each. A step is an image: its variance is 1/12 of its square, so that
    # t = 2 / sqrt(2 · 1/12 / 2) = 6.93 with 2 degrees of freedom, p = 0.020, where plain variances would say 0.
    found = compare(
        *(cell(accuracies=(right / 360, right / 360)) for right in (351, 349)), metrics=["accuracy"]
    ).rows.iloc[0]
    assert found["p_value"] > 0.05  # with no other cell the smallest step seen is two images: t = 3.46, p = 0.074
    others = cell(experts=8, accuracies=(349 / 360, 350 / 360))
    ours, theirs = (table(cell(accuracies=(right / 360,) * 2), others) for right in (351, 349))
    found = compare(ours, theirs, metrics=["accuracy"]).rows.set_index("a").loc["soft[experts=4]"]
    assert found["p_value"] == pytest.approx(0.0202, abs=1e-4)


@pytest.mark.parametrize("column", ["jax_version", "device_kind", "cpu"])
def test_times_of_other_machines_or_versions_are_not_compared_unasked(column: str) -> None:
    theirs = cell().assign(**{column: "other"})
    report = compare(cell(ratios=SLOWER), theirs)
    assert list(verdicts(report)) == ["accuracy"]
    assert report.environment[column][1] == "other"
    assert any("not compared" in note and column.replace("_", " ") in note for note in report.notes)
    across = compare(cell(ratios=SLOWER), theirs, across_environments=True)
    assert verdicts(across)["train_step_vs_dense"] == WORSE
    assert any(note.startswith("Machines or versions differ") for note in across.notes)
    with pytest.raises(BadInput, match="--across-environments compares them"):
        compare(cell(), theirs, metrics=["train_step_vs_dense"])


def test_seconds_are_compared_as_well_where_the_code_differs() -> None:
    samples = [[0.01 * sample for sample in STEADY]] * 3
    seconds = {"train_step_s_samples": samples, "infer_s_per_image_samples": samples}
    ours, theirs = (cell(git_commit=commit).assign(**seconds) for commit in ("a", "b"))
    report = compare(ours, theirs)
    assert "train_step_s" in verdicts(report)
    assert any("drift with the machine" in note for note in report.notes)
    assert "train_step_s" not in verdicts(compare(ours, ours))


@pytest.mark.parametrize(
    ("ours", "theirs", "metrics", "message"),
    [
        (cell(accuracies=[0.9]), cell(), [], "accuracy cannot be judged: only 1 seed of .* in A, .*--seeds 0,1,2"),
        (cell(ratios=STEADY[:8]), cell(), [], "only 8 samples of .* larger timing_budget_s"),
        (
            cell(accuracies=[np.nan] * 3, ratios=[]),
            cell(),
            [],
            "A has train_step_s .*, B has accuracy and train_step_vs",
        ),
        (cell(status="diverged"), cell(), [], r"soft\[experts=4\] \(diverged\).*--retry-failed"),
        (cell(accuracies=[np.nan] * 3), cell(ratios=[]), [], "A has train_step_vs_dense .*, B has accuracy"),
        (cell(), cell(ratios=[]), ["infer_vs_dense"], "no matched cell has infer_vs_dense on both sides"),
        (cell(), cell(model="ti/2", config=None), [], "differ: model is mu/2 and ti/2. Give model a value in both"),
        (
            # What one version called bfloat16 is mixed precision to the next, whatever was asked for.
            cell(precision="mixed", config='{"router": "soft", "precision": "bfloat16"}'),
            cell(precision="bfloat16", config='{"router": "soft", "precision": "bfloat16"}'),
            [],
            "precision is mixed and bfloat16",
        ),
        (
            # The one is older than the key, and measured the model.
            cell(config='{"router": "soft"}'),
            cell(config='{"router": "soft", "scope": "layer"}'),
            [],
            "scope is model and layer",
        ),
        (cell(), cell("bpr"), [], "differ: .*router is soft and bpr"),
        (cell(), cell(), ["accuarcy"], "did you mean 'accuracy'"),
        (cell(), cell(), ["compile_s"], "'compile_s' cannot be compared"),
        (cell(), cell(), ["run_id"], "does not hold one number"),
        (cell().iloc[:0], cell(), [], "no rows"),
    ],
)
def test_what_cannot_be_compared_is_answered_in_a_sentence(
    ours: pd.DataFrame, theirs: pd.DataFrame, metrics: list[str], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        compare(ours, theirs, metrics=metrics)


def test_pairs_that_say_nothing_are_named_and_the_rest_compared() -> None:
    ours = table(cell(experts=4), cell(experts=8, accuracies=[0.9]), cell(experts=16, status="oom"), cell(experts=2))
    theirs = table(*(cell(experts=experts) for experts in (4, 8, 16)), cell("bpr"))
    report = compare(ours, theirs)
    assert report.rows["metric"].value_counts().to_dict() == {
        "accuracy": 1, "train_step_vs_dense": 2, "infer_vs_dense": 2,
    }  # fmt: skip
    assert (report.only_a, report.only_b) == (("soft[experts=2]",), ("bpr[experts=4]",))
    note = next(note for note in report.notes if note.startswith("Accuracy"))
    assert "2 of 3 pairs are left out" in note
    assert "1 seed of soft[experts=8] in A" in note
    assert "soft[experts=16] in A (oom)" in note
    assert len(report.lost["accuracy"]) == 2
    assert len(report.lost["infer_vs_dense"]) == 1


def test_many_cells_may_stand_against_one() -> None:
    ours = table(*(cell(experts=experts) for experts in (2, 4)))
    report = compare(ours, cell("dense", 1), named={"router"}, metrics=["accuracy"])
    assert list(zip(report.rows["a"], report.rows["b"], strict=True)) == [
        ("soft[experts=2]", "dense"),
        ("soft[experts=4]", "dense"),
    ]
    # The one cell's doubt does not average out: its variance counts in full, those of the two by a quarter.
    # (2 · 1e-4/3 / 4 + 1e-4/3) = 5e-5; a change of 0 has p = 1.
    assert row(report, "accuracy")["p_value"] == 1


def test_a_cell_is_set_against_the_one_it_has_most_in_common_with() -> None:
    here, there = cell(hostname="here"), cell(hostname="there", cell_id="other")
    report = compare(here, table(here, there), metrics=["accuracy"])
    assert len(report.rows) == 1
    assert report.only_b
    assert any("one measurement set against itself" in note for note in report.notes)


ACCURACY = st.lists(st.integers(300, 360).map(lambda right: right / 360), min_size=2, max_size=4)
RATIOS = st.lists(st.floats(0.5, 2.0), min_size=9, max_size=12)
CELL = st.builds(lambda accuracies, ratios: (tuple(accuracies), tuple(ratios)), ACCURACY, RATIOS)


@settings(deadline=None, max_examples=20)
@given(CELL, CELL)
def test_a_against_a_never_differs(one: tuple[list[float], ...], other: tuple[list[float], ...]) -> None:
    frame = table(cell("soft", 4, *one), cell("soft", 8, *other))
    report = compare(frame, frame)
    assert set(report.rows["verdict"]) | set(report.overall["verdict"]) == {NEITHER}
    assert report.overall["change"].abs().max() < 1e-12


@settings(deadline=None, max_examples=20)
@given(st.tuples(CELL, CELL), st.tuples(CELL, CELL))
def test_b_against_a_mirrors_a_against_b(
    ours: tuple[tuple[list[float], ...], ...], theirs: tuple[tuple[list[float], ...], ...]
) -> None:
    a, b = (table(cell("soft", 4, *four), cell("soft", 8, *eight)) for four, eight in (ours, theirs))
    there, back = compare(a, b), compare(b, a)
    for frame, mirrored in ((there.rows, back.rows), (there.overall, back.overall)):
        assert mirrored["verdict"].tolist() == [MIRROR[verdict] for verdict in frame["verdict"]]
        assert mirrored["p_corrected"].to_numpy() == pytest.approx(frame["p_corrected"].to_numpy())
        assert mirrored["improvement"].to_numpy() == pytest.approx(1 - frame["improvement"].to_numpy())
        times, shares = (frame["metric"] != "accuracy").to_numpy(), (frame["metric"] == "accuracy").to_numpy()
        for end, opposite in (("", ""), ("_low", "_high")):
            change, other = (f[f"change{e}"].to_numpy() for f, e in ((frame, end), (mirrored, opposite)))
            assert other[shares] == pytest.approx(-change[shares])
            assert other[times] == pytest.approx(1 / (1 + change[times]) - 1)


def test_the_record_holds_everything_and_is_json() -> None:
    report = compare(table(cell(ratios=SLOWER), cell(experts=8)), table(cell(), cell(experts=8), cell("bpr")))
    told = json.loads(json.dumps(record(report, "ours", "theirs"), allow_nan=False))
    assert told["verdicts"] == {"accuracy": NEITHER, "train_step_vs_dense": WORSE, "infer_vs_dense": WORSE}
    assert told["correction"] == {
        "method": "Holm", "level": 0.05, "comparisons_together": 3, "comparisons_single": 6,
    }  # fmt: skip
    assert [len(metric["pairs"]) for metric in told["metrics"]] == [2, 2, 2]
    assert told["only_b"] == ["bpr[experts=4]"]
    assert told["sentence"].startswith("ours against theirs, 2 pairs of cells: worse in time of a training step")


def test_markdown_says_the_verdict_first_and_escapes() -> None:
    page = markdown(compare(cell(ratios=SLOWER), cell()), "a<b>", "b|c", ["--fail-if-slower 5%: failed"])
    first, second = page.splitlines()[0], page.splitlines()[2]
    assert first.startswith("**a&lt;b\\> against b\\|c, 1 pair of cells: worse in ")
    assert second == "**--fail-if-slower 5%: failed**"
    assert "| soft\\[experts=4\\] | 1.20 × | 1.00 × | +20.0 \\[" in page
