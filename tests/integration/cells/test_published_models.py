"""Published models by name: their shapes, their routing, and the class token that V-MoE reads out."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from moebench import models
from moebench.cells.resolve import resolve_cell
from moebench.cells.resolved_cell import ResolvedCell
from moebench.errors import BadInput
from moebench.models import Vit, VitConfig, preset
from moebench.models.presets import Preset, Size
from moebench.models.rngs import rngs
from moebench.spec.cell_spec import CellSpec

TINY = Size(width=8, layers=2, mlp=12, heads=2)


def config(class_token: bool) -> VitConfig:
    shape = Preset(TINY, patch=2, class_token=class_token)
    return VitConfig(shape, 4, 1, 3, "dense", {}, group_images=1, moe_blocks=(1,))


def size_of(model: nnx.Module) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))


def test_vmoe_has_an_s_of_its_own() -> None:
    assert preset("vmoe-s/32").size == Size(width=512, layers=8, mlp=2048, heads=8)
    assert preset("s/32").size == Size(width=384, layers=12, mlp=1536, heads=6)
    assert preset("vmoe-b/16").size == preset("soft-b/16").size == preset("b/16").size


def test_a_published_model_brings_its_routing() -> None:
    vmoe, soft = preset("vmoe-l/16"), preset("soft-s/14")
    assert (vmoe.router, vmoe.moe_layers, vmoe.class_token) == ("tokens-choice", "every-2", True)
    assert vmoe.options == {"experts": 32, "top_k": 2, "capacity_factor": 1.05}
    assert (soft.router, soft.moe_layers, soft.class_token) == ("soft", "last-half", False)
    assert [preset(f"soft-b/{patch}").options["experts"] for patch in (32, 16, 14)] == [64, 128, 256]


def test_a_cell_takes_from_its_model_what_it_leaves_out() -> None:
    def resolved(**values: Any) -> ResolvedCell:
        return resolve_cell(CellSpec(data="digits", **values))

    # The digits have 8 × 8 pixels and 10 classes, whatever the models were published for.
    soft = resolved(model="soft-s/2", router="soft")
    assert soft.label == "soft[experts=128]"
    assert (soft.model.image_size, soft.model.classes) == (8, 10)
    vmoe = resolved(model="vmoe-s/2", router="bpr", options={"top_k": 1})
    assert vmoe.model.router_options == {"experts": 32, "top_k": 1, "capacity_factor": 1.05}
    assert (vmoe.inputs["moe_layers"], vmoe.config["moe_layers"]) == ("1,3,5,7", "every-2")
    assert resolved(model="vmoe-s/2", router="bpr", moe_layers="last-n:1").inputs["moe_layers"] == "7"
    # A router takes only options that it has.
    assert resolved(model="vmoe-s/2", router="dense").model.router_options == {}
    assert resolved(model="vmoe-s/2", router="soft").model.router_options == {"experts": 32}


def test_slots_for_all_tokens_fit_the_models_own_experts() -> None:
    cell = resolve_cell(CellSpec(model="soft-s/1", router="soft", options={"experts": 32}, total_slots="tokens"))
    assert cell.inputs["slots_per_expert"] == 2  # 64 tokens for 32 experts
    vmoe = resolve_cell(CellSpec(model="vmoe-s/1", router="bpr", options={"experts": 13}, total_slots="tokens"))
    # 65 tokens with the class token, two choices each: a factor of a half makes 65 slots of 130 choices.
    assert vmoe.model.router_options["capacity_factor"] == 0.5
    assert vmoe.inputs["total_slots"] == 8 * 65


def test_the_largest_model_needs_no_patch() -> None:
    assert preset("vmoe-15b") == preset("vmoe-15b/14")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("vmoe-ti/16", "did you mean 'vmoe-"),
        ("vmeo-l/16", "did you mean 'vmoe-l/16'"),
        ("soft-15b/14", "unknown model 'soft-15b/14'"),
        ("soft-b", "no patch size: write SIZE/PATCH, such as soft-b/16"),
        ("-b/16", "unknown model"),
    ],
)
def test_a_name_that_was_not_published(name: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        preset(name)


def test_every_family_is_listed_with_its_routing() -> None:
    lines = {name: models.describe(name) for name in models.names()}
    assert "tokens-choice[experts=32,top_k=2,capacity_factor=1.05] in every-2" in lines["vmoe-h/14"]
    assert "soft[experts=256] in last-half" in lines["soft-h/14"]
    assert lines["h/14"].startswith("ViT, width 1280")


def test_a_class_token_adds_a_token_a_position_and_a_layer() -> None:
    assert (config(False).tokens, config(True).tokens) == (4, 5)
    plain, token = (
        size_of(nnx.eval_shape(lambda flag=flag: Vit(config(flag), rngs=rngs(0)))) for flag in (False, True)
    )
    # The token, its position, and a layer of 8 × 8 with 8 biases.
    assert token - plain == 8 + 8 + (64 + 8)


def test_the_class_token_alone_is_read_out() -> None:
    model = Vit(config(True), rngs=nnx.Rngs(0))
    model.head.kernel[...] = jax.random.normal(jax.random.key(0), (8, 3))
    # With silent blocks the class token meets no patch, so that the logits are those of the token and its position.
    for block in model.blocks:
        block.attention.out.kernel[...] = jnp.zeros((8, 8))
    model.blocks[0].mlp.out.kernel[...] = jnp.zeros((12, 8))
    model.blocks[1].mlp.experts.kernel_out[...] = jnp.zeros((1, 12, 8))
    images = jax.random.normal(jax.random.key(1), (2, 4, 4, 1))
    logits = model(images)[0]
    alone = model.norm(model.class_token[...] + model.positions[...][0])
    np.testing.assert_allclose(logits[0], model.head(jnp.tanh(model.pre_logits(alone))), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(logits[0], logits[1])


def test_keys_are_those_of_flax() -> None:
    ours, theirs = rngs(3), nnx.Rngs(3)
    for _ in range(3):
        assert (jax.random.key_data(ours.params()) == jax.random.key_data(theirs.params())).all()
    assert (jax.random.key_data(ours()) == jax.random.key_data(theirs())).all()
