"""Cells of several devices, and of several processes, give what one device gives; what cannot be split is said."""

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from paths import SUPPORT

from moebench import routers
from moebench.cells.fingerprint import VERSIONS
from moebench.cells.resolve import resolve_cell
from moebench.cells.run import main
from moebench.errors import BadInput
from moebench.spec.cell_spec import CellSpec
from moebench.training import join_processes, mesh

PROGRAM = SUPPORT / "wide_training.py"
ROUTERS = ("bpr", "soft", "dropless")


def begun(arguments: list[str], devices: int, **environment: str) -> subprocess.Popen[str]:
    """A process whose processor is split into so many devices."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def results(process: subprocess.Popen[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """By router and mesh, from the lines that `wide_training` prints."""
    printed, _ = process.communicate(timeout=240)
    assert process.returncode == 0, printed
    found = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    return {(each["router"], each["devices"]): each for each in found}


def together(arguments: list[str], devices: int) -> list[subprocess.Popen[str]]:
    """Two processes of one cell."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shared = {"MOEBENCH_COORDINATOR": f"127.0.0.1:{free.getsockname()[1]}", "MOEBENCH_PROCESSES": "2"}
    return [begun(arguments, devices, **shared, MOEBENCH_PROCESS=str(number)) for number in range(2)]


@pytest.fixture(scope="module")
def on_one_and_eight(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("wide")
    return results(begun([str(PROGRAM), str(folder), ",".join([*ROUTERS, "two-towers"]), "1x1,2x4"], 8))


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert len(one["losses"]) == 8
    assert one["losses"][-1] < one["losses"][0] - 0.05  # it learns, so that a gradient left out would show
    assert one["losses"] == pytest.approx(other["losses"], rel=1e-5)
    assert one["eval_loss"] == pytest.approx(other["eval_loss"], rel=1e-5)
    assert one["load"] == pytest.approx(other["load"], rel=1e-4)


@pytest.mark.parametrize("router", ROUTERS)
def test_eight_devices_give_the_curve_of_one(
    on_one_and_eight: dict[tuple[str, str], dict[str, Any]], router: str
) -> None:
    narrow, wide = on_one_and_eight[router, "1x1"], on_one_and_eight[router, "2x4"]
    same(wide, narrow)
    assert narrow["batch"] == "16x1"
    # Four experts over four devices, with the optimiser's moments; sixteen images over eight.
    assert narrow["held"] == ["4x8x12"]
    assert wide["held"] == ["1x8x12"]
    assert wide["batch"] == "2x1"


@pytest.mark.parametrize("router", ["bpr", "soft"])
def test_tokens_travel_to_their_experts_and_back(
    on_one_and_eight: dict[tuple[str, str], dict[str, Any]], router: str
) -> None:
    # One MoE layer: there and back, forward and backward.
    assert on_one_and_eight[router, "1x1"]["collectives"] == {}
    assert on_one_and_eight[router, "2x4"]["collectives"] == {"all-to-all": 4}


def test_kernels_travel_where_no_shape_bounds_the_tokens_of_an_expert(
    on_one_and_eight: dict[tuple[str, str], dict[str, Any]],
) -> None:
    # Two kernels and two biases, and no token.
    assert on_one_and_eight["dropless", "2x4"]["collectives"] == {"all-gather": 4}


@pytest.mark.slow
def test_every_router_with_slots_sends_tokens_and_gathers_none() -> None:
    # Experts over the whole batch gather scores, for the largest of all.
    scoring = {"threshold", "expert-race"}
    # Of a merged expert, and of experts without a limit of tokens, the parameters travel; quantiles gather scores.
    gathering = {"smear": 4, "loss-free": 4, "dropless": 4, "quantile": 5}
    alone = {"dense", "mixture-of-depths"}
    travelling = sorted(set(routers.names()) - {*gathering, *alone})
    ragged = ["bpr[dispatch=ragged]", "experts-choice[dispatch=ragged]"]
    chosen = [*travelling, *ragged, *gathering, *sorted(alone)]
    found = results(begun([str(PROGRAM), "-", ",".join(chosen), "2x4"], 8))
    by_router = {router: found[router, "2x4"]["collectives"] for router in chosen}
    for router in (*travelling, *ragged):
        gathered = {"all-gather": 1} if router in scoring else {}
        assert by_router[router] == {"all-to-all": 4, **gathered}, router
    assert {router: by_router[router] for router in gathering} == {
        router: {"all-gather": count} for router, count in gathering.items()
    }
    assert [by_router[router] for router in sorted(alone)] == [{}, {}]


def test_a_contrastive_loss_is_that_of_the_whole_batch_on_eight_devices(
    on_one_and_eight: dict[tuple[str, str], dict[str, Any]],
) -> None:
    narrow, wide = on_one_and_eight["two-towers", "1x1"], on_one_and_eight["two-towers", "2x4"]
    # Each half of the batch alone would begin near log 8, and both together begin near log 16.
    assert narrow["losses"][0] == pytest.approx(math.log(16), abs=0.3)
    assert narrow["losses"][-1] < narrow["losses"][0] - 0.05
    assert wide["losses"] == pytest.approx(narrow["losses"], rel=1e-5)
    assert wide["texts"] == pytest.approx(narrow["texts"], abs=1e-4)
    assert (wide["batch"], wide["held"]) == ("2x4", ["1x8x12"])


def test_checkpoints_give_the_arrays_of_eight_devices_back(
    on_one_and_eight: dict[tuple[str, str], dict[str, Any]],
) -> None:
    assert on_one_and_eight["bpr", "1x1"]["restored"]
    assert on_one_and_eight["bpr", "2x4"]["restored"]


def test_two_processes_give_the_curve_of_one_device(
    tmp_path: Path, on_one_and_eight: dict[tuple[str, str], dict[str, Any]]
) -> None:
    # The experts lie across the processes, so that tokens travel between them.
    first, second = together([str(PROGRAM), str(tmp_path), "bpr", "1x2"], 1)
    found, other = results(first), results(second)
    assert found == other
    same(found["bpr", "1x2"], on_one_and_eight["bpr", "1x1"])
    assert found["bpr", "1x2"]["held"] == ["2x8x12"]
    assert found["bpr", "1x2"]["restored"]


@pytest.mark.slow
def test_a_cell_of_two_processes_writes_one_file(tmp_path: Path) -> None:
    def arguments(name: str, devices: str) -> list[str]:
        spec = CellSpec(router="bpr", options={"experts": 4}, steps=30, devices=devices, checkpoint_every_s=1e-9)
        identity = {"suite": "s", "run_id": "r", "cell_id": name, "attempt": 1, "fingerprint": "f"}
        (tmp_path / f"{name}.json").write_text(json.dumps({"spec": spec.as_json(), "identity": identity}))
        return [str(tmp_path / f"{name}.json"), str(tmp_path / f"{name}.parquet")]

    assert main(arguments("narrow", "1x1")) == 0
    processes = together(["-m", "moebench.cells", *arguments("wide", "2x4")], 4)
    for process in processes:
        printed, _ = process.communicate(timeout=240)
        assert process.returncode == 0, printed
        assert "not timed" in printed
    wide, narrow = (pd.read_parquet(tmp_path / f"{name}.parquet").iloc[0] for name in ("wide", "narrow"))
    assert (wide.device_count, narrow.device_count) == (8, 1)
    assert wide.curve_loss == pytest.approx(narrow.curve_loss, rel=1e-5)
    assert wide.accuracy == pytest.approx(narrow.accuracy, abs=1 / 360)
    assert not (tmp_path / "_wide").exists()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"devices": "2x"}, "devices '2x' is no mesh: write DATAxEXPERT"),
        ({"devices": "0x2"}, "devices '0x2' is no mesh"),
        ({"devices": "1x3", "batch": 48}, "splits experts into 3 parts, which do not divide 4 experts"),
        ({"devices": "3x2", "batch": 64}, "are 6 devices, which do not divide a batch of 64: .* a multiple of 6"),
        ({"devices": "4x2", "batch": 48}, "parts of 6 images, and groups of 8 would straddle them: .* multiple of 64"),
        # One expert leaves the images to be split over all devices, in groups of one.
        ({"router": "dense", "options": {}, "devices": "3x4", "batch": 64}, "are 12 devices, which do not divide"),
    ],
)
def test_what_cannot_be_split_is_said_in_one_sentence(changes: dict[str, Any], says: str) -> None:
    given = {"router": "bpr", "options": {"experts": 4}}
    with pytest.raises(BadInput, match=says) as mistake:
        resolve_cell(CellSpec(**(given | changes)))
    assert mistake.value.key == "devices"


def test_what_can_be_split_resolves_to_a_cell_of_its_own() -> None:
    cells = [
        resolve_cell(CellSpec(router="bpr", options={"experts": 4}, devices=each)) for each in ("1x1", "2x4", "8x1")
    ]
    device = {"device_kind": "cpu", "cpu": "x", "jax_settings": "{}", **dict.fromkeys(VERSIONS, "1")}
    assert len({cell.identity(device)["cell_id"] for cell in cells}) == 3


def test_devices_that_are_not_there_are_missed() -> None:
    assert mesh((1, 1)) is None
    with pytest.raises(BadInput, match="devices=64x64 are 4096 devices, and here are"):
        mesh((64, 64))


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"MOEBENCH_PROCESSES": "2"}, "MOEBENCH_PROCESSES given without MOEBENCH_COORDINATOR, MOEBENCH_PROCESS"),
        (
            {"MOEBENCH_COORDINATOR": "h:1", "MOEBENCH_PROCESSES": "2", "MOEBENCH_PROCESS": "2"},
            "MOEBENCH_PROCESS=2 with MOEBENCH_PROCESSES=2 is none of them",
        ),
        (
            {"MOEBENCH_COORDINATOR": "h:1", "MOEBENCH_PROCESSES": "two", "MOEBENCH_PROCESS": "0"},
            "MOEBENCH_PROCESSES=two",
        ),
    ],
)
def test_processes_that_do_not_add_up_are_refused(environment: dict[str, str], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        join_processes(environment)
    join_processes({})  # nothing given: a process on its own
