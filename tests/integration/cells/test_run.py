"""One cell, really run at a tiny size: every column of the record, and what is dropped_choices."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from moebench.cells import run, time_columns
from moebench.cells.images import dataset
from moebench.cells.run import main
from moebench.cells.turns import Turns
from moebench.evaluation.columns import health
from moebench.evaluation.pass_over_split import split_digest
from moebench.measuring import Peak, measure_peak
from moebench.results.schema import COLUMNS
from moebench.routers import RoutingCounts
from moebench.spec.cell_spec import CellSpec

INTERVAL = ("", "_ci_low", "_ci_high", "_samples")
IDENTITY = {"suite": "s", "run_id": "r", "cell_id": "c", "attempt": 1, "fingerprint": "f"}
# Columns that are empty for a healthy, timed bpr cell: what only failures, soft routers or checkouts have,
EMPTY = {"data_digest", "status_reason", "diverged_step", "under_dispatched_tokens", "tokens_per_slot_90", "git_commit"}
# what groups of one image or accelerators have, and what not every machine tells.
ONE_IMAGE = ("infer_latency_s", "infer_latency_vs_dense", "infer_max_batch_s_per_image")
EMPTY |= {f"{name}{end}" for name in ONE_IMAGE for end in INTERVAL}
EMPTY |= {"infer_max_batch", "other_process_cpu_share", "timing_scatter"}
# What is asked for by cells that start from a trained model, keep theirs, or try it in other settings.
EMPTY |= {
    "curve_eval_step",
    "curve_eval_loss",
    "curve_accuracy_eval",
    "test_time",
    "pretrain_data",
    "pretrain_steps",
    "few_shot_1",
    "few_shot_5",
    "few_shot_10",
    "saved_model",
    "expert_class_information",
    "expert_position_information",
    "expert_output_similarity",
    "random_router_loss",
    *("compute_multiplier", "time_multiplier"),
    *("domain_information", "needles_processed", "tail_accuracy", "memorised_bits"),
    *("tuned", "tuned_tries", "tuned_margin", "tuned_on_edge", "tuning"),
}
# What cells with a text tower have.
EMPTY |= {"text_model", "text_router", "text_length", "text_params", "flops_forward_per_text", "captions_cut"}
EMPTY |= {f"{way}_r{rank}" for way in ("image_to_text", "text_to_image") for rank in (1, 5, 10)}
EMPTY |= {"zero_shot_seen", "zero_shot_unseen", "zero_shot_classes", "retrieval_images", "retrieval_captions"}
EMPTY |= {"contrastive_loss", "freeze", "binding_accuracy", "relations_accuracy"}
EMPTY |= {f"{name}_{when}" for name in ("clock_mhz", "temperature_c") for when in ("before", "after")}


def spec(**changes: Any) -> CellSpec:
    given = {"router": "bpr", "options": {"experts": 2}, "steps": 6, "seeds": (0, 1), "timing_budget_s": 0.0}
    return CellSpec(**{**given, **changes})


def written(tmp_path: Path, specification: CellSpec) -> pd.DataFrame:
    source, out = tmp_path / "spec.json", tmp_path / "out.parquet"
    source.write_text(json.dumps({"spec": specification.as_json(), "identity": IDENTITY}))
    assert main([str(source), str(out)]) == 0
    return pd.read_parquet(out)


def peaks_measured_alone(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that gets, for each call of `measure_peak`, whether no other cell could compute."""
    alone, found, depth = Turns.alone, [], 0

    @contextmanager
    def counted(turns: Turns) -> Iterator[None]:
        nonlocal depth
        with alone(turns):
            depth += 1
            yield
            depth -= 1

    def measured(precision: str) -> Peak:
        found.append(depth > 0)
        return measure_peak(precision)

    monkeypatch.setattr(Turns, "alone", counted)
    monkeypatch.setattr(time_columns, "measure_peak", measured)
    return found


def test_a_cell_fills_every_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    peaks_alone = peaks_measured_alone(monkeypatch)
    frame = written(tmp_path, spec(timing_budget_s=0.05, moe_layers="0,1"))
    assert list(frame.columns) == [column.name for column in COLUMNS]
    assert list(frame.seed) == [0, 1]
    assert set(frame.status) == {"ok"}
    assert set(frame.columns[frame.isna().any()]) <= EMPTY
    assert peaks_alone[0]  # later calls return the result of the first
    row = frame.iloc[0]
    # 8 images of 16 tokens to 2 experts: 64 slots each.
    assert (row.slots_per_expert, row.total_slots, row.effective_capacity_factor) == (64, 128, 1.0)
    assert row.flops_padding == pytest.approx(row.flops_experts * (1 - row.slot_utilisation))
    assert row.flops_train_total == row.flops_train_step * 6
    assert len(row.expert_load) == 2
    # Each of two layers processes all tokens but those dropped; one choice each, so shares add up.
    processed = sum(sum(layer) for layer in row.expert_load) / 2
    assert processed == pytest.approx(1 - row.dropped_tokens)
    assert row.train_step_s_ci_low <= row.train_step_s <= row.train_step_s_ci_high
    assert 0 < row.input_s_per_step < row.train_step_s
    assert 0 < row.input_share < 1
    # Other processes cannot have had all of the time, and a small model is not slower than its twin a hundred times.
    assert 0 <= row.other_process_cpu_share < 1
    assert 0.01 < row.train_step_cpu_vs_dense < 100


def test_a_cell_keeps_what_became_of_each_test_image_and_is_evaluated_on_the_way(tmp_path: Path) -> None:
    frame = written(tmp_path, spec(router="soft", eval_every=2, seeds=(0,)))
    row = frame.iloc[0]
    test = dataset("digits").test
    assert row.image_correct.mean() == pytest.approx(row.accuracy)
    assert row.image_log_likelihood.dtype == np.float16
    assert -row.image_log_likelihood.astype(float).mean() == pytest.approx(row.eval_loss, rel=1e-3)
    assert len(row.image_correct) == len(row.image_log_likelihood) == len(test)
    assert set(frame.test_set) == {split_digest(test)}
    # 6 steps: after 2 and 4, and the last evaluation, which every cell has.
    assert row.curve_eval_step.tolist() == [2, 4, 6]
    assert row.curve_eval_loss[-1] == row.eval_loss
    assert row.curve_accuracy_eval[-1] == row.accuracy
    assert len({*row.curve_eval_loss}) == 3
    # What is evaluated on the way changes nothing about the training, and is no part of its time.
    plain = written(tmp_path, spec(router="soft", seeds=(0,)))
    assert plain.eval_loss.tolist() == frame.eval_loss.tolist()
    assert plain.curve_eval_step.isna().all()


def test_the_accounts_of_a_cell_add_up_to_its_wall_time(tmp_path: Path) -> None:
    began = time.perf_counter()
    frame = written(tmp_path, spec(router="soft", timing_budget_s=0.05))
    around = time.perf_counter() - began
    row = frame.iloc[0]
    named = ("compile_s", "dense_compile_s", "warmup_s", "timed_s", "training_s", "evaluation_s")
    assert row.cell_wall_s == pytest.approx(sum(row[account] for account in named) + row.other_s)
    assert row.test_time_s == 0.0  # nothing is asked of the trained model
    assert row.timing_wall_s == pytest.approx(row.warmup_s + row.timed_s)
    assert min(row[account] for account in named) > 0
    # The rest is no place to hide in, the whole is what a clock outside shows, and seeds are in the account of all.
    assert 0 < row.other_s < 0.5 * row.cell_wall_s
    assert 0.5 * around < row.cell_wall_s < around
    assert frame.train_wall_s.sum() == pytest.approx(row.training_s, rel=0.1)
    # One image is a group of its own to this router: it was timed beside the twin, and takes longer than in a batch.
    assert row.infer_latency_s > row.infer_s_per_image
    assert row.infer_latency_vs_dense_ci_low <= row.infer_latency_vs_dense <= row.infer_latency_vs_dense_ci_high


def test_the_largest_batch_is_doubled_while_it_should_fit() -> None:
    # A state of 100 bytes, and 50 for each batch: 100 + 50 · 2, · 4, · 8, · 16 against 0.9 of what is free.
    def largest(free: int) -> int:
        return time_columns.largest_batch(8, state_bytes=100, infer_bytes=150, free_bytes=free)

    assert largest(100) == 8
    assert largest(223) == 16
    assert largest(560) == 64
    assert largest(10**9) == 8 * 2**time_columns.MOST_DOUBLINGS
    assert time_columns.largest_batch(8, 100, None, 10**9) == 8


def test_a_loss_that_is_not_finite_ends_the_seed_as_diverged(tmp_path: Path) -> None:
    frame = written(tmp_path, spec(learning_rate=1e30, clip_norm=1e30, steps=30, seeds=(0,)))
    row = frame.iloc[0]
    assert row.status == "diverged"
    assert row.status_reason == f"the loss was not finite at step {int(row.diverged_step)}"
    assert pd.isna(row.accuracy)


def test_a_specification_that_cannot_be_built_is_said_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "spec.json"
    source.write_text(json.dumps({"spec": spec(options={"expert": 2}).as_json(), "identity": IDENTITY}))
    assert main([str(source), str(tmp_path / "out.parquet")]) == 2
    assert "unknown option 'expert' of router 'bpr': did you mean 'experts'?" in capsys.readouterr().err
    assert not (tmp_path / "out.parquet").exists()


def test_health_takes_the_mean_over_layers_and_names_the_worst() -> None:
    def layer(unprocessed: float, load: list[float]) -> RoutingCounts:
        numbers = {"tokens": 10.0, "unprocessed": unprocessed, "choices": 10.0, "dropped_choices": unprocessed}
        numbers |= {"entropy": 0.0, "filled": 8.0, "slots": 16.0, "under_dispatched": jnp.nan, "slot_spread": jnp.nan}
        counts = {name: jnp.asarray(value) for name, value in numbers.items()}
        return RoutingCounts(**counts, load=jnp.asarray(load), requested_load=jnp.asarray(load))

    row = health([layer(1.0, [6.0, 2.0]), layer(3.0, [8.0, 0.0])])
    assert row["dropped_tokens"] == pytest.approx(0.2)
    assert row["dropped_tokens_max_layer"] == pytest.approx(0.3)
    # Loads of 6 and 2: mean 4, deviation 2, cv 0.5; of 8 and 0: cv 1.
    assert row["load_cv"] == pytest.approx(0.75)
    # Largest over mean, less one: 0.5 and 1.
    assert row["max_violation"] == pytest.approx(0.75)
    assert row["dead_experts"] == pytest.approx(0.25)
    assert row["slot_utilisation"] == pytest.approx(0.5)
    assert row["expert_load"] == [pytest.approx([0.6, 0.2]), pytest.approx([0.8, 0.0])]


def test_the_program_says_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main([]) == 2
    assert "SPEC.json OUT.parquet" in capsys.readouterr().err
