"""Tuned cells, really run: the try of the smallest validation loss is the training of all seeds."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from moebench.cells import run
from moebench.cells.images import dataset
from moebench.cells.queries import prepare
from moebench.cells.tries import Try
from moebench.cells.tune import recorded_tries
from moebench.data import Dataset
from moebench.spec.cell_spec import CellSpec
from moebench.training.checkpoints import Checkpoints

RATES = (1e-6, 1e-2, 3e-2)


def rows(
    folder: Path,
    finished: dict[str, Any] | None = None,
    read: Any = dataset,
    tuning: str | None = None,
    **keys: Any,
) -> list[Any]:
    spec = CellSpec(router="dense", model="mu/4", steps=6, timing_budget_s=0.0, **keys)
    checkpoints = Checkpoints(folder, {}, 0.0, lambda line: None)
    checkpoints.rows = dict(finished or {})
    return list(run.run(spec, checkpoints, read, tuning=tuning))


def test_the_best_try_on_the_validation_split_trains_the_seeds(tmp_path: Path) -> None:
    def without_test_images(name: str, size: int | None) -> Dataset:
        found = dataset(name, size)
        return replace(found, test=replace(found.test, images=np.zeros_like(found.test.images)))

    tune = {"learning_rate": RATES, "weight_decay": (0.0, 0.1)}
    tuned, other = rows(tmp_path / "tuned", seeds=(0, 1), tune=tune)
    tries = json.loads(tuned["tuning"])
    assert [(each["learning_rate"], each["weight_decay"]) for each in tries] == [
        (rate, decay) for rate in RATES for decay in (0.0, 0.1)
    ]
    assert tuned["tuned_tries"] == 6
    losses = [each["loss"] for each in tries]
    best, second = np.argsort(losses)[:2]
    assert json.loads(tuned["tuned"]) == {key: tries[best][key] for key in tune}
    assert tuned["tuned_margin"] == losses[second] - losses[best] > 0
    assert tuned["learning_rate"] == tries[best]["learning_rate"] == 3e-2
    # A rate of almost nothing leaves the loss where all models start, at log(10).
    assert losses[0] == pytest.approx(np.log(10), abs=1e-3)
    assert tuned["tuned_on_edge"]
    assert {each["steps"] for each in tries} == {6}
    assert len(tries[0]["curve_step"]) == len(tries[0]["curve_loss"]) == 6
    assert tuned["tuning_s"] > 0
    assert other["tuned"] == tuned["tuned"]
    assert other["eval_loss"] != tuned["eval_loss"]
    # All training images serve the seeds again, with the chosen values as if they had been given.
    given = json.loads(tuned["tuned"])
    (plain,) = rows(tmp_path / "plain", seeds=(0,), **given)
    assert plain["eval_loss"] == tuned["eval_loss"]
    assert plain["curve_loss"] == tuned["curve_loss"]
    # Neither the test images nor the number of seeds decide.
    (blind,) = rows(tmp_path / "blind", read=without_test_images, seeds=(7,), tune=tune)
    assert [each["loss"] for each in json.loads(blind["tuning"])] == losses


def test_finished_tries_are_not_trained_again(tmp_path: Path) -> None:
    kept = {
        "try learning_rate=1e-06": {"learning_rate": 1e-6, "loss": 0.5},
        "try learning_rate=0.01": {"learning_rate": 1e-2, "loss": 0.25},
        "try learning_rate=0.03": {"learning_rate": 3e-2, "loss": None},
    }
    (row,) = rows(tmp_path, kept, tune={"learning_rate": RATES})
    assert row["learning_rate"] == 1e-2
    assert row["tuned_margin"] == 0.25
    assert not row["tuned_on_edge"]
    assert row["tuning_s"] == 0
    # Tries that earlier seeds recorded: all of them diverged.
    lost = json.dumps([{**each, "loss": None} for each in kept.values()])
    (row,) = rows(tmp_path / "lost", tuning=lost, tune={"learning_rate": RATES})
    assert (row["status"], row["status_reason"]) == ("diverged", "all 3 tries of tune diverged")
    assert "tuned" not in row
    assert (row["tuned_tries"], row["tuning"]) == (3, lost)


def test_recorded_tries_are_taken_if_they_are_those_of_the_cell() -> None:
    tries = [Try({"learning_rate": rate}, {}) for rate in RATES[:2]]
    rows = [{"learning_rate": 1e-6, "loss": 0.5}, {"learning_rate": 1e-2, "loss": None}]
    assert recorded_tries(json.dumps(rows), tries) == rows
    wrong = (
        [{**rows[0], "loss": "low"}, rows[1]],
        [{**rows[0], "loss": math.nan}, rows[1]],
        [rows[0], {"loss": 0.5}],
        rows[::-1],
        {"loss": 1},
        ["a", "b"],
        3,
        None,
    )
    for text in (None, "", "[", json.dumps(rows[:1]), *map(json.dumps, wrong)):
        assert recorded_tries(text, tries) == []


def test_a_class_of_one_training_image_leaves_none_for_validation(tmp_path: Path) -> None:
    few = tmp_path / "few.npz"
    labels = np.array([0, 0, 0, 0, 1])
    images = np.zeros((5, 8, 8), np.uint8)
    np.savez(few, x_train=images, y_train=labels, x_test=images, y_test=labels)
    spec = CellSpec(router="dense", data=str(few)).as_json()
    plain, tuned = prepare([spec, {**spec, "tune": {"learning_rate": [1e-3, 1e-2]}}])
    assert "error" not in plain
    assert tuned["key"] == "tune"
    assert tuned["error"].startswith("tune: class '1' of ")
    assert tuned["error"].endswith("has 1 training image, and needs 2 or more to hold one out for validation.")
