"""Recorded router logits, or recorded choices, read layer by layer in parts of bounded size."""

import ast
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int64

from moebench.errors import BadInput

GROUPS = "groups"
"""Name of the optional array with the number of tokens of each group."""
FORMATS = (".npy", ".npz", ".safetensors", ".parquet")
_LARGEST_HEADER = 1 << 16

Parts = Callable[[int], Iterator[np.ndarray]]
"""Yields the rows of a layer in order, at most the given number at a time."""


@dataclass(frozen=True)
class Layer:
    """The recorded rows of one MoE layer: logits float[tokens, experts], or choices int[tokens, k]."""

    name: str
    tokens: int
    width: int
    """Number of experts if the rows are logits, of choices if they are assignments."""
    parts: Parts


@dataclass(frozen=True)
class Recording:
    """The layers of one file, in order, with the sizes of its routing groups."""

    path: Path
    layers: tuple[Layer, ...]
    groups: Int64[np.ndarray, "group"] | None
    """Tokens of each group; None if the file names none."""

    @property
    def tokens(self) -> int:
        """Tokens of each layer."""
        return self.layers[0].tokens


def open_recording(path: Path) -> Recording:
    """Open a recording without reading its rows.

    Args:
        path: .npy or .npz (an array [layers, tokens, experts], or an array [tokens, experts] for each layer),
            .safetensors
            with such arrays, or .parquet with a list column `logits` and an optional column `layer`. An array or column
            named `groups` gives the tokens of each routing group.

    Raises:
        BadInput: the file is missing or unreadable, or has no such arrays.
    """
    if not path.is_file():
        raise BadInput(f"there is no file {path}.")
    readers = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors, ".parquet": _parquet}
    if path.suffix not in readers:
        raise BadInput(f"{path} should end in one of {', '.join(FORMATS)}.")
    try:
        layers, groups = readers[path.suffix](path)
    except BadInput:
        raise
    except Exception as error:  # each library has its own errors for a damaged file
        raise BadInput(f"{path} cannot be read: {str(error).splitlines()[0] if str(error) else error!r}.") from error
    if not layers:
        raise BadInput(f"{path} has no logits: one array [layers, tokens, experts], or [tokens, experts] a layer.")
    first = layers[0]
    for layer in layers:
        if (layer.tokens, layer.width) != (first.tokens, first.width):
            raise BadInput(
                f"{path}: layer '{layer.name}' has shape [{layer.tokens}, {layer.width}] and '{first.name}' "
                f"[{first.tokens}, {first.width}]; all layers need one shape."
            )
    if not first.tokens or not first.width:
        raise BadInput(f"{path}: layer '{first.name}' is empty.")
    if groups is not None and (groups.ndim != 1 or (groups <= 0).any() or groups.sum() != first.tokens):
        raise BadInput(
            f"{path}: '{GROUPS}' should have the tokens of each group, which add up to {first.tokens:,}, not to "
            f"{int(groups.sum()):,}."
        )
    return Recording(path, tuple(layers), groups)


def _stacked(name: str, array: np.ndarray) -> list[Layer]:
    """Return the layers of an array in memory or mapped.

    An array of three dimensions has several layers, an array of two dimensions one layer.
    """
    if array.ndim == 3:
        return [_in_memory(f"{name}[{number}]", array[number]) for number in range(array.shape[0])]
    if array.ndim == 2:
        return [_in_memory(name, array)]
    raise BadInput(f"array '{name}' has shape {list(array.shape)}; logits are [layers, tokens, experts] or a layer.")


def _in_memory(name: str, rows: np.ndarray) -> Layer:
    def parts(most: int) -> Iterator[np.ndarray]:
        for start in range(0, len(rows), most):
            yield np.asarray(rows[start : start + most])

    return Layer(name, rows.shape[0], rows.shape[1], parts)


def _npy(path: Path) -> tuple[list[Layer], None]:
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    if not (isinstance(mapped, np.memmap) and mapped.flags.c_contiguous and mapped.ndim in (2, 3)):
        return _stacked("logits", mapped), None
    shape, dtype = mapped.shape, mapped.dtype
    if mapped.ndim == 2:
        return [_on_disk(path, "logits", shape, dtype, mapped.offset)], None
    size = shape[1] * shape[2] * dtype.itemsize
    names = [f"logits[{number}]" for number in range(shape[0])]
    return [
        _on_disk(path, name, shape[1:], dtype, mapped.offset + number * size) for number, name in enumerate(names)
    ], None


def _on_disk(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype, first: int) -> Layer:
    """Return a layer that is read part by part.

    Pages of a mapping would stay in the process's memory.

    Args:
        path: an uncompressed file.
        name: name of the layer.
        shape: tokens and experts or choices.
        dtype: type of the numbers.
        first: bytes before the layer's rows.
    """
    tokens, width = shape

    def parts(most: int) -> Iterator[np.ndarray]:
        for start in range(0, tokens, most):
            rows, skipped = min(most, tokens - start), start * width * dtype.itemsize
            yield np.fromfile(path, dtype, rows * width, offset=first + skipped).reshape(rows, width)

    return Layer(name, tokens, width, parts)


def _npz(path: Path) -> tuple[list[Layer], np.ndarray | None]:
    """Return the layers and groups of a zip archive, read as streams.

    The archive may be larger than the memory.
    """
    layers: list[Layer] = []
    groups = None
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            name = member.removesuffix(".npy")
            with archive.open(member) as file:
                shape, dtype = _header(file)
                if name == GROUPS:
                    groups = np.frombuffer(file.read(), dtype).astype(np.int64)
                    continue
            if len(shape) == 3:
                layers += [_member(path, member, shape[1:], dtype, number, name) for number in range(shape[0])]
            elif len(shape) == 2:
                layers.append(_member(path, member, shape, dtype, None, name))
            else:
                raise BadInput(f"array '{name}' of {path} has shape {list(shape)}; logits are [tokens, experts].")
    return layers, groups


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Read the header of a .npy stream: shape and type of the array that follows."""
    version = np.lib.format.read_magic(file)
    length = int.from_bytes(file.read(2 if version[0] == 1 else 4), "little")
    if length > _LARGEST_HEADER:
        raise BadInput("an array's header is too large to be one.")
    about: Mapping[str, Any] = ast.literal_eval(file.read(length).decode("latin1"))
    dtype = np.dtype(about["descr"])
    if about["fortran_order"] or dtype.hasobject:
        raise BadInput("arrays should be numbers in C order.")
    return tuple(about["shape"]), dtype


def _member(path: Path, member: str, shape: tuple[int, ...], dtype: np.dtype, number: int | None, name: str) -> Layer:
    tokens, width = shape
    row = width * dtype.itemsize

    def parts(most: int) -> Iterator[np.ndarray]:
        with zipfile.ZipFile(path) as archive, archive.open(member) as file:
            _header(file)
            skip = (number or 0) * tokens * row
            while skip:
                skip -= len(file.read(min(skip, 1 << 24)))
            for start in range(0, tokens, most):
                count = min(most, tokens - start)
                yield np.frombuffer(file.read(count * row), dtype).reshape(count, width)

    return Layer(name if number is None else f"{name}[{number}]", tokens, width, parts)


def _safetensors(path: Path) -> tuple[list[Layer], np.ndarray | None]:
    try:
        from safetensors import safe_open
    except ImportError as error:
        raise BadInput(f"{path} needs the package safetensors: pip install 'moebench[safetensors]'.") from error
    layers: list[Layer] = []
    groups = None
    with safe_open(path, framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118 - not a mapping
            shape = file.get_slice(name).get_shape()
            if name == GROUPS:
                groups = file.get_tensor(name).astype(np.int64)
            elif len(shape) == 3:
                layers += [_slice(path, name, shape[1:], number) for number in range(shape[0])]
            elif len(shape) == 2:
                layers.append(_slice(path, name, shape, None))
            else:
                raise BadInput(f"tensor '{name}' of {path} has shape {list(shape)}; logits are [tokens, experts].")
    return layers, groups


def _slice(path: Path, name: str, shape: list[int], number: int | None) -> Layer:
    def parts(most: int) -> Iterator[np.ndarray]:
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:
            rows = file.get_slice(name)
            for start in range(0, shape[0], most):
                stop = min(start + most, shape[0])
                yield rows[start:stop] if number is None else rows[number : number + 1, start:stop][0]

    return Layer(name if number is None else f"{name}[{number}]", shape[0], shape[1], parts)


def _parquet(path: Path) -> tuple[list[Layer], np.ndarray | None]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns = pq.read_schema(path).names
    if "logits" not in columns:
        raise BadInput(f"{path} has no column 'logits'; it has {', '.join(columns)}.")
    if "layer" not in columns:
        lengths = pc.list_value_length(pq.read_table(path, columns=["logits"])["logits"])
        return [_rows_of(path, "logits", None, len(lengths), _one(path, lengths.unique().to_pylist()))], None
    layer = pq.read_table(path, columns=["layer"])["layer"]
    counts = {each["values"]: each["counts"] for each in layer.value_counts().to_pylist()}
    lengths = pc.list_value_length(pq.read_table(path, columns=["logits"])["logits"]).unique().to_pylist()
    width = _one(path, lengths)
    return [_rows_of(path, f"layer {key}", key, counts[key], width) for key in sorted(counts)], None


def _one(path: Path, lengths: list[int]) -> int:
    if len(lengths) != 1 or lengths[0] is None:
        raise BadInput(f"{path}: a row of 'logits' has a number for each expert, and rows here have {lengths[:5]}.")
    return int(lengths[0])


def _rows_of(path: Path, name: str, layer: Any, tokens: int, width: int) -> Layer:
    def parts(most: int) -> Iterator[np.ndarray]:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        columns = ["logits"] if layer is None else ["logits", "layer"]
        waiting: list[np.ndarray] = []
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=most, columns=columns):
                chosen = batch if layer is None else batch.filter(pc.equal(batch["layer"], layer))
                if chosen.num_rows:
                    values = chosen["logits"].flatten().to_numpy(zero_copy_only=False)
                    waiting.append(values.reshape(-1, width))
                while sum(map(len, waiting)) >= most:
                    rows = np.concatenate(waiting)
                    yield rows[:most]
                    waiting = [rows[most:]]
        if sum(map(len, waiting)):
            yield np.concatenate(waiting)

    return Layer(name, tokens, width, parts)


def checked(rows: np.ndarray, layer: Layer, start: int) -> Float32[np.ndarray, "token expert"]:
    """Return logits as float32.

    Args:
        rows: logits of consecutive tokens, of any floating type.
        layer: the layer that they belong to.
        start: number of the first token.

    Raises:
        BadInput: a logit is not a number.
    """
    logits = np.asarray(rows, np.float32)
    bad = np.flatnonzero(np.isnan(logits).any(-1))
    if len(bad):
        raise BadInput(
            f"layer '{layer.name}': token {start + int(bad[0]):,} has a logit that is not a number (NaN), and so have "
            f"{len(bad) - 1:,} more of the {len(logits):,} tokens from {start:,} on."
        )
    return logits
