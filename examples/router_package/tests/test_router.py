"""What a router's own package tests: a number worked by hand."""

import jax.numpy as jnp
from flax import nnx

from moebench import routers


def test_a_low_temperature_sharpens_the_gates():
    router = routers.create("packaged-tempered-choice", dim=2, rngs=nnx.Rngs(0), experts=2, temperature=0.5)
    router.kernel[...] = jnp.eye(2)
    routing = router(jnp.asarray([[[1.0, 0.0]]]))
    # softmax([1, 0] / 0.5) = e² / (e² + 1) = 0.8808
    assert abs(float(routing.gates[0, 0, 0]) - 0.8808) < 1e-4
