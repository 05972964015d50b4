"""Draw random keys for building models, without slowing the trace that builds them."""

import zlib

import jax
from flax import nnx
from jaxtyping import PRNGKeyArray
from typing_extensions import override


class CountedStream(nnx.RngStream):
    """A stream of the keys of flax's own stream, counted in Python.

    Flax counts in an array. Under a trace, storing the count needs the array's sharding, and JAX's refusal searches the
    whole trace for its message: building the shapes of a model with hundreds of parameters takes seconds.
    """

    def __init__(self, key: PRNGKeyArray | int, *, tag: str) -> None:
        super().__init__(key, tag=tag)
        self.drawn = 0

    @override
    def __call__(self) -> PRNGKeyArray:
        key = jax.random.fold_in(self.key[...], self.drawn)
        self.drawn += 1
        return key


def rngs(key: PRNGKeyArray | int) -> nnx.Rngs:
    """Return the keys of `nnx.Rngs(key)` in their order."""
    made = nnx.Rngs(key)
    setattr(made, "default", CountedStream(key, tag="default"))  # noqa: B010 (a stream's name is data to flax)
    return made


def named(parent: nnx.Rngs, name: str) -> nnx.Rngs:
    """Return keys that depend on the parent's seed and a module's name alone, not on keys drawn before.

    So the modules that two models share start from equal parameters, whatever else the models have.
    """
    return rngs(jax.random.fold_in(parent.params.key[...], zlib.crc32(name.encode())))
