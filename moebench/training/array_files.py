"""Write arrays into a folder with orbax, with digests by which damaged files are found."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax


def save_arrays(folder: Path, arrays: Sequence[Any]) -> None:
    """Write arrays into a new folder and wait until they are on disk.

    Args:
        folder: made by this call; must not exist.
        arrays: one for each leaf of a tree.
    """
    with _checkpointer() as checkpointer:
        checkpointer.save(folder, list(arrays))


def load_arrays(folder: Path, shapes: Sequence[Any]) -> list[Any]:
    """Read the arrays of a folder.

    Args:
        folder: written by `save_arrays`.
        shapes: shape, type and sharding of each array; without a sharding an array goes to the first local device.

    Returns:
        The arrays, in the order of `shapes`.
    """
    with _checkpointer() as checkpointer:
        arrays: list[Any] = checkpointer.restore(folder, [_with_sharding(shape) for shape in shapes])
    return arrays


def _checkpointer() -> Any:
    # Imported here, because the import takes half a second, and most cells end before their first checkpoint.
    from orbax.checkpoint import Checkpointer, StandardCheckpointHandler

    # Saves while the caller waits. If a folder cannot be made, checkpointers that save in threads of their own let
    # these threads wait for the folder for five minutes, and the cell cannot end before them.
    return Checkpointer(StandardCheckpointHandler())


def _with_sharding(shape: Any) -> Any:
    sharding = shape.sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(shape.shape, shape.dtype, sharding=sharding)


def array_path(path: tuple[Any, ...]) -> str:
    """Return the dotted path of an array in a tree, such as parameters.blocks.2.mlp.router.kernel."""
    return jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value")


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by its path there."""
    found = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb") as content:
            found[file.relative_to(folder).as_posix()] = hashlib.file_digest(content, "sha256").hexdigest()
    return found


def one_line(error: Exception) -> str:
    """Return the first line of an error's text, or the name of its type."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
