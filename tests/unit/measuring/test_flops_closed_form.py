"""Every router's closed form against its program, forward and backward, part by part."""

import inspect
from typing import Any

import pytest
from flax import nnx

from moebench import routers
from moebench.measuring import PARTS, forward_flops, operations, traced, train_flops
from moebench.models import VitConfig
from moebench.models.presets import Preset, Size
from moebench.training import Program, Schedule

TINY = Preset(Size(width=64, layers=2, mlp=96, heads=2), patch=4)
OTHER_SLOTS = ("base",)
"""Routers whose slots in evaluation, which the program's forward pass has, are not those of training."""
DISPATCHES = ("gather", "einsum", "ragged")


def cases() -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for name in routers.names():
        known = routers.options(name)
        needed = {"experts": 4} if known.get("experts") is inspect.Parameter.empty else {}
        dispatches = DISPATCHES if name == "bpr" else ("gather",)
        found += [(name, needed | ({"dispatch": each} if each != "gather" else {})) for each in dispatches]
    return found


@pytest.mark.parametrize(("router", "options"), cases(), ids=str)
def test_closed_form_is_what_the_program_does(router: str, options: dict[str, Any]) -> None:
    made = nnx.eval_shape(lambda: routers.create(router, dim=1, rngs=nnx.Rngs(0), **options))
    if made.flops(16, TINY.size.width) is None:
        pytest.skip(f"router '{router}' states no closed form")
    group = 1 if made.routes_through == "block" else 2
    config = VitConfig(TINY, 16, 3, 10, router, options, group_images=group, moe_blocks=(1,))
    program = Program(config, Schedule(10, 1e-3, 0.1, 0.1, 1.0), batch=2)
    state, (images, labels) = program.abstract_state, program.abstract_batch(2)
    forward = operations(traced(program.infer, state, images))
    step = operations(traced(program.gradient, state, images, labels))
    pairs = [(step.parts, train_flops(config, made))]
    if router not in OTHER_SLOTS:
        pairs.append((forward.parts, forward_flops(config, made)))
    for counted, closed in pairs:
        for part in PARTS:
            # Small parts may round off more, as long as the whole does not.
            assert getattr(counted, part) / 2 == pytest.approx(
                getattr(closed, part), rel=0.01, abs=1e-3 * closed.total
            ), part
        assert counted.total / 2 == pytest.approx(closed.total, rel=0.01)
    assert forward.total == pytest.approx(forward.parts.total), "a product in no part of the model"
    assert step.total == pytest.approx(step.parts.total), "a product in no part of the model"
