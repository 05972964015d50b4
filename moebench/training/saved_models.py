"""Trained models on disk, so that other cells, and other people, can start from them.

    FOLDER/model.json   what it is: model, router with options, images, schedule, its arrays, digests of its files
    FOLDER/arrays/      parameters, and what routers keep beside them, as orbax writes them

A folder is written under a hidden name and renamed, so that it is there whole or not at all.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import jax
import numpy as np

from moebench.errors import BadInput
from moebench.training import TrainState
from moebench.training.checkpoints import array_path, digests, load_arrays, one_line, save_arrays
from moebench.version import __version__

RECORD, ARRAYS = "model.json", "arrays"
HEAD, POSITIONS = "parameters.head.", "parameters.positions"
"""What may be of another shape in the model that starts: it has classes and patches of its own."""


@dataclass(frozen=True)
class SavedModel:
    """A model in a folder; its arrays are read when they are asked for."""

    folder: Path
    about: Mapping[str, Any]
    """What `describe` gave, and `arrays`: type and shape of each by its path in the model."""

    @property
    def label(self) -> str:
        """Its router with the options, and its backbone."""
        options = ",".join(f"{key}={value}" for key, value in self.about["options"].items() if value is not None)
        return f"{self.about['router']}[{options}] on {self.about['model']}"

    def check(self, model: str, router: str, wanted: Any) -> None:
        """Whether a model can start from this one.

        Args:
            model: the backbone's name.
            router: the router with its options, as messages name it.
            wanted: what `arrays_of` its state gives, or shapes.

        Raises:
            BadInput: it is another backbone, or an array has another shape; names both.
        """
        if self.about["model"] != model:
            raise BadInput(
                f"the kept model {self.folder} is {self.label}, and the cell's model is {model}.", key="init_from"
            )
        held = {path: tuple(shape) for path, (_, shape) in self.about["arrays"].items()}
        needed = {array_path(path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(wanted)}
        for path in [*needed, *held]:
            may_differ = path.startswith((HEAD, POSITIONS)) and path in held and path in needed
            if held.get(path) != needed.get(path) and not may_differ:
                has, needs = (list(shapes[path]) if path in shapes else "nothing" for shapes in (held, needed))
                raise BadInput(
                    f"the kept model {self.folder} is {self.label} and has {has} for {path}, where {router} on {model} "
                    f"needs {needs}.",
                    key="init_from",
                )

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by their paths.

        Raises:
            BadInput: they are not what the record says.
        """
        shapes = [jax.ShapeDtypeStruct(tuple(shape), dtype) for dtype, shape in self.about["arrays"].values()]
        try:
            if self.about["digests"] != digests(self.folder / ARRAYS):
                raise BadInput(f"the kept model {self.folder} is damaged: its files are not those that were written.")
            leaves = load_arrays(self.folder / ARRAYS, shapes)
        except BadInput:
            raise
        except Exception as error:  # orbax has no one error for what it cannot read
            raise BadInput(f"the kept model {self.folder} cannot be read: {one_line(error)}.") from error
        return dict(zip(self.about["arrays"], map(np.asarray, leaves), strict=True))


def arrays_of(state: TrainState) -> dict[str, Any]:
    """What a model is made of in a state."""
    return {"parameters": state.parameters, "variables": state.variables}


def find(folder: Path | str, key: str = "init_from") -> SavedModel:
    """The model in that folder.

    Raises:
        BadInput: there is none; `key` is that of the specification that named it.
    """
    folder = Path(folder)
    try:
        about: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if not {"model", "router", "options", "channels", "arrays", "digests"} <= set(about):
            raise ValueError("it lacks what every kept model has")
    except FileNotFoundError as error:
        raise BadInput(
            f"there is no kept model in {folder}: it has no {RECORD}; a cell with save_model: true makes one.", key=key
        ) from error
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"the kept model {folder} cannot be read: {one_line(error)}.", key=key) from error
    return SavedModel(folder, about)


def keep(folder: Path, about: Mapping[str, Any], arrays: Any) -> None:
    """Put a trained model into a folder, unless one is there already.

    Args:
        folder: where it goes; its parents are made.
        about: what it is, as plain values.
        arrays: a tree of them.

    Raises:
        BadInput: it cannot be written.
    """
    temporary = folder.absolute().with_name(f".{folder.name}.{uuid4().hex[:12]}.tmp")
    try:
        temporary.mkdir(parents=True)
        save_arrays(temporary / ARRAYS, jax.tree.leaves(arrays))
        record = {
            **recorded(about, arrays),
            "moebench_version": __version__,
            "digests": digests(temporary / ARRAYS),
        }
        with (temporary / RECORD).open("w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(OSError):  # another cell was faster: its model is the same
            os.rename(temporary, folder)
    except Exception as error:  # a full disk, a lost mount, orbax's own
        raise BadInput(f"the trained model cannot be kept in {folder}: {one_line(error)}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def recorded(about: Mapping[str, Any], arrays: Any) -> dict[str, Any]:
    """What is written of a model apart from its files."""
    leaves = jax.tree_util.tree_leaves_with_path(arrays)
    return {**about, "arrays": {array_path(path): [str(leaf.dtype), list(leaf.shape)] for path, leaf in leaves}}
