"""Route by hash layers (2106.04426), whose tokens have fixed experts.

Nothing about the routing is learned.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray
from typing_extensions import override

from moebench.errors import unknown
from moebench.routers.registry import register
from moebench.routers.router import RoutingFlops, at_least_float32
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter, array_order

BITS = 12
"""Number of random directions whose signs quantise a token's content."""


@register("hash")
class Hash(SparseRouter):
    """Hash layers: a fixed, balanced hash of the token gives the expert (2106.04426).

    The weight is 1.

    Text has token numbers to hash. An image has positions (`hash_of="position"`, a random table that gives each expert
    equally many places of a group), or contents ("content": the signs of the token on 12 random directions, as a
    number looked up in a balanced random table). `hash_seed` draws table and directions. There are no parameters.

    Each expert has ceil(S·C/E) slots, so that at C = 1 no position is dropped. Contents are not balanced within a
    group: tokens of a full expert are dropped, whereas the paper has no capacity.
    """

    group_images = 1

    capacity_rounding = "ceil"
    hash_of: str = "position"
    """Property of a token that is hashed: position, or content."""
    hash_seed: int = 0
    """Seed of table and directions."""

    @override
    def check(self) -> None:
        super().check()
        self.require(self.top_k == 1, "top_k", "must be 1: a hash names one expert")
        self.leave_out("has no effect: a hash names one expert in evaluation as well", "eval_top_k")
        if self.hash_of not in ("position", "content"):
            raise unknown("hash_of", self.hash_of, ("position", "content"), of=f"router '{self.name}'", key="hash_of")

    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        """Make no parameters: nothing is learned."""

    @override
    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        groups, count, _ = tokens.shape
        if self.hash_of == "position":
            expert = jnp.broadcast_to(self.table(count), (groups, count))
        else:
            expert = self.table(2**BITS)[self.contents(tokens)]
        gates = jax.nn.one_hot(expert, self.experts, dtype=at_least_float32(tokens).dtype)
        slots = self.slots(count, noise_key is not None)
        return self.route_choices(gates, expert[..., None], array_order(gates), weights=gates, slots=slots)

    def table(self, places: int) -> Int[Array, "place"]:
        """Return the expert of each place: equally many places for each expert, in random order."""
        shuffled = np.random.default_rng(self.hash_seed).permutation(places)
        return jnp.asarray(shuffled % self.experts)

    def contents(self, tokens: Float[Array, "group token dim"]) -> Int[Array, "group token"]:
        """Return the signs of the tokens on fixed random directions, as a binary number."""
        directions = jax.random.normal(jax.random.key(self.hash_seed), (tokens.shape[-1], BITS))
        return ((tokens @ directions.astype(tokens.dtype)) > 0) @ (2 ** jnp.arange(BITS))

    @override
    def flops(self, group_tokens: int, dim: int, *, training: bool = True) -> RoutingFlops:
        hashing = 2 * group_tokens * dim * BITS if self.hash_of == "content" else 0
        return replace(super().flops(group_tokens, dim, training=training), router=hashing).without_gradient()
