"""Stack the equal consecutive blocks of deep models.

By stacking, a compiler meets each kind of block once.

The arrays of a stack have a leading axis, one entry for each repetition, in the state of a training as well. A loop
over separate arrays would stack them in every step, which takes one more copy of all parameters. Saved models have the
arrays of single blocks: see `stacked_arrays`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray
from typing_extensions import override

from moebench import routers
from moebench.models.blocks import Block, RoutedBlock, make_block, through_block
from moebench.models.moe import Experts
from moebench.models.rngs import folded, named, named_keys, rngs
from moebench.models.vit_config import VitConfig

MOST_UNROLLED = 12
"""Blocks of the deepest model whose blocks are compiled one by one, which takes half a minute at most.

A loop copies the parameters of each block out of the stack before use, and XLA fuses no operation across its border.
"""
_LONGEST_UNIT = 2
"""Most blocks that repeat together: blocks with and without experts alternate in some models (2106.05974)."""


@dataclass(frozen=True)
class Run:
    """Consecutive blocks: a unit of one or two blocks, repeated."""

    first: int
    """Number of the first block."""
    unit: int
    """Blocks of the unit."""
    times: int
    """Repetitions of the unit; 1: a block that is not stacked."""

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.unit * self.times

    @property
    def numbers(self) -> list[list[int]]:
        """Numbers of the blocks, a list for each repetition."""
        starts = range(self.first, self.first + self.blocks, self.unit)
        return [list(range(start, start + self.unit)) for start in starts]


def runs(config: VitConfig) -> list[Run]:
    """Return the runs that a model's blocks are made of, in their order.

    The runs are single blocks unless the model is deep.
    """
    layers = config.preset.size.layers
    if layers <= MOST_UNROLLED:
        return [Run(number, 1, 1) for number in range(layers)]
    routed = [number in config.moe_blocks for number in range(layers)]
    found: list[Run] = []
    first = 0
    while first < layers:
        repeated = [_repeated(routed[first:], first, unit) for unit in range(1, _LONGEST_UNIT + 1)]
        found.append(max(repeated, key=lambda run: run.blocks))
        first += found[-1].blocks
    return found


def _repeated(routed: Sequence[bool], first: int, unit: int) -> Run:
    """Return the longest run of a unit at the start of some blocks.

    The run is the first block alone if no unit repeats.
    """
    times = 1
    while len(routed) >= (times + 1) * unit and routed[times * unit : (times + 1) * unit] == routed[:unit]:
        times += 1
    return Run(first, unit, times) if times > 1 else Run(first, 1, 1)


class Stack(nnx.Module):
    """Run of repeated blocks: one unit in a loop.

    The arrays of the unit have a leading axis of repetitions.
    """

    def __init__(self, config: VitConfig, run: Run, *, keys: nnx.Rngs) -> None:
        def unit(of_blocks: Key[Array, "block"]) -> Any:
            # The blocks of a unit are of one kind in all repetitions, whatever their numbers.
            made = (make_block(config, number, rngs=rngs(of_blocks[place])) for place, number in enumerate(numbers[0]))
            return nnx.List(made)

        numbers = run.numbers
        drawn = named_keys(keys, [[block_name(number) for number in each] for each in numbers])
        arrays = jax.vmap(lambda of_blocks: nnx.state(unit(of_blocks)))(drawn)
        graph = nnx.graphdef(nnx.eval_shape(lambda: unit(drawn[0])))
        self.run = run
        self.stacked: nnx.List[Block | RoutedBlock] = nnx.merge(graph, arrays)

    @override
    def __call__(
        self,
        x: Float[Array, "row dim"],
        tokens: int,
        noise_key: PRNGKeyArray | None,
        truth: Int[Array, "image token"] | None = None,
        *,
        remat: str = "none",
    ) -> tuple[Float[Array, "row dim"], list[routers.Routing]]:
        """Return the tokens after the last block, and the routings; arguments are those of `through_blocks`."""
        split: Any = nnx.split(self.stacked, nnx.Param, ...)
        graph, parameters, variables = split
        if noise_key is not None:
            parameters = _in_type_of_compute(self.stacked, parameters)

        def turn(rows: Array, given: Any) -> tuple[Array, Any]:
            arrays, others, keys = given
            # A copy, because routers write to their variables, and an array of the outer trace cannot be written here.
            blocks = nnx.merge(graph, arrays, others, copy=True)
            routings = []
            for place, block in enumerate(blocks):
                key = None if keys is None else keys[place]
                rows, routing = through_block(block, rows, tokens, key, truth, remat=remat, in_loop=True)
                routings.append(routing)
            structure.append(jax.tree.structure(routings))
            return rows, (jax.tree.leaves(routings), nnx.state(blocks, nnx.Not(nnx.Param)))

        structure: list[Any] = []  # a routing has static parts, and its arrays have no further axis
        numbers = jnp.array(self.run.numbers)
        keys = None if noise_key is None else folded(noise_key, numbers)
        x, (arrays, written) = jax.lax.scan(turn, x, (parameters, variables, keys))
        if noise_key is not None:
            nnx.update(self.stacked, written)
        found = (jax.tree.unflatten(structure[0], each) for each in self._turns(arrays))
        return x, [routing for each in found for routing in each if routing is not None]

    def unstacked(self) -> list[Block | RoutedBlock]:
        """Return the blocks one by one."""
        graph, arrays = nnx.split(self.stacked)
        return [block for turn in self._turns(arrays) for block in nnx.merge(graph, turn)]

    def _turns(self, tree: Any) -> list[Any]:
        """Return a tree of stacked arrays as a tree for each repetition."""
        leaves, structure = jax.tree.flatten(tree)
        return [jax.tree.unflatten(structure, [leaf[turn] for leaf in leaves]) for turn in range(self.run.times)]


def _in_type_of_compute(blocks: nnx.Module, parameters: Any) -> Any:
    """Return the parameters of blocks, cast in advance if their layers cast them before use.

    The gradients of a stack are then of the narrower type as well: a loop needs memory for all of them before it
    starts.

    Args:
        blocks: blocks of a stack.
        parameters: state of the blocks.
    """
    layers = {path: layer.dtype for path, layer in nnx.iter_graph(blocks) if isinstance(layer, nnx.Linear | Experts)}

    def cast(path: tuple[Any, ...], leaf: Any) -> Any:
        dtype = layers.get(path[:-1])
        return leaf if dtype is None else jax.tree.map(lambda array: array.astype(dtype), leaf)

    return nnx.map_state(cast, parameters)


def make_blocks(config: VitConfig, *, keys: nnx.Rngs) -> list[Block | RoutedBlock | Stack]:
    """Return the blocks of a model, of a deep model in stacks.

    Initial parameters do not depend on the stacks.

    Args:
        config: the model.
        keys: keys of the model.
    """

    def made(run: Run) -> Block | RoutedBlock | Stack:
        if run.times > 1:
            return Stack(config, run, keys=keys)
        return make_block(config, run.first, rngs=named(keys, block_name(run.first)))

    return [made(run) for run in runs(config)]


def block_name(number: int) -> str:
    """Return the name by which a block draws its parameters."""
    return f"block {number}"


def one_by_one(blocks: Iterable[Block | RoutedBlock | Stack]) -> list[Block | RoutedBlock]:
    """Return the blocks of a model without stacks."""
    return [each for block in blocks for each in (block.unstacked() if isinstance(block, Stack) else [block])]


def through_blocks(
    blocks: Iterable[Block | RoutedBlock | Stack],
    x: Float[Array, "row dim"],
    tokens: int,
    noise_key: PRNGKeyArray | None,
    truth: Int[Array, "image token"] | None = None,
    *,
    remat: str = "none",
) -> tuple[Float[Array, "row dim"], list[routers.Routing]]:
    """Return the tokens after the last block, and the routing of each MoE layer.

    Args:
        blocks: blocks of a model.
        x: float[images · tokens, dim].
        tokens: tokens of an image.
        noise_key: key of the noise in training; None: evaluation.
        truth: the right expert of each token, or 255, for a router that needs the truth; None: not known.
        remat: what the backward pass of a training step computes again, as in `VitConfig`.
    """
    routings: list[routers.Routing] = []
    number = 0
    for block in blocks:
        if isinstance(block, Stack):
            x, found = block(x, tokens, noise_key, truth, remat=remat)
            routings += found
            number += block.run.blocks
            continue
        key = None if noise_key is None else jax.random.fold_in(noise_key, number)
        x, routing = through_block(block, x, tokens, key, truth, remat=remat)
        routings += [] if routing is None else [routing]
        number += 1
    return x, routings
