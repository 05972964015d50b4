"""Trained models in other settings: the same numbers as a model built for the setting, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from moebench import routers
from moebench.cells.compile import schedule
from moebench.cells.images import dataset
from moebench.cells.resolve import resolve_cell
from moebench.cells.resolved_cell import ResolvedCell
from moebench.cells.seed_rows import sweep_or_none
from moebench.errors import BadInput
from moebench.evaluation.columns import padding
from moebench.evaluation.pass_over_split import evaluate
from moebench.evaluation.test_time_sweep import Sweep
from moebench.results import at_test_time, load, write_rows
from moebench.results.schema import TEST_TIME_FIELDS
from moebench.routers import SlotRouting, SoftRouting
from moebench.spec.cell_spec import CellSpec
from moebench.training import Program, TrainState, calls_by_image, compile_unoptimized

FLOPS = 1_000_000.0
SETTINGS: tuple[dict[str, Any], ...] = (
    {"capacity_factor": 0.5},
    {"router": "tokens-choice", "top_k": 1},
    {"capacity_factor": 0.25, "top_k": 2},
    {"capacity_factor": 0.252},
)


def spec(router: str = "bpr", *settings: dict[str, Any], **options: Any) -> CellSpec:
    return CellSpec(router=router, options=options, test_time=settings, batch=16)


@pytest.fixture(scope="module")
def cell() -> ResolvedCell:
    return resolve_cell(spec("bpr", *SETTINGS, experts=2, top_k=2, capacity_factor=1.0))


@pytest.fixture(scope="module")
def program(cell: ResolvedCell) -> Program:
    return Program(cell.model, schedule(cell.spec), 16)


@pytest.fixture(scope="module")
def state(program: Program) -> TrainState:
    """Of a model whose head is not zero, as if it were trained."""
    fresh: TrainState = jax.eval_shape(lambda: program.init(jnp.zeros((), jnp.int32)))
    generator = np.random.default_rng(0)
    draw = lambda leaf: jnp.asarray(generator.normal(0, 0.1, leaf.shape), leaf.dtype)  # noqa: E731
    return replace(fresh, parameters=jax.tree.map(draw, fresh.parameters))


@pytest.fixture(scope="module")
def sweep(cell: ResolvedCell, program: Program) -> Sweep:
    return Sweep(cell.settings, program, 72)


@pytest.fixture(scope="module")
def rows(sweep: Sweep, state: TrainState) -> list[dict[str, Any]]:
    return sweep.evaluate(state, dataset("digits").test, FLOPS)


def test_the_trained_setting_comes_first_and_every_field_is_there(rows: list[dict[str, Any]]) -> None:
    assert [row["setting"] for row in rows] == [
        "{}",
        '{"capacity_factor": 0.5}',
        '{"router": "tokens-choice", "top_k": 1}',
        '{"capacity_factor": 0.25, "top_k": 2}',
        '{"capacity_factor": 0.252}',
    ]
    assert all(set(row) == {field.name for field in TEST_TIME_FIELDS} for row in rows)
    assert rows[0]["infer_vs_trained"] == 1.0
    assert all(0 < row["infer_s_per_image"] < 1 for row in rows)


@pytest.mark.parametrize("place", [0, 2])
def test_a_setting_gives_what_a_model_built_for_it_gives(
    place: int, cell: ResolvedCell, program: Program, state: TrainState, rows: list[dict[str, Any]]
) -> None:
    own = Program(cell.settings[place].model, schedule(cell.spec), 72)
    shapes = own.abstract_batch(72)
    weights = jax.ShapeDtypeStruct((72,), jnp.float32)
    step = own.with_host_batch(compile_unoptimized(own.evaluate, own.abstract_state, *shapes, weights))
    whole = evaluate(step, replace(state, optimizer=own.abstract_state.optimizer), dataset("digits").test, 72)
    assert rows[place]["accuracy"] == pytest.approx(whole.accuracy)
    assert rows[place]["eval_loss"] == pytest.approx(whole.loss, rel=1e-5)
    dropped = np.mean([layer.metrics()["dropped_tokens"] for layer in whole.routing])
    assert rows[place]["dropped_tokens"] == pytest.approx(dropped)
    assert whole.calls is not None
    assert rows[place]["expert_calls_per_token"] == pytest.approx(whole.calls.mean())
    assert rows[place]["expert_calls_per_token_std"] == pytest.approx(whole.calls.std())


def test_flops_follow_the_slots(rows: list[dict[str, Any]]) -> None:
    # A group of 8 images has 128 tokens. Slots of each of 2 experts: 128·2·1/2 = 128, then 64, 64 and 32.
    assert [row["slots_per_expert"] for row in rows] == [128, 64, 64, 32, 32]
    # For an image 32, 16, 16 and 8 slots; each costs 2·2·64·256 FLOPs in the expert, 2·64 on its way back, in 2 layers.
    slot = 2 * (2 * 2 * 64 * 256 + 2 * 64)
    assert [row["flops_forward_per_image"] for row in rows] == [FLOPS, *(FLOPS - n * slot for n in (16, 16, 24, 24))]
    # With k = 2 of 2 experts every token calls both while there is room, so that no slot is empty.
    assert rows[0]["expert_calls_per_token"] == 2.0
    assert rows[0]["flops_used_per_image"] == FLOPS
    assert [rows[place]["expert_calls_per_token"] for place in (1, 3)] == [1.0, 0.5]
    # With k = 1 some slots stay empty: what is not called is not used.
    unused = 32 * (16 / 16 - rows[2]["expert_calls_per_token"]) / 2 * 2 * 2 * 2 * 64 * 256
    assert rows[2]["flops_used_per_image"] == pytest.approx(FLOPS - 16 * slot - unused)


def test_settings_share_the_programs_that_are_the_same(sweep: Sweep) -> None:
    # 0.25 and 0.252 of 2 choices of 128 tokens round to the same 32 slots for each of 2 experts.
    assert sweep.halves[3] == sweep.halves[4]
    # Half the capacity for two choices, and all of it for one, are 64 slots: routed otherwise, but computed alike.
    assert sweep.halves[1].route is not sweep.halves[2].route
    assert sweep.halves[1].finish is sweep.halves[2].finish
    # 128, 64 and 32 slots.
    assert len({id(feed.finish) for feed in sweep.halves}) == 3
    assert len({id(feed.count) for feed in sweep.halves}) == 3


def test_calls_are_counted_by_image() -> None:
    # Two images of 2 tokens in one group: token 0 sits in both experts, token 3 in one, tokens 1 and 2 in none.
    routing = SlotRouting(
        gates=jnp.ones((1, 4, 2)),
        token=jnp.array([[[0, 4], [0, 3]]]),
        weight=jnp.ones((1, 2, 2)),
        requested_load=jnp.zeros(2),
        choices=1,
    )
    assert routing.calls.tolist() == [[2, 0, 0, 1]]
    by_image = calls_by_image([routing], 2)
    assert by_image is not None
    assert by_image.tolist() == [1.0, 0.5]
    # Soft slots hold mixtures, and make no difference between images.
    even = jnp.full((2, 2, 2, 1), 0.5)
    assert calls_by_image([SoftRouting(gates=even[..., 0], dispatch_weights=even, combine_weights=even)], 2) is None


def test_padding_is_what_no_token_calls(cell: ResolvedCell) -> None:
    # 16 tokens of 2 layers with 1.5 calls each are 48 rows of 2·2·64·256 FLOPs.
    row = 2 * 2 * 64 * 256
    assert padding(cell.model, 64.0 * row, np.array([1.0, 2.0])) == 16 * row
    assert padding(cell.model, 64.0 * row, None) == 0.0


def test_the_first_slots_of_soft_experts_are_those_of_a_router_with_fewer() -> None:
    @jax.jit
    def weights(key: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
        whole = routers.create("soft", dim=4, rngs=nnx.Rngs(0), experts=2, slots_per_expert=3, eval_slots_per_expert=1)
        fewer = routers.create("soft", dim=4, rngs=nnx.Rngs(0), experts=2)
        fewer.phi[...] = whole.phi[..., :1]
        tokens = jax.random.normal(key, (1, 5, 4))
        routings = (whole(tokens), fewer(tokens), whole(tokens, noise_key=key))
        return [(routing.dispatch_weights, routing.combine_weights) for routing in routings]

    with_some, with_as_many, training = weights(jax.random.key(0))
    assert all(jnp.array_equal(some, all_) for some, all_ in zip(with_some, with_as_many, strict=True))
    assert training[0].shape == (1, 5, 2, 3)  # training has them all


@pytest.mark.parametrize(
    ("specification", "says"),
    [
        (spec("bpr", {"topk": 1}, experts=4), "unknown option 'topk' of router 'bpr': did you mean 'top_k'"),
        (spec("bpr", {"top_k": 9}, experts=4), r"eval_top_k must be from 1 to experts=4, got 9"),
        (spec("bpr", {"router": "brp"}, experts=4), "did you mean 'bpr'"),
        (
            spec("bpr", {"experts": 2}, experts=4),
            r"router 'bpr' needs kernel\[64, 2\] for a mlp, and the trained 'bpr' has kernel\[64, 4\] for a mlp",
        ),
        (spec("bpr", {"router": "loss-free"}, experts=4), r"needs bias\[4\], kernel\[64, 4\]"),
        (spec("soft", {"slots_per_expert": 4}, experts=4, slots_per_expert=2), "the slots that phi holds, got 4"),
        (spec("relu", {"top_k": 1}, experts=4), "uses top_k in training only: leave it out"),
        (spec("experts-choice", {"capacity_factor": 9.0}, experts=4), "288 slots for each expert are more than"),
        (spec("dense", {"top_k": 1}), "has no options"),
        (spec("bpr", {"noise_std": 0.5}, experts=4), "uses noise_std in training only: leave it out"),
        (spec("loss-free", {"update_rate": 0.5}, experts=4), "uses update_rate in training only: leave it out"),
        (spec("hash", {"experts": 4}, experts=8), "would have 4 experts, and 8 were trained"),
    ],
)
def test_what_the_trained_model_cannot_be_put_in_is_refused(specification: CellSpec, says: str) -> None:
    with pytest.raises(BadInput, match=says) as mistake:
        resolve_cell(specification)
    assert mistake.value.key == "test_time"


def test_a_setting_that_needs_too_much_memory_costs_no_training(
    sweep: Sweep, state: TrainState, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: Any) -> None:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory\nin a program")

    monkeypatch.setattr(Sweep, "evaluate", full)
    assert sweep_or_none(sweep, state, dataset("digits").test, 1.0, "seed 3") is None
    assert capsys.readouterr().out == "seed 3: not evaluated in other settings: RESOURCE_EXHAUSTED: out of memory\n"


def test_a_setting_without_a_capacity_drops_nothing() -> None:
    cell = resolve_cell(spec("bpr", {"capacity_factor": None}, experts=4, eval_capacity_factor=0.5))
    # Eight images of 16 tokens: a slot for each.
    assert [setting.slots_per_expert for setting in cell.settings] == [16, 128]
    assert [setting.columns["capacity_factor"] for setting in cell.settings] == [0.5, None]


def test_settings_become_rows_of_their_own(tmp_path: Path) -> None:
    identity = {"suite": "s", "run_id": "r", "cell_id": "c", "attempt": 1, "status": "ok"}
    tried = [{"setting": "{}", "accuracy": 0.9, "top_k": 2}, {"setting": "x", "accuracy": 0.8}]
    rows = [{"router": "bpr", "seed": 0, "test_time": tried}, {"router": "soft", "seed": 1}]
    write_rows([identity | row for row in rows], tmp_path / "s" / "r.parquet")
    frame = load(tmp_path)
    flat = at_test_time(frame)
    assert flat[["router", "seed", "test_setting", "test_accuracy"]].to_numpy().tolist() == [
        ["bpr", 0, "{}", 0.9],
        ["bpr", 0, "x", 0.8],
    ]
    assert flat["test_top_k"].tolist()[0] == 2
    assert flat["test_top_k"].isna().tolist() == [False, True]
    with pytest.raises(BadInput, match="have no test_time"):
        at_test_time(frame.drop(columns="test_time"))
