"""The base class of routers: modules that map groups of tokens to a Routing.

A router declares its options.
"""

import inspect
from dataclasses import dataclass, replace
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from moebench.errors import BadInput
from moebench.routers.routing import Routing

NO_EXPERT = 255
"""Truth about a token that no expert needs to process."""


@dataclass(frozen=True)
class RoutingFlops:
    """FLOPs of routing one group, in closed form; a multiply-add is 2 FLOPs."""

    router: float
    """FLOPs of the routing logits, forward."""
    dispatch_combine: float
    """FLOPs of moving tokens into slots and outputs back, forward."""
    backward: float = 2.0
    """Backward FLOPs of dispatch and combine over their forward FLOPs; 2 if both factors of each product have a
    gradient."""
    expert_rows: int | None = None
    """Rows that the experts' MLPs compute; None: all slots, empty ones included."""
    router_backward: float = 2.0
    """Backward FLOPs of the routing logits over their forward FLOPs; 0 if nothing about the logits is learned."""

    def without_gradient(self) -> "RoutingFlops":
        """Return the FLOPs of a routing whose logits and weights have no gradient."""
        return replace(self, backward=1.0, router_backward=0.0)


class RouterState(nnx.Variable[Any]):
    """State that a router carries from step to step beside its parameters, without a gradient."""


class Router(nnx.Module):
    """Base of all routing strategies.

    A subclass is registered under a name and called with tokens of shape [groups, tokens, dim]. A noise key marks a
    call in training: the router may draw noise, and updates its state. Without a key the call is an evaluation:
    deterministic, with the state left unchanged.

    A router's options are its annotated class attributes, inherited ones included; an option without a default is
    required. `check` refuses values and `setup` makes the parameters; both run after the options are set. State that a
    router carries between training steps is held in `RouterState` variables, so that in training a router is called
    under nnx.jit, or merged inside the function that JAX transforms.
    """

    name: ClassVar[str] = "unnamed"
    permutation_equivariant: ClassVar[bool] = False
    """Whether permuting the tokens of a group permutes the outputs, as long as no two tokens are equal."""
    group_images: ClassVar[int] = 8
    """Images that the strategy's authors route together; a layer may set another number."""
    routes_through: ClassVar[Literal["mlp", "block"]] = "mlp"
    """Part of the model that a routed token passes: the experts in place of a block's MLP, or the whole block."""
    needs_truth: ClassVar[bool] = False
    """Whether calls also take the right expert of each token, as int[groups, tokens] `truth`, if the data has it."""
    training_only_options: ClassVar[tuple[str, ...]] = ()
    """Options without effect in evaluation: their result is in the parameters and the state."""

    if TYPE_CHECKING:
        experts: int  # Each strategy declares experts as an option, or fixes them.

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__init__ is Router.__init__:
            # inspect.signature reads the attribute, so that help() and notebooks show the options.
            setattr(cls, "__signature__", inspect.Signature(_options(cls)))  # noqa: B010

    def __init__(self, *, dim: int, rngs: nnx.Rngs, **options: Any) -> None:
        for option in _options(type(self)):
            value = options.get(option.name, option.default)
            setattr(self, option.name, _of_type(self.name, option, value))
        self.check()
        self.setup(dim, rngs)

    def check(self) -> None:
        """Raise for options with invalid values.

        Raises:
            BadInput: an option is invalid; the message names the router, the option and valid values.
        """

    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        """Make the parameters for tokens of width `dim`."""

    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        """Route each group of tokens independently.

        Args:
            tokens: float[groups, tokens, dim].
            noise_key: key of the noise in training; None: evaluation.
        """
        raise TypeError(f"router '{self.name}' does not define how it routes: it needs a __call__")

    @property
    def options(self) -> dict[str, Any]:
        """Options with their values, defaults filled in."""
        return {option.name: getattr(self, option.name) for option in _options(type(self))}

    def flops(self, group_tokens: int, dim: int, *, training: bool = True) -> RoutingFlops | None:
        """Return the FLOPs of routing one group in closed form, or None.

        The result is None if the router states no FLOPs.

        Args:
            group_tokens: tokens of the group.
            dim: width of the tokens.
            training: whether slots and choices are those of training or of evaluation.
        """
        return None

    def experts_per_token(self, group_tokens: int, total_slots: int) -> float:
        """Return the number of experts whose parameters one token uses.

        The number is the token's share of the slots, at most all experts.

        Args:
            group_tokens: tokens of a group.
            total_slots: slots of all experts for a group, in training.
        """
        return min(float(self.experts), total_slots / group_tokens)

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight in the training loss of each entry of `Routing.losses`."""
        return {}

    def require(self, holds: bool, option: str, rule: str) -> None:
        """Raise unless the rule of an option holds.

        Args:
            holds: whether the value is right.
            option: name of the option.
            rule: what the value must be, such as "must be at least 1".

        Raises:
            BadInput: names the router, the option, the rule and the value.
        """
        if not holds:
            value = getattr(self, option)
            raise BadInput(f"router '{self.name}': {option} {rule}, got {value!r}.", key=option)

    def leave_out(self, why: str, *options: str) -> None:
        """Raise for options without effect that differ from their default.

        Args:
            why: the reason, such as "has no effect without capacity_factor".
            *options: names of the options.

        Raises:
            BadInput: names the router, the first such option, the reason and the value.
        """
        for option in options:
            self.require(getattr(self, option) == getattr(type(self), option), option, f"{why}: leave {option} out")


def as_argument(router: Router, truth: Int[Array, "group token"] | None) -> dict[str, Array]:
    """Return the keyword arguments by which a router receives the truth.

    A router that does not need the truth gets no argument.

    Args:
        router: the router that is called.
        truth: the right expert of each token, or `NO_EXPERT`; None: not known.
    """
    return {} if truth is None or not router.needs_truth else {"truth": truth}


def _options(router: type[Router]) -> list[inspect.Parameter]:
    """Return the annotated class attributes of a router and its bases, bases first.

    Each attribute has its final default.
    """
    found: dict[str, inspect.Parameter] = {}
    for base in reversed(router.__mro__):
        if not issubclass(base, Router):
            continue
        for key, kind in inspect.get_annotations(base, eval_str=True).items():
            if "ClassVar" not in str(kind):
                default = getattr(router, key, None)
                required = default is None and kind is int
                found[key] = inspect.Parameter(
                    key,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=inspect.Parameter.empty if required else default,
                    annotation=kind,
                )
    return list(found.values())


def _of_type(router: str, option: inspect.Parameter, value: Any) -> Any:
    kinds = get_args(option.annotation) or (option.annotation,)
    if float in kinds and type(value) is int:
        return float(value)
    if kinds[0] in (int, float, str, bool) and type(value) not in kinds:
        raise BadInput(
            f"router '{router}': {option.name} must be of type {' or '.join(map(_type_name, kinds))}, got {value!r}.",
            key=option.name,
        )
    return value


def _type_name(kind: type) -> str:
    return "None" if kind is NoneType else kind.__name__


def at_least_float32(tokens: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Return the tokens in the precision of logits and softmaxes.

    The precision is float64 for float64 tokens, else float32.
    """
    return tokens.astype(jnp.promote_types(tokens.dtype, jnp.float32))
