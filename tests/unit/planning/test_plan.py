"""Plans of cells, from compilations that are made up: the search, what fails."""

from collections.abc import Callable
from typing import Any

import pytest
from planning_facts import facts

from moebench.cells import count
from moebench.errors import BadInput
from moebench.planning.case import Case, Compiled
from moebench.planning.devices import DEVICES
from moebench.planning.plan import CellPlan, _rounded, plan_cell
from moebench.spec.cell_spec import CellSpec
from moebench.spec.entry import build_spec, parse_cell

H200 = DEVICES["h200"]
GB = 1e9


def spec(router: str = "dense", **values: Any) -> CellSpec:
    entry = {"model": "mu/2", "batch": 16, "precision": "mixed", **values, **parse_cell(router)}
    return build_spec(count.completed(entry))


def compiling(peak: Callable[[int], float], tried: list[int]) -> Callable[[Case, str], Compiled]:
    """Return a compiler whose training steps have a given peak for each batch; `tried` receives the batches."""

    def compile_case(case: Case, what: str) -> Compiled:
        if case.program == "train":
            tried.append(case.spec.batch)
        return Compiled(facts=facts(peak_bytes=peak(case.spec.batch), alias_bytes=5 * GB), flops=case.spec.batch * 1e9)

    return compile_case


def planned(spec: CellSpec, peak: Callable[[int], float], tried: list[int] | None = None) -> CellPlan:
    return plan_cell(spec, True, H200, compiling(peak, [] if tried is None else tried))


def test_the_largest_batch_is_found_in_a_few_compilations() -> None:
    # 113.5 GB are JAX's; 20 GB and 50 MB an image: 1870 images fit, or 1856 in five binary digits.
    tried: list[int] = []
    plan = planned(spec("bpr[experts=4]"), lambda batch: 20 * GB + 0.05 * GB * batch, tried)
    assert plan.train.fits == "yes"
    assert plan.largest_batch == 1856
    assert len(tried) <= 5


def test_a_batch_that_does_not_fit_is_searched_downwards() -> None:
    plan = planned(spec(batch=4096), lambda batch: 20 * GB + 0.05 * GB * batch)
    assert plan.train.fits == "no"
    assert plan.largest_batch == 1856
    assert plan.too_large_batch is not None
    assert plan.too_large_batch > 1870


def test_a_compiler_that_runs_out_of_memory_bounds_the_search() -> None:
    def compile_case(case: Case, what: str) -> Compiled:
        if case.spec.batch > 100:
            return Compiled(status="oom", reason="RESOURCE_EXHAUSTED: too much")
        return Compiled(facts=facts(peak_bytes=GB + case.spec.batch * 1e6), flops=1.0)

    plan = plan_cell(spec(), True, H200, compile_case)
    assert plan.largest_batch is not None
    assert 16 <= plan.largest_batch <= 100
    assert plan.too_large_batch is not None
    assert plan.too_large_batch > 100
    too_large = plan_cell(spec(batch=128), True, H200, compile_case, search=False)
    assert (too_large.train.fits, too_large.train.status, too_large.failed) == ("no", "oom", False)


def test_a_state_beyond_the_memory_leaves_no_batch() -> None:
    plan = planned(spec(), lambda batch: 200 * GB + batch)
    assert (plan.train.fits, plan.largest_batch) == ("no", None)


def test_a_share_that_JAX_must_be_given() -> None:
    assert planned(spec(), lambda batch: 0.8 * H200.memory_bytes).train.fits == "raised"
    assert planned(spec(), lambda batch: 0.96 * H200.memory_bytes).train.fits == "no"


def test_a_failed_compilation_is_a_plan_with_a_reason() -> None:
    plan = plan_cell(spec(), True, H200, lambda case, what: Compiled(status="timeout", reason="stopped"))
    assert (plan.failed, plan.train.status, plan.infer.reason) == (True, "timeout", "stopped")
    assert (plan.largest_batch, plan.device_hours, plan.train.fits) == (None, None, "")


def test_hours_of_all_devices_for_all_seeds() -> None:
    # 2 seeds of 1000 steps of 16 GFLOPs on 989 TFLOP/s for each of 4 devices, all of them busy.
    whole = spec(steps=1000, seeds=[0, 1], devices="4x1")
    plan = plan_cell(whole, True, H200, compiling(lambda batch: GB, []), search=False)
    assert plan.train_steps == 2000
    assert plan.device_hours == pytest.approx(2000 * 16e9 / 989e12 / 3600)


def test_batches_have_few_binary_digits() -> None:
    assert [_rounded(batch, 1) for batch in (0.5, 31.9, 33, 454, 1870)] == [1, 31, 32, 448, 1856]
    assert [_rounded(batch, 12) for batch in (5, 100, 1870)] == [12, 96, 1824]


def test_a_layer_alone_is_not_trained() -> None:
    alone = build_spec({"router": "dense", "model": "mu/2", "scope": "layer", "batch": 16})
    plan = plan_cell(alone, False, H200, compiling(lambda batch: GB, []), search=False)
    assert (plan.train_steps, plan.device_hours) == (0, 0)


def test_devices_that_fill_no_host() -> None:
    with pytest.raises(BadInput, match="12 h200 fill no whole number of hosts"):
        plan_cell(spec(devices="12x1", batch=48), True, H200, compiling(lambda batch: GB, []))
