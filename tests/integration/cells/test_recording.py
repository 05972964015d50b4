"""Recordings that a cell makes on its way: at which steps, of which seeds, and what a killed cell keeps."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from moebench.cells import run
from moebench.cells.log import say
from moebench.cells.recording import CellRecorder, Place, steps_before_the_last
from moebench.cells.resolve import resolve_cell
from moebench.errors import BadInput
from moebench.evaluation.recorder import Recorder
from moebench.inside.load import find_recordings
from moebench.spec.cell_spec import CellSpec
from moebench.training.checkpoints import Checkpoints

IDENTITY = {"suite": "s", "run_id": "r", "cell_id": "c", "attempt": 1, "fingerprint": "f"}
OURS = ("expert_class_information", "expert_position_information", "expert_output_similarity", "random_router_loss")


def spec(**changes: Any) -> CellSpec:
    given = {"router": "bpr", "options": {"experts": 2}, "steps": 6, "timing_budget_s": 0.0, "record_routing": 16}
    return CellSpec(**{**given, **changes})


def rows_of(tmp_path: Path, specification: CellSpec) -> list[dict[str, Any]]:
    checkpoints = Checkpoints(tmp_path / "s" / "_checkpoints", {}, 0, say)
    return list(run.run(specification, checkpoints, recordings=Place(tmp_path / "s" / "_routing", IDENTITY)))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The folder and the rows of a cell of three seeds, of which two are recorded at three steps."""
    folder = tmp_path_factory.mktemp("recorded")
    return folder, rows_of(folder, spec(seeds=(0, 1, 2), record_during_training=3, record_seeds=2))


@pytest.fixture(scope="module")
def unrecorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """The folder and the row of the first seed of that cell, not recorded."""
    folder = tmp_path_factory.mktemp("unrecorded")
    return folder, rows_of(folder, spec(record_routing=None))


@pytest.mark.parametrize(
    ("steps", "count", "expected"),
    [
        (250, 8, (1, 3, 7, 15, 31, 62, 125)),
        (1000, 4, (125, 250, 500)),
        (6, 8, (1, 3)),
        (100, None, ()),
        (1, 3, ()),
    ],
)
def test_steps_are_halved(steps: int, count: int | None, expected: tuple[int, ...]) -> None:
    assert steps_before_the_last(spec(steps=steps, record_during_training=count)) == expected


def test_a_cell_records_its_seeds_at_the_steps(recorded: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, rows = recorded
    recordings = find_recordings(folder)
    assert [each.facts.seed for each in recordings] == [0, 1]
    facts = recordings[0].facts
    assert (facts.steps, facts.cell, facts.data, facts.suite) == ((1, 3, 6), "bpr[experts=2]", "digits", "s")
    frame = recordings[0].frame(all_steps=True)
    assert frame.groupby("step")["image"].nunique().to_dict() == {1: 16, 3: 16, 6: 16}
    first, last = (frame[frame["step"] == step] for step in (1, 6))
    assert (first["gate"].to_numpy() != last["gate"].to_numpy()).any()
    assert all(row[name] is not None for row in rows[:2] for name in OURS)
    assert all(row.get(name) is None for row in rows[2:] for name in OURS)
    assert rows[0]["recording_s"] > 0
    left = [path.name for path in (folder / "s" / "_routing").iterdir()]
    assert sorted(name for name in left if name[0] == "_") == [f"_images-{facts.images}.parquet"]


def test_nothing_is_recorded_unless_asked(unrecorded: tuple[Path, list[dict[str, Any]]]) -> None:
    folder, rows = unrecorded
    assert not (folder / "s" / "_routing").exists()
    assert all(rows[0].get(name) is None for name in OURS)


def test_recordings_change_no_training(
    recorded: tuple[Path, list[dict[str, Any]]], unrecorded: tuple[Path, list[dict[str, Any]]]
) -> None:
    for name in ("accuracy", "eval_loss", "train_loss", "expert_load"):
        assert recorded[1][0][name] == unrecorded[1][0][name]


def test_a_resumed_cell_keeps_what_was_recorded_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies after the recording of step 3, and the next one resumes behind it."""
    checkpoints = Checkpoints(tmp_path / "checkpoints", {}, 1e-9, say)
    place = Place(tmp_path / "s" / "_routing", IDENTITY)
    specification = spec(record_during_training=3, checkpoint_every_s=1e-9)
    during = CellRecorder.during

    def killed(self: CellRecorder, seed: int, step: int, state: Any) -> None:
        if step == 3:
            raise KeyboardInterrupt
        during(self, seed, step, state)

    monkeypatch.setattr(CellRecorder, "during", killed)
    with pytest.raises(KeyboardInterrupt):
        list(run.run(specification, checkpoints, recordings=place))
    taken: list[int] = []

    def counted(self: CellRecorder, seed: int, step: int, state: Any) -> None:
        taken.append(step)
        during(self, seed, step, state)

    monkeypatch.setattr(CellRecorder, "during", counted)
    again = Checkpoints(tmp_path / "checkpoints", {}, 1e-9, say)
    list(run.run(specification, again, recordings=place))
    assert taken == [3]  # step 1 was recorded by the process that died
    (recording,) = find_recordings(tmp_path)
    assert recording.facts.steps == (1, 3, 6)


def test_a_full_disk_costs_the_recording_and_not_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> Path:
        raise BadInput("cannot write: no space left")

    monkeypatch.setattr(Recorder, "save", full)
    (row,) = rows_of(tmp_path, spec())
    assert row["status"] == "ok"
    assert all(row.get(name) is None for name in OURS)
    assert "seed 0: the routing is not recorded: cannot write: no space left" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "key", "sentence"),
    [
        ({"record_routing": None, "record_seeds": 1}, "record_seeds", "record_seeds needs record_routing"),
        (
            {"record_routing": None, "record_during_training": 4},
            "record_during_training",
            "record_during_training needs record_routing",
        ),
        ({"devices": "2x1"}, "record_routing", "record_routing is for one device: leave devices=2x1 out"),
    ],
)
def test_keys_that_do_not_fit(changes: dict[str, Any], key: str, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence) as mistake:
        resolve_cell(spec(**changes))
    assert mistake.value.key == key


def test_a_recorded_cell_is_another_cell() -> None:
    """Otherwise a finished cell would not be recorded when it is asked for."""
    assert spec().identity() != spec(record_routing=None).identity()
    assert "record_routing" not in spec(record_routing=None).identity()


def test_recorded_drops_are_those_of_the_table(tmp_path: Path) -> None:
    """All 360 test images are recorded, so that the recording and the columns count the same tokens."""
    (row,) = rows_of(tmp_path, spec(record_routing=360))
    frame: pd.DataFrame = find_recordings(tmp_path)[0].frame()
    processed = frame[~frame["dropped"]].groupby(["layer", "image", "token"]).ngroups
    tokens = frame.groupby(["layer", "image", "token"]).ngroups
    assert 1 - processed / tokens == pytest.approx(row["dropped_tokens"], abs=1e-6)
