"""What a long cell keeps on disk, so that one that is killed goes on where it was.

    FOLDER/NAME.json   whose it is, the rows of the seeds that have ended, the losses of the one under way
    FOLDER/NAME/       that seed's arrays, as orbax writes them

The first is written last, by a rename, and holds a digest of every file of the second: a checkpoint without it does not
count, and neither does one whose files are not what it says. Whatever goes wrong with a checkpoint costs no more than
the work behind it: it is said in one sentence, and the cell goes on, or starts over.
"""

import hashlib
import json
import math
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from moebench.files import publishing
from moebench.training import Progress, TrainState

Row = dict[str, Any]


class Checkpoints:
    """The checkpoints of one cell; only the newest is kept.

    Two drivers may run the same cell at once and write into the same folder: each may lose its checkpoint to the other,
    and neither its work. Several processes of one cell share the folder, and each of them makes the same calls.
    """

    def __init__(self, folder: Path, owner: Mapping[str, Any], every_s: float, say: Callable[[str], None]) -> None:
        """Look for the newest checkpoint.

        Args:
            folder: where they are; made with the first.
            owner: what has to be the same for a checkpoint to be taken up: the cell, and the code that answers it.
            every_s: seconds between two of them; 0 keeps none.
            say: takes a sentence for the cell's log.
        """
        self.folder, self.owner, self.say = folder.absolute(), dict(owner), say
        self.every_s = every_s or math.inf
        self.rows: dict[int, Row] = {}
        """What the seeds that have ended came to."""
        self._last = time.monotonic()
        self._found = self._newest()
        if self._found:
            self.rows = {int(seed): row for seed, row in self._found[1]["rows"].items()}

    def finish(self, seed: int, row: Row) -> None:
        """A seed has ended."""
        self.rows[seed] = row
        self.offer()

    def offer(self, seed: int | None = None, progress: Progress | None = None) -> None:
        """Keep the cell as it stands, with the training of the seed that is under way, if it is time to."""
        if not _agreed(time.monotonic() - self._last >= self.every_s):
            return
        path = self.folder / f"{_agreed(secrets.randbits(31)):08x}"
        try:
            self._save(path, seed, progress)
        except Exception as error:  # a full disk, a lost mount, orbax's own: none of them is worth the training
            self.say(f"no checkpoint was kept in {self.folder}: {one_line(error)}")
        _agreed(0)  # the first process has written the record
        self._last = time.monotonic()

    def progress(self, seed: int, like: TrainState) -> Progress | None:
        """A seed's training as it was kept; None where there is nothing to go on from.

        Args:
            seed: the seed that is to be trained.
            like: shapes and types of the state, and where its arrays are to lie.
        """
        if self._found is None or self._found[1]["seed"] != seed:
            return None
        path, content = self._found
        shapes, tree = jax.tree.flatten(_plain(like))
        fault = _misfit(content["arrays"], _arrays(_plain(like)))
        if fault is not None:
            self.say(f"seed {seed}: the checkpoint {path} does not fit the model and is not used: {fault}")
            return None
        try:
            leaves = load_arrays(path, shapes)
        except Exception as error:  # orbax has no one error for what it cannot read
            self.say(f"seed {seed}: the checkpoint {path} cannot be read and is not used: {one_line(error)}")
            return None
        state: TrainState = jax.tree.unflatten(tree, leaves)
        self.say(f"seed {seed}: going on from the checkpoint after step {len(content['losses'])}")
        return Progress(
            state=replace(state, key=jax.random.wrap_key_data(state.key)),
            losses=tuple(content["losses"]),
            accuracies=tuple(content["accuracies"]),
            gradient_norms=tuple(content["gradient_norms"]),
            wall_s=content["wall_s"],
        )

    def remove(self) -> None:
        """The cell's rows are written: nothing of this is needed any more."""
        _remove(self.folder)

    def _save(self, path: Path, seed: int | None, progress: Progress | None) -> None:
        content: dict[str, Any] = {"owner": self.owner, "rows": self.rows, "seed": seed, "losses": []}
        if progress is not None:
            state = _plain(progress.state)
            save_arrays(path, jax.tree.leaves(state))
            content |= {"losses": progress.losses, "accuracies": progress.accuracies, "wall_s": progress.wall_s}
            content["gradient_norms"] = progress.gradient_norms
            content["arrays"] = _arrays(state)
        if jax.process_index():
            return
        record = path.with_suffix(".json")
        with publishing(record) as temporary:
            temporary.write_text(json.dumps(content | {"files": digests(path)}), encoding="utf-8")
        for other in self.folder.iterdir():
            if other not in (path, record):
                _remove(other)

    def _newest(self) -> tuple[Path, dict[str, Any]] | None:
        found = [(record.with_suffix(""), content) for record in self._records() if (content := self._sound(record))]
        best = max(found, key=lambda each: (len(each[1]["rows"]), len(each[1]["losses"])), default=None)
        # Processes that share a cell go on from the same checkpoint, or all of them start over.
        name = _agreed(int(best[0].name, 16) if best else -1)
        mine = next((each for each in found if int(each[0].name, 16) == name), None)
        return mine if _all_agree(mine is not None) else None

    def _records(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.json") if not path.name.startswith("."))

    def _sound(self, record: Path) -> dict[str, Any] | None:
        try:
            content: dict[str, Any] = json.loads(record.read_text(encoding="utf-8"))
            if content["owner"] != self.owner:
                fault = "is of another cell, or of other code"
            elif content["files"] != digests(record.with_suffix("")):
                fault = "is damaged"
            else:
                return content
        except (OSError, ValueError, LookupError, TypeError) as error:
            fault = f"cannot be read ({one_line(error)})"
        self.say(f"the checkpoint {record} {fault} and is not used")
        return None


def _agreed(mine: int) -> int:
    """What the first of the processes says that work on this cell: clocks and file systems differ."""
    if jax.process_count() == 1:
        return mine
    return int(multihost_utils.broadcast_one_to_all(np.int32(mine)))


def _all_agree(mine: bool) -> bool:
    """Whether every process says so that works on this cell."""
    return mine if jax.process_count() == 1 else bool(np.all(multihost_utils.process_allgather(np.int32(mine))))


def save_arrays(folder: Path, arrays: Sequence[Any]) -> None:
    """Write arrays into a folder that is made, and wait for it."""
    with _checkpointer() as checkpointer:
        checkpointer.save(folder, list(arrays))


def load_arrays(folder: Path, shapes: Sequence[Any]) -> list[Any]:
    """The arrays in a folder, of these shapes and types, and where those say that they are to lie."""
    with _checkpointer() as checkpointer:
        arrays: list[Any] = checkpointer.restore(folder, [_placed(shape) for shape in shapes])
    return arrays


def _checkpointer() -> Any:
    # Imported here: it takes half a second, and most cells end before their first checkpoint.
    from orbax.checkpoint import Checkpointer, StandardCheckpointHandler

    # One that saves while the caller waits: where a folder cannot be made, those that save in threads of their own
    # leave these waiting for it for five minutes, and the cell cannot end before them.
    return Checkpointer(StandardCheckpointHandler())


def _plain(state: TrainState) -> TrainState:
    """The state with its key, an array of a type of its own, as the numbers in it."""
    if isinstance(state.key, jax.Array):
        return replace(state, key=jax.random.key_data(state.key))
    numbers = jax.eval_shape(jax.random.key_data, state.key)
    return replace(state, key=jax.ShapeDtypeStruct(numbers.shape, numbers.dtype, sharding=state.key.sharding))


def _arrays(state: TrainState) -> dict[str, str]:
    """Each array of the state by its path, such as float32[8,64]."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {array_path(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}


def array_path(path: tuple[Any, ...]) -> str:
    """Where an array stands in a tree: parameters.blocks.2.mlp.router.kernel."""
    return jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value")


def _misfit(kept: Mapping[str, str], wanted: Mapping[str, str]) -> str | None:
    """The first array that is not the one wanted; orbax tells it too, but leaves threads behind that fail later."""
    for path in [*wanted, *kept]:
        if kept.get(path) != wanted.get(path):
            return f"its {path} is {kept.get(path, 'missing')}, and the model's {wanted.get(path, 'is not there')}"
    return None


def _placed(shape: Any) -> Any:
    sharding = shape.sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding)


def digests(folder: Path) -> dict[str, str]:
    """A digest of every file in a folder, by its path there."""
    found = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as content:
            found[file.relative_to(folder).as_posix()] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


def _remove(path: Path) -> None:
    """Whatever it is, and whether or not another driver was faster."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def one_line(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
