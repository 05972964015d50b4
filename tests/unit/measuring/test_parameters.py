"""Parameters of models and layers from their shapes, by numbers worked by hand."""

from typing import Any

import pytest
from flax import nnx

from moebench import routers
from moebench.measuring import count_layer_parameters, count_parameters
from moebench.models import VitConfig
from moebench.models.presets import Preset, Size

TINY = Preset(Size(width=8, layers=3, mlp=12, heads=2), patch=4)
EXPERT = 2 * 8 * 12 + 12 + 8
"""Both kernels and biases of an MLP."""


def config_of(router: str, options: dict[str, Any], group_images: int = 2) -> tuple[VitConfig, routers.Router]:
    made = nnx.eval_shape(lambda: routers.create(router, dim=1, rngs=nnx.Rngs(0), **options))
    return VitConfig(TINY, 16, 3, 10, router, options, group_images=group_images, moe_blocks=(1, 2)), made


def test_all_parameters_of_a_model() -> None:
    # 16 patches of 48 numbers; attention and its two norms; MLPs in one block, four experts and a gate in two; the last
    # norm and a head of ten classes.
    embedding = 48 * 8 + 8 + 16 * 8
    block = 4 * (8 * 8 + 8) + 2 * 2 * 8
    head = 2 * 8 + 8 * 10 + 10
    counted = count_parameters(*config_of("bpr", {"experts": 4}))
    assert counted.total == embedding + 3 * block + EXPERT + 2 * (4 * EXPERT + 8 * 4) + head
    assert counted.active == counted.total - 2 * 3 * EXPERT


@pytest.mark.parametrize(
    ("router", "options", "met"),
    [
        ("bpr", {"top_k": 2, "capacity_factor": 0.5}, 2),  # the choices of a token, served or not
        ("loss-free", {"top_k": 2}, 2),
        ("relu", {}, 1),  # on average
        ("threshold", {"top_k": 3}, 3),
        ("zero-experts", {}, 2),
        ("dropless", {}, 1),
        # 32 tokens of a group; where experts choose, k · C of four experts on average.
        ("experts-choice", {}, 1),
        ("experts-choice", {"capacity_factor": 0.5}, 0.5),
        ("experts-choice", {"top_k": 2, "capacity_factor": 1.5}, 3),
        ("experts-choice", {"capacity_factor": 1.1}, 4 * 9 / 32),  # round(8.8) slots each
        # A slot for each of 32 tokens, and for a quarter of them.
        ("soft", {"slots_per_expert": 8}, 1),
        ("soft", {"slots_per_expert": 2}, 0.25),
        ("soft", {"slots_per_expert": 40}, 4),  # no more experts than there are
        ("smear", {}, 4),  # all of them are merged
    ],
)
def test_experts_that_a_token_meets(router: str, options: dict[str, Any], met: float) -> None:
    counted = count_layer_parameters(*config_of(router, {"experts": 4, **options}))
    assert counted.total - counted.active == round((4 - met) * EXPERT)


def test_a_frozen_gate_is_no_parameter() -> None:
    learned, frozen = (count_layer_parameters(*config_of(name, {"experts": 4})) for name in ("tokens-choice", "random"))
    assert learned.total - frozen.total == 8 * 4


def test_a_dense_layer() -> None:
    config, made = config_of("dense", {}, group_images=1)
    assert count_layer_parameters(config, made).total == count_layer_parameters(config, made).active == EXPERT
