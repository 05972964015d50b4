"""Name the arrays of a model with stacks as if each block had its own.

The names serve saved models and transfer.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from moebench.models.stacks import Run, runs
from moebench.models.vit_config import VitConfig

_BLOCKS, _STACKED = "blocks", "stacked"
"""Names in a state: of a model's blocks, and of the unit of a stack."""


def arrays_by_block(arrays: Any, config: VitConfig) -> Any:
    """Return the arrays of a model by the names of a model without stacks.

    The shapes of arrays can stand for the arrays.

    Args:
        arrays: the state of the parameters or variables of a model.
        config: the model.
    """
    parts = arrays.raw_mapping.get(_BLOCKS, {})
    blocks: dict[int, Any] = {}
    for part, run in enumerate(runs(config)):
        if part not in parts:
            continue
        if run.times == 1:
            blocks[run.first] = parts[part]
            continue
        for turn, numbers in enumerate(run.numbers):
            for place, unit in parts[part][_STACKED].items():
                blocks[numbers[place]] = jax.tree.map(partial(_entry, turn=turn), unit)
    return _with_blocks(arrays, blocks)


def arrays_in_stacks(arrays: Any, config: VitConfig) -> Any:
    """Return the arrays of a model by the names of the model with stacks.

    Args:
        arrays: in the form that `arrays_by_block` returns.
        config: the model.
    """
    blocks = arrays.raw_mapping.get(_BLOCKS, {})
    parts = {part: _part(run, blocks) for part, run in enumerate(runs(config))}
    return _with_blocks(arrays, {part: found for part, found in parts.items() if found})


def _part(run: Run, blocks: Mapping[int, Any]) -> Any:
    """Return the arrays of a block or of a stack, or None without arrays."""
    if run.times == 1:
        return blocks.get(run.first)
    units = {}
    for place, numbers in enumerate(zip(*run.numbers, strict=True)):
        if numbers[0] in blocks:
            units[place] = jax.tree.map(lambda *turns: jnp.stack(turns), *(blocks[number] for number in numbers))
    return {_STACKED: units} if units else None


def is_stacked(path: str) -> bool:
    """Return whether the array at a path of a state has an axis of repetitions.

    The axis is the first, and the path is as JAX writes paths.
    """
    return f"['{_STACKED}']" in path


def _with_blocks(arrays: Any, blocks: dict[int, Any]) -> Any:
    # The plain mappings below a State, since its items are wrapped and a State of States is another tree.
    return nnx.State({**arrays.raw_mapping, _BLOCKS: blocks}) if blocks else arrays


def _entry(leaf: Any, turn: int) -> Any:
    return jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf[turn]
