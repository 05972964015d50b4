"""Time columns of a cell: training step and inference, in turns with the dense twin.

The dense twin is the cell's own model with an MLP in place of the experts, at the cell's batch. Inference is timed at
the training batch; for one image, which gives the latency; and on accelerators at the largest batch that fits, which
gives the most images a second.
"""

import math
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from moebench import data, models
from moebench.cells.compile import Executables, program_for
from moebench.cells.program_cache import CacheUse
from moebench.cells.resolved_cell import TWIN, ResolvedCell
from moebench.cells.self_test_record import known_scatter
from moebench.cells.turns import Turns
from moebench.measuring import Comparison, Interval, compare, measure_peak, peak_bytes
from moebench.measuring.time_accounts import Accounts
from moebench.measuring.timing.sampler import Call
from moebench.models import TwoTowersConfig, VitConfig

MOST_DOUBLINGS = 4
_FREE_SHARE = 0.9
"""Share of an accelerator's free memory that a batch may fill by estimate."""

Row = dict[str, Any]


def timings(
    cell: ResolvedCell, executables: Executables, images: data.Split, accounts: Accounts, turns: Turns, cache: CacheUse
) -> Row:
    """Time a cell beside its dense twin and return the time columns.

    Columns of the accounts are left out.

    Args:
        cell: the cell.
        executables: compiled programs of the cell.
        images: gives the batches.
        accounts: count the seconds of compiling, warm-up and timing.
        turns: turns of the cell, which is timed while no other cell computes.
        cache: cache of programs, for the dense twin.
    """
    # The twin has the model's own MLPs: a widened cell then shows the cost of its width, and all cells of a suite share
    # a twin.
    preset = replace(cell.model.preset, size=models.preset(cell.spec.model).size)
    twin_model = dense_twin(replace(cell.model, preset=preset))
    if twin_model == cell.model:
        twin = executables
    else:
        with accounts.spending("dense_compile_s"), cache.sharing():
            twin = Executables.compile(program_for(twin_model, cell.spec))
    training = _timed_training(cell, executables, twin, images, accounts, turns)
    inference, batches = _timed_inference(cell, executables, twin, images, accounts, turns, cache)
    named = {"training": training, "inference": inference}
    peak = measure_peak(str(cell.model.dtype))  # measured during the first timing
    row = {
        "peak_flops_per_s": peak.flops_per_s,
        "peak_bytes_per_s": peak.bytes_per_s,
        **columns("train_step_s", training.seconds["cell"]),
        **columns("train_step_vs_dense", training.ratios["cell"]),
        **columns("infer_s_per_image", inference.seconds["cell"], 1 / cell.spec.batch),
        **columns("infer_vs_dense", inference.ratios["cell"]),
        "timing_flags": [f"{name}:{flag}" for name, comparison in named.items() for flag in comparison.flags],
        "timing_outliers": sum(comparison.outliers for comparison in named.values()),
        "timing_scatter": known_scatter(),
        **surroundings(training, inference),
    }
    if jax.default_backend() == "cpu":
        row |= columns("train_step_cpu_vs_dense", training.cpu_ratios["cell"])
        row |= columns("infer_cpu_vs_dense", inference.cpu_ratios["cell"])
    if "one" in batches:
        row |= columns("infer_latency_s", inference.seconds["one"])
        row |= columns("infer_latency_vs_dense", inference.ratios["one"])
    if "largest" in batches:
        row |= columns("infer_max_batch_s_per_image", inference.seconds["largest"], 1 / batches["largest"])
        row["infer_max_batch"] = batches["largest"]
    return row


def dense_twin(model: VitConfig) -> VitConfig:
    """Return the model with MLPs in place of experts, in each of its towers."""
    dense: dict[str, Any] = {"router": TWIN, "router_options": {}, "group_images": 1}
    if isinstance(model, TwoTowersConfig) and model.text is not None and model.text.router != TWIN:
        model = replace(model, text=replace(model.text, **dense, moe_blocks=()))
    return replace(model, **dense)


def _timed_training(
    cell: ResolvedCell,
    executables: Executables,
    twin: Executables,
    images: data.Split,
    accounts: Accounts,
    turns: Turns,
) -> Comparison:
    first = next(data.batches(images, cell.spec.batch, 1, 0))
    embeddings = executables.program.abstract_batch(cell.spec.batch)[0]
    if embeddings.shape != first.images.shape:  # a frozen tower, whose images are embedded before the first step
        first = replace(first, images=np.zeros(embeddings.shape, np.float32))
    calls = {"cell": executables.train_step_call(first), "dense": twin.train_step_call(first)}
    return _compared(calls, {"cell": "dense"}, cell, accounts, turns, seed=0)


def _timed_inference(
    cell: ResolvedCell,
    executables: Executables,
    twin: Executables,
    images: data.Split,
    accounts: Accounts,
    turns: Turns,
    cache: CacheUse,
) -> tuple[Comparison, dict[str, int]]:
    """Time inference in turns with the dense twin.

    Returns:
        The comparison, with a program named as each batch, and the number of images of each batch.
    """
    batches = inference_batches(cell, executables)
    calls: dict[str, Call] = {}
    baselines: dict[str, str] = {}
    sides = ((executables, "", "compile_s", nullcontext), (twin, "dense ", "dense_compile_s", cache.sharing))
    for model, side, account, caching in sides:
        state = model.fresh(0)
        for name, size in batches.items():
            with accounts.spending(account), caching():
                infer = model.infer_batch(size)
            chosen = images.images[np.arange(size) % len(images)]
            calls[side + name] = model.infer_call(infer, state, chosen, wait=name == "one")
            baselines[name] = f"dense {name}"
    return _compared(calls, baselines, cell, accounts, turns, seed=1), batches


def inference_batches(cell: ResolvedCell, executables: Executables) -> dict[str, int]:
    """Return the images of each batch that inference is timed at.

    `cell` is the training batch, `one` a single image, and `largest` a larger batch that fits. `one` is left out if a
    group has several images or devices share the images. `largest` is left out on CPUs, which have no memory of their
    own to fill.
    """
    batches = {"cell": cell.spec.batch}
    if cell.model.group_images * executables.program.shards == 1:
        batches["one"] = 1
    memory = jax.local_devices()[0].memory_stats() or {}
    if "bytes_limit" in memory:
        free = memory["bytes_limit"] - memory.get("bytes_in_use", 0)
        largest = largest_batch(cell.spec.batch, *_inference_bytes(executables), free)
        if largest > cell.spec.batch:
            batches["largest"] = largest
    return batches


def _inference_bytes(executables: Executables) -> tuple[int, int | None]:
    """Return the bytes of the state, and of inference at the training batch.

    The bytes of inference are None if the compiler does not count them.
    """
    leaves = jax.tree.leaves(executables.program.abstract_state)
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in leaves), peak_bytes(executables.infer)


def largest_batch(batch: int, state_bytes: int, infer_bytes: int | None, free_bytes: int) -> int:
    """Return the training batch, doubled while inference fits, at most four times.

    Memory beyond the state grows with the images.

    Args:
        batch: images of the training batch.
        state_bytes: bytes of the state.
        infer_bytes: bytes of inference at the training batch, the state included; None if unknown.
        free_bytes: free bytes of the accelerator.
    """
    if infer_bytes is None:
        return batch
    largest = batch
    for doubling in range(1, MOST_DOUBLINGS + 1):
        if state_bytes + (infer_bytes - state_bytes) * 2**doubling <= _FREE_SHARE * free_bytes:
            largest = batch * 2**doubling
    return largest


def _compared(
    calls: dict[str, Call],
    baselines: dict[str, str],
    cell: ResolvedCell,
    accounts: Accounts,
    turns: Turns,
    seed: int,
) -> Comparison:
    """Time calls in turns with their baselines, while no other cell computes.

    The device's peak, to which the times are compared, is measured under equal conditions.

    Args:
        calls: calls by name.
        baselines: name of the baseline of each call.
        cell: the cell, which gives the timing budget.
        accounts: count the seconds of warm-up and timing.
        turns: turns of the cell.
        seed: seed of the order of the calls.
    """
    with turns.alone():
        comparison = compare(calls, baselines, cell.spec.timing_budget_s, seed=seed)
        measure_peak(str(cell.model.dtype))
    accounts.add("warmup_s", comparison.warmup_s)
    accounts.add("timed_s", comparison.timed_s)
    return comparison


def surroundings(training: Comparison, inference: Comparison) -> Row:
    """Return the state of the machine in both timings.

    Shares and drifts are the larger of both timings; clocks and temperatures are those before the first timing and
    after the last.
    """
    both = (training, inference)
    shares = [each.circumstances.other_process_share for each in both]
    before, after = training.circumstances.before, inference.circumstances.after
    return {
        "other_process_cpu_share": max((share for share in shares if share is not None), default=None),
        "reference_kernel_s": training.anchor.value,
        "reference_kernel_drift": max((each.drift for each in both), key=abs),
        "clock_mhz_before": before.clock_mhz,
        "clock_mhz_after": after.clock_mhz,
        "temperature_c_before": before.temperature_c,
        "temperature_c_after": after.temperature_c,
    }


def columns(name: str, measured: Interval, factor: float = 1.0) -> Row:
    """Return the columns of a timed value: median, interval, samples.

    Args:
        name: column of the median.
        measured: the interval, in seconds or as a ratio.
        factor: factor of all numbers.
    """
    return {
        name: measured.value * factor,
        f"{name}_ci_low": measured.low * factor,
        f"{name}_ci_high": measured.high * factor,
        f"{name}_samples": [sample * factor for sample in measured.samples],
    }
