"""Every router's closed form against its program by every dispatch, in training and evaluation, part by part."""

import inspect
from dataclasses import replace
from typing import Any

import pytest
from flax import nnx

from moebench import routers
from moebench.measuring import PARTS, forward_flops, operations, padding, routed_share, shapes, traced, train_flops
from moebench.models import VitConfig
from moebench.models.presets import Preset, Size
from moebench.routers import Router, SparseRouter
from moebench.routers.sparse import ROUTING_BY_DISPATCH
from moebench.training import Program, Schedule

TINY = Preset(Size(width=64, layers=2, mlp=96, heads=2), patch=4)
MORE: dict[str, list[dict[str, Any]]] = {
    "hash": [{"hash_of": "content"}],
    "soft": [{"slots_per_expert": 6, "eval_slots_per_expert": 2}],
    # Two choices of each token for more slots than choices, and for fewer.
    "bpr": [{"top_k": 2, "capacity_factor": factor, "dispatch": "ragged"} for factor in (1.5, 0.5)],
    "experts-choice": [{"capacity_factor": 1.5, "dispatch": "ragged"}],
    "relu": [{"capacity_factor": 0.5, "dispatch": "ragged"}],
    "switch": [{"eval_capacity_factor": 0.5, "dispatch": "einsum"}],
}


def cases() -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for name in routers.names():
        known = routers.options(name)
        needed = {"experts": 4} if known.get("experts") is inspect.Parameter.empty else {}
        ways = [way for way in ROUTING_BY_DISPATCH if (name, way) != ("mixture-of-depths", "ragged")]
        variants = [{"dispatch": way} for way in ways] if issubclass(routers.find(name), SparseRouter) else [{}]
        found += [(name, needed | each) for each in [*variants, *MORE.get(name, [])]]
    return found


def config_of(router: str, options: dict[str, Any]) -> tuple[VitConfig, Router]:
    made = nnx.eval_shape(lambda: routers.create(router, dim=1, rngs=nnx.Rngs(0), **options))
    group = 1 if made.routes_through == "block" else 2
    return VitConfig(TINY, 16, 3, 10, router, options, group_images=group, moe_blocks=(1,)), made


def identified(case: tuple[str, dict[str, Any]]) -> str:
    name, options = case
    return f"{name}[{','.join(f'{key}={value}' for key, value in options.items() if key != 'experts')}]"


@pytest.mark.parametrize("case", cases(), ids=identified)
def test_closed_form_is_what_the_program_does(case: tuple[str, dict[str, Any]]) -> None:
    config, made = config_of(*case)
    assert made.flops(16, TINY.size.width) is not None
    program = Program(config, Schedule(10, 1e-3, 0.1, 0.1, 1.0), batch=2)
    state, (images, labels) = program.abstract_state, program.abstract_batch(2)
    forward = operations(traced(program.infer, state, images))
    step = operations(traced(program.gradient, state, images, labels))
    for counted, closed in (
        (step, train_flops(config, made)),
        (forward, forward_flops(config, made, training=False)),
    ):
        for part in PARTS:
            # Small parts may round off more, as long as the whole does not.
            assert getattr(counted.parts, part) / 2 == pytest.approx(
                getattr(closed, part), rel=0.01, abs=2e-4 * closed.total
            ), part
        assert counted.total / 2 == pytest.approx(closed.total, rel=0.002)
        assert counted.total == pytest.approx(counted.parts.total), "a product in no part of the model"


def test_gates_that_decide_for_every_expert_may_fill_every_slot() -> None:
    # 2 images of 16 tokens and 4 experts: 128 rows may have to be computed, whatever k is. A multiply-add is 2 FLOPs,
    # an MLP has 2 · 64 · 96 of them for a row; per image 64 rows.
    for name in ("relu", "threshold", "expert-race"):
        config, made = config_of(name, {"experts": 4, "dispatch": "ragged"})
        assert forward_flops(config, made).experts == 64 * 2 * 2 * 64 * 96
    # Where tokens choose one expert, no more than 32 rows can be filled.
    config, made = config_of("loss-free", {"experts": 4})
    assert forward_flops(config, made).experts == 16 * 2 * 2 * 64 * 96


@pytest.mark.parametrize(
    ("router", "options", "training", "evaluation"),
    [
        # 4 experts, 32 tokens: 8 slots each, and 32 or 16 in evaluation.
        ("sinkhorn", {}, 32, 128),
        ("base", {}, 32, 128),
        ("switch", {}, 32, 64),
        ("bpr", {"eval_capacity_factor": 0.5}, 32, 16),
        ("soft", {"slots_per_expert": 3, "eval_slots_per_expert": 1}, 12, 4),
        ("loss-free", {}, 128, 128),
        ("experts-choice", {"top_k": 2}, 64, 64),
    ],
)
def test_slots_of_training_and_of_evaluation(
    router: str, options: dict[str, Any], training: int, evaluation: int
) -> None:
    layer = shapes(*config_of(router, {"experts": 4, **options}))
    assert (layer.group_tokens, layer.total_slots, layer.eval_total_slots) == (32, training, evaluation)
    assert (layer.slots_per_expert, layer.eval_slots_per_expert) == (training / 4, evaluation / 4)


@pytest.mark.parametrize(
    ("router", "options", "training", "evaluation"),
    [
        ("bpr", {"capacity_factor": 2.0}, 0.5, 0.5),  # 64 slots for 32 choices
        ("switch", {}, 0, 0.5),
        ("sinkhorn", {}, 0, 0.75),  # 128 slots for 32 choices
        ("dropless", {}, 0, 0),  # as many rows as choices
        ("dropless", {"dispatch": "gather"}, 0.75, 0.75),
        ("relu", {}, 0, 0),  # any slot may be filled
        ("experts-choice", {"capacity_factor": 2.0}, 0, 0),
        ("soft", {"slots_per_expert": 20}, 0, 0),
        ("mixture-of-depths", {"experts": 1}, 0, 0),
    ],
)
def test_rows_that_stay_empty(router: str, options: dict[str, Any], training: float, evaluation: float) -> None:
    config, made = config_of(router, {"experts": 4, **options})
    found = [padding(config, made, training=phase) for phase in (True, False)]
    assert found == [training, evaluation]


def test_the_routed_share_of_the_flops() -> None:
    # One of two blocks has experts: attention 2 · (4 · 16 · 64² + 2 · 16² · 64) = 589,824 in both; MLPs 16 tokens · 2 ·
    # 2 · 64 · 96 = 393,216; embedding 2 · 16 · 48 · 64 = 98,304; head 2 · 64 · 10 = 1,280. Logits 2 · 16 · 64 · 4 =
    # 8,192, and moving 16 rows 2 · 16 · 64 = 2,048.
    config, made = config_of("bpr", {"experts": 4})
    parts = forward_flops(config, made)
    routed = 393_216 + 8_192 + 2_048
    assert routed_share(config, made, parts) == pytest.approx(
        routed / (2 * 589_824 + 393_216 + 98_304 + 1_280 + routed)
    )
    # Of many images together likewise.
    many = type(parts)(**{part: 7 * getattr(parts, part) for part in PARTS})
    assert routed_share(config, made, many) == pytest.approx(routed_share(config, made, parts))
    config, made = config_of("dense", {})
    assert routed_share(config, made, forward_flops(config, made)) == 0


def test_the_routed_share_of_routed_blocks() -> None:
    # Half of 16 tokens go through the second block: attention 2 · (4 · 8 · 64² + 2 · 8² · 64) = 278,528 and MLPs
    # 196,608; 16 logits, 2,048, and 8 rows moved, 1,024.
    config, made = config_of("mixture-of-depths", {"experts": 1, "capacity_factor": 0.5})
    routed = 278_528 + 196_608 + 2_048 + 1_024
    rest = 589_824 + 393_216 + 98_304 + 1_280
    assert routed_share(config, made, forward_flops(config, made)) == pytest.approx(routed / (routed + rest))
    everywhere = replace(config, moe_blocks=(0, 1))
    share = routed_share(everywhere, made, forward_flops(everywhere, made))
    assert share == pytest.approx(2 * routed / (2 * routed + 98_304 + 1_280))
