"""Image-text pairs of a user's own, as tests lay them down."""

import json
from pathlib import Path

import pyarrow as pa
from own_images import png, silent, write

from moebench.data.pairs import PairData, find_pairs


def images(root: Path, names: list[str]) -> Path:
    """A folder with an image for each name, whose first pixel is the number of the name."""
    for value, name in enumerate(names):
        write(root / name, png(value))
    return root


def csv(root: Path, rows: list[tuple[str, str]]) -> Path:
    """A folder with captions.csv."""
    write(root / "captions.csv", "\n".join(["file_name,caption", *(f"{name},{text}" for name, text in rows)]))
    return root


def jsonl(root: Path, rows: list[dict[str, object]]) -> Path:
    """A folder with captions.jsonl."""
    write(root / "captions.jsonl", "\n".join(map(json.dumps, rows)))
    return root


def table(captions: list[object], column: str = "caption") -> pa.Table:
    """A table of images and captions."""
    cells = [{"bytes": png(value, mode="RGB"), "path": None} for value in range(len(captions))]
    return pa.table({"image": cells, column: captions})


def loaded(place: Path | str) -> PairData:
    """The pairs of a place."""
    return find_pairs(str(place)).load(None, silent)


def shown(pairs: PairData) -> dict[str, dict[int, tuple[str, ...]]]:
    """Of each split the captions of each image, by the value of the image's first pixel."""
    return {
        name: {int(split.images.take(i)[0, 0, 0]): tuple(split.of_image(i)) for i in range(len(split))}
        for name, split in (("train", pairs.train), ("test", pairs.test))
    }
