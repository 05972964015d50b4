"""The truth about patches: read from the last channel, handed to the router, and hidden from everything else."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from moebench import models
from moebench.models import Vit, VitConfig
from moebench.models.rngs import rngs
from moebench.routers import NO_EXPERT, SlotRouting


def oracle(patch: int) -> tuple[VitConfig, Vit]:
    config = VitConfig(
        preset=models.preset(f"pico/{patch}"),
        image_size=16,
        channels=3,
        classes=4,
        router="oracle",
        router_options={"experts": 2},
        group_images=1,
        moe_blocks=(0,),
        truth=True,
    )
    return config, Vit(config, rngs=rngs(0))


def test_the_truth_of_a_patch_reaches_its_token_alone() -> None:
    _, model = oracle(8)
    truth = np.full((1, 16, 16, 1), NO_EXPERT, np.float32)
    truth[0, 2, 3] = 1  # a pixel in the first of four patches: the smallest number counts
    truth[0, 8:, :8] = 0
    images = jnp.concatenate([jnp.ones((1, 16, 16, 3)), truth], axis=-1)
    np.testing.assert_array_equal(model.truth(images), [[1, NO_EXPERT, 0, NO_EXPERT]])
    (routing,) = model(images)[1]
    assert isinstance(routing, SlotRouting)
    np.testing.assert_array_equal(routing.token[0], [[2, 4], [0, 4]])


def test_the_model_does_not_see_the_truth() -> None:
    config, model = oracle(8)
    images = jax.random.normal(jax.random.key(0), (2, 16, 16, 3))
    views = [jnp.concatenate([images, jnp.full((2, 16, 16, 1), value)], axis=-1) for value in (0.0, 1.0)]
    np.testing.assert_array_equal(model.embedded(views[0]), model.embedded(views[1]))
    assert nnx.state(model, nnx.Param)["embed"]["kernel"].shape == (3 * 64, config.preset.size.width)
