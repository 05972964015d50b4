"""Checkpoints of a cell, so that a killed cell resumes where it was.

    FOLDER/NAME.json   the owner of the checkpoint, the rows of the finished parts, the losses of the part under way
    FOLDER/NAME/       arrays of the part under way, as orbax writes them

A part is one training: a try of the tuning, or a seed. The JSON file is written last, by a rename, and has a digest of
every file of the folder. A folder without its JSON file is no checkpoint, and neither is one whose files differ from
the digests. A damaged checkpoint costs the work behind it and nothing else: the fault is printed in one sentence, and
the cell resumes from an older checkpoint or starts again.
"""

import json
import math
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from moebench.files import publishing
from moebench.training.array_files import array_path, digests, load_arrays, one_line, save_arrays
from moebench.training.loop import EvalPoint, Progress
from moebench.training.program import TrainState

Row = dict[str, Any]


class Checkpoints:
    """The checkpoints of one cell, of which the newest is on disk.

    Two drivers may run one cell at the same time and write into the same folder: either may lose its checkpoint to the
    other, and neither loses its work. All processes of one cell share the folder and make the same calls.
    """

    def __init__(self, folder: Path, owner: Mapping[str, Any], every_s: float, say: Callable[[str], None]) -> None:
        """Find the newest checkpoint.

        Args:
            folder: of the checkpoints; made with the first checkpoint.
            owner: names the cell and its code; checkpoints of another owner are not used.
            every_s: seconds between two checkpoints; 0 writes none.
            say: prints a sentence to the log of the cell.
        """
        self.folder, self.owner, self.say = folder.absolute(), dict(owner), say
        self.every_s = every_s or math.inf
        self.rows: dict[str, Row] = {}
        """Results of the finished parts, by their names."""
        self._last = time.monotonic()
        self._found = self._newest()
        if self._found:
            self.rows = dict(self._found[1]["rows"])

    def finish(self, part: str, row: Row) -> None:
        """Add the result of a finished part.

        Args:
            part: name of the part, unique in the cell.
            row: plain values, as JSON has them.
        """
        self.rows[part] = row
        self.offer()

    def offer(self, part: str | None = None, progress: Progress | None = None) -> None:
        """Write a checkpoint if `every_s` seconds have passed since the last.

        Args:
            part: name of the part under way; None between two parts.
            progress: training of that part.
        """
        if not _agreed(time.monotonic() - self._last >= self.every_s):
            return
        path = self.folder / f"{_agreed(secrets.randbits(31)):08x}"
        try:
            self._save(path, part, progress)
        except Exception as error:  # a full disk, a lost mount, orbax's own errors: none is worth the training
            self.say(f"no checkpoint was written in {self.folder}: {one_line(error)}")
        _agreed(0)  # the first process has written the record
        self._last = time.monotonic()

    def progress(self, part: str, like: TrainState) -> Progress | None:
        """Read the training of a part; None where the checkpoint has none.

        Args:
            part: name of the part that is to be trained.
            like: shapes, types and shardings of the state.
        """
        if self._found is None or self._found[1]["part"] != part:
            return None
        path, content = self._found
        shapes, tree = jax.tree.flatten(_plain(like))
        fault = _misfit(content["arrays"], _arrays(_plain(like)))
        if fault is not None:
            self.say(f"{part}: the checkpoint {path} does not fit the model and is not used: {fault}")
            return None
        try:
            leaves = load_arrays(path, shapes)
        except Exception as error:  # orbax has no one error for what it cannot read
            self.say(f"{part}: the checkpoint {path} cannot be read and is not used: {one_line(error)}")
            return None
        state: TrainState = jax.tree.unflatten(tree, leaves)
        self.say(f"{part}: resuming from the checkpoint after step {len(content['losses'])}")
        return Progress(
            state=replace(state, key=jax.random.wrap_key_data(state.key)),
            losses=tuple(content["losses"]),
            accuracies=tuple(content["accuracies"]),
            gradient_norms=tuple(content["gradient_norms"]),
            wall_s=content["wall_s"],
            eval_points=tuple(EvalPoint(*point) for point in content["eval_points"]),
        )

    def remove(self) -> None:
        """Delete all checkpoints of a cell whose rows are written."""
        _remove(self.folder)

    def _save(self, path: Path, part: str | None, progress: Progress | None) -> None:
        content: dict[str, Any] = {"owner": self.owner, "rows": self.rows, "part": part, "losses": []}
        if progress is not None:
            state = _plain(progress.state)
            save_arrays(path, jax.tree.leaves(state))
            content |= {"losses": progress.losses, "accuracies": progress.accuracies, "wall_s": progress.wall_s}
            content["gradient_norms"] = progress.gradient_norms
            content["eval_points"] = [astuple(point) for point in progress.eval_points]
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
        # Processes that share a cell resume from the same checkpoint, or all of them start again.
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
    """Return the number of the first process of this cell to all: clocks and file systems differ."""
    if jax.process_count() == 1:
        return mine
    return int(multihost_utils.broadcast_one_to_all(np.int32(mine)))


def _all_agree(mine: bool) -> bool:
    """Return whether the value is true in every process of this cell."""
    return mine if jax.process_count() == 1 else bool(np.all(multihost_utils.process_allgather(np.int32(mine))))


def _plain(state: TrainState) -> TrainState:
    """Return the state with its key, whose type orbax does not know, as an array of numbers."""
    if isinstance(state.key, jax.Array):
        return replace(state, key=jax.random.key_data(state.key))
    numbers = jax.eval_shape(jax.random.key_data, state.key)
    return replace(state, key=jax.ShapeDtypeStruct(numbers.shape, numbers.dtype, sharding=state.key.sharding))


def _arrays(state: TrainState) -> dict[str, str]:
    """Return type and shape of each array of the state by its path, such as float32[8,64]."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {array_path(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}


def _misfit(kept: Mapping[str, str], wanted: Mapping[str, str]) -> str | None:
    """Describe the first array that differs; orbax would raise as well, but leaves threads behind that fail later."""
    for path in [*wanted, *kept]:
        if kept.get(path) != wanted.get(path):
            return f"its {path} is {kept.get(path, 'missing')}, and the model's {wanted.get(path, 'is not there')}"
    return None


def _remove(path: Path) -> None:
    """Delete a file or folder that may be gone already: another driver may have been faster."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
