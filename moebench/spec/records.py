"""Read moebench's own JSON records through typed models: either a sound record, or one sentence.

A user may have edited a record, and a disk may have damaged it. A reader gets the fields that the model declares, in
their types, or a `BadInput` that names the file; the caller then renames the record and makes a new one.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from moebench.errors import BadInput
from moebench.files import check_file_name, read_small
from moebench.spec.messages import first_mistake

T = TypeVar("T")

FileName = Annotated[str, AfterValidator(check_file_name)]
"""A file name that becomes part of a path and cannot lead out of its folder."""
Seconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
"""A time or a duration that can be displayed."""

_MAX_BYTES = 1 << 28
"""Size in bytes of the losses of a hundred million steps; a larger file is no record of moebench."""


def read_record(path: Path, model: type[T], what: str) -> T:
    """Return the content of a JSON file as a typed model.

    Args:
        path: the file.
        model: a pydantic model or a dataclass.
        what: the kind of file, for the message.

    Raises:
        BadInput: the file does not exist, is no JSON, lacks a field, or has a field of another type.
    """
    content = read_small(path, _MAX_BYTES, what)
    kind: Any = model
    adapter: TypeAdapter[T] = _adapter(kind)
    try:
        return adapter.validate_json(content, strict=True)
    except ValidationError as error:
        if error.errors(include_url=False, include_context=False)[0]["type"] == "json_invalid":
            raise BadInput(f"the {what} {path} is damaged: it is no JSON.") from error
        _, sentence = first_mistake(error, adapter)
        raise BadInput(f"the {what} {path} is damaged: {sentence}") from error


@cache
def _adapter(model: Any) -> TypeAdapter[Any]:
    return TypeAdapter(model)
