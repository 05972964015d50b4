"""Save trained models, from which other cells and other users can start.

    FOLDER/model.json   model, router with options, images, schedule, shapes of the arrays, digests of the files
    FOLDER/arrays/      parameters and the routers' variables, written by orbax

A folder is written under a hidden name and renamed, so that a reader finds a whole model or none.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import jax
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from moebench.errors import BadInput
from moebench.spec.cell_spec import Scalar
from moebench.spec.records import read_record
from moebench.training.array_files import array_path, digests, load_arrays, one_line, save_arrays
from moebench.version import __version__

RECORD, ARRAYS = "model.json", "arrays"
HEAD, POSITIONS = "parameters.head.", "parameters.positions"
"""Arrays whose shapes may differ in the cell that starts, which has its own classes and patches."""
OF_HEAD = (HEAD, "parameters.pre_logits.")
"""Arrays that the image tower of two towers does not have."""


class _Record(BaseModel):
    """The JSON file of a saved model; further entries are kept unchanged."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")

    model: str
    router: str
    options: dict[str, Scalar]
    channels: Annotated[int, Field(ge=1)]
    group_images: Annotated[int, Field(ge=1)] | None = None
    data: str
    classes: int
    arrays: dict[str, tuple[str, list[Annotated[int, Field(ge=0)]]]]
    digests: dict[str, str]


@dataclass(frozen=True)
class SavedModel:
    """A trained model in a folder; `arrays` reads its parameters."""

    folder: Path
    about: Mapping[str, Any]
    """Plain values that describe the model, and `arrays`: type and shape of each array by its path."""

    @property
    def label(self) -> str:
        """Router with options, and backbone."""
        options = ",".join(f"{key}={value}" for key, value in self.about["options"].items() if value is not None)
        return f"{self.about['router']}[{options}] on {self.about['model']}"

    def check(self, model: str, router: str, wanted: Any) -> None:
        """Raise unless a model can start from this one.

        Args:
            model: name of the backbone of the model that starts.
            router: router of that model with the options, for messages.
            wanted: arrays of that model, or their shapes, as `image_arrays` returns them.

        Raises:
            BadInput: the backbones differ, or an array has another shape; the message names both.
        """
        if self.about["model"] != model:
            raise BadInput(
                f"the saved model {self.folder} is {self.label}, and the cell's model is {model}.", key="init_from"
            )
        held = {path: tuple(shape) for path, (_, shape) in self.about["arrays"].items()}
        needed = {array_path(path): leaf.shape for path, leaf in jax.tree_util.tree_leaves_with_path(wanted)}
        for path in [*needed, *held]:
            both = path in held and path in needed
            may_differ = path.startswith((HEAD, POSITIONS) if both else OF_HEAD)
            if held.get(path) != needed.get(path) and not may_differ:
                has, needs = (list(shapes[path]) if path in shapes else "nothing" for shapes in (held, needed))
                raise BadInput(
                    f"the saved model {self.folder} is {self.label} and has {has} for {path}, where {router} on "
                    f"{model} needs {needs}.",
                    key="init_from",
                )

    def arrays(self) -> dict[str, np.ndarray]:
        """Read all arrays, by their paths.

        Raises:
            BadInput: the files cannot be read, or differ from their digests.
        """
        try:
            shapes = [jax.ShapeDtypeStruct(tuple(shape), dtype) for dtype, shape in self.about["arrays"].values()]
            if self.about["digests"] != digests(self.folder / ARRAYS):
                raise BadInput(f"the saved model {self.folder} is damaged: its files are not those that were written.")
            leaves = load_arrays(self.folder / ARRAYS, shapes)
        except BadInput:
            raise
        except Exception as error:  # orbax has no common class of errors for unreadable files
            raise BadInput(f"the saved model {self.folder} cannot be read: {one_line(error)}.") from error
        return dict(zip(self.about["arrays"], map(np.asarray, leaves), strict=True))


def find(folder: Path | str, key: str = "init_from") -> SavedModel:
    """Open the saved model of a folder.

    Args:
        folder: folder that a cell with `save_model` wrote.
        key: key of the specification that names the folder.

    Raises:
        BadInput: the folder has no saved model.
    """
    folder = Path(folder)
    try:
        about = read_record(folder / RECORD, _Record, "record of a saved model").model_dump(exclude_unset=True)
    except BadInput as error:
        if not (folder / RECORD).exists():
            raise BadInput(
                f"there is no saved model in {folder}: it has no {RECORD}; a cell with save_model: true makes one.",
                key=key,
            ) from error
        raise BadInput(str(error), key=key) from error
    return SavedModel(folder, about)


def save(folder: Path, about: Mapping[str, Any], arrays: Any) -> None:
    """Write a trained model into a folder, unless the folder exists already.

    Args:
        folder: folder of the model; parent folders are made.
        about: plain values that describe the model.
        arrays: a tree of arrays.

    Raises:
        BadInput: the model cannot be written.
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
        with contextlib.suppress(OSError):  # another cell was faster, and its model is equal
            os.rename(temporary, folder)
    except Exception as error:  # a full disk, a lost mount, an error of orbax
        raise BadInput(f"the trained model cannot be saved in {folder}: {one_line(error)}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def recorded(about: Mapping[str, Any], arrays: Any) -> dict[str, Any]:
    """Return the record of a model without version and digests.

    Args:
        about: plain values that describe the model.
        arrays: a tree of arrays or shapes.
    """
    leaves = jax.tree_util.tree_leaves_with_path(arrays)
    return {**about, "arrays": {array_path(path): [str(leaf.dtype), list(leaf.shape)] for path, leaf in leaves}}
