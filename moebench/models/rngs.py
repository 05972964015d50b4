"""Random keys for building models, drawn without slowing the trace that builds the models."""

import zlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Integer, Key, PRNGKeyArray
from typing_extensions import override


class CountedStream(nnx.RngStream):
    """A stream of the keys of flax's own stream, counted in Python.

    Flax counts in an array. Under a trace, storing the count needs the array's sharding, which does not exist, and JAX
    searches the whole trace to word its error: building the shapes of a model with hundreds of parameters takes
    seconds.
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
    """Return keys that depend on the parent's seed and a module's name alone.

    Keys drawn before have no effect. Modules that two models share thus start from equal parameters, whatever the other
    modules of the models.
    """
    return rngs(jax.random.fold_in(parent.params.key[...], zlib.crc32(name.encode())))


def named_keys(parent: nnx.Rngs, names: Sequence[Sequence[str]]) -> Key[Array, "row column"]:
    """Return the keys of modules by name, from which `rngs` makes what `named` returns."""
    hashes = [[zlib.crc32(name.encode()) for name in row] for row in names]
    return folded(parent.params.key[...], jnp.array(hashes, jnp.uint32))


def folded(key: PRNGKeyArray, numbers: Integer[Array, "row column"]) -> Key[Array, "row column"]:
    """Return a key for each number, as `jax.random.fold_in` makes one."""
    of_rows: Array = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (None, 0))(key, numbers)
    return of_rows
