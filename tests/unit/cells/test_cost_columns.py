"""How near a cell comes to its device's peak: shares by numbers worked by hand, and the peak itself."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest

import moebench.cells.cost_columns
from moebench.cells.resolve import resolve_cell
from moebench.cli import main
from moebench.measuring import Peak, measure_peak, moved_bytes
from moebench.spec.cell_spec import CellSpec
from moebench.training import compiled


def test_memory_or_arithmetic_is_the_roof() -> None:
    peak = Peak(flops_per_s=100.0, bytes_per_s=10.0)
    # 4 FLOPs for each byte of 10 a second: 40 a second; 20 of them would be 200, more than the arithmetic does.
    assert peak.achievable(4.0) == 40.0
    assert peak.achievable(20.0) == 100.0


PEAK = {"peak_flops_per_s": 100.0, "peak_bytes_per_s": 10.0}


def test_shares_of_the_peak() -> None:
    cell = resolve_cell(CellSpec(router="dense"))
    row: dict[str, Any] = {
        **PEAK,
        "flops_train_step": 60.0, "train_step_s": 2.0, "train_intensity": 4.0,
        "flops_forward_per_image": 5.0, "infer_s_per_image": 0.1, "infer_intensity": None,
    }  # fmt: skip
    found = moebench.cells.cost_columns.efficiency(cell, row)
    # 30 FLOPs a second of 100; of the 40 that memory allows. Inference: 50 of 100, and nobody knows its bytes.
    assert found["train_mfu"] == pytest.approx(0.3)
    assert found["train_roofline"] == pytest.approx(0.75)
    assert found["infer_mfu"] == pytest.approx(0.5)
    assert "infer_roofline" not in found


def test_a_program_without_a_count_has_no_share() -> None:
    row = {
        **PEAK,
        "flops_train_step": None,
        "flops_forward_per_image": None,
        "train_step_s": 1.0,
        "infer_s_per_image": 1.0,
    }
    assert moebench.cells.cost_columns.efficiency(resolve_cell(CellSpec(router="dense")), row) == {}


def test_the_peak_is_measured_once() -> None:
    peak = measure_peak("float32")
    assert peak.flops_per_s > 0
    assert peak.bytes_per_s > 0
    assert measure_peak("float32") is peak


def test_bytes_that_a_program_moves() -> None:
    x = jax.ShapeDtypeStruct((1000,), jnp.float32)
    # One array read, one written.
    assert moved_bytes(compiled(lambda y: y + 1, x)) == pytest.approx(8000)


def test_env_measures_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["env", "--measure"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "float32_flops_per_s" in shown
    assert "bfloat16_flops_per_s" in shown
    assert "bytes_per_s" in shown
