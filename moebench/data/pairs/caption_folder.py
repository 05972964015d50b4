"""Read folders of images with a file of captions, captions.csv or captions.jsonl."""

import csv
import io
import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from moebench.data.pairs.captions import CAPTION_NAMES, CaptionedPart, captioned, distinct, texts
from moebench.data.regular_files import first_line, read_regular, shown, why
from moebench.data.user.file_tree import folders, is_hidden, stamp, visible, walk
from moebench.data.user.folder import Folder
from moebench.data.user.formats import is_image
from moebench.data.user.labels import clean
from moebench.data.user.reader import Part, Raw
from moebench.data.user.splits import EVALUATION_NAMES, TRAIN_NAMES
from moebench.data.user.table import missing_column
from moebench.errors import BadInput

FILES = ("captions.csv", "captions.jsonl")
FILE_NAMES = ("file_name", "filename", "file", "image")
"""Names of a column of file names."""
_MOST_BYTES = 1 << 30


class CaptionFolder(Folder):
    """ROOT/captions.csv and images anywhere below ROOT, or ROOT/SPLIT/captions.csv for splits such as train and test.

    Names of files are paths from the folder of the captions. Several lines may give captions of one file.
    """

    @staticmethod
    def is_there(folder: Path) -> bool:
        """Return whether a folder has captions, or has folders of splits with captions."""
        return bool(_splits(folder))

    def parts(self) -> Mapping[str, CaptionedPart]:
        """List the images and captions of each split.

        Raises:
            BadInput: a file of captions cannot be read, or names no existing image.
        """
        return {name: self._part(folder, images) for name, (folder, images) in self._images.items()}

    def stamp(self) -> str:
        """Return a digest of the paths, sizes and times of captions and images."""
        captions = [_file(folder) for folder, _ in self._images.values()]
        images = [file for _, found in self._images.values() for file in found.values()]
        return f"captions-{stamp(self.where, [*captions, *images])}"

    @cached_property
    def _images(self) -> dict[str, tuple[Path, dict[str, Path]]]:
        """Folder of each split, and its images by their paths from that folder."""
        found = _splits(self.root)
        if "" not in found:
            for entry in visible(self.root, self._left_out):
                if entry.name not in found:
                    self._left_out.add("outside of the folders of splits with captions", entry.path)
        return {name: (folder, self._walk(folder)) for name, folder in found.items()}

    def _walk(self, folder: Path) -> dict[str, Path]:
        found = {}
        for file in walk(folder, self._left_out):
            if is_image(file):
                found[clean(file.relative_to(folder).as_posix())] = file
            elif file != _file(folder):
                self._left_out.add("no images that Pillow reads", file, file.suffix.lower() or "without suffix")
        return found

    def _part(self, folder: Path, images: Mapping[str, Path]) -> CaptionedPart:
        file = _file(folder)
        captions: dict[str, list[str]] = {}
        absent, without = 0, 0
        for line, name, value in _rows(file):
            where = f"line {line} of {shown(file)}"
            path = clean(posixpath.normpath(name)) if name else ""
            if path not in images:
                absent += 1
                self._left_out.add(_reason(folder, path), name or where)
                continue
            found = texts(where, value)
            without += not found
            captions.setdefault(path, []).extend(found)
        if not captions:
            held = "names no image that is there" if absent else "has no line"
            raise BadInput(
                f"{shown(file)} {held}: it gives the names of files in its folder, such as {_example(images)}, and "
                "their captions.",
                key="data",
            )
        if without:
            self._left_out.add("lines without text", file, count=without)
        for path in images.keys() - captions.keys():
            self._left_out.add("images that no caption names", images[path])
        part = Part(shown(folder), raw=lambda: (Raw(shown(images[path]), images[path]) for path in captions))
        return captioned(part, [distinct(path, found, self._left_out) for path, found in captions.items()])


def _splits(root: Path) -> dict[str, Path]:
    """Return the folders with captions by the names of their splits.

    One folder alone has the name "".
    """
    if any((root / name).is_file() for name in FILES):
        return {"": root}
    known = (*TRAIN_NAMES, *EVALUATION_NAMES)
    names = [name for name in folders(root) if name.lower() in known]
    return {name: root / name for name in names if any((root / name / each).is_file() for each in FILES)}


def _file(folder: Path) -> Path:
    found = [folder / name for name in FILES if (folder / name).is_file()]
    if len(found) > 1:
        raise BadInput(f"{shown(folder)} has {' and '.join(FILES)}: keep one of them.", key="data")
    return found[0]


def _reason(folder: Path, path: str) -> str:
    if any(is_hidden(part) for part in path.split("/") if part != ".."):
        return "captions of hidden files"
    is_there = bool(path) and not path.startswith(("/", "..")) and "\0" not in path and (folder / path).exists()
    return "captions of files that are no images" if is_there else "captions of files that are missing"


def _example(images: Mapping[str, Path]) -> str:
    return shown(min(images, default="1.png"))


def _rows(file: Path) -> Iterator[tuple[int, str, Any]]:
    """Yield line, name of the image and captions of each row.

    Raises:
        BadInput: the file cannot be read, or has no such columns.
    """
    try:
        text = read_regular(file, _MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise BadInput(f"cannot read {shown(file)}: {why(error)}.", key="data") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{shown(file)} is no UTF-8 text: byte {error.start} is wrong.", key="data") from error
    for line, row in _csv(file, text) if file.suffix == ".csv" else _json(file, text):
        columns = [_column(file, of, names, row) for of, names in (("files", FILE_NAMES), ("captions", CAPTION_NAMES))]
        name, value = (row[column] for column in columns)
        if not isinstance(name, str):
            raise BadInput(f"line {line} of {shown(file)} has no text as the name of a file.", key="data")
        yield line, name, value


def _column(file: Path, of: str, names: Sequence[str], row: Mapping[str, Any]) -> str:
    found = next((name for name in names if name in row), None)
    if found is None:
        raise missing_column(shown(file), of, names, list(row))
    return found


def _csv(file: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise BadInput(
                    f"line {reader.line_num} of {shown(file)} has "
                    f"{'more' if None in row else 'fewer'} cells than the first line has columns: put captions with "
                    "commas into quotation marks.",
                    key="data",
                )
            yield reader.line_num, row
    except csv.Error as error:
        raise BadInput(
            f"line {reader.line_num} of {shown(file)} is no CSV: {first_line(error)}.", key="data"
        ) from error


def _json(file: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"line {number} of {shown(file)} is no JSON: {first_line(error)}.", key="data") from error
        if not isinstance(row, dict):
            raise BadInput(f"line {number} of {shown(file)} is no JSON object.", key="data")
        yield number, row
