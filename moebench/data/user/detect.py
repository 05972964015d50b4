"""Detect the reader that a place needs, by its path or name and its files."""

from difflib import get_close_matches
from pathlib import Path

from moebench.data.regular_files import shown
from moebench.data.user import huggingface, parquet, saved
from moebench.data.user.cifar import Cifar
from moebench.data.user.file_tree import LeftOut
from moebench.data.user.image_folder import ImageFolder
from moebench.data.user.npz import ArrayFile
from moebench.data.user.reader import Collection
from moebench.errors import BadInput
from moebench.spec.cell_spec import HUB

READABLE = (
    "a folder with a folder of images for each class, Parquet files, what save_to_disk wrote, CIFAR's binary files, or "
    "an .npz file"
)
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib")


def collection(name: str) -> Collection:
    """Return a reader for a path or name.

    Raises:
        BadInput: the path does not exist, or has nothing that can be read.
    """
    if name.startswith(HUB):
        return huggingface.table(name)
    path = Path(name)
    suffix = path.suffix.lower()
    if path.is_dir():
        return _in_folder(path)
    if suffix == ".npz" and path.is_file():
        return ArrayFile(path)
    if suffix == ".parquet" and path.is_file():
        return parquet.parquet(path)
    if not path.exists():
        near = get_close_matches(path.name, _names(path.parent), n=1)
        hint = f"did you mean {shown(path.parent / near[0])}?" if near else "nothing of that name is there."
        raise BadInput(f"no data at {shown(path)}: {hint}", key="data")
    if suffix in _PICKLES:
        raise BadInput(f"{shown(path)} is a pickle, which can run code when it is read: give {READABLE}.", key="data")
    raise BadInput(f"{shown(path)} is no data that moebench reads: give {READABLE}.", key="data")


def _in_folder(path: Path) -> Collection:
    if (path / "dataset_dict.json").exists() or (path / "state.json").exists():
        return saved.saved(path)
    if Cifar.is_there(path):
        return Cifar(path)
    if (path / "data_batch_1").exists():
        raise BadInput(
            f"{shown(path)} has CIFAR as pickles, which can run code when they are read: take its binary version.",
            key="data",
        )
    if parquet.parquet_files(path, LeftOut()):
        return parquet.parquet(path)
    return ImageFolder(path)


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []
