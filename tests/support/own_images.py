"""Images of a user's own, as tests lay them down."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from moebench import data
from moebench.data import Dataset


def silent(line: str) -> None:
    """Says nothing."""


def encoded(image: Image.Image, kind: str = "png", **options: Any) -> bytes:
    """The content of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(value: int, size: tuple[int, int] = (4, 4), mode: str = "L") -> bytes:
    """The content of a PNG whose first pixel has this grey, and the others greys of the whole range."""
    width, height = size
    pixels = (np.arange(width * height) * 85 % 256).astype(np.uint8).reshape(height, width)
    pixels[0, 0] = value
    return encoded(Image.fromarray(pixels).convert(mode))


def folder(root: Path, tree: dict[str, list[int]]) -> Path:
    """A folder with an image for each value, in the folders that are the keys."""
    for place, values in tree.items():
        (root / place).mkdir(parents=True, exist_ok=True)
        for value in values:
            (root / place / f"{value:03}.png").write_bytes(png(value))
    return root


def write(path: Path, content: bytes | str = "") -> Path:
    """A file, with the folders around it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def table(
    values: list[int], labels: list[Any] | pa.Array | None, names: list[str] | None = None, label: str = "label"
) -> pa.Table:
    """A table of images, its labels numbered by the names as Hugging Face's libraries do it."""
    columns: dict[str, Any] = {"image": [{"bytes": png(value, mode="RGB"), "path": None} for value in values]}
    if labels is not None:
        columns[label] = labels
    found = pa.table({**columns, "other": list(range(len(values)))})
    if names is None:
        return found
    about = {"info": {"features": {label: {"names": names, "_type": "ClassLabel"}}}}
    return found.replace_schema_metadata({"huggingface": json.dumps(about)})


def parquet(path: Path, rows: pa.Table) -> Path:
    """A Parquet file, with the folders around it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path)
    return path


def saved(folder: Path, rows: pa.Table, **state: Any) -> Path:
    """What `datasets.save_to_disk` leaves."""
    folder.mkdir(parents=True)
    with (
        pa.OSFile(str(folder / "data-00000-of-00001.arrow"), "wb") as file,
        pa.ipc.new_stream(file, rows.schema) as out,
    ):
        out.write_table(rows)
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_indices_data_files": None, **state}
    (folder / "state.json").write_text(json.dumps(state))
    return folder


def loaded(place: Path | str, size: int | None = None) -> Dataset:
    """The data set of a place."""
    return data.find(str(place)).load(size, silent)


def lines_of(place: Path | str, size: int | None = None) -> list[str]:
    """What is said while the data set is loaded, without progress."""
    lines: list[str] = []
    data.find(str(place)).load(size, lines.append)
    return [line for line in lines if not line.startswith("decoding ") and " a second" not in line]


def bytes_of(found: Dataset) -> dict[str, list[tuple[int, int]]]:
    """Of each split the label and the first byte of every image."""
    splits = {"train": found.train, "validation": found.validation, "test": found.test}
    return {
        name: [
            (int(label), int(image[0, 0, 0])) for image, label in zip(split.images.take(...), split.labels, strict=True)
        ]
        for name, split in splits.items()
        if split is not None and not isinstance(split.images, np.ndarray)
    }
