"""Try one router in everything that the harness does with a router."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from moebench import routers
from moebench.checking.failure import Failure
from moebench.checking.toy_layer import TOKENS, Answers, Toy, toy_options, traces_differ, variable
from moebench.checking.toy_training import train
from moebench.errors import BadInput
from moebench.routers.plugins import in_words
from moebench.training import compile_unoptimized

TOLERANCE = 1e-4
HALF_TOLERANCE = 0.05
"""Tolerance of results in bfloat16, which has 8 bits of precision, relative to the largest result."""

Answering = Callable[..., Answers]
"""A compiled program that takes the variables and the tokens."""


def check_routers(names: Iterable[str]) -> Iterator[tuple[str, list[Failure]]]:
    """Yield the name and the failures of each router, in their order.

    The compiler works on two routers at a time.
    """
    names = list(names)
    with ThreadPoolExecutor(2) as pool:
        yield from zip(names, pool.map(check_router, names), strict=True)


def check_router(name: str) -> list[Failure]:
    """Return the failures of a router at toy size.

    If the router does not run at all, this failure is the only one.
    """
    try:
        routers.slots_per_expert(name, TOKENS, **toy_options(name))
        toy = Toy(name)
        program = compile_unoptimized(toy.answers, toy.variables, toy.tokens)
        answers: Answers = program(toy.variables, toy.tokens)
    except Exception as error:
        return [_raised("shapes", error)]
    failures: list[Failure] = []
    for check, trial in (
        ("determinism", partial(_determinism, toy, answers)),
        ("weights", partial(_views, answers)),
        ("permutation", partial(_order, toy, program, answers)),
        ("bfloat16", partial(_bfloat16, name, answers)),
        ("training", partial(_training, toy, program)),
    ):
        try:
            failures += trial()
        except Exception as error:
            failures.append(_raised(check, error))
    return failures


def _raised(check: str, error: Exception) -> Failure:
    cause = error.__cause__ if isinstance(error, BadInput) and isinstance(error.__cause__, Exception) else error
    if isinstance(cause, jax.errors.JAXTypeError | jax.errors.JAXIndexError):
        kind = type(cause).__name__
        return Failure("jit", f"it cannot be compiled, as its Python code decides by the values of arrays ({kind})")
    return Failure(check, str(error).rstrip(".") if isinstance(error, BadInput) else f"it raises {in_words(error)}")


def _determinism(toy: Toy, answers: Answers) -> Iterator[Failure]:
    if traces_differ(toy.answers, toy.variables, toy.tokens):
        yield Failure(
            "determinism", "two calls without a noise key differ: whatever is random must be drawn from the noise key"
        )
    changed = jax.tree.map(lambda before, after: not _same(before, after), toy.state, answers.state)
    for path, differs in jax.tree_util.tree_leaves_with_path(changed):
        if differs:
            yield Failure(
                "determinism", f"a call without a noise key changes '{variable(path)}': only training may do that"
            )


def _views(answers: Answers) -> Iterator[Failure]:
    empty = np.asarray(answers.empty)
    if np.asarray(answers.dispatched)[empty].any():
        yield Failure("padding", "an empty slot is not dispatched as zeros")
    if not _close(answers.combined, answers.combined_over_padding):
        reached = _moved(answers.combined_over_padding, answers.combined)
        yield Failure(
            "padding",
            f"what an expert computes for its empty slots reaches {reached} tokens: combine must leave empty slots out",
        )
    for what, got, view in (
        ("dispatch", answers.dispatched, answers.dispatched_by_view),
        ("combine", answers.combined, answers.combined_by_view),
    ):
        if not _close(got, view):
            yield Failure(
                "weights",
                f"{what} does something else than {what}_weights say: they differ by {_distance(got, view):.2g}",
            )


def _order(toy: Toy, program: Answering, answers: Answers) -> Iterator[Failure]:
    if not toy.layer.router.permutation_equivariant:
        return
    order = jax.random.permutation(jax.random.key(3), TOKENS)
    got, expected = program(toy.variables, toy.tokens[:, order]).outputs, answers.outputs[:, order]
    if not _close(got, expected):
        yield Failure(
            "permutation",
            f"it is declared permutation-equivariant, but with the tokens of a group permuted {_moved(got, expected)} "
            "tokens get other outputs",
        )


def _training(toy: Toy, program: Answering) -> Iterator[Failure]:
    """Train the router, then test that it routes each group alone.

    The training comes first because thresholds need a first batch.
    """
    trained = yield from train(toy)
    alone = program(trained, toy.tokens).outputs[0]
    other = jax.random.normal(jax.random.key(5), toy.tokens.shape[1:], toy.dtype)
    beside = program(trained, jnp.stack([other, toy.tokens[0]])).outputs[1]
    if not _close(beside, alone):
        yield Failure(
            "groups",
            f"beside another group {_moved(beside, alone)} tokens of a group get other outputs: "
            "in evaluation each group must be routed on its own",
        )


def _bfloat16(name: str, answers: Answers) -> Iterator[Failure]:
    half = Toy(name, "bfloat16")
    outputs, gates = compile_unoptimized(half.outputs, half.variables, half.tokens)(half.variables, half.tokens)
    if outputs.dtype != jnp.bfloat16:
        yield Failure("bfloat16", f"tokens in bfloat16 get outputs in {outputs.dtype}")
    if gates.dtype != jnp.float32:
        yield Failure(
            "bfloat16",
            f"its gates are {gates.dtype}: logits and softmaxes need float32, as moebench.routers.router."
            "at_least_float32 gives it",
        )
    largest = float(np.abs(np.asarray(answers.outputs)).max())
    distance = _distance(outputs, answers.outputs)
    if not distance <= HALF_TOLERANCE * largest:
        yield Failure(
            "bfloat16",
            f"its outputs differ from those in float32 by {distance:.2g}, with {largest:.2g} the largest of them",
        )


def _same(one: jax.Array, other: jax.Array) -> bool:
    return np.array_equal(_plain(one), _plain(other), equal_nan=True)


def _close(one: jax.Array, other: jax.Array) -> bool:
    return _distance(one, other) <= TOLERANCE


def _distance(one: jax.Array, other: jax.Array) -> float:
    """Return the largest difference; infinite if a number is missing on one side."""
    difference = np.abs(_plain(one) - _plain(other))
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))


def _moved(one: jax.Array, other: jax.Array) -> str:
    """Return how many of the tokens differ, as text."""
    moved = ~(np.abs(_plain(one) - _plain(other)).max(-1) <= TOLERANCE)
    return f"{moved.sum()} of {moved.size}"


def _plain(array: jax.Array) -> np.ndarray:
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        array = jax.random.key_data(array)
    return np.asarray(array, dtype=np.float32 if jnp.issubdtype(array.dtype, jnp.floating) else None)
