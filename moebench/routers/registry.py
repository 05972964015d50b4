"""The register of routing strategies: names with dashes on the outside, fvcore's Registry inside."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from fvcore.common.registry import Registry
from jaxtyping import Array, Float

from moebench.errors import BadInput, unknown
from moebench.routers.router import Router

R = TypeVar("R", bound=type[nnx.Module])

_REGISTRY = Registry("moebench.routers")
_GIVEN_BY_THE_LAYER = ("self", "dim", "rngs")


def register(name: str) -> Callable[[R], R]:
    """Class decorator that makes a router known as `name`.

    A plain nnx.Module will do: what it does not define is taken from `Router`.

    Raises:
        BadInput: the name is taken, or is not lower-case words joined by dashes.
    """
    if not name.replace("-", "").isalnum() or name != name.lower():
        raise BadInput(f"router name '{name}': use lower-case words joined by dashes, such as 'my-router'.")
    if name in _REGISTRY:
        raise BadInput(f"router name '{name}' is taken: choose another.")

    def add(router: R) -> R:
        known: type[Router] = router if issubclass(router, Router) else type(router.__name__, (router, Router), {})
        known.name = name
        _REGISTRY._do_register(name, known)
        return router

    return add


def names() -> list[str]:
    """Every registered name, in the order of registration."""
    return [name for name, _ in _REGISTRY]


def find(name: str) -> type[Router]:
    """The class registered as `name`.

    Raises:
        BadInput: no router has that name.
    """
    if name not in _REGISTRY:
        raise unknown("router", name, names(), key="router")
    found: type[Router] = _REGISTRY.get(name)
    return found


def summary(name: str) -> str:
    """The first line of the router's docstring."""
    return (inspect.getdoc(find(name)) or "").partition("\n")[0]


def options(name: str) -> dict[str, Any]:
    """The router's options with their defaults; `inspect.Parameter.empty` marks one that must be given."""
    parameters = inspect.signature(find(name)).parameters.values()
    return {
        p.name: p.default
        for p in parameters
        if p.name not in _GIVEN_BY_THE_LAYER and p.kind is not inspect.Parameter.VAR_KEYWORD
    }


def check_options(name: str, given: dict[str, Any]) -> None:
    """Refuse options that the router does not have, and the lack of one that it needs.

    Raises:
        BadInput: names the router, the option and the nearest known one.
    """
    known = options(name)
    for key in given:
        if key not in known:
            if not known:
                raise BadInput(f"router '{name}' has no options, got '{key}'.", key=key)
            raise unknown(f"option of router '{name}'", key, known, key=key)
    for key, default in known.items():
        if default is inspect.Parameter.empty and key not in given:
            raise BadInput(f"router '{name}' needs the option '{key}', such as {name}[{key}=8].", key="router")


def create(name: str, *, dim: int, rngs: nnx.Rngs, **given: Any) -> Router:
    """Build the router `name` for tokens of width `dim`.

    Raises:
        BadInput: unknown router or option, or a value that the router refuses.
    """
    check_options(name, given)
    return find(name)(dim=dim, rngs=rngs, **given)


def slots_per_expert(name: str, group_tokens: int, **given: Any) -> int:
    """Slots of each expert in training for a group of so many tokens, read off the shapes of an abstract call.

    Raises:
        BadInput: as `create`, or options that do not fit that many tokens.
    """

    def inputs() -> Float[Array, "expert group slot dim"]:
        tokens = jnp.zeros((1, group_tokens, 1))
        router = create(name, dim=1, rngs=nnx.Rngs(0), **given)
        return router(tokens, noise_key=jax.random.key(0)).dispatch(tokens)

    return int(jax.eval_shape(inputs).shape[2])
