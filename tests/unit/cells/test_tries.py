"""Tries of a tuned cell: the combinations, their schedules, and options that cannot be tuned."""

from typing import Any

import pytest

from moebench.cells.resolve import resolve_cell
from moebench.cells.tries import on_edge
from moebench.errors import BadInput
from moebench.spec.cell_spec import CellSpec


def spec(router: str = "tokens-choice", **changes: Any) -> CellSpec:
    options = {} if router == "dense" else {"experts": 2}
    return CellSpec(**{"router": router, "options": options, "model": "mu/4", "timing_budget_s": 0.0, **changes})


def test_each_combination_is_a_try_the_first_key_varying_slowest() -> None:
    cell = resolve_cell(spec(tune={"learning_rate": (0.1, 0.2), "load_weight": (0.0, 0.5)}))
    assert [dict(each.values) for each in cell.tries] == [
        {"learning_rate": 0.1, "load_weight": 0.0},
        {"learning_rate": 0.1, "load_weight": 0.5},
        {"learning_rate": 0.2, "load_weight": 0.0},
        {"learning_rate": 0.2, "load_weight": 0.5},
    ]
    assert cell.tries[1].label == "learning_rate=0.1,load_weight=0.5"
    # All of them have the losses that one of them weighs; importance is at its default.
    assert [dict(each.loss_weights) for each in cell.tries[:2]] == [
        {"importance": 0.005, "load": 0.0},
        {"importance": 0.005, "load": 0.5},
    ]
    assert cell.tries[3].hyperparameters == {"learning_rate": 0.2, "loss_weights": {"importance": 0.005, "load": 0.5}}
    # What is chosen later is neither in the label, nor in the columns, nor in the configuration.
    assert cell.label == "tokens-choice[experts=2]"
    assert cell.inputs["learning_rate"] is None
    assert "load_weight" not in cell.config["options"]
    assert cell.config["tune"] == {"learning_rate": [0.1, 0.2], "load_weight": [0.0, 0.5]}
    # Whether a validation split can be held out has to be looked at first.
    assert not cell.is_ready
    assert resolve_cell(spec()).is_ready
    assert resolve_cell(spec()).tries == ()


@pytest.mark.parametrize(
    ("router", "tune", "says"),
    [
        ("dense", {"load_weight": (0.1, 0.2)}, "tune: router 'dense' has no options, got 'load_weight'"),
        ("tokens-choice", {"load_weigth": (0.1, 0.2)}, "tune: unknown option 'load_weigth' .* mean 'load_weight'"),
        ("tokens-choice", {"learning_rat": (0.1, 0.2)}, "tune: unknown option .* did you mean 'learning_rate'"),
        ("tokens-choice", {"noise_std": (0.1, 0.2)}, "'noise_std' in 'tune' is no weight of an auxiliary loss"),
        ("tokens-choice", {"top_k": (1.0, 2.0)}, "tune: router 'tokens-choice': top_k must be of type int"),
    ],
)
def test_what_is_no_weight_of_an_auxiliary_loss_cannot_be_tuned(router: str, tune: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says) as mistake:
        resolve_cell(spec(router, tune=tune))
    assert mistake.value.key == "tune"


def test_the_ends_of_a_list_are_its_edges_but_for_zero() -> None:
    grid = {"learning_rate": (1.0, 3.0, 2.0), "weight_decay": (0.0, 0.1, 0.2)}
    assert on_edge({"learning_rate": 1.0, "weight_decay": 0.1}, grid)
    assert on_edge({"learning_rate": 3.0, "weight_decay": 0.1}, grid)
    assert on_edge({"learning_rate": 2.0, "weight_decay": 0.2}, grid)
    assert not on_edge({"learning_rate": 2.0, "weight_decay": 0.1}, grid)
    assert not on_edge({"learning_rate": 2.0, "weight_decay": 0.0}, grid)
