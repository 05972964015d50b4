"""Files of recordings: one per cell and seed, and one of images that cells share.

    results/_files/SUITE/routing/CELL_ID-SEED-ATTEMPT.parquet   rows of `ROUTING_SCHEMA`, with the facts in its metadata
    results/_files/SUITE/routing/_images-DIGEST.parquet         images of all recordings with that digest

pandas, polars and DuckDB read the folder of recordings as one table, because names that begin with `_` are skipped.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from moebench.errors import BadInput
from moebench.files import entries, publishing
from moebench.inside.schema import (
    FACTS_KEY,
    IMAGE_SCHEMA,
    ROUTING_SCHEMA,
    ROUTING_VERSION,
    VERSION_KEY,
    Facts,
)

LARGEST_SIDE = 112
"""Pixels of a side above which a picture is reduced: more than an inch of a printed figure shows."""

Columns = Mapping[str, np.ndarray]
Filters = Mapping[str, Sequence[int]]
"""Accepted values by column."""


def recording_path(folder: Path, cell_id: str, seed: int, attempt: int) -> Path:
    """Return the path of one attempt's recording of a seed of a cell."""
    return folder / f"{cell_id}-{seed}-{attempt}.parquet"


def images_path(folder: Path, digest: str) -> Path:
    """Return the path of the images of a digest."""
    return folder / f"_images-{digest}.parquet"


def to_table(columns: Columns, facts: Facts) -> pa.Table:
    """Return rows as a table of `ROUTING_SCHEMA`.

    Args:
        columns: every column of the schema except the columns of the cell, which come from the facts.
        facts: facts about the cell, stored in the table's metadata.
    """
    count = len(columns["token"])
    names = {"suite": facts.suite, "cell_id": facts.cell_id, "cell": facts.cell, "router": facts.router}
    columns = {**columns, "seed": np.full(count, facts.seed)}
    arrays = []
    for field in ROUTING_SCHEMA:
        if field.name in names:
            zeros = pa.array(np.zeros(count, np.int32))
            arrays.append(pa.DictionaryArray.from_arrays(zeros, pa.array([names[field.name]])))
        else:
            arrays.append(_array(columns[field.name], field))
    metadata = {VERSION_KEY: str(ROUTING_VERSION).encode(), FACTS_KEY: facts.as_json().encode()}
    return pa.table(arrays, schema=ROUTING_SCHEMA.with_metadata(metadata))


def _array(values: np.ndarray, field: pa.Field) -> pa.Array:
    if pa.types.is_floating(field.type):
        numbers = values.astype(field.type.to_pandas_dtype())
        return pa.array(numbers, mask=np.isnan(numbers))
    return pa.array(values).cast(field.type)


def write_recording(table: pa.Table, folder: Path, facts: Facts) -> Path:
    """Publish a recording, and remove recordings of earlier attempts at the cell and seed.

    Args:
        table: the rows.
        folder: folder of the recordings.
        facts: facts about the cell.
    """
    path = recording_path(folder, facts.cell_id, facts.seed, facts.attempt)
    write(table, path)
    for other in entries(folder):
        identity = _identity(other)
        if identity is not None and identity[:2] == (facts.cell_id, facts.seed) and identity[2] < facts.attempt:
            other.unlink(missing_ok=True)
    return path


def write(table: pa.Table, path: Path) -> None:
    """Publish a table as one Parquet file."""
    with publishing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", compression_level=3, write_page_checksum=True)


def write_images(
    pixels: np.ndarray,
    images: np.ndarray,
    labels: np.ndarray,
    folder: Path,
) -> str:
    """Publish images for all recordings that show them, and return their digest.

    Args:
        pixels: uint8[image, height, width, channel], grey or in colours.
        images: int[image], the numbers of the images in the test split.
        labels: int[image], the classes of the images.
        folder: folder of the recordings.
    """
    digest = hashlib.sha256()
    for part in (np.asarray(images, np.int64), np.asarray(labels, np.int64), pixels):
        digest.update(np.ascontiguousarray(part).tobytes())
    name = digest.hexdigest()[:16]
    path = images_path(folder, name)
    if not path.exists():
        pictures = pa.array([_png(each) for each in pixels], pa.binary())
        numbers = (pa.array(np.asarray(each, np.int64)) for each in (images, labels))
        write(pa.table([*numbers, pictures], schema=IMAGE_SCHEMA), path)
    return name


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    if max(picture.size) > LARGEST_SIDE:
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BOX)
    content = io.BytesIO()
    picture.save(content, format="png", optimize=True)
    return content.getvalue()


def decoded(png: bytes) -> np.ndarray:
    """Return the pixels of a picture, uint8[height, width, channel].

    A grey picture has one channel.
    """
    from PIL import Image

    pixels = np.asarray(Image.open(io.BytesIO(png)))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def recording_paths(folder: Path) -> list[Path]:
    """Return the newest recording of each cell and seed in a folder."""
    newest: dict[tuple[str, int], tuple[int, Path]] = {}
    for path in entries(folder):
        identity = _identity(path)
        if identity is not None:
            newest[identity[:2]] = max(newest.get(identity[:2], (0, path)), (identity[2], path))
    return [path for _, path in newest.values()]


def _identity(path: Path) -> tuple[str, int, int] | None:
    """Return cell, seed and attempt from the name of a recording; None for other files."""
    cell, seed, attempt = ["", "", "", *path.stem.rsplit("-", 2)][-3:]
    recorded = path.suffix == ".parquet" and path.name[0] not in "._" and seed.isdecimal() and attempt.isdecimal()
    return (cell, int(seed), int(attempt)) if recorded else None


def read_facts(path: Path) -> Facts:
    """Return the facts of a recording without reading its rows.

    Raises:
        BadInput: the file is unreadable, no recording, or of another version.
    """
    try:
        metadata = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"the recording {path} cannot be read: {str(error).splitlines()[0].rstrip('.')}.") from error
    if VERSION_KEY not in metadata or FACTS_KEY not in metadata:
        raise BadInput(f"{path} is a Parquet file, but no recording of routing.")
    version = metadata[VERSION_KEY].decode()
    if version != str(ROUTING_VERSION):
        age = "an older" if version.isdecimal() and int(version) < ROUTING_VERSION else "a newer"
        raise BadInput(
            f"{path} was recorded by {age} moebench (layout {version}, this one reads {ROUTING_VERSION}): run its cell "
            "again with --fresh."
        )
    return Facts.from_json(metadata[FACTS_KEY])


def read_rows(path: Path, columns: Sequence[str] | None = None, filters: Filters | None = None) -> pa.Table:
    """Return rows of a recording, in the order of steps, layers, images, tokens and ranks.

    Args:
        path: the recording.
        columns: names to read; None reads all.
        filters: the values that rows may have in some columns; None lets all rows through.

    Raises:
        BadInput: the file is unreadable.
    """
    wanted = list(columns or ROUTING_SCHEMA.names)
    try:
        table = pq.read_table(path, columns=[*dict.fromkeys((*wanted, *(filters or {})))], partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise BadInput(f"the recording {path} cannot be read: {str(error).splitlines()[0].rstrip('.')}.") from error
    for name, values in (filters or {}).items():
        table = table.filter(pc.is_in(table[name], pa.array(list(values), table[name].type)))
    return table.select(wanted)


def read_images(folder: Path, facts: Facts) -> dict[int, np.ndarray]:
    """Return the pictures of a recording by their images' numbers.

    The mapping is empty if the file of the images is missing.
    """
    path = images_path(folder, facts.images)
    if not path.exists():
        return {}
    table = pq.read_table(path, columns=["image", "png"], partitioning=None)
    return {image: decoded(png) for image, png in zip(*(column.to_pylist() for column in table.columns), strict=True)}
