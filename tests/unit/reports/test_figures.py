"""Figures, tested by the frames behind them and by what reaches the file."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from overlaps import overlaps
from report_frames import suite_frame, tried_frame

from moebench.errors import BadInput
from moebench.reports import figures, style
from moebench.reports.analysis import chart_data, seed_data
from moebench.reports.analysis.cells import Results
from moebench.reports.figures.axes import side_by_side
from moebench.reports.figures.marks import name_points
from moebench.results import load


def drawn(name: str, frame: pd.DataFrame, x: Any = None, y: Any = None, **options: Any) -> Any:
    """The figure of that name as reports draw it."""
    return figures.draw(name, Results.from_frame(frame), x=x, y=y, **options)


RIGHT_TO_LEFT = "נתב $x^2$ <b>\n" + "a" * 300


def test_pareto_points_are_the_cells_with_their_intervals() -> None:
    points = chart_data.pareto(Results.from_frame(suite_frame()), "train_step_s", "accuracy").set_index("label")
    assert len(points) == 16  # 17 cells, one out of memory
    dense = points.loc["dense"]
    assert (dense["x"], dense["x_low"], dense["x_high"]) == pytest.approx((0.0306, 0.029988, 0.031518))
    assert dense["y_low"] < dense["y"] < dense["y_high"]
    # Dense is the fastest, Soft MoE with 16 experts the most accurate; slower and worse than both is Tokens Choice.
    assert dense["on_front"]
    assert points.loc["soft[experts=16]", "on_front"]
    assert not points.loc["tokens-choice[experts=2]", "on_front"]


def test_a_probability_of_the_front_is_near_what_the_seeds_say() -> None:
    points = chart_data.pareto(Results.from_frame(suite_frame()), "train_step_s", "accuracy").set_index("label")
    assert points["front_probability"].between(0, 1).all()
    assert points.loc["dense", "front_probability"] > 0.9  # nothing is as fast
    assert (
        points.loc["tokens-choice[experts=16]", "front_probability"] < 0.1
    )  # slower than Soft MoE, and 2 points worse


def test_each_data_set_and_device_has_a_front_of_its_own() -> None:
    both = pd.concat([suite_frame(device="cpu"), suite_frame(device="gpu")])
    points = chart_data.pareto(Results.from_frame(both))
    one = chart_data.pareto(Results.from_frame(suite_frame()))
    assert points["on_front"].sum() == 2 * one["on_front"].sum()


def test_a_metric_that_should_be_low_makes_a_front_downwards() -> None:
    points = chart_data.pareto(Results.from_frame(suite_frame()), "flops_forward_per_image", "eval_loss")
    assert points.loc[points["y"].idxmin(), "on_front"]
    assert not points.loc[points["y"].idxmax(), "on_front"]


def test_scaling_is_tidy() -> None:
    points = chart_data.scaling(Results.from_frame(suite_frame()), ["accuracy", "train_step_s"])
    assert points["quantity"].value_counts().to_dict() == {"accuracy": 16, "train_step_s": 16}
    soft = points[(points["router"] == "soft") & (points["quantity"] == "accuracy")]
    assert soft["x"].tolist() == [2, 4, 8, 16]


def test_quantities_are_drawn_over_what_the_suite_varies() -> None:
    frame = suite_frame()
    assert set(drawn("scaling", frame).frame["x"]) == {1, 2, 4, 8, 16}
    eight = frame[(frame["experts"] == 8) & frame["router"].isin(["tokens-choice", "bpr"])].copy()
    # Routers have other slots than each other, for groups of other sizes, and none of them several.
    eight.loc[eight["router"] == "bpr", "slots_per_expert"] = 16
    rates = [eight.assign(learning_rate=rate, cell_id=eight["cell_id"] + str(rate)) for rate in (0.01, 0.1)]
    figure = drawn("scaling", pd.concat(rates))
    assert sorted(figure.frame["x"].unique()) == pytest.approx([0.01, 0.1])
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["0.01", "0.1"]
    # Dense has learning rates of its own there: a line and no band.
    dense = frame[frame["router"] == "dense"]
    dense = pd.concat([dense.assign(learning_rate=rate, cell_id=f"d{rate}") for rate in (0.01, 0.1)])
    figure = drawn("scaling", pd.concat([*rates, dense]), y=["accuracy"])
    assert len(figure.axes[0].get_lines()) == 3


def test_settings_at_test_time_are_means_over_seeds_in_lines_of_their_k() -> None:
    figure = drawn("test-time", tried_frame())
    points = figure.frame
    # 8 sparse cells, one out of memory, in 4 settings each; a panel for each cell.
    assert (len(points), len(figure.axes)) == (28, 7)
    first = points[points["label"] == "tokens-choice[experts=2]"].set_index("setting")
    trained = first.loc["{}"]
    assert (trained["test_router"], trained["test_top_k"]) == ("tokens-choice", 2)
    assert trained["y_low"] < trained["y"] < trained["y_high"]
    # Half the capacity costs a point, one choice in place of two half a point, give or take the noise.
    half = first.loc[json.dumps({"top_k": 2, "capacity_factor": 0.5})]
    assert trained["y"] - half["y"] == pytest.approx(0.01, abs=0.002)
    assert half["x"] == pytest.approx(trained["x"] * 0.75)
    by_capacity = drawn("test-time", tried_frame(), x="capacity_factor").frame
    assert set(by_capacity["x"]) == {0.5, 1.0}
    with pytest.raises(BadInput, match="did you mean 'accuracy'"):
        drawn("test-time", tried_frame(), y="accurcy")
    with pytest.raises(BadInput, match="no row has a value of test_time"):
        drawn("test-time", tried_frame().drop(columns="test_time"))


def test_many_routers_share_rows_evenly() -> None:
    counts = (1, 7, 8, 24, 25)
    assert [side_by_side(figures.Layout("paper", 2), count) for count in counts] == [1, 7, 4, 6, 7]
    assert [side_by_side(figures.Layout("paper", 1), count) for count in counts] == [1, 2, 2, 2, 2]


def test_routers_with_one_cell_each_have_a_row_each() -> None:
    # One of them has another number of experts, which is therefore what varies.
    frame = suite_frame(failed=())
    one_each = frame[(frame["experts"] == 2) | (frame["router"] == "dense")]
    one_each = one_each.assign(experts=one_each["experts"].where(one_each["router"] != "soft", 4))
    labels = [label.get_text() for label in drawn("dots", one_each).axes[0].get_yticklabels()]
    assert labels == ["tokens-choice", "bpr", "experts-choice", "soft"]


def test_panels_side_by_side_share_their_rows_although_a_quantity_is_missing() -> None:
    frame = suite_frame(failed=())
    first = frame["router"] == "tokens-choice"
    # The first router of the rows has no entropy: the names of rows stand at the left panel alone.
    frame.loc[first, "router_entropy"] = float("nan")
    one_each = frame[frame["experts"] <= 2]
    left, right = drawn("dots", one_each, x=["accuracy", "router_entropy"]).axes
    assert len(left.get_yticks()) == len(right.get_yticks()) == one_each["router"].nunique() - 1
    assert left.get_ylim() == right.get_ylim()


def test_curves_are_means_between_the_lowest_and_the_highest_seed() -> None:
    frame = suite_frame()
    frame = frame[frame["router"] == "dense"].reset_index(drop=True)
    frame["curve_step"] = [[10, 20]] * 3
    frame["curve_loss"] = [[2.0, 1.0], [2.3, 1.0], [2.6, 4.0]]
    frame["curve_accuracy"] = [[0.1, 0.5], [0.2, 0.5], [0.3, 0.5]]
    curves = seed_data.curves(Results.from_frame(frame))
    # (2.0 + 2.3 + 2.6) / 3 = 2.3 and (1 + 1 + 4) / 3 = 2
    assert curves["loss"].tolist() == pytest.approx([2.3, 2.0])
    assert curves["loss_low"].tolist() == [2.0, 1.0]
    assert curves["loss_high"].tolist() == [2.6, 4.0]
    assert curves["accuracy"].tolist() == pytest.approx([0.2, 0.5])


def test_loads_are_ordered_before_the_seeds_are_averaged() -> None:
    frame = suite_frame(seeds=2)
    frame = frame[(frame["router"] == "soft") & (frame["experts"] == 2)].reset_index(drop=True)
    # The fuller expert is the first of seed 0 and the second of seed 1; by number they would average to even loads.
    frame["expert_load"] = [[[0.6, 0.2], [0.4, 0.4]], [[0.2, 0.6], [0.3, 0.5]]]
    load = seed_data.load(Results.from_frame(frame))
    # Block 2: 0.6 / 0.4 = 1.5 and 0.2 / 0.4 = 0.5 for both seeds; block 3: means of 1 and 1.25, of 1 and 0.75.
    assert load["layer"].tolist() == [2, 2, 3, 3]
    assert load["place"].tolist() == [1, 2, 1, 2]
    assert load["load"].tolist() == pytest.approx([1.5, 0.5, 1.125, 0.875])


def test_many_experts_share_places() -> None:
    frame = suite_frame(seeds=1)
    frame = frame[(frame["router"] == "soft") & (frame["experts"] == 2)].reset_index(drop=True)
    frame["expert_load"] = [[list(range(64))]]
    load = seed_data.load(Results.from_frame(frame))
    # 64 experts of loads 0 to 63, mean 31.5, in 32 pairs; the fullest pair is 63 and 62.
    assert len(load) == 32
    assert load["load"].iloc[0] == pytest.approx(62.5 / 31.5)


def test_frames_survive_a_trip_through_parquet(tmp_path: Path) -> None:
    frame = suite_frame()
    frame.to_parquet(tmp_path / "rows.parquet")
    again = pd.read_parquet(tmp_path / "rows.parquet")
    pd.testing.assert_frame_equal(seed_data.load(Results.from_frame(again)), seed_data.load(Results.from_frame(frame)))
    pd.testing.assert_frame_equal(
        seed_data.curves(Results.from_frame(again)), seed_data.curves(Results.from_frame(frame))
    )
    pd.testing.assert_frame_equal(
        chart_data.pareto(Results.from_frame(again)), chart_data.pareto(Results.from_frame(frame))
    )


def test_what_cannot_be_drawn_is_said() -> None:
    frame = suite_frame()
    with pytest.raises(BadInput, match="did you mean 'train_step_s'"):
        drawn("pareto", frame, "train_steps_s")
    with pytest.raises(BadInput, match="does not hold one number"):
        drawn("scaling", frame, y=["expert_load"])
    frame["accuracy"], frame["status"] = np.nan, "oom"
    with pytest.raises(BadInput, match="no cell has a value of flops_forward_per_image and accuracy; 17 of 17 cells"):
        drawn("pareto", frame)
    with pytest.raises(BadInput, match="no training curves"):
        drawn("curves", frame)
    with pytest.raises(BadInput, match="no expert loads"):
        drawn("health", frame)


DRAWN = ("pareto", "scaling", "health", "curves", "costs", "speed")


@pytest.mark.parametrize("name", [name for name in DRAWN if name != "costs"])
def test_every_figure_is_drawn_in_the_routers_own_colours(name: str, tmp_path: Path) -> None:
    frame = suite_frame()
    frame.loc[frame["router"] == "bpr", "router"] = RIGHT_TO_LEFT
    (path,) = figures.save(drawn(name, frame), tmp_path / "figure", ["svg"])
    text = path.read_text(encoding="utf-8")
    for router in ("tokens-choice", "soft", RIGHT_TO_LEFT):
        assert style.style_of(router).color in text
    assert ">tokens-choice<" in text  # text is text
    assert "<b>" not in text


def test_costs_are_the_parts_of_a_forward_pass() -> None:
    costs = chart_data.costs(Results.from_frame(suite_frame()))
    soft = costs[costs["label"] == "soft[experts=2]"].set_index("part")
    # 3.4e6 · 1.02 in all; experts 1.05e6, router 2 · 4096, dispatch and combine 65536, the rest elsewhere.
    assert soft["flops"].to_dict() == {
        "attention and the rest": pytest.approx(3.468e6 - 1.05e6 - 8192 - 65536),
        "experts (dense: the MLP)": pytest.approx(1.05e6),
        "router": pytest.approx(8192),
        "dispatch and combine": pytest.approx(65536),
    }
    assert soft.loc["experts (dense: the MLP)", "share"] == pytest.approx(1.05 / 3.468)
    # Empty slots are a part of the experts' FLOPs, not added to them.
    choice = costs[costs["label"] == "tokens-choice[experts=2]"].set_index("part")["flops"]
    assert (choice["experts (dense: the MLP)"], choice["experts, empty slots"]) == pytest.approx((0.85e6, 0.2e6))
    assert choice.sum() == pytest.approx(3.468e6)


def test_speed_is_relative_to_dense_and_keeps_its_flags() -> None:
    speed = chart_data.speed(Results.from_frame(suite_frame()))
    assert speed["quantity"].value_counts().to_dict() == {"train_step_vs_dense": 16, "infer_vs_dense": 16}
    soft = speed[speed["label"] == "soft[experts=2]"].iloc[0]
    # 0.030 · 1.3 · (1 + 0.02 · √2) over 0.0306
    ratio = 0.039 * (1 + 0.02 * 2**0.5) / 0.0306
    # Within the timing 2 % below and 3 % above, and 1 % between timings.
    low, high = (np.exp(sign * np.hypot(np.log(within), 1.96 * 0.01)) for sign, within in ((-1, 0.98), (1, 1.03)))
    assert (soft["x"], soft["x_low"], soft["x_high"]) == pytest.approx((ratio, low * ratio, high * ratio), rel=1e-5)
    assert soft["flags"] == "noisy"
    assert set(speed["flags"]) == {"", "noisy"}
    assert "hollow: timing of 1 of 16 cells flagged (noisy 1)" in _note(drawn("speed", suite_frame()))
    training = suite_frame()
    training["timing_flags"] = [["training:noisy"]] * len(training)
    flags = chart_data.speed(Results.from_frame(training)).groupby("quantity")["flags"].unique()
    assert flags.map(list).to_dict() == {"train_step_vs_dense": ["training:noisy"], "infer_vs_dense": [""]}


def test_figures_of_times_say_that_they_are_flagged_and_figures_of_flops_do_not() -> None:
    assert "timing of 1 of 16 cells flagged (noisy 1)" in _note(drawn("scaling", suite_frame()))
    assert "flagged" not in _note(drawn("pareto", suite_frame(), x="params"))


def _note(figure: Figure) -> str:
    """What stands under a figure, on one line."""
    return " ".join(str(figure.get_supxlabel()).split())


def test_numbers_beside_points_cover_neither_points_nor_each_other() -> None:
    points = pd.DataFrame({"x": [1.0, 1.0, 1.01, 3.0], "y": [1.0, 1.0, 1.0, 2.0], "router": "soft"})
    axes = Figure(figsize=(3, 3)).subplots()
    axes.scatter(points["x"], points["y"])
    name_points(axes, points, ["2", "4", "8", ""], (2.4, 2.2))
    places = [(text.xy, text.xyann) for text in axes.texts]
    assert [text.get_text() for text in axes.texts] == ["2", "4", "8"]
    assert len({xyann for _, xyann in places}) == 3


def test_bars_for_more_cells_than_a_page_has_lines_stop_and_say_so() -> None:
    many = pd.concat([suite_frame(seeds=1, device=f"device {n}") for n in range(6)], ignore_index=True)
    figure = drawn("costs", many)
    assert len(figure.axes[0].get_yticks()) == 80
    assert "the first 80 of 96 cells" in figure.get_supxlabel()


def test_the_interval_of_a_share_ends_where_shares_end() -> None:
    frame = suite_frame()
    frame["accuracy"] = frame["accuracy"].where(
        frame["router"] != "soft", 0.999 - 0.004 * frame["seed"] * (1 - frame["experts"] % 3)
    )
    cells = Results.from_frame(frame).cells
    assert cells["accuracy_ci_high"].max() == 1
    assert chart_data.pareto(Results.from_frame(frame))["y_high"].max() == 1
    assert chart_data.scaling(Results.from_frame(frame), ["accuracy"])["y_high"].max() == 1


# Inches: a column and the text of a two-column paper; half a slide and a whole one before they are magnified.
PLACES = {("paper", 1): 3.25, ("paper", 2): 7.0, ("talk", 1): 3.0, ("talk", 2): 5.6, ("notebook", 1): 4.2}


@pytest.mark.parametrize(("place", "width"), PLACES.items())
def test_a_figure_has_the_width_of_its_place(place: tuple[str, int], width: float) -> None:
    assert drawn("speed", suite_frame(seeds=1), layout=figures.Layout(*place)).get_figwidth() == width


def panels_of(figure: Figure) -> list[Any]:
    """The axes without those of colour bars, of which each row of panels has one."""
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


@pytest.mark.parametrize("name", DRAWN)
def test_in_one_column_a_figure_has_the_same_frame_and_shows_it(name: str) -> None:
    narrow = drawn(name, suite_frame(), layout=figures.Layout("paper", 1))
    assert {"label", "router"} <= set(narrow.frame.columns)
    assert f"Drawing of {len(narrow.frame)} rows, 3.2 by" in repr(narrow)
    assert len(panels_of(narrow)) == len(panels_of(drawn(name, suite_frame())))
    assert narrow.get_figheight() >= narrow.get_figwidth()


@pytest.mark.parametrize("name", ["forest", *DRAWN, "dots", "test-time"])
def test_in_one_column_no_text_covers_another_or_leaves_the_figure(name: str) -> None:
    results = Results.from_frame(tried_frame())
    for style_name in ("paper", "talk"):
        assert overlaps(figures.draw(name, results, figures.Layout(style_name, 1))) == []


@pytest.mark.parametrize(
    ("suite", "name", "columns"),
    [
        *(("stability", "health", 1), ("stability", "curves", 1), ("test-time", "health", 1)),
        *(("test-time", "test-time", 1), ("diagnostics", "curves", 2), ("diagnostics", "scorecard", 1)),
        *(("diagnostics", "scorecard", 2), ("diagnostics", "health", 2), ("diagnostics", "dots", 2)),
        ("routing-ablation", "curves", 1),
        ("transfer", "health", 2),
    ],
)
def test_figures_of_reference_rows_keep_their_texts_apart(suite: str, name: str, columns: int) -> None:
    # Losses over powers of ten, close ends of lines, and panels narrower than their titles and ticks.
    frame = load(Path(__file__).parents[3] / "results" / "reference", suite)
    assert overlaps(drawn(name, frame, layout=figures.Layout("talk", columns))) == []


def test_names_of_cells_stay_apart_where_there_is_little_room() -> None:
    frame = load(Path(__file__).parents[3] / "results" / "reference", "scaling-slots")
    narrow = drawn("costs", frame, layout=figures.Layout("paper", 1))
    names = [label.get_text() for label in narrow.axes[0].get_yticklabels()]
    assert len(set(names)) == len(names) > 10
    assert "names: router, experts, capacity factor, slots per expert" in _note(narrow)


def test_overlaps_of_texts_are_found() -> None:
    figure = Figure(figsize=(3, 3), layout="constrained")
    figure.text(0.5, 0.5, "one")
    figure.text(0.52, 0.5, "other")
    figure.text(0.95, 0.1, "outside")
    figure.subplots().set(xticks=[0.0, 0.5], xlim=(0.4, 1.0), yticks=[])  # the label of 0 is not drawn
    assert overlaps(figure) == ["'outside' leaves the figure", "'one' covers 'other'"]


def test_a_figure_of_few_cells_is_high_enough_for_its_legend() -> None:
    frame = suite_frame(failed=())
    few = frame[(frame["router"] == "dense") | (frame["experts"] == 2)]
    narrow = drawn("costs", few, layout=figures.Layout("paper", 1))
    assert overlaps(narrow) == []
    # Four parts in one column of the legend.
    assert narrow.axes[0].get_window_extent().height / narrow.dpi > 0.8


def test_a_layout_that_does_not_exist_is_said() -> None:
    with pytest.raises(BadInput, match="did you mean 'paper'"):
        figures.Layout("papr")
    with pytest.raises(BadInput, match="1 or 2 columns wide, not 3"):
        figures.Layout("paper", 3)


def test_ticks_of_close_costs_do_not_run_into_each_other() -> None:
    frame = suite_frame()
    frame["flops_forward_per_image"] = 6.55e6 + 1.3e4 * frame["experts"]
    for layout in (figures.Layout(), figures.Layout("talk"), figures.Layout("paper", 1)):
        figure = drawn("pareto", frame, "flops_forward_per_image", layout=layout)
        figure.draw_without_rendering()
        low, high = figure.axes[0].get_xlim()
        labels = [label for label in figure.axes[0].get_xticklabels() if low <= label.get_position()[0] <= high]
        boxes = [label.get_window_extent() for label in labels]
        assert len(boxes) >= 2
        assert all(left.x1 + 5 < right.x0 for left, right in pairwise(boxes))


def test_pdf_fonts_are_embedded_truetype(tmp_path: Path) -> None:
    (path,) = figures.save(drawn("scaling", suite_frame()), tmp_path / "figure", ["pdf"])
    content = path.read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content


def test_files_appear_whole_and_are_the_same_for_the_same_figure(tmp_path: Path) -> None:
    figure = drawn("scaling", suite_frame())
    paths = figures.save(figure, tmp_path / "new" / "scaling")
    assert [path.name for path in paths] == ["scaling.png", "scaling.svg", "scaling.pdf"]
    again = figures.save(drawn("scaling", suite_frame()), tmp_path / "again" / "scaling")
    assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["scaling.pdf", "scaling.png", "scaling.svg"]


def test_a_figure_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    figure = drawn("scaling", suite_frame(seeds=1))
    with pytest.raises(BadInput, match="unknown figure format 'gif'"):
        figures.save(figure, tmp_path / "figure", ["png", "gif"])
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot write"):
        figures.save(figure, tmp_path / "file" / "figure", ["png"])


def capacity_frame() -> pd.DataFrame:
    """Cells of 4 experts whose capacity factors take the place of their numbers of experts."""
    frame = suite_frame(failed=())
    routed = frame["router"] != "dense"
    frame.loc[routed, "capacity_factor"] = frame["experts"] / 8
    frame.loc[routed, "slots_per_expert"] = frame["experts"] * 2
    frame.loc[routed, "experts"] = 4
    return frame


def test_costs_over_more_than_a_decade_have_ticks_that_can_be_read() -> None:
    frame = suite_frame(failed=())
    frame.loc[frame["router"] == "soft", "flops_forward_per_image"] *= 20
    figure = drawn("pareto", frame, "flops_forward_per_image")
    figure.canvas.draw()
    axis = figure.axes[0].xaxis
    assert figure.axes[0].get_xscale() == "log"
    assert not [label for label in axis.get_minorticklabels() if label.get_text()]
    shown = [label.get_text() for label in axis.get_majorticklabels()]
    assert {"5", "10", "20", "50"} <= set(shown)
    assert axis.get_label_text() == "Forward FLOPs per image (M)"


def test_health_is_drawn_over_what_the_suite_varies() -> None:
    assert chart_data.varied_number(Results.from_frame(suite_frame())) == "experts"
    # Slots that follow from the capacity factor tell as many cells apart; dense has no capacity factor, but one slot.
    assert chart_data.varied_number(Results.from_frame(capacity_frame())) == "capacity_factor"
    # A rate that tries chose for each cell is a result and no input.
    rates = capacity_frame().assign(experts=8, capacity_factor=1.0, slots_per_expert=8, slots_per_image=64)
    rates["learning_rate"] = 0.01 * (1 + rates.groupby("router")["cell_id"].transform(lambda ids: ids.factorize()[0]))
    assert rates.groupby("router")["learning_rate"].nunique().max() > 1
    assert chart_data.varied_number(Results.from_frame(rates)) == "learning_rate"
    assert chart_data.varied_number(Results.from_frame(rates.assign(tuned='{"learning_rate": 0.01}'))) is None
    assert {axes.get_xlabel() for axes in drawn("health", capacity_frame()).axes} >= {"Capacity factor"}


def test_slots_are_drawn_over_where_cells_share_their_number_of_experts() -> None:
    # As a suite that spends the same slots on more and more experts, and all of them on two.
    frame = suite_frame(failed=())
    frame = frame[frame["router"].isin(["dense", "soft"])]
    soft = frame["router"] == "soft"
    spread = frame[soft].assign(total_slots=frame["experts"], slots_per_expert=1)
    two = spread.assign(slots_per_expert=spread["experts"], experts=2, cell_id=spread["cell_id"] + "-two")
    two["total_slots"] *= 2
    figure = drawn("scaling", pd.concat([frame[~soft], spread, two], ignore_index=True))
    assert figure.axes[0].get_xlabel() == "Slots per image"
    numbers = sorted(text.get_text() for text in figure.axes[0].texts)
    assert numbers == ["16", "2", "2", "2", "2", "2", "4", "8"]  # each cell's experts


def test_cells_with_one_seed_or_no_timing_are_drawn_without_bars() -> None:
    frame = suite_frame(seeds=1)
    for name in ("train_step_s", "train_step_vs_dense"):
        frame[name] = frame[f"{name}_ci_low"] = frame[f"{name}_ci_high"] = np.nan
    frame["train_wall_s"] = 3.0
    assert [axes.get_xlabel() for axes in drawn("pareto", frame).axes] == ["Forward FLOPs per image (M)"]
    assert [axes.get_xlabel() for axes in drawn("pareto", frame, "train_wall_s").axes] == ["Training time (s)"]
    with pytest.raises(BadInput, match="no cell has a value of train_step_s"):
        drawn("pareto", frame, "train_step_s")


def test_settings_get_rows_of_their_own_even_where_one_was_not_timed() -> None:
    untimed = suite_frame(device="gpu").assign(train_step_vs_dense=np.nan)
    frame = pd.concat([suite_frame(device="cpu"), untimed], ignore_index=True)
    titles = [axes.get_title(loc="left") for axes in drawn("pareto", frame).axes]
    assert titles == ["cpu", "", "gpu", ""]
    assert len(drawn("scaling", frame).axes) == 4


def test_times_are_set_against_the_dense_twin_unless_there_are_several_of_them() -> None:
    one, other = suite_frame(model="mu/2"), suite_frame(model="ti/1")
    assert [axes.get_xlabel() for axes in drawn("pareto", one).axes][1] == "Time of a training step, times dense"
    assert [axes.get_ylabel() for axes in drawn("scaling", one).axes][1] == "Time of a training step,\ntimes dense"
    both = pd.concat([one, other], ignore_index=True)
    assert [axes.get_xlabel() for axes in drawn("pareto", both).axes][1] == "Time of a training step (ms)"
