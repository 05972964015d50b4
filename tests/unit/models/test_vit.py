"""The shared ViT: shapes by name, experts in chosen blocks, and the equality of dense and one-expert layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny_models import tiny

from moebench import models
from moebench.errors import BadInput
from moebench.models import MoE, Vit, VitConfig, moe_blocks, preset
from moebench.models.presets import Preset, Size
from moebench.models.vit import patches


def test_published_shapes() -> None:
    # 2010.11929, table 1: ViT-B has 12 layers of width 768, MLPs of 3072 and 12 heads.
    assert preset("b/16") == Preset(Size(width=768, layers=12, mlp=3072, heads=12), patch=16)
    assert preset("H/14").size.layers == 32


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mu2", "did you mean 'mu/2'"),
        ("sm/16", "did you mean"),
        ("xl/16", "unknown model"),
        ("s", "no patch size"),
        ("s/0", "no patch size"),
    ],
)
def test_unknown_model(name: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        preset(name)


def test_every_listed_model_is_described() -> None:
    assert all("patches" in models.describe(name) for name in models.names())


@pytest.mark.parametrize(
    ("rule", "layers", "blocks"),
    [
        ("last-half", 12, (6, 7, 8, 9, 10, 11)),
        ("last-half", 5, (3, 4)),
        ("every-2", 6, (1, 3, 5)),
        ("last-n:2", 8, (5, 7)),
        ("0,3", 4, (0, 3)),
    ],
)
def test_moe_blocks(rule: str, layers: int, blocks: tuple[int, ...]) -> None:
    assert moe_blocks(rule, layers) == blocks


@pytest.mark.parametrize("rule", ["last-n:9", "first-half", "2,12", "last-n:", ""])
def test_moe_blocks_that_do_not_exist(rule: str) -> None:
    with pytest.raises(BadInput, match="last-half, every-2"):
        moe_blocks(rule, 12)


def test_patches_keep_their_pixels_together() -> None:
    # A 4 × 4 image numbered row by row: the top left patch is 0 1 / 4 5, the one to its right 2 3 / 6 7.
    image = jnp.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(patches(image, 2)[:2], [[0, 1, 4, 5], [2, 3, 6, 7]])


def test_one_expert_does_what_an_mlp_does() -> None:
    config = tiny()
    model = Vit(config, rngs=nnx.Rngs(0))
    block, layer = model.blocks[0], model.blocks[1].mlp
    assert isinstance(layer, MoE)
    experts = layer.experts
    for kernel, expert in ((block.mlp.hidden, "in"), (block.mlp.out, "out")):
        getattr(experts, f"kernel_{expert}")[...] = kernel.kernel[...][None]
        getattr(experts, f"bias_{expert}")[...] = kernel.bias[...][None] + 0.1
        kernel.bias[...] = kernel.bias[...] + 0.1
    tokens = jax.random.normal(jax.random.key(1), (3, 4, 8))
    expected = block.mlp(tokens.reshape(12, 8)).reshape(3, 4, 8)
    np.testing.assert_allclose(layer(tokens)[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("router", "options"), [("dense", {}), ("soft", {"experts": 2}), ("bpr", {"experts": 2})])
def test_logits_are_float32_and_routings_come_with_them(router: str, options: dict[str, int]) -> None:
    for precision in ("float32", "bfloat16"):
        model = Vit(tiny(router, precision, **options), rngs=nnx.Rngs(0))
        logits, routings = model(jnp.ones((8, 4, 4, 1)), noise_key=jax.random.key(0))
        assert logits.shape == (8, 3)
        assert logits.dtype == jnp.float32
        assert len(routings) == 1
        assert routings[0].gates.dtype == jnp.float32
        # The head starts at zero, so that every model starts at the loss log(classes).
        assert not logits.any()


def test_images_are_routed_apart_from_those_of_other_groups() -> None:
    config = tiny("soft", experts=2)
    model = Vit(config, rngs=nnx.Rngs(0))
    model.head.kernel[...] = jax.random.normal(jax.random.key(1), (8, 3))
    images = jax.random.normal(jax.random.key(2), (4, 4, 4, 1))
    together = model(images)[0]
    alone = jnp.concatenate([model(images[i : i + 1])[0] for i in range(4)])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-5)


def test_groups_that_do_not_divide_the_batch() -> None:
    model = Vit(tiny("bpr", experts=2), rngs=nnx.Rngs(0))
    with pytest.raises(
        BadInput, match="router 'bpr': groups of 8 images do not divide a batch of 12; use group_images=4"
    ):
        model(jnp.zeros((12, 4, 4, 1)))


def test_patches_that_do_not_tile_the_image() -> None:
    config = VitConfig(preset("mu/3"), 8, 1, 10, "dense", {}, 1, (2, 3))
    with pytest.raises(BadInput, match="patches of 3 pixels do not tile images of 8 pixels"):
        Vit(config, rngs=nnx.Rngs(0))
