"""The shared ViT: shapes by name, experts in chosen blocks, and the equality of dense and one-expert layers."""

import inspect
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from routers_by_hand import quickly
from tiny_models import TINY, tiny

from moebench import models, routers
from moebench.errors import BadInput
from moebench.models import MoE, Vit, VitConfig, moe_blocks, preset
from moebench.models.presets import Preset, Size
from moebench.models.rngs import rngs
from moebench.models.vit import patches

THREE = Size(width=8, layers=3, mlp=12, heads=2)


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

        def run(precision: str = precision) -> Any:
            model = Vit(tiny(router, precision, **options), rngs=nnx.Rngs(0))
            logits, routings = model(jnp.ones((8, 4, 4, 1)), noise_key=jax.random.key(0))
            return logits, [routing.gates for routing in routings]

        logits, gates = jax.eval_shape(run)
        assert logits.shape == (8, 3)
        assert logits.dtype == jnp.float32
        assert [each.dtype for each in gates] == [jnp.float32]
    # The head starts at zero, so that every model starts at the loss log(classes).
    assert not quickly(run)()[0].any()


def shared_parameters(router: str) -> dict[str, np.ndarray]:
    """Initial parameters by path, without the router's; of experts the first, a routed block's as a block's."""
    needed = [key for key, default in routers.options(router).items() if default is inspect.Parameter.empty]
    config = replace(
        tiny(router, **dict.fromkeys(needed, 4)), preset=replace(TINY, size=THREE, class_token=True), moe_blocks=(1, 2)
    )
    state = nnx.state(Vit(config, rngs=rngs(0)), nnx.Param)
    names = {"experts/kernel_in": "hidden/kernel", "experts/kernel_out": "out/kernel"}
    names |= {"experts/bias_in": "hidden/bias", "experts/bias_out": "out/bias"}
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(state)):
        name = jax.tree_util.keystr(path, simple=True, separator="/").replace("/block/", "/")
        if "router" in name:
            continue
        for of_experts, of_mlp in names.items():
            if of_experts in name:
                name, leaf = name.replace(of_experts, of_mlp), leaf[0]
        found[name] = np.asarray(leaf)
    return found


@pytest.mark.parametrize("router", routers.names())
def test_all_models_of_a_seed_share_their_parameters_with_dense(router: str) -> None:
    dense, routed = shared_parameters("dense"), shared_parameters(router)
    assert set(routed) == set(dense)
    # Attention and MLPs of three blocks, two of which have experts or are routed through, and what is around them.
    assert sum("attention" in name and "kernel" in name for name in dense) == 3 * 2
    assert sum("mlp" in name and "kernel" in name for name in dense) == 3 * 2
    for name, array in dense.items():
        np.testing.assert_allclose(routed[name], array, rtol=1e-6, atol=0, err_msg=name)


def test_modules_and_seeds_draw_parameters_of_their_own() -> None:
    kernels = [array for name, array in shared_parameters("dense").items() if array.ndim == 2 and array.any()]
    kernels += [np.asarray(Vit(tiny(), rngs=rngs(1)).embed.kernel[...])]
    assert len({array.ravel()[:8].tobytes() for array in kernels}) == len(kernels)
    experts = Vit(tiny("bpr", experts=3), rngs=rngs(0)).blocks[1].mlp.experts.kernel_in[...]
    assert len({np.asarray(expert).tobytes() for expert in experts}) == 3
    # More experts are further draws.
    more = Vit(tiny("bpr", experts=5), rngs=rngs(0)).blocks[1].mlp.experts.kernel_in[...]
    np.testing.assert_array_equal(more[:3], experts)
    gates = [Vit(tiny(name, experts=3), rngs=rngs(0)).blocks[1].mlp.router.kernel[...] for name in ("bpr", "relu")]
    np.testing.assert_array_equal(*gates)


def test_initial_positions_have_the_standard_deviation_of_the_preset() -> None:
    for std in (0.02, 0.5):
        shape = replace(TINY, position_init=std)
        config = replace(tiny(), preset=shape, image_size=64)
        assert np.std(Vit(config, rngs=rngs(0)).positions[...]) == pytest.approx(std, rel=0.05)
    assert (
        preset("s/16").position_init == preset("soft-b/16").position_init == preset("vmoe-s/32").position_init == 0.02
    )


def test_images_are_routed_apart_from_those_of_other_groups() -> None:
    config = tiny("soft", experts=2)
    model = Vit(config, rngs=nnx.Rngs(0))
    model.head.kernel[...] = jax.random.normal(jax.random.key(1), (8, 3))
    images = jax.random.normal(jax.random.key(2), (4, 4, 4, 1))
    run = quickly(lambda images: model(images)[0])
    alone = jnp.concatenate([run(images[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(run(images), alone, rtol=1e-5, atol=1e-5)


def test_groups_that_do_not_divide_the_batch() -> None:
    model = Vit(tiny("bpr", experts=2), rngs=nnx.Rngs(0))
    with pytest.raises(
        BadInput, match="router 'bpr': groups of 8 images do not divide a batch of 12; use group_images=4"
    ):
        jax.eval_shape(model, jnp.zeros((12, 4, 4, 1)))


def test_patches_that_do_not_tile_the_image() -> None:
    config = VitConfig(preset("mu/3"), 8, 1, 10, "dense", {}, 1, (2, 3))
    with pytest.raises(BadInput, match="patches of 3 pixels do not tile images of 8 pixels"):
        Vit(config, rngs=nnx.Rngs(0))
