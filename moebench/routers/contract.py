"""Call a router on shapes alone: check the interface and count the slots."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from moebench.errors import BadInput
from moebench.routers import registry
from moebench.routers.plugins import in_words
from moebench.routers.router import Router
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter

GROUPS, DIM = 2, 8


def slots_per_expert(name: str, group_tokens: int, *, training: bool = True, **given: Any) -> int:
    """Return the slots of each expert for a group of tokens.

    The slots are read off the shapes of an abstract call.

    Args:
        name: registered name of the router.
        group_tokens: tokens of the group.
        training: whether the slots are those of training or of evaluation.
        **given: options of the router.

    Raises:
        BadInput: as `registry.create`; options that do not fit that many tokens; a router of a plugin that raises, or
            breaks the interface.
    """
    return _slots(name, registry.find(name), group_tokens, training, _Given(repr(sorted(given.items())), given))


def slots_of(router: Router, name: str, given: Mapping[str, Any], group_tokens: int, *, training: bool = True) -> int:
    """Return the slots of each expert of a built router for a group.

    Args:
        router: built with the options `given`, for tokens of any width.
        name: registered name of the router.
        given: options of the router.
        group_tokens: tokens of the group.
        training: whether the slots are those of training or of evaluation.

    Raises:
        BadInput: as `slots_per_expert`.
    """
    # Sparse routers of moebench have the slots that they state, as tests check; a call on shapes takes 30 ms.
    if isinstance(router, SparseRouter) and type(router).__module__.startswith(f"{__package__}.strategies."):
        return router.slots(group_tokens, training)
    return slots_per_expert(name, group_tokens, training=training, **given)


@dataclass(frozen=True)
class _Given:
    """Options as the key of a cache, whatever their values."""

    text: str
    values: Mapping[str, Any] = field(compare=False)


@lru_cache(maxsize=1024)
def _slots(name: str, _: type[nnx.Module], group_tokens: int, training: bool, given: _Given) -> int:
    """Return the slots of `slots_per_expert`, computed once for the class that has the name now."""
    tokens = jax.ShapeDtypeStruct((GROUPS, group_tokens, DIM), jnp.float32)
    try:
        slots: int = jax.eval_shape(lambda array: _trial(name, array, given.values, training), tokens).shape[2]
    except BadInput:
        raise
    except Exception as error:
        if registry.source_file(name) is None:
            raise  # a fault of moebench, not a mistake of its user
        raise BadInput(f"{registry.described(name)} raises {in_words(error)}.", key="router") from error
    return slots


def _trial(name: str, tokens: jax.Array, given: Mapping[str, Any], training: bool) -> jax.Array:
    router = registry.create(name, dim=DIM, rngs=nnx.Rngs(0), **given)
    routing = router(tokens, noise_key=jax.random.key(0) if training else None)
    if not isinstance(routing, Routing):
        raise _mistake(router, f"returns {type(routing).__name__}, and not a moebench.routers.Routing")
    groups, count, dim = tokens.shape
    _expect(router, tokens, "gates", routing.gates, (groups, count, "experts"))
    inputs = routing.dispatch(tokens)
    # The views of a routing with its own `apply` may show a number of experts that differs from the layer's.
    experts = router.experts if type(routing).apply is Routing.apply else "experts"
    _expect(router, tokens, "dispatched tokens", inputs, (experts, groups, "slots", dim))
    _expect(router, tokens, "combined outputs", routing.combine(inputs), tokens.shape)
    for loss, weight in router.loss_weights.items():
        if weight and loss not in routing.losses:
            raise _mistake(router, f"has a weight for the loss '{loss}', and its routing no such loss")
    for loss, value in routing.losses.items():
        _expect(router, tokens, f"a loss '{loss}'", value, ())
    return inputs


def _expect(router: Router, tokens: jax.Array, what: str, got: jax.Array, shape: tuple[int | str, ...]) -> None:
    """Raise unless a shape is as expected.

    A word in place of a number matches any size.
    """
    if got.ndim != len(shape) or any(
        want != size for want, size in zip(shape, got.shape, strict=True) if isinstance(want, int)
    ):
        raise _mistake(
            router,
            f"with experts={router.experts} answers tokens of shape {list(tokens.shape)} by {what} of shape "
            f"{list(got.shape)}, which should be [{', '.join(map(str, shape))}]",
        )


def _mistake(router: Router, what: str) -> BadInput:
    return BadInput(f"{registry.described(router.name)} {what}.", key="router")
