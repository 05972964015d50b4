"""The tests of two towers beside chance and print: numbers worked by hand, the table, the figure."""

import numpy as np
import pytest
from claim_frames import cell, table

from moebench.errors import BadInput
from moebench.papers.results import image_text_results
from moebench.reports import figures
from moebench.reports.analysis import chart_data
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.pair_scores import image_to_text_chance, pair_scores, text_to_image_chance
from moebench.reports.answer.sentence import answer, details
from moebench.reports.dashboard.data import suite_data
from moebench.reports.tables import all_tables, pairs

FIGURE = "contrastive"


@pytest.fixture(scope="module")
def results() -> Results:
    """Two seeds each of dense and soft, of 10 images with 50 captions, and a cell that classifies."""
    tests = {
        "zero_shot_classes": 64,
        "retrieval_images": 10,
        "retrieval_captions": 50,
        "accuracy": np.nan,
        "text_model": "nano",
        "text_to_image_r1": 0.4,
        "binding_accuracy": 0.5,
    }
    return Results.from_frame(
        table(
            cell("dense", [0.0, 0.0]).assign(zero_shot_seen=[0.5, 0.7], image_to_text_r1=[0.2, 0.4], **tests),
            cell("soft", [0.0, 0.0]).assign(zero_shot_seen=[0.8, 0.9], image_to_text_r1=[0.5, 0.5], **tests),
            cell("dense", [0.9, 0.9], data="digits"),
        )
    )


def test_chance_by_hand() -> None:
    # 5 of 50 captions are the image's own: 1/10, and 1 - 45/50 · 44/49 for two captions.
    assert image_to_text_chance(10, 50, 1) == pytest.approx(0.1)
    assert image_to_text_chance(10, 50, 2) == pytest.approx(0.191837, abs=1e-6)
    assert image_to_text_chance(2, 2, 5) == 1
    assert text_to_image_chance(10, 5) == 0.5
    assert text_to_image_chance(3, 5) == 1


def test_each_test_stands_beside_its_chance_and_its_print(results: Results) -> None:
    scores = pair_scores(results).set_index(["router", "quantity"])
    assert len(scores) == 2 * 4
    assert scores.loc[("dense", "zero_shot_seen"), "value"] == pytest.approx(0.6)
    assert scores["chance"]["dense"].round(6).to_dict() == {
        "zero_shot_seen": 0.015625,
        "image_to_text_r1": 0.1,
        "text_to_image_r1": 0.1,
        "binding_accuracy": 0.5,
    }
    # Table 3 of 2308.00951: ViT-S/16 and Soft MoE-S/16.
    assert scores["printed"]["dense"]["zero_shot_seen"] == pytest.approx(0.742)
    assert scores["printed"]["soft"]["image_to_text_r1"] == pytest.approx(0.56)
    assert np.isnan(scores["printed"]["soft"]["binding_accuracy"])
    assert scores["printed_of"]["soft"]["text_to_image_r1"] == "COCO, Soft MoE S/16 128E"


def test_the_answer_names_the_best_cell_and_the_details_their_chance(results: Results) -> None:
    towers = Results.from_frame(results.rows[results.rows["text_model"].notna()])
    assert answer(towers) == "Highest zero-shot accuracy: soft[experts=1], 85.0 % (dense 60.0 %)."
    text = details(towers)
    assert "highest zero-shot accuracy: soft[experts=1], 85.0 % [" in text
    assert "highest image to text R@1: soft[experts=1], 50.0 %" in text
    assert "chance 10.0 %)" in text


def test_the_table_ends_with_chance_and_print(results: Results) -> None:
    found = pairs(results)
    assert [row[:2] for row in found.rows[2:]] == [
        ["chance", "1.6 %"],
        ["ViT S/16, printed in arXiv 2308.00951, Table 3", "74.2 %"],
        ["Soft MoE S/16 128E, printed in arXiv 2308.00951, Table 3", "81.2 %"],
    ]
    assert found.rows[0][1].startswith("60.0 % [")
    assert "pairs" in [each.name for each in all_tables(results)]


@pytest.mark.parametrize("columns", [1, 2])
def test_the_figure_has_a_panel_for_each_test_that_cells_have(results: Results, columns: int) -> None:
    drawn = figures.draw(FIGURE, results, figures.Layout("paper", columns))
    titles = [axes.get_title(loc="left") for axes in drawn.axes]
    assert titles == [
        *("zero-shot, seen\nchance 1.56 %", "image to text R@1\nchance 10 %", "text to image R@1\nchance 10 %"),
        "binding\nchance 50 %",
    ]
    hollow = [line for line in drawn.axes[0].lines if line.get_marker() == "D" and line.get_fillstyle() == "none"]
    assert [line.get_xdata().tolist() for line in hollow] == [[pytest.approx(74.2)], [pytest.approx(81.2)]]


def test_the_first_charts_show_the_share_that_most_cells_have(results: Results) -> None:
    assert chart_data.leading_quality(results) == "zero_shot_seen"
    assert figures.draw("pareto", results).axes[0].get_ylabel().split() == ["Zero-shot", "accuracy,", "seen", "(%)"]
    # 85 % less 60 %.
    assert figures.draw("forest", results).frame["effect"].tolist() == pytest.approx([0.25])
    page = suite_data(results, "pairs")
    assert [page["axes"][use][0]["key"] for use in ("quality", "scaled")] == 2 * ["zero_shot_seen"]
    assert page["compared"] == "Zero-shot accuracy, seen"
    assert page["forest"]
    classified = table(cell("dense", [0.9, 0.9]), cell("soft", [0.8, 0.9]))
    assert chart_data.leading_quality(Results.from_frame(classified)) == "accuracy"
    lost = Results.from_frame(classified.assign(accuracy=np.nan, eval_loss=1.0))
    assert chart_data.leading_quality(lost) == "eval_loss"
    assert suite_data(lost, "losses")["forest"] == {}


def test_cells_without_a_text_tower_have_no_such_scores(results: Results) -> None:
    plain = Results.from_frame(table(cell("dense", [0.9, 0.9], data="digits")))
    assert pairs(plain).rows == []
    with pytest.raises(BadInput, match="no cell has a text_model"):
        figures.draw(FIGURE, plain)


def test_print_is_a_share_of_each_test() -> None:
    printed = image_text_results().set_index("label")
    assert len(printed) == 10
    assert printed.loc["Soft MoE L/16 128E", "zero_shot_cifar100"] == pytest.approx(0.799)
    assert (printed.filter(like="_r1") < 0.7).all(axis=None)
    assert set(printed["router"]) == {"dense", "soft"}
