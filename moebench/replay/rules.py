"""Routing rules as written on the command line: routers with options, lists multiplied out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from moebench import routers
from moebench.errors import BadInput
from moebench.routers.sparse import SparseRouter
from moebench.spec import yaml_source
from moebench.spec.entry import expand, parse_cell

_LIST = re.compile(r"=\s*\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Rule:
    """One router with its options, for logits of a given number of experts."""

    name: str
    router: SparseRouter

    @property
    def label(self) -> str:
        """The rule as written on the command line, without options at their defaults."""
        defaults = routers.options(self.name)
        given = {
            key: value for key, value in self.router.options.items() if value != defaults[key] and key != "experts"
        }
        options = ",".join(f"{key}={value}" for key, value in given.items())
        return f"{self.name}[{options}]" if options else self.name


def parse_rules(text: str, experts: int, choices: int | None = None) -> list[Rule]:
    """Return one rule for each product of the lists in a text such as `bpr[top_k=2,capacity_factor=[0.5,1,1.25]]`.

    Args:
        text: a router, with its options in brackets.
        experts: experts of the recorded logits.
        choices: experts of each token if the choices are recorded, which is then the top k; None for logits.

    Raises:
        BadInput: the router or an option is unknown, or the router does not route by logits alone.
    """
    given = {} if choices is None else {"top_k": choices}
    return [_rule(given | values, experts) for values in expand(_values(text))]


def _values(text: str) -> dict[str, Any]:
    lists: list[str] = []

    def aside(match: re.Match[str]) -> str:
        lists.append(match[1])
        return f"=LIST-{len(lists) - 1}"

    found: dict[str, Any] = dict(parse_cell(_LIST.sub(aside, text)))
    for key, value in found.items():
        if isinstance(value, str) and value.startswith("LIST-"):
            found[key] = [yaml_source.parse_scalar(part.strip()) for part in lists[int(value[5:])].split(",")]
    return found


def _rule(values: dict[str, Any], experts: int) -> Rule:
    options = dict(values)
    name = str(options.pop("router"))
    kind = routers.find(name)
    if options.pop("experts", experts) != experts:
        raise BadInput(f"the logits have {experts} experts: leave experts={values['experts']} out.", key="experts")
    if not issubclass(kind, SparseRouter):
        raise BadInput(
            f"router '{name}' does not route by logits alone, so that it cannot be replayed; sparse routers can: "
            f"{', '.join(_sparse())}.",
            key="router",
        )
    router = routers.create(name, dim=experts, rngs=nnx.Rngs(0), experts=experts, **options)
    assert isinstance(router, SparseRouter)
    kernel = getattr(router, "kernel", None)
    if kernel is None or kernel.shape != (experts, experts):
        raise BadInput(f"router '{name}' has logits beside those of its experts, which are not recorded.", key="router")
    # A router's logits are tokens · kernel. With the identity for a kernel, the recorded logits are the tokens.
    router.kernel = nnx.Param(jnp.eye(experts, dtype=jnp.float32))
    return Rule(name, router)


def _sparse() -> Iterator[str]:
    return (name for name in routers.names() if issubclass(routers.find(name), SparseRouter))


def gates_of(choices: jax.Array, experts: int) -> jax.Array:
    """Return uniform gates over recorded choices, int[group, token, k] to float[group, token, expert]."""
    shares: jax.Array = jax.nn.one_hot(choices, experts).sum(-2) / np.float32(choices.shape[-1])
    return shares
