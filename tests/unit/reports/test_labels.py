"""Names of cells: brief, with the same keys in one table, and always different."""

import json

import pandas as pd
from report_frames import suite_frame

from moebench.reports.analysis.cells import summarise
from moebench.reports.labels import brief_labels, cell_labels, point_names, shortened, tuned_keys, varied_title


def _cells(**columns: list[object]) -> pd.DataFrame:
    count = len(columns["router"])
    return pd.DataFrame({"cell_id": [f"{place:08d}abc" for place in range(count)], "experts": [4.0] * count, **columns})


def test_labels_name_what_varies_with_the_same_keys() -> None:
    cells = _cells(
        router=["dense", "soft", "soft", "soft", "bpr", "bpr"],
        experts=[1.0, 4, 8, 8, 4, 4],
        top_k=[None, None, None, None, 1.0, 1.0],
        capacity_factor=[None, None, None, None, 1.05, 2.0],
        slots_per_expert=[16, 4, 4, 4, 5, 8],  # which follow from the capacity factor
        config=[json.dumps({"options": {"norm": norm}}) for norm in (None, True, True, False, True, True)],
    )
    assert cell_labels(cells).tolist() == [
        "dense",
        "soft[experts=4,norm=True]",
        "soft[experts=8,norm=True]",
        "soft[experts=8,norm=False]",
        "bpr[experts=4,capacity_factor=1.05,norm=True]",
        "bpr[experts=4,capacity_factor=2,norm=True]",
    ]


def test_what_all_cells_share_is_not_named() -> None:
    # Experts are 8 everywhere and what varies are learning rates, for dense as well.
    cells = _cells(router=["dense", "dense", "soft", "soft"], experts=[1, 1, 8, 8], learning_rate=[0.1, 0.3] * 2)
    assert cell_labels(cells).tolist() == [
        *("dense[learning_rate=0.1]", "dense[learning_rate=0.3]"),
        *("soft[learning_rate=0.1]", "soft[learning_rate=0.3]"),
    ]


def test_tuned_learning_rates_name_no_cell() -> None:
    options = [json.dumps({"options": {"z": place}}) for place in range(2)]
    cells = _cells(router=["soft"] * 2, learning_rate=[0.1, 0.3], config=options)
    assert cell_labels(cells).tolist() == ["soft[learning_rate=0.1]", "soft[learning_rate=0.3]"]
    tuned = cells.assign(tuned=['{"learning_rate": 0.1}', '{"learning_rate": 0.3}'])
    assert cell_labels(tuned).tolist() == ["soft[z=0]", "soft[z=1]"]


def test_a_key_of_one_dense_cell_is_not_named() -> None:
    cells = _cells(router=["dense", "soft", "soft"], moe_layers=["2,3", "2,3", "0,1"])
    assert cell_labels(cells).tolist() == ["dense", "soft[moe_layers=2,3]", "soft[moe_layers=0,1]"]


def test_cells_that_nothing_sets_apart_are_named_by_their_hashes() -> None:
    cells = _cells(router=["hash", "hash", "soft"], config=["not JSON", None, "[]"])
    assert cell_labels(cells).tolist() == [
        *("hash[experts=4] #00000000", "hash[experts=4] #00000001", "soft[experts=4]")
    ]


def test_each_suite_has_keys_of_its_own() -> None:
    cells = _cells(
        router=["soft", "soft", "soft"], suite=["one", "one", "two"], experts=[4, 8, 16], top_k=[None, None, None]
    )
    assert cell_labels(cells).tolist() == ["soft[experts=4] · one", "soft[experts=8] · one", "soft[experts=16] · two"]


def test_labels_without_room_give_way_to_router_and_what_varies() -> None:
    cells = _cells(
        router=["dense", "experts-choice", "experts-choice"], experts=[1, 4, 16], capacity_factor=[None, 1, 2]
    )
    labels, note = brief_labels(cells, 44)
    assert (labels.tolist(), note) == (cell_labels(cells).tolist(), "")
    labels, note = brief_labels(cells, 20)
    assert labels.tolist() == ["dense", "experts-choice: 4", "experts-choice: 16"]
    assert note == "names: router, experts"
    # Where nothing varies, the router is enough.
    assert brief_labels(_cells(router=["dense", "experts-choice"]), 20)[0].tolist() == ["dense", "experts-choice"]


def test_a_tuned_value_distinguishes_no_cell() -> None:
    cells = _cells(
        router=["soft", "soft"], experts=[4, 8], learning_rate=[1e-2, 3e-3], tuned=['{"learning_rate": 0.01}'] * 2
    )
    assert tuned_keys(cells) == {"learning_rate"}
    assert cell_labels(cells).tolist() == ["soft[experts=4]", "soft[experts=8]"]
    same = cells.assign(experts=4)
    assert cell_labels(same).tolist() == ["soft[experts=4] #00000000", "soft[experts=4] #00000001"]
    given = same.drop(columns="tuned")
    assert cell_labels(given).tolist() == ["soft[learning_rate=0.01]", "soft[learning_rate=0.003]"]


def test_a_model_that_follows_from_the_data_is_left_out() -> None:
    cells = _cells(router=["soft"] * 3, data=["a", "b", "c"], model=["mu/2", "mu/2", "nano/4"])
    assert cell_labels(cells).tolist() == ["soft[experts=4] · a", "soft[experts=4] · b", "soft[experts=4] · c"]
    both = _cells(router=["soft"] * 3, data=["a", "b", "b"], model=["mu/2", "mu/2", "nano/4"])
    assert cell_labels(both).tolist() == [
        *("soft[experts=4] · mu/2 · a", "soft[experts=4] · mu/2 · b", "soft[experts=4] · nano/4 · b")
    ]


def test_what_has_panels_of_its_own_names_no_point() -> None:
    cells = _cells(router=["soft"] * 4, data=["a", "a", "b", "b"], experts=[8, 16, 4, 4], capacity_factor=[1, 1, 1, 2])
    assert point_names(cells).tolist() == ["8, 1, a", "16, 1, a", "4, 1, b", "4, 2, b"]
    assert point_names(cells, ["data"]).tolist() == ["8", "16", "1", "2"]
    assert varied_title(cells, ["data"]) == "experts, capacity factor"


def test_a_long_name_loses_its_middle() -> None:
    assert shortened("abcdefghij", 10) == "abcdefghij"
    # 7 characters remain beside the ellipsis: 3 in front, 4 behind.
    assert shortened("abcdefghij", 8) == "abc…ghij"


def test_labels_put_model_data_and_device_behind_the_options() -> None:
    frame = pd.concat(
        [suite_frame(model=model, device=device) for model in ("mu/2", "ti/1") for device in ("cpu", "gpu")]
    )
    labels = set(summarise(frame)["label"])
    assert len(labels) == 68
    assert {"dense · mu/2 · cpu", "soft[experts=16] · ti/1 · gpu"} < labels
