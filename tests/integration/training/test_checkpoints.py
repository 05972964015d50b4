"""Checkpoints: a killed cell gives what an unbroken one gives; what is damaged or foreign is not used."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from tiny_models import stripes, tiny

from moebench.cells.run import main
from moebench.data import batches
from moebench.spec.cell_spec import CellSpec
from moebench.training import Program, Progress, Schedule, compiled, train
from moebench.training.checkpoints import Checkpoints

IDENTITY = {"suite": "s", "run_id": "r", "cell_id": "c", "attempt": 1, "fingerprint": "f"}
OWNER = {"cell_id": "c", "fingerprint": "f"}
# What is the same however often a cell was broken off: everything but clocks and the machine's load.
RESULTS = ("seed", "status", "train_loss", "curve_loss", "curve_accuracy", "accuracy", "eval_loss", "expert_load")
RESULTS += ("curve_eval_step", "curve_eval_loss", "curve_accuracy_eval", "image_correct", "image_log_likelihood")
STEPS = 80


@pytest.fixture(scope="module")
def program() -> Program:
    # tokens-choice draws noise in every step, and so shows whether its keys go on as well.
    schedule = Schedule(steps=STEPS, learning_rate=1e-2, weight_decay=0.1, warmup=0.1, clip_norm=1.0)
    return Program(tiny("tokens-choice", experts=2), schedule, batch=8)


@pytest.fixture(scope="module")
def start(program: Program) -> Any:
    init = compiled(program.init, jax.eval_shape(lambda: jnp.zeros((), jnp.int32)))
    return lambda: Progress(init(jnp.asarray(3, jnp.int32)))


@pytest.fixture(scope="module")
def step(program: Program) -> Any:
    return compiled(program.train_step, program.abstract_state, *program.abstract_batch(8), donate=(0,))


@pytest.fixture
def log() -> list[str]:
    return []


def opened(folder: Path, log: list[str], every_s: float = 1e-9, **owner: str) -> Checkpoints:
    return Checkpoints(folder, OWNER | owner, every_s, log.append)


def broken_off(folder: Path, log: list[str], start: Any, step: Any) -> None:
    """A training that ends after 60 of its 80 steps; its losses are looked at, and kept, after 25 and 50."""
    kept = opened(folder, log)
    train(step, start(), batches(stripes(24), 8, 60, 3), lambda progress: kept.offer("seed 3", progress))


def test_a_training_goes_on_bit_by_bit(tmp_path: Path, log: list[str], program: Program, start: Any, step: Any) -> None:
    whole = train(step, start(), batches(stripes(24), 8, STEPS, 3))
    broken_off(tmp_path / "kept", log, start, step)
    resumed = opened(tmp_path / "kept", log).progress("seed 3", program.abstract_state)
    assert resumed is not None
    assert len(resumed.losses) == 50
    assert log == ["seed 3: resuming from the checkpoint after step 50"]
    parts = train(step, resumed, batches(stripes(24), 8, STEPS, 3, done=50))
    np.testing.assert_array_equal(parts.losses, whole.losses)
    np.testing.assert_array_equal(parts.accuracies, whole.accuracies)
    for one, other in zip(jax.tree.leaves(parts.state), jax.tree.leaves(whole.state), strict=True):
        assert (one == other).all()
    assert parts.wall_s > resumed.wall_s > 0


def test_only_the_newest_is_kept_and_only_for_its_own_seed(
    tmp_path: Path, log: list[str], program: Program, start: Any, step: Any
) -> None:
    folder = tmp_path / "kept"
    broken_off(folder, log, start, step)
    assert len(list(folder.iterdir())) == 2  # the record and the arrays
    assert opened(folder, log).progress("seed 4", program.abstract_state) is None
    assert log == []
    opened(folder, log).remove()
    assert not folder.exists()


def test_nothing_is_written_before_it_is_time(tmp_path: Path, log: list[str], start: Any, step: Any) -> None:
    for every_s in (3600, 0):
        kept = opened(tmp_path / "kept", log, every_s)
        train(step, start(), batches(stripes(24), 8, 30, 3), lambda progress, kept=kept: kept.offer("seed 3", progress))
        kept.finish("seed 3", {"accuracy": 0.5})
        assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("file", "spoil", "says"),
    [
        ("*.json", lambda data: data[: len(data) // 2], "is damaged: it is no JSON; it is set aside and not used"),
        ("*.json", lambda data: b"[]", "is damaged: the whole should be a mapping of keys to values, not a list"),
        (
            "*/manifest.ocdbt",
            lambda data: data[:-1],
            "is damaged: it is not what was written; it is set aside and not used",
        ),
        ("*/ocdbt.process_0/d/*", lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], "is damaged"),
        ("*/_METADATA", None, "is damaged"),
    ],
)
def test_a_damaged_checkpoint_is_not_used(
    tmp_path: Path, log: list[str], program: Program, start: Any, step: Any, file: str, spoil: Any, says: str
) -> None:
    broken_off(tmp_path, log, start, step)
    path = next(tmp_path.glob(file))
    path.write_bytes(spoil(path.read_bytes())) if spoil else path.unlink()
    assert opened(tmp_path, log).progress("seed 3", program.abstract_state) is None
    assert len(log) == 1
    assert says in log[0]


def test_a_foreign_checkpoint_is_not_used(
    tmp_path: Path, log: list[str], program: Program, start: Any, step: Any
) -> None:
    broken_off(tmp_path, log, start, step)
    assert opened(tmp_path, log, fingerprint="other").progress("seed 3", program.abstract_state) is None
    assert len(log) == 1
    assert "is of another cell, or of other code, and is not used" in log[0]
    # The same owner by its own account, but not the same model.
    other = Program(tiny("tokens-choice", experts=3), Schedule(1, 1.0, 0.0, 0.0, 1.0), batch=8)
    assert opened(tmp_path, log).progress("seed 3", other.abstract_state) is None
    assert len(log) == 2
    assert "does not fit the model and is not used: its parameters." in log[1]
    assert log[1].endswith("experts.bias_in is float32[2, 12], and the model's float32[3, 12]")


def test_a_checkpoint_that_cannot_be_written_stops_nothing(
    tmp_path: Path, log: list[str], start: Any, step: Any
) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    kept = opened(tmp_path / "kept", log)
    training = train(step, start(), batches(stripes(24), 8, 30, 3), lambda progress: kept.offer("seed 3", progress))
    assert len(training.losses) == 30
    assert len(log) == 1
    assert log[0].startswith(f"no checkpoint was written in {tmp_path / 'kept'}: ")


def test_seeds_that_have_ended_are_kept_with_the_one_under_way(tmp_path: Path, log: list[str], start: Any) -> None:
    kept = opened(tmp_path / "kept", log)
    kept.finish("seed 0", {"accuracy": 0.5, "curve_step": [1, 2], "status_reason": None})
    kept.offer("seed 1", start())
    assert opened(tmp_path / "kept", log).rows == {
        "seed 0": {"accuracy": 0.5, "curve_step": [1, 2], "status_reason": None}
    }
    kept.finish("seed 1", {"accuracy": float("nan")})
    assert list(opened(tmp_path / "kept", log).rows) == ["seed 0", "seed 1"]


def test_a_killed_cell_gives_what_an_unbroken_one_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    specification = CellSpec(
        router="tokens-choice",
        options={"experts": 2},
        model="pico/4",
        moe_layers="0",
        steps=60,
        eval_every=25,
        batch=8,
        seeds=(0, 1),
        timing_budget_s=0.0,
        checkpoint_every_s=1e-9,
    )
    source, broken, whole = tmp_path / "spec.json", tmp_path / "broken.parquet", tmp_path / "whole.parquet"
    source.write_text(json.dumps({"spec": specification.as_json(), "identity": IDENTITY}))
    kept = tmp_path / "_broken"
    with (tmp_path / "log").open("w") as log:
        killed = subprocess.Popen([sys.executable, "-m", "moebench.cells", str(source), str(broken)], stdout=log)
    deadline = time.monotonic() + 300
    # In the middle of the second seed, when the first one's row is there already.
    while not any('"rows": {"seed 0"' in path.read_text() for path in kept.glob("[!.]*.json") if path.exists()):
        assert killed.poll() is None, "the cell ended before it was killed"
        assert time.monotonic() < deadline, "no checkpoint came"
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not broken.exists()

    assert main([str(source), str(broken)]) == 0
    printed = capsys.readouterr().out
    assert "seed 0: finished before" in printed
    assert "seed 0: training" not in printed
    assert not kept.exists()
    assert main([str(source), str(whole)]) == 0
    frames = [pd.read_parquet(path, columns=list(RESULTS)) for path in (broken, whole)]
    assert [list(steps) for steps in frames[0]["curve_eval_step"]] == [[25, 50, 60]] * 2
    pd.testing.assert_frame_equal(*frames, check_exact=True)
