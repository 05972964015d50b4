"""From seeds to cells to one sentence: numbers by hand, doubt where there is doubt."""

import re

import numpy as np
import pandas as pd
import pytest
from claim_frames import claim
from report_frames import suite_frame
from rich.console import Console

from moebench.claims.claim import parse_claim
from moebench.errors import BadInput
from moebench.reports import flag_marks
from moebench.reports.analysis.cells import Results, summarise
from moebench.reports.analysis.expert_trend import trends
from moebench.reports.answer.sentence import answer, details
from moebench.reports.answer.terminal_table import render_claims, render_table
from moebench.reports.run_facts import facts
from moebench.reports.tables import all_tables


def with_accuracies(accuracies: dict[str, list[float]]) -> pd.DataFrame:
    """Cells of the suite, named `router/experts`, with these accuracies for seeds 0, 1, 2."""
    frame = suite_frame(failed=())
    names = frame["router"] + "/" + frame["experts"].astype(int).astype(str)
    frame = frame[names.isin(list(accuracies))].reset_index(drop=True)
    names = frame["router"] + "/" + frame["experts"].astype(int).astype(str)
    frame["accuracy"] = [accuracies[name][seed] for name, seed in zip(names, frame["seed"].astype(int), strict=True)]
    return frame


def test_a_cell_is_the_mean_of_its_seeds_with_an_interval_around_it() -> None:
    cells = summarise(with_accuracies({"soft/4": [0.95, 0.96, 0.98]}))
    assert len(cells) == 1
    cell = cells.iloc[0]
    # (0.95 + 0.96 + 0.98) / 3 = 0.96333
    assert cell["accuracy"] == pytest.approx(0.963333, abs=1e-6)
    assert cell["accuracy_ci_low"] < 0.96 < cell["accuracy"] < 0.97 < cell["accuracy_ci_high"]
    assert cell["seeds"] == 3
    assert cell["label"] == "soft[experts=4]"


def test_the_interval_of_a_time_is_that_of_its_samples() -> None:
    cells = summarise(suite_frame()).set_index("label")
    dense = cells.loc["dense"]
    # The frame's dense step: 0.030 · (1 + 0.02) = 0.0306, bounds 0.98 and 1.03 times that.
    assert dense["train_step_s"] == pytest.approx(0.0306)
    assert dense["train_step_s_ci_low"] == pytest.approx(0.029988)
    assert dense["train_step_s_ci_high"] == pytest.approx(0.031518)


def test_cells_come_in_the_order_of_routers_and_experts() -> None:
    labels = summarise(suite_frame().sample(frac=1, random_state=1))["label"].tolist()
    assert labels[:3] == ["dense", "tokens-choice[experts=2]", "tokens-choice[experts=4]"]
    assert labels[-1] == "soft[experts=16]"
    assert len(labels) == 17


def test_a_failed_cell_stays_with_its_reason() -> None:
    cell = Results.from_frame(suite_frame(failed=("soft/8",))).ranked.set_index("label").loc["soft[experts=8]"]
    assert (cell["status"], cell["seeds"], cell["seeds_failed"]) == ("oom", 0, 3)
    assert "12.1 GB" in cell["status_reason"]
    assert np.isnan(cell["accuracy"])
    assert pd.isna(cell["rank_group"])


def test_a_seed_that_diverged_is_counted_and_left_out_of_the_mean() -> None:
    frame = with_accuracies({"dense/1": [0.96, 0.97, 0.98], "soft/4": [0.95, 0.97, 0.10]})
    bad = (frame["router"] == "soft") & (frame["seed"] == 2)
    frame.loc[bad, ["status", "status_reason"]] = ["diverged", "loss was NaN at step 7"]
    cell = summarise(frame).set_index("label").loc["soft[experts=4]"]
    assert cell["accuracy"] == pytest.approx(0.96)
    assert (cell["status"], cell["seeds"], cell["seeds_failed"]) == ("ok", 2, 1)
    assert cell["status_reason"] == "loss was NaN at step 7"
    # Against dense over the two seeds that both have: (0.95 − 0.96 + 0.97 − 0.97) / 2 = −0.005.
    assert cell["accuracy_vs_dense"] == pytest.approx(-0.005)


def test_rank_groups_name_the_cells_significantly_below_the_best() -> None:
    cells = Results.from_frame(
        with_accuracies(
            {
                # Rows less their means and the seeds' leave 3.111e-4 in squares over 4 freedoms; a difference of two
                # has the error sqrt(2 · 7.78e-5 / 3) = 0.0072. The largest of three is 3.564 errors, by its table.
                "dense/1": [0.90, 0.91, 0.92],  # 6.94 errors below the best
                "soft/4": [0.95, 0.96, 0.97],  # the best
                "bpr/4": [0.96, 0.94, 0.96],  # 0.0067 below it, less than one error
            }
        )
    ).ranked
    assert dict(zip(cells["router"], cells["rank_group"], strict=True)) == {
        "dense": "worse",
        "bpr": "tied",
        "soft": "best",
    }
    soft = cells.set_index("router").loc["soft"]
    assert soft["accuracy_vs_dense"] == pytest.approx(0.05)
    # Two differences from dense hold together at 1 - 5 % / 2: Student's t of 4 freedoms is 3.4954 there.
    assert soft["accuracy_vs_dense_ci_low"] == pytest.approx(0.05 - 3.4954 * 0.0072008, abs=1e-5)


def test_the_baseline_is_the_dense_model_that_is_not_widened() -> None:
    plain = with_accuracies({"dense/1": [0.90, 0.91, 0.92], "soft/4": [0.95, 0.96, 0.97]}).assign(mlp_ratio=4.0)
    wide = plain[plain["router"] == "dense"].assign(mlp_ratio=10.0, cell_id="wide")
    wide["accuracy"] += 0.02
    # The widened model stands first in the table.
    cells = summarise(pd.concat([wide, plain])).set_index(["router", "mlp_ratio"])["accuracy_vs_dense"]
    assert cells["soft", 4.0] == pytest.approx(0.05)
    assert cells["dense", 10.0] == pytest.approx(0.02)
    assert pd.isna(cells["dense", 4.0])


def test_cells_are_compared_within_one_model_data_and_device_only() -> None:
    frame = pd.concat([suite_frame(device="cpu"), suite_frame(device="NVIDIA H200")])
    assert answer(Results.from_frame(frame)) == "Best: soft, in 2 of 2 settings; 2 of 34 cells failed."
    cells = Results.from_frame(frame).ranked
    assert (cells["rank_group"] == "best").sum() == 2
    text = details(Results.from_frame(frame))
    assert "in 2 settings of model, data and device the highest accuracy is that of soft in 2" in text


def test_the_headline_names_the_best_its_interval_and_its_doubt() -> None:
    text = details(
        Results.from_frame(
            with_accuracies({"dense/1": [0.90, 0.91, 0.92], "soft/4": [0.95, 0.96, 0.97], "bpr/4": [0.96, 0.94, 0.96]})
        )
    )
    assert text.startswith("On digits (cpu, 3 seeds), soft[experts=4] has the highest accuracy, 96.0 % [")
    assert "5.0 points above dense [+2.5, +7.5]" in text
    assert "; the difference from 1 of 2 other cells is not significant (the nearest: bpr[experts=4], 95.3 %; " in text
    assert text.endswith("; corrected for all 3 pairs of cells).")
    assert "\n" not in text


@pytest.mark.parametrize(("gain", "shown"), [(0.03, False), (0.04, True)])
def test_who_wins_is_corrected_for_the_number_of_cells(gain: float, shown: bool) -> None:
    # 6e-4 in squares over 4 freedoms: a difference has the error sqrt(2 · 1.5e-4 / 3) = 0.01. Three errors of one pair
    # alone would be p = 0.04; the largest of three pairs is significant from 3.564 errors on.
    moves = {"dense/1": (0.01, -0.01, 0.0), "bpr/4": (0.0, 0.01, -0.01), "soft/4": (-0.01, 0.0, 0.01)}
    frame = with_accuracies(
        {name: [0.93 + gain * (name == "soft/4") + move for move in seeds] for name, seeds in moves.items()}
    )
    text = details(Results.from_frame(frame))
    # Of two differences from dense: 3.4954 errors.
    interval = "[-0.5, +6.5]" if gain == 0.03 else "[+0.5, +7.5]"
    assert f"{100 * gain:.1f} points above dense {interval}" in text
    assert ("(not significant)" in text) != shown
    others = "significantly above each of 2 other cells" if shown else "from 2 of 2 other cells is not significant ("
    assert others in text
    assert "corrected for all 3 pairs of cells" in text


def test_a_trend_is_corrected_for_the_number_of_routers() -> None:
    # Slopes of all routers of the frame; BPR has three numbers of experts, which are enough for one.
    text = details(Results.from_frame(suite_frame()))
    assert "(corrected for 4 routers)" in text


def test_the_headline_says_when_dense_cannot_be_told_apart() -> None:
    text = details(Results.from_frame(with_accuracies({"dense/1": [0.95, 0.97, 0.96], "soft/4": [0.97, 0.96, 0.96]})))
    assert "dense [" in text
    assert "(not significant)" in text


def test_one_seed_has_no_test() -> None:
    text = details(Results.from_frame(suite_frame(seeds=1)))
    assert "one seed has no test" in text
    assert "(no interval)" in text


def test_without_claims_the_best_cell_comes_first_and_then_the_trend() -> None:
    text = details(Results.from_frame(suite_frame()))
    assert text.index("has the highest accuracy") < text.index("accuracy rises with each doubling of the experts for ")
    assert text.endswith("; 1 of 17 cells failed (1 oom).")


def test_a_suite_with_claims_is_answered_by_their_verdicts() -> None:
    frame = with_accuracies({"dense/1": [0.90, 0.91, 0.92], "soft/4": [0.95, 0.96, 0.97], "bpr/4": [0.90, 0.92, 0.91]})
    pairs = [("soft", "dense"), ("dense", "soft"), ("bpr", "dense")]
    claims = [
        parse_claim(claim(says=f"{a} over {b}", better={"router": a}, than={"router": b}, at="any cost"))
        for a, b in pairs
    ]
    results = Results.from_frame(frame, claims)
    assert answer(results) == (
        "3 claims: 1 shown, 1 contradicted, 1 undecided. Highest accuracy: soft[experts=4], 96.0 %, +5.0 points over "
        "dense."
    )
    console = Console(width=200, record=True)
    console.print(render_claims(results.verdicts))
    printed = console.export_text()
    assert re.search(r"soft over dense +2308.00951, section 3.3 +– +Shown: \+5.0 \[\+", printed)
    # Terminal, Markdown and page have one text of each verdict.
    for verdict in results.verdicts:
        assert verdict.text in printed


def test_ratios_of_processor_time_are_counted_below_the_table() -> None:
    frame = with_accuracies({"dense/1": [0.9, 0.91, 0.92], "soft/4": [0.9, 0.92, 0.91]})
    soft = frame["router"] == "soft"
    frame["train_step_cpu_vs_dense"] = 1.25
    frame.loc[soft, "other_process_cpu_share"] = 0.5
    cells = Results.from_frame(frame).ranked
    sentence = "1 of 2 ratios to dense are of processor time, for other processes disturbed the wall-clock"
    assert cells.set_index("router").loc["soft", "train_step_vs_dense"] == 1.25
    assert flag_marks.clocks(cells) == sentence
    assert sentence in str(render_table(cells).caption)
    results = Results.from_frame(frame)
    assert facts(results)["Timing"].endswith(f"; {sentence}")
    (times,) = (each for each in all_tables(results) if each.name == "timing")
    assert dict(zip(times.texts["label"], times.texts["clock"], strict=True)) == {
        "dense": "wall-clock",
        "soft[experts=4]": "training: processor time",
    }
    assert flag_marks.clocks(summarise(with_accuracies({"dense/1": [0.9, 0.91, 0.92]}))) == ""


def test_nothing_but_failures_is_no_answer() -> None:
    frame = suite_frame()
    frame["status"], frame["accuracy"] = "crashed", np.nan
    assert answer(Results.from_frame(frame)) == "No answer: none of 17 cells ended well (17 crashed)."


def test_a_frame_without_rows_or_columns_is_refused() -> None:
    with pytest.raises(BadInput, match="no rows"):
        summarise(suite_frame().iloc[:0])
    with pytest.raises(BadInput, match="lacks the column 'accuracy'; it has 'acuracy'"):
        summarise(suite_frame().rename(columns={"accuracy": "acuracy"}).drop(columns="curve_accuracy"))
    with pytest.raises(BadInput, match="lacks the column"):
        summarise(pd.DataFrame())


def test_the_trend_is_a_line_through_the_values_of_the_seeds() -> None:
    frame = suite_frame(failed=("bpr/16", "bpr/8"))
    rising = frame["router"] == "soft"
    # 0.90 with 2 experts and 0.01 more for each doubling, the seeds 0.003 apart.
    line = 0.89 + 0.01 * np.log2(frame["experts"]) + 0.003 * (frame["seed"] - 1)
    frame["accuracy"] = frame["accuracy"].where(~rising, line)
    slopes = trends(frame).set_index("router")
    assert slopes.loc["soft", ["slope", "levels"]].tolist() == pytest.approx([0.01, 4])
    # Its own seeds do not tell how far it scatters: those of all cells do.
    width = slopes["high"] - slopes["low"]
    assert width["soft"] == pytest.approx(width["tokens-choice"])
    assert 0 < width["soft"] < 0.01
    assert "dense" not in slopes.index
    # Of BPR's four numbers of experts two failed, and two are too few for a line.
    assert slopes.loc["bpr", "levels"] == 2
    assert np.isnan(slopes.loc["bpr", "slope"])
    assert "soft (+1.0 points [" in details(Results.from_frame(frame))
    assert "bpr" not in details(Results.from_frame(frame))


def test_a_cell_stands_beside_the_dense_one_of_its_own_image_size() -> None:
    small = suite_frame()
    small = small[small["router"].isin(["dense", "soft"]) & small["experts"].isin([1, 2])]
    # At 16 pixels everybody has ten points less, so that gains over dense are the same at both sizes.
    large = small.assign(image_size=16, accuracy=small["accuracy"] - 0.1, cell_id=small["cell_id"] + "-16")
    cells = summarise(pd.concat([small, large]))
    gains = cells[cells["router"] == "soft"]["accuracy_vs_dense"]
    assert gains.iloc[0] == pytest.approx(gains.iloc[1])


def test_the_table_shows_brackets_as_they_are() -> None:
    frame = suite_frame()
    frame.loc[frame["router"] == "soft", "router"] = "[red]sóft"
    console = Console(width=140, record=True)
    with console.capture() as capture:
        console.print(render_table(Results.from_frame(frame).ranked))
    text = capture.get()
    assert "● [red]sóft[experts=16]" in text
    assert "bpr[experts=16] 0 of 3 seeds" in text
    assert "oom" in text
    assert "+0.0" in text
    assert "-0.0 [" not in text


def test_a_flagged_time_is_marked_in_the_table_and_counted_under_it() -> None:
    cells = Results.from_frame(suite_frame()).ranked
    console = Console(width=140, record=True)
    console.print(render_table(cells))
    lines = console.export_text().splitlines()
    # 0.030 s · 1.3 · (1 + 0.02 · √2) over 30.6 ms; of the 16 cells with times soft[experts=2] alone is flagged.
    assert next(line for line in lines if "soft[experts=2]" in line).split()[-4:] == ["~40.1", "ms", "~1.31", "×"]
    assert sum("~" in line for line in lines) == 2
    assert any("~ timing of 1 of 16 cells flagged (noisy 1): moebench show timing_flags" in line for line in lines)


def test_a_flag_bears_on_what_was_timed_under_it() -> None:
    flags = ["training:unsteady", "inference:budget_exhausted", "training:noisy"]
    assert flag_marks.concerning("train_step_vs_dense", flags) == ["training:unsteady", "training:noisy"]
    assert flag_marks.concerning("infer_s_per_image", flags) == ["inference:budget_exhausted"]
    assert flag_marks.concerning("params", flags) == flag_marks.concerning("train_wall_s", ["noisy"]) == []
    words = flag_marks.in_words([*flags, "inference:noisy"])
    assert words == "both: noisy; training: unsteady; inference: budget exhausted"


def test_cells_that_were_timed_and_not_trained_are_told_by_their_times() -> None:
    frame = with_accuracies({"dense/1": [0.9] * 3, "soft/4": [0.9] * 3, "bpr/4": [0.9] * 3})
    frame = frame[frame["seed"] == 0].assign(accuracy=np.nan, data="random tokens")
    ratios = {"dense": 1.0, "soft": 1.5, "bpr": 2.5}
    for end, factor in (("", 1.0), ("_ci_low", 0.9), ("_ci_high", 1.1)):
        frame[f"train_step_vs_dense{end}"] = frame["router"].map(ratios) * factor
    frame["timing_flags"] = [["training:noisy"] if router == "bpr" else [] for router in frame["router"]]
    # Bounds of 1.5 and 2.5, times 0.9 and 1.1, and 1 % between timings: 2.5 · exp(hypot(log 1.1, 1.96 %)) = 2.755;
    # dense is what is compared with and no answer.
    assert details(Results.from_frame(frame)) == (
        "On random tokens (cpu, 1 seed), soft[experts=4] takes 1.50 × [1.35, 1.65] the time of dense for forward and "
        "backward, the least of 2 cells, and bpr[experts=4] takes most, 2.50 × [2.25, 2.76]; 1 of 3 timings are "
        "flagged."
    )
    assert answer(Results.from_frame(frame)) == (
        "Shortest step: soft[experts=4], 1.50 × dense; longest: bpr[experts=4], 2.50 ×."
    )
    console = Console(width=140, record=True)
    console.print(render_table(Results.from_frame(frame).ranked))
    printed = console.export_text()
    assert "accuracy" not in printed
    assert re.search(r"soft\[experts=4\] .* 1\.50 × \[1\.35, 1\.65\]", printed)
