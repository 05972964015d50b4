"""Start a cell from a model: pre-trained by the cell, or saved by another cell."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from moebench import data
from moebench.cells.compile import TrainPrograms, program_for
from moebench.cells.resolved_cell import ResolvedCell
from moebench.cells.seed import train_or_resume
from moebench.cells.turns import Turns
from moebench.errors import BadInput
from moebench.files import locked, set_aside
from moebench.measuring import environment
from moebench.models.positions import interpolated
from moebench.training import TrainState, image_arrays, saved_models, with_image_arrays
from moebench.training.array_files import array_path
from moebench.training.checkpoints import Checkpoints
from moebench.training.saved_models import HEAD, POSITIONS, SavedModel

Arrays = Mapping[str, np.ndarray]
"""Arrays by their paths in the model."""


class PretrainingDiverged(Exception):
    """The pre-training of a seed diverged; the text names the step."""


@dataclass
class Initializer:
    """Initial states of the seeds of a cell that starts from a trained model."""

    cell: ResolvedCell
    models: Path
    """Folder of the saved models."""
    read: Callable[[str, int | None], data.Dataset]
    """Returns the images of a data set at a size."""
    turns: Turns
    """Turns of the cell, which pauses for other cells' timings during a pre-training."""
    say: Callable[[str], None]
    """Prints a line to the log of the cell."""

    def initial_state(self, fresh: TrainState, seed: int) -> TrainState:
        """Return the fresh state of a seed with the arrays of the trained model.

        Args:
            fresh: the state before the first step.
            seed: seed of the pre-training.

        Raises:
            PretrainingDiverged: the pre-training of the seed diverged.
            BadInput: the saved model does not fit the cell.
        """
        if self.cell.pretraining is None:
            saved = saved_models.find(str(self.cell.spec.init_from))
            return transferred(saved, saved.arrays(), fresh, self.cell)
        return transferred(*self._pretrained(self.cell.pretraining, seed), fresh, self.cell)

    @cached_property
    def _programs(self) -> TrainPrograms:
        """Programs of the pre-training, compiled once for all seeds."""
        assert self.cell.pretraining is not None
        return TrainPrograms.compile(program_for(self.cell.pretraining.model, self.cell.pretraining.spec))

    def _pretrained(self, cell: ResolvedCell, seed: int) -> tuple[SavedModel, Arrays]:
        """Return the pre-trained model of a seed, trained here if no saved model exists.

        If another cell is training the model, this cell waits for it.
        """
        folder = _folder(self.models, cell, seed)
        with suppress(OSError):  # without the folder there is no lock; the saving prints the reason
            self.models.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            # Idle, because the cell with the lock may pause for a timing, which waits for every working cell.
            with self.turns.idle():
                lock = folder.with_name(f".{folder.name}.lock")
                waiting = f"pre-training of seed {seed}: waiting for another cell that trains the model"
                stack.enter_context(locked(lock, lambda: self.say(waiting)))
            return self._found_or_trained(folder, cell, seed)

    def _found_or_trained(self, folder: Path, cell: ResolvedCell, seed: int) -> tuple[SavedModel, Arrays]:
        """Return the pre-trained model, trained here unless the folder contains it."""
        part = f"pre-training of seed {seed}"
        if folder.is_dir():
            try:
                saved = saved_models.find(folder)
                arrays = saved.arrays()
                self.say(f"seed {seed}: starting from {folder}")
                return saved, arrays
            except BadInput as fault:
                self.say(f"{part}: {fault} It is trained again.")
                set_aside(folder)
        spec = cell.spec
        self.say(f"{part}: {spec.steps} steps on {spec.data}")
        images = self.read(spec.data, spec.image_size).train
        # The checkpoint is beside the model's folder: the next cell that needs the model resumes from it.
        beside = folder.with_name(f".{folder.name}")
        checkpoints = Checkpoints(beside, {"model": folder.name}, self.cell.spec.checkpoint_every_s, self.say)
        training, _ = train_or_resume(
            part, seed, self._programs.fresh(seed), images, spec, self._programs, checkpoints, self.turns
        )
        if training.diverged_step is not None:
            checkpoints.remove()
            raise PretrainingDiverged(f"in pre-training, the loss was not finite at step {training.diverged_step}")
        self.say(f"{part}: training loss {training.final_loss:.3f} after {training.wall_s:.1f} s")
        about, tree = describe(cell, seed), image_arrays(cell.model, training.state)
        try:
            saved_models.save(folder, about, tree)
        except BadInput as fault:  # other cells repeat the pre-training
            self.say(f"{part}: {fault}")
        checkpoints.remove()
        leaves = jax.tree_util.tree_leaves_with_path(tree)
        arrays = {array_path(path): np.asarray(leaf) for path, leaf in leaves}
        return SavedModel(folder, saved_models.recorded(about, tree)), arrays


def _folder(models: Path, cell: ResolvedCell, seed: int) -> Path:
    """Return the folder of a trained model; cells of equal training share it."""
    identity = cell.identity(environment())
    return models / f"{identity['cell_id']}-{identity['fingerprint']}-{seed}"


def save_model(
    cell: ResolvedCell, state: TrainState, seed: int, models: Path, say: Callable[[str], None]
) -> str | None:
    """Save the trained model of a seed; of two towers only the image tower.

    Args:
        cell: the cell.
        state: state after the last step.
        seed: seed of the training.
        models: folder of the saved models.
        say: prints a line to the log of the cell.

    Returns:
        The folder of the model; None if it cannot be written, for a reason that is printed.
    """
    folder = _folder(models, cell, seed)
    try:
        saved_models.save(folder, describe(cell, seed), image_arrays(cell.model, state))
    except BadInput as fault:
        say(f"seed {seed}: {fault}")
        return None
    say(f"seed {seed}: the trained model is in {folder}")
    return str(folder)


def describe(cell: ResolvedCell, seed: int) -> dict[str, Any]:
    """Return plain values that describe the trained model of a cell and seed."""
    model, spec = cell.model, cell.spec
    return {
        "model": spec.model,
        "router": spec.router,
        "options": {**model.router_options, **cell.router.options},
        "group_images": model.group_images,
        "moe_layers": ",".join(map(str, model.moe_blocks)),
        "mlp_ratio": cell.mlp_ratio,
        "data": spec.data,
        "image_size": model.image_size,
        "channels": model.channels,
        "classes": model.classes,
        "steps": spec.steps,
        "seed": seed,
        "precision": spec.precision,
    }


def transferred(saved: SavedModel, arrays: Arrays, fresh: TrainState, cell: ResolvedCell) -> TrainState:
    """Return a fresh state with the arrays of a saved model.

    Positions are interpolated. The head stays fresh if the saved model was trained on other data. Of two towers only
    the image tower receives the arrays.

    Args:
        saved: description of the saved model.
        arrays: arrays of the saved model.
        fresh: the state before the first step.
        cell: the cell that starts.

    Raises:
        BadInput: the saved model does not fit the cell.
    """
    own = image_arrays(cell.model, fresh)
    saved.check(cell.spec.model, cell.label, own)
    same_head = (saved.about["data"], saved.about["classes"]) == (cell.spec.data, cell.model.classes)

    def taken(path: tuple[Any, ...], leaf: jax.Array) -> jax.Array:
        name = array_path(path)
        if name not in arrays or (name.startswith(HEAD) and not same_head):
            return leaf
        if name.startswith(POSITIONS):
            return jnp.asarray(interpolated(arrays[name].astype(np.float32), cell.model), leaf.dtype)
        return jnp.asarray(arrays[name], leaf.dtype)

    return with_image_arrays(cell.model, fresh, jax.tree_util.tree_map_with_path(taken, own))
