"""Synthetic result tables in the shape of the main suite, for the tests of reports."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from moebench.results.schema import COLUMNS

EXPERTS = (2, 4, 8, 16)
ROUTERS = ("tokens-choice", "bpr", "experts-choice", "soft")
LAYERS, TOKENS = 2, 16
# Accuracy at one expert, its rise for each doubling, and the time of a step over dense.
TRUTH = {
    "dense": (0.962, 0.0, 1.0),
    "tokens-choice": (0.957, 0.001, 1.6),
    "bpr": (0.960, 0.002, 1.75),
    "experts-choice": (0.963, 0.003, 1.45),
    "soft": (0.965, 0.006, 1.3),
}


def suite_frame(
    *,
    seeds: int = 3,
    failed: tuple[str, ...] = ("bpr/16",),
    model: str = "mu/2",
    data: str = "digits",
    device: str = "cpu",
) -> pd.DataFrame:
    """17 cells × `seeds` rows with every column of the schema; the cells in `failed` ran out of memory."""
    rng = np.random.default_rng(0)
    rows = [
        _row(rng, router, experts, seed, f"{router}/{experts}" in failed, model, data, device)
        for router, experts in _grid()
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows).reindex(columns=[column.name for column in COLUMNS])


def tried_frame() -> pd.DataFrame:
    """The same, its sparse cells tried in other settings after training."""
    frame = suite_frame()
    frame["test_time"] = [
        _settings(row.router, row.flops_forward_per_image, row.accuracy)
        if row.top_k == 1 and row.status == "ok"
        else None
        for row in frame.itertuples()
    ]
    return frame


def large_frame(cells: int) -> pd.DataFrame:
    """At least so many cells, three rows each: settings of 12 models, 10 data sets and as many devices as it takes."""
    rng = np.random.default_rng(1)
    measured = ("accuracy", "eval_loss", "train_loss", "train_wall_s", "compile_s")
    timed = ("train_step_s", "infer_s_per_image", "train_step_vs_dense", "infer_vs_dense")
    one, parts = suite_frame(), []
    for n in range(-(-cells // 17)):
        part = one.assign(
            model=f"m{n % 12}", data=f"d{n // 12 % 10}", device_kind=f"gpu{n // 120}", cell_id=one["cell_id"] + f"-{n}"
        )
        for name in (*measured, *timed):
            noise = 1 + rng.normal(0, 0.01, len(part))
            for column in (name, f"{name}_ci_low", f"{name}_ci_high") if name in timed else (name,):
                part[column] = part[column] * noise
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _grid() -> Iterator[tuple[str, int]]:
    yield "dense", 1
    yield from ((router, experts) for router in ROUTERS for experts in EXPERTS)


def _settings(router: str, forward: float, accuracy: float) -> list[dict[str, Any]]:
    """Half the capacity costs a point, one choice of two half a point; the trained setting comes first."""
    rng = np.random.default_rng(int(1e9 * accuracy))
    settings = []
    for k, capacity in ((2, 1.0), (2, 0.5), (1, 1.0), (1, 0.5)):
        changes = {} if (k, capacity) == (2, 1.0) else {"top_k": k, "capacity_factor": capacity}
        lost = 0.02 * (1.0 - capacity) + 0.005 * (2 - k)
        settings.append(
            {
                "setting": json.dumps(changes),
                "router": router,
                "top_k": k,
                "capacity_factor": capacity,
                "accuracy": accuracy - lost + (rng.normal(0, 0.0005) if changes else 0),
                "flops_forward_per_image": forward * (0.5 + 0.25 * k * capacity),
                "infer_vs_trained": 1.0,
            }
        )
    return settings


def _row(
    rng: np.random.Generator,
    router: str,
    experts: int,
    seed: int,
    failed: bool,
    model: str,
    data: str,
    device: str,
) -> dict[str, Any]:
    base, rise, slower = TRUTH[router]
    sparse = router in ("tokens-choice", "bpr")
    row: dict[str, Any] = {
        "schema_version": 1,
        "suite": "scaling-experts",
        "run_id": "20250102T030405-abc",
        "cell_id": f"{router}-{experts}-{model}-{data}-{device}",
        "fingerprint": "f00d",
        "seed": seed,
        "attempt": 1,
        "status": "oom" if failed else "ok",
        "status_reason": "the training program asked for 12.1 GB, 8.0 GB are there" if failed else None,
        "started_at": pd.Timestamp("2025-01-02T03:04:05Z") + pd.Timedelta(minutes=experts),
        "router": router,
        "model": model,
        "data": data,
        "image_size": 8,
        "classes": 10,
        "tokens_per_image": TOKENS,
        "experts": experts,
        "slots_per_expert": TOKENS // experts,
        "total_slots": TOKENS,
        "top_k": 1 if sparse else None,
        "capacity_factor": 1.0 if sparse else None,
        "effective_capacity_factor": 1.0,
        "group_images": 8 if router not in ("dense", "soft") else 1,
        "dispatch": "gather",
        "moe_layers": "2,3",
        "steps": 250,
        "batch_size": 64,
        "precision": "float32",
        "learning_rate": 2e-3,
        "config": json.dumps({"router": router, "options": {"experts": experts}, "model": model, "data": data}),
        "device_kind": device,
        "device_count": 1,
        "platform": "cpu",
        "hostname": "bench",
        "cpu": "Xeon",
        "cpu_count": 2,
        "load_average": 0.4,
        "python_version": "3.12.1",
        "jax_version": "0.10.2",
        "jaxlib_version": "0.10.2",
        "flax_version": "0.12.8",
        "jax_settings": "{}",
        "moebench_version": "0.1.0",
        "git_commit": "a0b8909",
    }
    if failed:
        return row
    accuracy = base + rise * np.log2(experts) + rng.normal(0, 0.002)
    step = 0.030 * slower * (1 + 0.02 * experts**0.5)
    forward = 3.4e6 * (1 + (0 if router == "dense" else 0.01 * experts))
    row |= {
        "params": 140_000 + 66_000 * (experts - 1),
        "params_active": 140_000,
        "flops_forward_per_image": forward,
        "flops_train_step": 3 * 64 * forward,
        "flops_train_total": 3 * 64 * forward * 250,
        "flops_router": 0.0 if router == "dense" else 4096.0 * experts,
        "flops_dispatch_combine": 65536.0 if router == "soft" else 0.0,
        "flops_experts": 1.05e6,
        "flops_padding": 0.2e6 if sparse else 0.0,
        "flops_forward_hlo": forward * 1.02,
        "compile_s": 4.0 + 0.1 * experts,
        "train_wall_s": 250 * step * 1.1 + rng.normal(0, 0.1),
        "eval_wall_s": 0.4,
        "timing_wall_s": 6.0,
        "cell_wall_s": 40.0,
        "timing_flags": ["noisy"] if router == "soft" and experts == 2 else [],
        "train_peak_bytes": 30_000_000 + 800_000 * experts,
        "infer_peak_bytes": 9_000_000,
        "dropped_tokens": 0.08 if sparse else 0.0,
        "dropped_tokens_max_layer": 0.12 if sparse else 0.0,
        "dropped_assignments": 0.08 if sparse else 0.0,
        "load_cv": 0.3 if sparse else 0.0,
        "max_violation": 0.5 if sparse else 0.0,
        "router_entropy": None if router == "dense" else 0.6,
        "dead_experts": 0.0,
        "slot_utilisation": 0.92 if sparse else 1.0,
        "expert_load": (rng.dirichlet(np.full(experts, 20.0), size=LAYERS)).tolist(),
        "expert_load_requested": (rng.dirichlet(np.full(experts, 8.0), size=LAYERS)).tolist(),
        "accuracy": accuracy,
        "eval_loss": 3.3 * (1 - accuracy),
        "train_loss": 0.02,
        "curve_step": list(range(25, 251, 25)),
        "curve_loss": (2.3 * np.exp(-np.arange(1, 11) / 2.5) + rng.normal(0, 0.01, 10)).tolist(),
        "curve_accuracy": (accuracy - 0.6 * np.exp(-np.arange(1, 11) / 2.0)).tolist(),
    }
    for name, value in (
        ("train_step_s", step),
        ("train_step_vs_dense", step / 0.0306),
        ("infer_s_per_image", step / 64 / 4),
        ("infer_vs_dense", step / 0.0306),
    ):
        row |= {name: value, f"{name}_ci_low": 0.98 * value, f"{name}_ci_high": 1.03 * value}
        row[f"{name}_samples"] = [0.98 * value, value, 1.03 * value]
    return row
