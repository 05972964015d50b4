"""Read the files that `datasets.save_to_disk` writes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import BaseModel, Field, ValidationError

from moebench.data.regular_files import read_regular, shown, why
from moebench.data.user.file_tree import stamp
from moebench.data.user.table import Read, Rows, Table, reading
from moebench.errors import BadInput

_MOST_JSON_BYTES = 16 << 20
M = TypeVar("M", bound=BaseModel)


class _DatasetDict(BaseModel):
    """Content of `dataset_dict.json`."""

    splits: list[str] = Field(min_length=1)


class _DataFile(BaseModel):
    filename: str


class _State(BaseModel):
    """Content of `state.json`."""

    files: list[_DataFile] = Field([], alias="_data_files")
    indices: list[Any] | None = Field(None, alias="_indices_data_files")


def saved(folder: Path) -> Table:
    """Read the files that `datasets.save_to_disk` wrote: one split, or a folder for each split.

    Raises:
        BadInput: files are missing or damaged, or a selection of rows was not written out.
    """
    divided = (folder / "dataset_dict.json").exists()
    names = _json(folder / "dataset_dict.json", _DatasetDict).splits if divided else [""]
    splits: dict[str, list[Rows]] = {}
    files: list[Path] = []
    for name in names:
        own = _inside(folder, name, folder / "dataset_dict.json") if name else folder
        state = _json(own / "state.json", _State)
        if state.indices:
            raise BadInput(
                f"{shown(own)} is a selection of rows: call flatten_indices() before save_to_disk().", key="data"
            )
        found = [_inside(own, each.filename, own / "state.json") for each in state.files]
        splits[name] = [Rows(shown(file), _arrow_schema(file), _arrow_reader(file)) for file in found]
        files += found
    splits = {name: rows for name, rows in splits.items() if rows}
    if not splits:
        raise BadInput(f"{shown(folder)} is a saved data set without a row.", key="data")
    return Table(shown(folder), splits, stamp(shown(folder), files))


def _inside(folder: Path, name: str, source: Path) -> Path:
    """Return the path of a name that a file gives.

    The path must be in the folder itself.
    """
    if Path(name).name != name or "\0" in name:
        raise BadInput(f"{shown(source)} names '{shown(name)}', which is no file beside it.", key="data")
    return folder / name


def _json(file: Path, kind: type[M]) -> M:
    try:
        return kind.model_validate_json(read_regular(file, _MOST_JSON_BYTES))
    except OSError as error:
        raise BadInput(f"cannot read {shown(file)}: {why(error)}.", key="data") from error
    except ValidationError as error:
        raise BadInput(f"{shown(file)} is not what save_to_disk writes, or is damaged.", key="data") from error


def _arrow_schema(file: Path) -> pa.Schema:
    with reading(file), pa.memory_map(str(file)) as source:
        return pa.ipc.open_stream(source).schema


def _arrow_reader(file: Path) -> Read:
    def read(columns: Sequence[str], rows: int) -> Iterator[pa.RecordBatch]:
        with reading(file), pa.memory_map(str(file)) as source:
            for batch in pa.ipc.open_stream(source):
                chosen = batch.select(columns)
                for start in range(0, batch.num_rows, rows):
                    yield chosen.slice(start, rows)

    return read
