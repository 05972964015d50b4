"""Three counts of the same models, each from a source of its own: closed form, program, and PyTorch under fvcore."""

import inspect
import warnings
from collections import Counter
from typing import Any

import jax
import pytest
from flax import nnx

from moebench import routers
from moebench.measuring import PARTS, forward_flops, operations, shapes, traced, train_flops
from moebench.models import VitConfig
from moebench.models.presets import Preset, Size
from moebench.routers.sparse import ROUTING_BY_DISPATCH
from moebench.training import Program, Schedule

torch = pytest.importorskip("torch", reason="PyTorch is missing: pip install 'moebench[crosscheck]'")

WIDE = Size(width=64, layers=3, mlp=256, heads=2)
CASES = {
    "dense": ("dense", {}, 1),
    "soft": ("soft", {"experts": 4, "slots_per_expert": 3}, 1),
    "tokens-choice": ("tokens-choice", {"experts": 4, "top_k": 2, "capacity_factor": 1.5, "dispatch": "einsum"}, 2),
    "bpr": ("bpr", {"experts": 4}, 2),
    "experts-choice": ("experts-choice", {"experts": 4, "dispatch": "einsum"}, 2),
}
ELEMENTWISE = {  # what both sides leave out: as fvcore names it, and one operation of ours that stands for it
    "aten::add": "add", "aten::mul": "mul", "aten::mean": "reduce_sum", "aten::sum": "reduce_sum",
    "aten::softmax": "exp", "aten::gelu": "tanh", "aten::tanh": "tanh", "aten::scatter_add": "scatter-add",
}  # fmt: skip
MOVES = {"aten::pad", "aten::im2col", "aten::one_hot", "aten::unflatten"}


@pytest.fixture(params=CASES)
def config(request: pytest.FixtureRequest) -> VitConfig:
    router, options, group_images = CASES[request.param]
    shape = Preset(WIDE, patch=4, class_token=router == "tokens-choice")
    return VitConfig(shape, 16, 3, 10, router, options, group_images, moe_blocks=(1, 2))


def twin_of(config: VitConfig) -> Any:
    from torch_twin import Twin

    return Twin(config, routed(config)[1].eval_slots_per_expert)


def routed(config: VitConfig) -> tuple[routers.Router, Any]:
    router = nnx.eval_shape(lambda: routers.create(config.router, dim=1, rngs=nnx.Rngs(0), **config.router_options))
    return router, shapes(config, router)


def programs(config: VitConfig) -> Program:
    schedule = Schedule(steps=10, learning_rate=1e-3, weight_decay=0.1, warmup=0.1, clip_norm=1.0)
    return Program(config, schedule, batch=config.group_images)


def counted_by_fvcore(model: Any, images: Any) -> tuple[dict[str, float], set[str]]:
    """FLOPs by part, and the names of the operations that are left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch announces the retirement of the tracer that fvcore uses
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(model, images).unsupported_ops_warnings(False)
        analysis.set_op_handle("aten::layer_norm", None)
        by_module, left_out = analysis.by_module(), set(analysis.unsupported_ops())
    parts: Counter[str] = Counter()
    for module, multiply_adds in by_module.items():
        parts[module.rpartition(".")[2]] += 2 * multiply_adds
    return {part: parts[part] for part in PARTS}, left_out


def test_forward_counts_agree_part_by_part(config: VitConfig) -> None:
    program, batch = programs(config), config.group_images
    counted = operations(traced(program.infer, program.abstract_state, program.abstract_batch(batch)[0]))
    closed = forward_flops(config, routed(config)[0])
    twin, left_out = counted_by_fvcore(twin_of(config), torch.zeros(batch, 3, 16, 16))
    if config.router == "dense":  # of the three MLPs two are ours' only expert
        twin |= {"experts": twin["mlp"] * 2 / 3, "mlp": twin["mlp"] / 3}
    for part in PARTS:
        program_count = getattr(counted.parts, part) / batch
        products = sum(flops for (place, _), flops in counted.products.items() if place == part)
        assert program_count == pytest.approx(getattr(closed, part), rel=0.01), part
        assert products == pytest.approx(twin[part], rel=0.01), part
    assert counted.total / batch == pytest.approx(closed.total, rel=0.01)

    # What fvcore leaves out is element-wise and ours has it by name, or it moves data.
    assert left_out <= set(ELEMENTWISE) | MOVES
    names = {name for _, name in counted.elementwise}
    assert {ELEMENTWISE[name] for name in left_out & set(ELEMENTWISE)} <= names


def every() -> list[tuple[str, dict[str, Any]]]:
    """Every router with every way to move its tokens."""
    found: list[tuple[str, dict[str, Any]]] = []
    for name in routers.names():
        known = routers.options(name)
        experts = {"experts": 4} if known.get("experts") is inspect.Parameter.empty else {"experts": 1}
        sparse = issubclass(routers.find(name), routers.SparseRouter)
        ways = [way for way in ROUTING_BY_DISPATCH if (name, way) != ("mixture-of-depths", "ragged")]
        found += [(name, experts | ({"dispatch": way} if sparse else {})) for way in (ways if sparse else ["gather"])]
    return [case for case in found if case[0] != "dense"] + [("hash", {"experts": 4, "hash_of": "content"})]


@pytest.mark.parametrize(("router", "options"), every(), ids=str)
def test_the_closed_form_of_every_router_is_what_fvcore_counts(router: str, options: dict[str, Any]) -> None:
    group = 1 if router == "mixture-of-depths" else 2
    config = VitConfig(Preset(WIDE, patch=4), 16, 3, 10, router, options, group, moe_blocks=(1, 2))
    closed = forward_flops(config, routed(config)[0], training=False)
    twin, _ = counted_by_fvcore(twin_of(config), torch.zeros(group, 3, 16, 16))
    for part in PARTS:
        # Gathered rows are weighted and summed without a product, which fvcore leaves out.
        if part != "dispatch_combine" or twin[part]:
            assert twin[part] / group == pytest.approx(getattr(closed, part), rel=0.01), part
    gathers = options.get("dispatch") in ("gather", "ragged")
    assert not (gathers and twin["dispatch_combine"])


def test_gathered_rows_are_weighted_and_summed_by_name() -> None:
    config = VitConfig(Preset(WIDE, patch=4), 16, 3, 10, "bpr", {"experts": 4}, group_images=2, moe_blocks=(1,))
    program = programs(config)
    counted = operations(traced(program.infer, program.abstract_state, program.abstract_batch(2)[0]))
    moving = {name: flops for (part, name), flops in counted.elementwise.items() if part == "dispatch_combine"}
    # 2 images of 16 tokens make 32 slots of width 64: each row is multiplied by its weight and added to its token.
    assert moving == {"mul": 32 * 64, "scatter-add": 32 * 64}
    assert counted.parts.dispatch_combine == 2 * 32 * 64


def test_training_counts_agree(config: VitConfig) -> None:
    from torch.utils.flop_counter import FlopCounterMode

    program, batch = programs(config), config.group_images
    state, (images, labels) = program.abstract_state, program.abstract_batch(batch)
    counted = operations(traced(program.gradient, state, images, labels))
    closed = train_flops(config, routed(config)[0])
    with FlopCounterMode(display=False) as counter:
        logits = twin_of(config)(torch.zeros(batch, 3, 16, 16))
        torch.nn.functional.cross_entropy(logits, torch.zeros(batch, dtype=torch.long)).backward()
    assert counted.total / batch == pytest.approx(closed.total, rel=0.01)
    products = sum(counted.products.values())
    assert products == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_the_whole_step_has_no_more_products_than_the_gradient(config: VitConfig) -> None:
    program = programs(config)
    state, (images, labels) = program.abstract_state, program.abstract_batch(config.group_images)
    step = operations(traced(program.train_step, state, images, labels))
    assert step.parts == operations(traced(program.gradient, state, images, labels)).parts
    assert not any(part == "other" for part, _ in step.products)
    assert jax.tree.leaves(step.left_out)
