"""The score card of diagnostic tasks: numbers worked by hand, its order, and its drawing."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from claim_frames import cell, table
from matplotlib.colors import to_rgb

from moebench.errors import BadInput
from moebench.reports import figures
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.score_card import score_card
from moebench.reports.tables.of_tasks import scores


def tried(frame: pd.DataFrame, kept: dict[float, list[float]], top_k: int | None = None) -> pd.DataFrame:
    """A cell whose seeds were evaluated with these capacity factors, and the needles that each seed kept."""
    settings: list[list[dict[str, Any]]] = [
        [
            {"setting": str(factor), "capacity_factor": factor, "top_k": top_k, "needles_processed": shares[seed]}
            for factor, shares in kept.items()
        ]
        for seed in range(len(frame))
    ]
    return frame.assign(test_time=pd.Series(settings, index=frame.index))


@pytest.fixture(scope="module")
def results() -> Results:
    return Results.from_frame(
        table(
            cell("soft", [0.5, 0.5], data="domains-4").assign(domain_information=0.0),
            cell("oracle", [1.0, 1.0], data="domains-4").assign(domain_information=2.0),
            cell("dense", [0.5, 0.6], data="domains-4"),
            cell("dense", [0.5, 0.6], data="lookup-100").assign(memorised_bits=[90.0, 110.0]),
            tried(cell("bpr", [0.5, 0.5], data="needles-2"), {0.25: [0.9, 0.9], 0.125: [0.4, 0.6]}),
            cell("dense", [0.9, 0.9], data="digits"),
            cell("dense", [0.4, 0.4], data="words-512"),
            cell("dense", [0.2, 0.2], data="fractals-1k"),
        )
    )


def test_scores_run_from_chance_to_the_best(results: Results) -> None:
    card = score_card(results).set_index(["router", "data", "quantity"])
    score = card["score"]
    # (0.55 − 1/16) / (1 − 1/16).
    assert score["dense", "domains-4", "accuracy"] == pytest.approx(0.52)
    assert score["oracle", "domains-4", "accuracy"] == pytest.approx(1)
    # Two bits are all that an expert can tell about 4 domains.
    assert score["oracle", "domains-4", "domain_information"] == pytest.approx(1)
    assert np.isnan(score["dense", "domains-4", "domain_information"])
    # 100 of 4 · 100 bits.
    assert score["dense", "lookup-100", "memorised_bits"] == pytest.approx(0.25)
    # With slots for 1/8 of the tokens chance keeps 1/8: (0.5 − 0.125) / 0.875.
    assert score["bpr", "needles-2", "needles_processed"] == pytest.approx(3 / 7)
    assert card.loc[("chance", "needles-2", "needles_processed"), "value"] == 0.125
    # (0.4 − 1/16) / (1 − 1/16), and (0.2 − 1/1000) / (1 − 1/1000).
    assert score["dense", "words-512", "accuracy"] == pytest.approx(0.36)
    assert score["dense", "fractals-1k", "accuracy"] == pytest.approx(0.199 / 0.999)
    assert "digits" not in card.index.get_level_values("data")


def test_the_cost_is_the_mean_over_all_tasks_beside_dense() -> None:
    frame = table(
        cell("dense", [0.5, 0.6], data="domains-4").assign(flops_forward_per_image=1e6),
        cell("soft", [0.5, 0.6], data="domains-4").assign(flops_forward_per_image=2e6),
        cell("dense", [0.5, 0.6], data="words-64").assign(flops_forward_per_image=1e6),
        cell("soft", [0.5, 0.6], data="words-64").assign(flops_forward_per_image=4.5e6),
        # digits are no task of the card.
        cell("dense", [0.5, 0.6], data="digits").assign(flops_forward_per_image=1e6),
        cell("soft", [0.5, 0.6], data="digits").assign(flops_forward_per_image=9e6),
    )
    results = Results.from_frame(frame)
    card = score_card(results)
    cost = card[card["quantity"] == "flops_vs_dense"].set_index("router")["value"]
    # The root of 2 · 4.5.
    assert cost.to_dict() == pytest.approx({"dense": 1.0, "soft": 3.0})
    found = scores(results)
    assert found.fields[-1].title == "FLOPs, times dense"
    assert found.texts[found.fields[-1].key] == ["1.00 ×", "3.00 ×", "–"]
    (panel,) = figures.draw("scorecard", results).axes
    assert panel.get_xticklabels()[-1].get_text() == "all tasks\nFLOPs\n(× dense)"
    assert {"1.00", "3.00"} <= {text.get_text() for text in panel.texts}


def test_the_table_has_the_numbers_of_the_card(results: Results) -> None:
    table_of_scores = scores(results)
    titles = [field.title for field in table_of_scores.fields]
    assert titles[:3] == ["Router", "domains-4: accuracy", "domains-4: experts know (bits)"]
    shown = {row[0]: dict(zip(titles, row, strict=True)) for row in table_of_scores.rows}
    assert list(shown) == ["oracle", "dense", "bpr", "soft", "chance"]
    assert shown["oracle"]["domains-4: experts know (bits)"].startswith("2.00")
    assert shown["chance"]["needles-2: kept at k·C = 1/8"] == "12.5 %"
    assert shown["chance"]["domains-4: accuracy"] == "6.2 %"
    assert shown["bpr"]["words-512: accuracy"] == "–"
    # One task is no card, and neither are several cells of a router.
    one = results.rows[results.rows["data"] == "domains-4"]
    assert scores(Results.from_frame(one)).texts == {}
    more = cell("dense", [0.7, 0.7], data="words-512").assign(cell_id="wider", mlp_ratio=8.0)
    assert scores(Results.from_frame(pd.concat([results.rows, more], ignore_index=True))).texts == {}


def test_oracle_and_chance_are_the_first_and_the_last_row(results: Results) -> None:
    assert list(dict.fromkeys(score_card(results)["router"])) == ["oracle", "dense", "bpr", "soft", "chance"]


def test_one_cell_of_each_router_in_one_suite_is_compared(results: Results) -> None:
    more = cell("dense", [0.7, 0.7], data="words-512").assign(cell_id="wider", mlp_ratio=8.0)
    with pytest.raises(
        BadInput, match=r"words-512 has several cells of dense: the score card compares one cell of each"
    ):
        score_card(Results.from_frame(pd.concat([results.rows, more], ignore_index=True)))
    other = cell("soft", [0.7, 0.7], data="words-512").assign(suite="other")
    with pytest.raises(BadInput, match="words-512 has cells of several suites"):
        score_card(Results.from_frame(pd.concat([results.rows, other], ignore_index=True)))


def test_two_choices_have_the_slots_of_one_choice_at_half_the_capacity_factor() -> None:
    card = score_card(
        Results.from_frame(
            table(
                tried(cell("bpr", [0.5, 0.5], data="needles-2"), {0.25: [0.9, 0.9], 0.125: [0.4, 0.6]}, top_k=1),
                tried(cell("gshard", [0.5, 0.5], data="needles-2"), {0.125: [0.9, 0.9], 0.0625: [0.2, 0.4]}, top_k=2),
            )
        )
    ).set_index(["router", "quantity"])
    kept = card.xs("needles_processed", level="quantity")
    assert kept["value"].to_dict() == pytest.approx({"bpr": 0.5, "gshard": 0.3, "chance": 0.125})
    assert set(kept["slots_per_token"]) == {0.125}


def test_needles_are_no_score_where_capacity_is_enough() -> None:
    plenty = cell("bpr", [0.5, 0.6], data="needles-2", capacity_factor=1.0).assign(needles_processed=[0.9, 0.8])
    assert set(score_card(Results.from_frame(table(plenty)))["quantity"]) == {"accuracy"}


@pytest.mark.parametrize(("style", "columns"), [("paper", 1), ("talk", 2)])
def test_numbers_of_the_drawing(results: Results, style: str, columns: int) -> None:
    drawing = figures.draw("scorecard", results, figures.Layout(style, columns))
    (panel,) = drawing.axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["oracle", "dense", "bpr", "soft", "chance"]
    headings = [label.get_text() for label in panel.get_xticklabels()]
    assert ("needles-\n2\nkept\nk·C\n= 1/8\n(%)" if columns == 1 else "needles-2\nkept\nk·C = 1/8\n(%)") in headings
    shown = {text.get_text() for text in panel.texts}
    # A mean of 0.5 and, of two seeds 0.2 apart, more than possible: half of the interval from 0 to 100 %.
    assert ("50\n±50" if columns == 1 else "50 ±50") in shown


def test_numbers_stand_out_from_their_colours(results: Results) -> None:
    (panel,) = figures.draw("scorecard", results).axes
    scores = panel.collections[0]
    written = np.isfinite(np.ma.filled(scores.get_array(), np.nan)).ravel()
    for text, color in zip(panel.texts, scores.get_facecolors()[written], strict=True):
        shares = np.array([to_rgb(text.get_color()), color[:3]])
        linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
        low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
        assert (high + 0.05) / (low + 0.05) > 4.5


def test_other_results_have_no_card() -> None:
    with pytest.raises(BadInput, match="no cell is of a diagnostic task"):
        score_card(Results.from_frame(table(cell("dense", [0.5, 0.6]))))
