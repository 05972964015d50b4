"""How a cell starts from a model that was trained before: upstream by the cell itself, or kept by another one."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from moebench import data
from moebench.cells.compile import program_for
from moebench.cells.resolve import ResolvedCell
from moebench.errors import BadInput
from moebench.measuring import environment
from moebench.models import VitConfig
from moebench.training import Progress, TrainState, compile_unoptimized, compiled, saved_models, train
from moebench.training.checkpoints import Checkpoints, array_path
from moebench.training.saved_models import HEAD, POSITIONS, SavedModel, arrays_of

Arrays = Mapping[str, np.ndarray]
"""By their paths in the model."""


class PretrainingDiverged(Exception):
    """The model that a seed was to start from lost its way; says at which step."""


@dataclass
class Initializer:
    """Where the seeds of one cell start."""

    cell: ResolvedCell
    models: Path
    """Folder of the models that are kept for other cells."""
    read: Callable[[str, int | None], data.Dataset]
    say: Callable[[str], None]

    def initial_state(self, fresh: TrainState, seed: int) -> TrainState:
        """The fresh state of a seed with what was learned before in it.

        Raises:
            PretrainingDiverged: nothing was.
            BadInput: a model that does not fit.
        """
        if self.cell.pretraining is None:
            kept = saved_models.find(str(self.cell.spec.init_from))
            return transferred(kept, kept.arrays(), fresh, self.cell)
        return transferred(*self._upstream(self.cell.pretraining, seed), fresh, self.cell)

    @cached_property
    def _programs(self) -> tuple[Callable[..., TrainState], Callable[..., Any], TrainState]:
        """Initial states and training steps upstream, compiled once for all seeds; the shapes of the states."""
        assert self.cell.pretraining is not None
        program = program_for(self.cell.pretraining.model, self.cell.pretraining.spec)
        init = compile_unoptimized(program.init, jax.eval_shape(lambda: jnp.zeros((), jnp.int32)))
        batch = program.abstract_batch(program.batch)
        step = compiled(program.train_step, program.abstract_state, *batch, donate=(0,))
        return init, program.with_host_batch(step), program.abstract_state

    def _upstream(self, cell: ResolvedCell, seed: int) -> tuple[SavedModel, Arrays]:
        """The model of the upstream data, trained unless another cell has done it."""
        folder = _folder(self.models, cell, seed)
        if folder.is_dir():
            try:
                kept = saved_models.find(folder)
                arrays = kept.arrays()
                self.say(f"seed {seed}: starting from {folder}")
                return kept, arrays
            except BadInput as fault:
                self.say(f"seed {seed}: {fault} It is made anew.")
                shutil.rmtree(folder, ignore_errors=True)
        spec = cell.spec
        self.say(f"seed {seed}: training {spec.steps} steps upstream, on {spec.data}")
        init, step, shapes = self._programs
        images = self.read(spec.data, spec.image_size).train
        # Beside the model that it will be: whichever cell needs that one next goes on from there.
        beside = folder.with_name(f".{folder.name}")
        checkpoints = Checkpoints(beside, {"model": folder.name}, self.cell.spec.checkpoint_every_s, self.say)
        start = checkpoints.progress(seed, shapes) or Progress(init(np.asarray(seed, np.int32)))
        done, augment = len(start.losses), spec.augment or "none"
        batches = data.Prefetcher(data.batch_thunks(images, spec.batch, spec.steps, seed, done=done, augment=augment))
        training = train(step, start, batches, partial(checkpoints.offer, seed))
        if training.diverged_step is not None:
            checkpoints.remove()
            raise PretrainingDiverged(f"upstream, the loss was not finite at step {training.diverged_step}")
        self.say(f"seed {seed}: training loss {training.final_loss:.3f} upstream after {training.wall_s:.1f} s")
        about, tree = describe(cell, seed), arrays_of(training.state)
        try:
            saved_models.keep(folder, about, tree)
        except BadInput as fault:  # other cells will train their own
            self.say(f"seed {seed}: {fault}")
        checkpoints.remove()
        leaves = jax.tree_util.tree_leaves_with_path(tree)
        arrays = {array_path(path): np.asarray(leaf) for path, leaf in leaves}
        return SavedModel(folder, saved_models.recorded(about, tree)), arrays


def _folder(models: Path, cell: ResolvedCell, seed: int) -> Path:
    """Where a cell's trained model is kept: cells that agree on everything share it."""
    identity = cell.identity(environment())
    return models / f"{identity['cell_id']}-{identity['fingerprint']}-{seed}"


def kept(cell: ResolvedCell, state: TrainState, seed: int, models: Path, say: Callable[[str], None]) -> str | None:
    """Keep a cell's trained model; its folder, or None where it cannot be kept, which is said."""
    folder = _folder(models, cell, seed)
    try:
        saved_models.keep(folder, describe(cell, seed), arrays_of(state))
    except BadInput as fault:
        say(f"seed {seed}: {fault}")
        return None
    say(f"seed {seed}: the trained model is in {folder}")
    return str(folder)


def describe(cell: ResolvedCell, seed: int) -> dict[str, Any]:
    """What a trained model of a cell is, as plain values."""
    model, spec = cell.model, cell.spec
    return {
        "model": spec.model,
        "router": spec.router,
        "options": {**model.router_options, **cell.router.options},
        "group_images": model.group_images,
        "moe_layers": ",".join(map(str, model.moe_blocks)),
        "data": spec.data,
        "image_size": model.image_size,
        "channels": model.channels,
        "classes": model.classes,
        "steps": spec.steps,
        "seed": seed,
        "precision": spec.precision,
    }


def transferred(kept: SavedModel, arrays: Arrays, fresh: TrainState, cell: ResolvedCell) -> TrainState:
    """A fresh state with the arrays of a kept model: positions interpolated, the head fresh for other data.

    Raises:
        BadInput: as `SavedModel.check`.
    """
    kept.check(cell.spec.model, cell.label, arrays_of(fresh))
    same_head = (kept.about["data"], kept.about["classes"]) == (cell.spec.data, cell.model.classes)

    def taken(path: tuple[Any, ...], leaf: jax.Array) -> jax.Array:
        name = array_path(path)
        if name.startswith(HEAD) and not same_head:
            return leaf
        if name.startswith(POSITIONS):
            return jnp.asarray(interpolated(arrays[name].astype(np.float32), cell.model), leaf.dtype)
        return jnp.asarray(arrays[name], leaf.dtype)

    found: Mapping[str, Any] = jax.tree_util.tree_map_with_path(taken, arrays_of(fresh))
    return replace(fresh, **found)


def interpolated(positions: np.ndarray, model: VitConfig) -> np.ndarray:
    """float[tokens, dim] for a model's patches from those of another resolution, bilinearly; a class token's as it is.

    As in 2010.11929, section 3.2: positions stand for places in the image, whatever the number of patches.
    """
    first = int(model.preset.class_token)
    side = round((len(positions) - first) ** 0.5)
    to = round((model.tokens - first) ** 0.5)
    if side == to:
        return positions
    grid = positions[first:].reshape(side, side, -1)
    # Not antialiased: positions are samples of a function of the place, and not a picture to be shrunk.
    spread = jax.image.resize(grid, (to, to, grid.shape[-1]), "bilinear", antialias=False)
    return np.concatenate([positions[:first], np.asarray(spread).reshape(to * to, -1)])


def with_channels(images: data.Dataset, channels: int) -> data.Dataset:
    """The images in the channels that a model was trained with: grey ones in each of three, coloured ones as grey."""
    if images.channels == channels:
        return images
    return replace(images, train=_in_channels(images.train, channels), test=_in_channels(images.test, channels))


def _in_channels(split: data.Split, channels: int) -> data.Split:
    pixels = np.asarray(split.images[:] if isinstance(split.images, data.Pixels) else split.images)
    grey = pixels.mean(-1, keepdims=True, dtype=np.float32)
    return data.Split(np.repeat(grey, channels, axis=-1), split.labels)
