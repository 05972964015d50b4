"""Write checkpoints of a cell, from which a killed cell resumes.

    FOLDER/NAME.json   the owner of the checkpoint, the rows of the finished parts, the losses of the part under way
    FOLDER/NAME/       arrays of the part under way, written by orbax

A part is one training: a try of the tuning, or a seed. The JSON file is written last, by a rename, and has a digest of
every file of the folder. A folder without its JSON file is no checkpoint, and neither is one whose files differ from
the digests. A damaged checkpoint loses only the work behind it: the fault is printed in one sentence, and the cell
resumes from an older checkpoint or starts again.
"""

import hashlib
import json
import math
import re
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
from pydantic import BaseModel, ConfigDict, Field

from moebench.errors import BadInput
from moebench.files import publishing, set_aside
from moebench.spec.records import read_record
from moebench.training.array_files import array_path, digests, load_arrays, one_line, save_arrays
from moebench.training.loop import EvalPoint, Progress
from moebench.training.program import TrainState

Row = dict[str, Any]

_NAME = re.compile("[0-9a-f]{8}")


class _Record(BaseModel):
    """JSON file of a checkpoint.

    Fields of the training under way are empty between two parts.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    owner: dict[str, Any]
    rows: dict[str, Row]
    part: str | None
    losses: tuple[float, ...]
    accuracies: tuple[float, ...] = ()
    gradient_norms: tuple[float, ...] = ()
    wall_s: float = Field(0.0, ge=0)
    eval_points: tuple[tuple[int, float, float], ...] = ()
    arrays: dict[str, str] = {}
    files: dict[str, str]
    digest: str = ""
    """SHA-256 of the other fields, which reveals an edited number."""

    def sealed(self) -> "_Record":
        """Return the record with its digest."""
        content = json.dumps(self.model_dump(exclude={"digest"}), sort_keys=True)
        return self.model_copy(update={"digest": hashlib.sha256(content.encode()).hexdigest()})


class Checkpoints:
    """The checkpoints of one cell, of which the newest is on disk.

    Two drivers may run one cell at the same time and write into one folder: either may lose its checkpoint to the other
    driver, but neither loses its work. All processes of one cell share the folder and make the same calls.
    """

    def __init__(self, folder: Path, owner: Mapping[str, Any], every_s: float, say: Callable[[str], None]) -> None:
        """Find the newest checkpoint.

        Args:
            folder: folder of the checkpoints; made with the first checkpoint.
            owner: identifies the cell and its code; checkpoints of another owner are not used.
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
            self.rows = dict(self._found[1].rows)

    def finish(self, part: str, row: Row) -> None:
        """Add the result of a finished part.

        Args:
            part: name of the part, unique in the cell.
            row: plain values that JSON can represent.
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
        except Exception as error:  # a full disk, a lost mount, an error of orbax: no reason to end the training
            self.say(f"no checkpoint was written in {self.folder}: {one_line(error)}")
        _agreed(0)  # the first process has written the record
        self._last = time.monotonic()

    def progress(self, part: str, like: TrainState) -> Progress | None:
        """Return the stored training of a part, or None without a usable one.

        A checkpoint that does not fit the model or cannot be read is reported and not used.

        Args:
            part: name of the part that is to be trained.
            like: shapes, types and shardings of the state.
        """
        if self._found is None or self._found[1].part != part:
            return None
        path, record = self._found
        shapes, tree = jax.tree.flatten(_plain(like))
        fault = _misfit(record.arrays, _arrays(_plain(like)))
        if fault is not None:
            self.say(f"{part}: the checkpoint {path} does not fit the model and is not used: {fault}")
            return None
        try:
            leaves = load_arrays(path, shapes)
        except Exception as error:  # orbax has no common class of errors for unreadable files
            self.say(f"{part}: the checkpoint {path} cannot be read and is not used: {one_line(error)}")
            return None
        state: TrainState = jax.tree.unflatten(tree, leaves)
        self.say(f"{part}: resuming from the checkpoint after step {len(record.losses)}")
        return Progress(
            state=replace(state, key=jax.random.wrap_key_data(state.key)),
            losses=record.losses,
            accuracies=record.accuracies,
            gradient_norms=record.gradient_norms,
            wall_s=record.wall_s,
            eval_points=tuple(EvalPoint(*point) for point in record.eval_points),
        )

    def remove(self) -> None:
        """Delete all checkpoints of a cell whose rows are written."""
        _remove(self.folder)

    def _save(self, path: Path, part: str | None, progress: Progress | None) -> None:
        training: dict[str, Any] = {"losses": ()}
        if progress is not None:
            state = _plain(progress.state)
            save_arrays(path, jax.tree.leaves(state))
            training |= {"losses": progress.losses, "accuracies": progress.accuracies, "wall_s": progress.wall_s}
            training["gradient_norms"] = progress.gradient_norms
            training["eval_points"] = tuple(astuple(point) for point in progress.eval_points)
            training["arrays"] = _arrays(state)
        if jax.process_index():
            return
        record = _Record(owner=self.owner, rows=self.rows, part=part, files=digests(path), **training).sealed()
        file = path.with_suffix(".json")
        with publishing(file) as temporary:
            temporary.write_text(json.dumps(record.model_dump()), encoding="utf-8")
        for other in self.folder.iterdir():
            if other not in (path, file):
                _remove(other)

    def _newest(self) -> tuple[Path, _Record] | None:
        found = [(path.with_suffix(""), record) for path in self._records() if (record := self._sound(path))]
        best = max(found, key=lambda each: (len(each[1].rows), len(each[1].losses)), default=None)
        # Processes that share a cell resume from the same checkpoint, or all of them start again.
        name = _agreed(int(best[0].name, 16) if best else -1)
        mine = next((each for each in found if int(each[0].name, 16) == name), None)
        return mine if _all_agree(mine is not None) else None

    def _records(self) -> list[Path]:
        # A name that `offer` does not give belongs to no checkpoint.
        return sorted(path for path in self.folder.glob("*.json") if _NAME.fullmatch(path.stem))

    def _sound(self, path: Path) -> _Record | None:
        """Return the record of a usable checkpoint; rename a damaged one, and print the reason."""
        try:
            record = read_record(path, _Record, "checkpoint")
            if record.owner != self.owner:
                self.say(f"the checkpoint {path} is of another cell, or of other code, and is not used")
                return None
            if record == record.sealed() and record.files == digests(path.with_suffix("")):
                return record
            fault = f"the checkpoint {path} is damaged: it is not what was written"
        except (BadInput, OSError) as error:
            fault = one_line(error)
        self.say(f"{fault.rstrip('.')}; it is set aside and not used")
        if jax.process_index() == 0:
            set_aside(path)
        return None


def _agreed(mine: int) -> int:
    """Return the number of the first process of this cell, in all its processes.

    The processes have to agree, since clocks and file systems differ.
    """
    if jax.process_count() == 1:
        return mine
    return int(multihost_utils.broadcast_one_to_all(np.int32(mine)))


def _all_agree(mine: bool) -> bool:
    """Return whether the value is true in every process of this cell."""
    return mine if jax.process_count() == 1 else bool(np.all(multihost_utils.process_allgather(np.int32(mine))))


def _plain(state: TrainState) -> TrainState:
    """Return the state with its key as an array of numbers.

    orbax does not know the key's type.
    """
    if isinstance(state.key, jax.Array):
        return replace(state, key=jax.random.key_data(state.key))
    numbers = jax.eval_shape(jax.random.key_data, state.key)
    return replace(state, key=jax.ShapeDtypeStruct(numbers.shape, numbers.dtype, sharding=state.key.sharding))


def _arrays(state: TrainState) -> dict[str, str]:
    """Return each array's type and shape, such as float32[8,64], by its path."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {array_path(path): f"{leaf.dtype}{list(leaf.shape)}" for path, leaf in leaves}


def _misfit(kept: Mapping[str, str], wanted: Mapping[str, str]) -> str | None:
    """Return a sentence on the first array that differs, or None.

    orbax would raise too, but its threads fail later.
    """
    for path in [*wanted, *kept]:
        if kept.get(path) != wanted.get(path):
            return f"its {path} is {kept.get(path, 'missing')}, and the model's {wanted.get(path, 'is not there')}"
    return None


def _remove(path: Path) -> None:
    """Delete a file or folder, which another driver may have deleted already."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
