"""Random keys for building models, drawn without slowing the trace that builds them."""

import jax
from flax import nnx
from jaxtyping import PRNGKeyArray


class CountedStream(nnx.RngStream):
    """A stream of the same keys as flax's own, counted in Python.

    Flax counts in an array. Under a trace, storing it asks the array for its sharding, and JAX's refusal searches
    the whole trace for its message: building the shapes of a model with hundreds of parameters takes seconds.
    """

    def __init__(self, key: PRNGKeyArray | int, *, tag: str) -> None:
        super().__init__(key, tag=tag)
        self.drawn = 0

    def __call__(self) -> PRNGKeyArray:
        key = jax.random.fold_in(self.key[...], self.drawn)
        self.drawn += 1
        return key


def rngs(key: PRNGKeyArray | int) -> nnx.Rngs:
    """What `nnx.Rngs(key)` gives, with the same keys in the same order."""
    made = nnx.Rngs(key)
    setattr(made, "default", CountedStream(key, tag="default"))  # noqa: B010 (a stream's name is data to flax)
    return made
