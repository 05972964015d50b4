"""What tuning tried: rows by hand, and what page and table say of them."""

import json
from typing import Any

import pandas as pd
import pytest
from claim_frames import cell, table

from moebench.errors import BadInput
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.tries import tries
from moebench.reports.dashboard import tries as chart
from moebench.reports.tables import all_tables


def tuned(router: str, grid: dict[float, float | None], chosen: float, *, edge: bool, **more: Any) -> pd.DataFrame:
    rows = [{"learning_rate": rate, "loss": loss, "accuracy": loss and 1 - loss} | more for rate, loss in grid.items()]
    columns = {"tuned_tries": len(rows), "tuned_margin": 0.125, "tuned_on_edge": edge, "tuning": json.dumps(rows)}
    return cell(router, (0.9, 0.91)).assign(tuned=json.dumps({"learning_rate": chosen} | more), **columns)


INSIDE = tuned("dense", {0.001: 0.5, 0.01: 0.25, 0.1: None}, 0.01, edge=False)
AT_EDGE = tuned("soft", {0.001: 0.5, 0.01: 0.25}, 0.01, edge=True, load_weight=0.5)


def test_rows_of_tries_by_hand() -> None:
    found = tries(Results.from_frame(table(INSIDE, AT_EDGE)))
    assert found[["cell", "key", "value", "others", "chosen", "at_edge"]].to_numpy().tolist() == [
        [0, "learning_rate", 0.001, "", False, False],
        [0, "learning_rate", 0.01, "", True, False],
        [0, "learning_rate", 0.1, "", False, False],
        [1, "learning_rate", 0.001, "load_weight 0.5", False, False],
        [1, "learning_rate", 0.01, "load_weight 0.5", True, True],
    ]
    assert found["loss"].fillna(-1).tolist() == [0.5, 0.25, -1, 0.5, 0.25]
    assert found["accuracy"].fillna(-1).tolist() == [0.5, 0.75, -1, 0.5, 0.75]


def test_page_and_table_flag_a_choice_at_the_edge_of_its_grid() -> None:
    results = Results.from_frame(table(INSIDE, AT_EDGE))
    assert chart.rows(results)["state"].tolist() == ["", "chosen", "", "", chart.AT_EDGE]
    (tuning,) = (each for each in all_tables(results) if each.name == "tuning")
    assert tuning.texts["tuned_on_edge"] == ["inside", "at the edge"]
    assert tuning.texts["tuned"] == ["learning_rate 0.01", "learning_rate 0.01, load_weight 0.5"]
    assert tuning.texts["tuned_tries"] == ["3", "2"]
    assert tuning.texts["tuned_margin"] == ["0.125", "0.125"]


@pytest.mark.parametrize("text", [None, "{", "[1, 2]", '{"a": 1}'])
def test_without_readable_tries_nothing_is_shown(text: str | None) -> None:
    with pytest.raises(BadInput, match="no cell of these results was tuned"):
        tries(Results.from_frame(table(INSIDE.assign(tuning=text))))
