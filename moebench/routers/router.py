"""What every router is: a module with declared options that maps groups of tokens to a Routing."""

import inspect
from dataclasses import dataclass
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, PRNGKeyArray

from moebench.errors import BadInput
from moebench.routers.routing import Routing


@dataclass(frozen=True)
class RoutingFlops:
    """FLOPs of routing one group, in closed form; a multiply-add is 2."""

    router: int
    """Routing logits."""
    dispatch_combine: int
    """Moving tokens into the slots and the experts' outputs back."""
    backward: float = 2.0
    """Of a training step's FLOPs for dispatch and combine, those of the backward pass over those of the forward pass;
    2 where both factors of every product have a gradient."""
    expert_rows: int | None = None
    """Rows that go through the experts' MLPs; None: every slot, empty ones included."""


class RouterState(nnx.Variable[Any]):
    """What a router keeps from step to step beside its parameters; it has no gradient."""


class Router(nnx.Module):
    """Base of all routing strategies.

    A subclass is registered under a name and called with tokens of shape [groups, tokens, dim]. A noise key says that
    the call is one of training: the router may draw noise, and route and balance as it does in training only. Without
    one it evaluates: it is deterministic, and what it keeps stays as it was.

    Its options are its annotated class attributes, inherited ones included; one without a value must be given.
    `check` refuses values, `setup` makes the parameters; both find the options set. What a router keeps from one
    training step to the next, it keeps in `RouterState` variables, so that in training it is called under nnx.jit, or
    merged inside the function that JAX transforms.
    """

    name: ClassVar[str] = "unnamed"
    permutation_equivariant: ClassVar[bool] = False
    """Whether tokens of a group in another order get the same outputs in that order, as long as no two are equal."""
    group_images: ClassVar[int] = 8
    """Images that the strategy's authors route together; a layer may decide otherwise."""
    routes_through: ClassVar[Literal["mlp", "block"]] = "mlp"
    """What a token that is routed goes through: the experts in place of a block's MLP, or the block itself."""
    training_only_options: ClassVar[tuple[str, ...]] = ()
    """Options that evaluation does not look at, because what training made of them is kept beside the parameters."""

    if TYPE_CHECKING:
        experts: int  # Each strategy declares it as an option, or fixes it.

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__init__ is Router.__init__:
            # Read by inspect.signature, so that the options show where people look for them.
            setattr(cls, "__signature__", inspect.Signature(_options(cls)))  # noqa: B010

    def __init__(self, *, dim: int, rngs: nnx.Rngs, **options: Any) -> None:
        for option in _options(type(self)):
            value = options.get(option.name, option.default)
            setattr(self, option.name, _of_type(self.name, option, value))
        self.check()
        self.setup(dim, rngs)

    def check(self) -> None:
        """Refuse options that mean nothing.

        Raises:
            BadInput: names the router, the option and what would be right.
        """

    def setup(self, dim: int, rngs: nnx.Rngs) -> None:
        """Make the parameters for tokens of width `dim`."""

    def __call__(self, tokens: Float[Array, "group token dim"], *, noise_key: PRNGKeyArray | None = None) -> Routing:
        """Route each group on its own."""
        raise TypeError(f"router '{self.name}' does not say how it routes: it needs a __call__")

    @property
    def options(self) -> dict[str, Any]:
        """The options with their values, defaults filled in."""
        return {option.name: getattr(self, option.name) for option in _options(type(self))}

    def flops(self, group_tokens: int, dim: int) -> RoutingFlops | None:
        """Closed form of what routing a group costs, None where the router states none."""
        return None

    @property
    def loss_weights(self) -> dict[str, float]:
        """Weight in the training loss of each entry of `Routing.losses`."""
        return {}

    def require(self, holds: bool, option: str, rule: str) -> None:
        """Raise BadInput unless the option's value holds to its rule, such as "must be at least 1"."""
        if not holds:
            value = getattr(self, option)
            raise BadInput(f"router '{self.name}': {option} {rule}, got {value!r}.", key=option)


def _options(router: type[Router]) -> list[inspect.Parameter]:
    """The annotated class attributes of a router and its bases, bases first, with their final defaults."""
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
    """The tokens in the type that logits and softmaxes need: float32, or float64 where they are that already."""
    return tokens.astype(jnp.promote_types(tokens.dtype, jnp.float32))
