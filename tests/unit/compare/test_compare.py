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
from moebench.statistics import smallest_detectable

SLOWER = tuple(1.2 * sample for sample in STEADY)
MIRROR = {BETTER: WORSE, WORSE: BETTER, NEITHER: NEITHER}


def verdicts(report: Report) -> dict[str, str]:
    return dict(zip(report.overall["metric"], report.overall["verdict"], strict=True))


def row(report: Report, metric: str) -> "pd.Series[float]":
    return report.overall.set_index("metric").loc[metric]


OURS, THEIRS = (0.96, 0.97, 0.98), (0.93, 0.95, 0.94)
"""Seed by seed 0.03, 0.02 and 0.04 apart."""


def test_accuracy_by_hand() -> None:
    # A standard deviation of 0.01 over three seeds: t = 0.03 / (0.01 / √3) = 5.196 with 2 degrees of freedom.
    report = compare(cell(accuracies=OURS), cell(accuracies=THEIRS), metrics=["accuracy"])
    found = row(report, "accuracy")
    assert (found["value_a"], found["value_b"], found["change"]) == pytest.approx((0.97, 0.94, 0.03))
    assert found["p_value"] == pytest.approx(0.0351, abs=1e-4)
    assert found["test"] == "paired by seed"
    # Student's t of 2 degrees of freedom is 4.3027: 0.03 ± 4.3027 · 0.0057735.
    assert (found["change_low"], found["change_high"]) == pytest.approx((0.00516, 0.05484), abs=1e-5)
    # Of nine pairs of seeds all are won.
    assert found["improvement"] == 1
    assert found["improvement_low"] < 0.5
    assert (found["verdict"], found["smallest_effect"]) == (BETTER, 0.005)


def test_tests_of_text_towers_are_compared_where_cells_have_them() -> None:
    one, other = (
        cell(accuracies=[np.nan] * 3, eval_loss=shares[0], zero_shot_seen=list(shares), text_model="nano")
        for shares in (OURS, THEIRS)
    )
    report = compare(one, other)
    assert "accuracy" not in verdicts(report)
    assert row(report, "zero_shot_seen")["change"] == pytest.approx(0.03)
    assert "zero_shot_seen" not in verdicts(compare(cell(accuracies=OURS), cell(accuracies=THEIRS)))


def test_what_would_have_been_found_stands_beside_every_change() -> None:
    one = row(compare(cell(accuracies=OURS), cell(accuracies=THEIRS), metrics=["accuracy"]), "accuracy")
    assert one["detectable"] == pytest.approx(smallest_detectable(0.01 / 3**0.5, 2))
    # One of three comparisons is tested at a third of the level.
    all_three = compare(cell(accuracies=OURS), cell(accuracies=THEIRS))
    assert row(all_three, "accuracy")["detectable"] == pytest.approx(smallest_detectable(0.01 / 3**0.5, 2, 0.05 / 3))
    found = row(compare(cell(), cell(accuracies=(0.951, 0.959, 0.97)), metrics=["accuracy"]), "accuracy")
    assert "points would have been found with 80 % power)" in sentence(
        compare(cell(), cell(accuracies=(0.951, 0.959, 0.97)), metrics=["accuracy"]), "A", "B"
    )
    assert found["verdict"] == NEITHER


def test_other_cells_tell_how_far_seeds_scatter() -> None:
    ours, theirs = cell(accuracies=OURS), cell(accuracies=THEIRS, experts=8)
    others = [cell(experts=experts, accuracies=(0.9, 0.9 + move, 0.9)) for experts, move in ((2, 0.01), (16, -0.01))]
    alone = compare(ours, theirs, named={"experts"}, metrics=["accuracy"])
    pooled = compare(ours, theirs, named={"experts"}, metrics=["accuracy"], pool=table(ours, theirs, *others))
    # Rows less their means and the seeds': 4 cells, 6 degrees of freedom in place of 2.
    assert row(alone, "accuracy")["change"] == row(pooled, "accuracy")["change"]
    assert row(pooled, "accuracy")["p_value"] < row(alone, "accuracy")["p_value"] / 2


def _with_images(right: np.ndarray, test_set: str = "abc", **columns: object) -> pd.DataFrame:
    """A cell whose seeds classified these images right, bool[seeds, images]."""
    frame = cell(accuracies=right.mean(axis=1), **columns)
    return frame.assign(image_correct=pd.Series(list(right), dtype=object), test_set=test_set)


def test_cells_of_one_test_set_are_paired_by_image() -> None:
    rng = np.random.default_rng(0)
    right = rng.random((3, 400)) < 0.95
    # B fails on the images on which A fails and on ten others, the same for every seed.
    worse = right.copy()
    worse[:, 100:110] = False
    by_image = compare(_with_images(right), _with_images(worse), metrics=["accuracy"])
    found = row(by_image, "accuracy")
    assert found["test"] == "paired by seed and test image"
    # For these images the difference is certain; for new ones it is that of 10 in 400, with an error of √10 / 400.
    assert found["change"] == pytest.approx(10 / 400, abs=0.003)
    assert (found["change_high"] - found["change_low"]) / 2 == pytest.approx(1.96 * 10**0.5 / 400, rel=0.15)


def test_cells_of_different_test_images_are_not_compared() -> None:
    right = np.random.default_rng(0).random((3, 50)) < 0.9
    with pytest.raises(BadInput, match=r"accuracy of soft.* cannot be compared: .* \(test_set abc and xyz\)"):
        compare(_with_images(right), _with_images(right, "xyz"), metrics=["accuracy"])
    # Times do not depend on them.
    assert "train_step_vs_dense" in verdicts(
        compare(_with_images(right), _with_images(right, "xyz"), metrics=["train_step_vs_dense"])
    )


def test_cells_must_share_seeds() -> None:
    with pytest.raises(BadInput, match=r"fewer than two seeds that .* share"):
        compare(cell(), cell().assign(seed=[7, 8, 9]), metrics=["accuracy"])


def test_one_verdict_for_three_metrics_is_corrected_for_three() -> None:
    # The same accuracies beside times that are equal: 3 · 0.0351 = 0.105 is no longer below 0.05.
    report = compare(cell(accuracies=OURS), cell(accuracies=THEIRS))
    assert row(report, "accuracy")["p_corrected"] == pytest.approx(3 * 0.0351, abs=3e-4)
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


def test_the_scatter_between_timings_is_taken_from_the_rows() -> None:
    # 1 % if nothing is known; what the machine's timing self-test measured, if rows have it.
    plain, known = (
        row(
            compare(cell(ratios=SLOWER).assign(timing_scatter=scatter), cell(), metrics=["train_step_vs_dense"]),
            "train_step_vs_dense",
        )
        for scatter in (np.nan, 0.05)
    )
    assert known["change_high"] - known["change_low"] > 4 * (plain["change_high"] - plain["change_low"])
    assert known["change"] == plain["change"]


def test_equal_accuracies_of_two_seeds_are_no_certainty() -> None:
    # 349 and 351 of 360 images right, both seeds each. A step is an image: its variance is 1/12 of its square, so that
    # t = 2 / sqrt(2 · 1/12 / 2) = 6.93 with one degree of freedom, p = 0.091, where equal values would say 0.
    found = compare(
        *(cell(accuracies=(right / 360, right / 360)) for right in (351, 349)), metrics=["accuracy"]
    ).rows.iloc[0]
    assert found["p_value"] == pytest.approx(0.0912, abs=1e-4)
    # Another cell whose seeds differ by an image leaves 1/3 in squares over 2 freedoms: t = 2 / sqrt(1/3 / 2) = 4.899.
    others = cell(experts=8, accuracies=(349 / 360, 350 / 360))
    ours, theirs = (table(cell(accuracies=(right / 360,) * 2), others) for right in (351, 349))
    found = compare(ours, theirs, metrics=["accuracy"]).rows.set_index("a").loc["soft[experts=4]"]
    assert found["p_value"] == pytest.approx(0.0392, abs=1e-4)


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
        (cell(), cell(model="ti/2", config=None), [], "differ: model is mu/2 and ti/2. To compare them, give model a"),
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


def test_seeds_that_failed_are_named_whichever_side_they_flatter() -> None:
    short = cell(accuracies=(*OURS, np.nan)).assign(status=["ok", "ok", "ok", "diverged"])
    whole = cell(accuracies=(*THEIRS, 0.95))
    # Two metrics, one sentence.
    notes = compare(short, whole, metrics=["accuracy", "eval_loss"]).notes
    assert [note for note in notes if note.startswith("Seeds that failed")] == [
        "Seeds that failed are left out: 1 diverged of soft[experts=4] in A; a seed that diverged has no value, so "
        "that its side looks better than it is."
    ]
    slow = compare(whole, short.assign(status=["ok", "ok", "ok", "timeout"]), metrics=["accuracy"]).notes
    assert "Seeds that failed are left out: 1 timeout of soft[experts=4] in B." in slow
    # Times come from one seed: those of the others say nothing about them.
    assert not any("Seeds that failed" in note for note in compare(short, whole, metrics=["train_step_vs_dense"]).notes)


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
    parsed = json.loads(json.dumps(record(report, "ours", "theirs"), allow_nan=False))
    assert parsed["verdicts"] == {"accuracy": NEITHER, "train_step_vs_dense": WORSE, "infer_vs_dense": WORSE}
    assert parsed["correction"] == {
        "method": "Holm", "level": 0.05, "comparisons_together": 3, "comparisons_single": 6,
    }  # fmt: skip
    assert [len(metric["pairs"]) for metric in parsed["metrics"]] == [2, 2, 2]
    assert parsed["only_b"] == ["bpr[experts=4]"]
    assert parsed["sentence"].startswith("ours against theirs, 2 pairs of cells: worse in time of a training step")


def test_markdown_says_the_verdict_first_and_escapes() -> None:
    page = markdown(compare(cell(ratios=SLOWER), cell()), "a<b>", "b|c", ["--fail-if-slower 5%: failed"])
    first, second = page.splitlines()[0], page.splitlines()[2]
    assert first.startswith("**a&lt;b\\> against b\\|c, 1 pair of cells: worse in ")
    assert second == "**--fail-if-slower 5%: failed**"
    assert "| soft\\[experts=4\\] | 1.20 × | 1.00 × | +20.0 \\[" in page
