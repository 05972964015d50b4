"""JSON records that moebench writes for itself, read through typed models: sound, or one sentence.

Anyone may have edited a record, and a disk may have damaged it. A reader gets the fields that the model declares, in
their types, or a `BadInput` that names the file; the caller sets the record aside and makes what it described again.
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
"""A name that becomes part of a path: it names a file in its folder and no other place."""
Seconds = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
"""A time or a duration that can be shown as one."""

_MAX_BYTES = 1 << 28
"""The losses of a hundred million steps; more is no record of ours."""


def read_record(path: Path, model: type[T], what: str) -> T:
    """Read a JSON file through a typed model.

    Args:
        path: the file.
        model: a pydantic model or a dataclass.
        what: what the file is, for the message.

    Raises:
        BadInput: there is no such file, the file is no JSON, or a field is missing or of another type; names the file.
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
