"""The file of a counting suite: tables of printed models, and the tolerances of counts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moebench.errors import BadInput
from moebench.papers import printed
from moebench.papers.printed import PrintedModel
from moebench.spec.messages import first_mistake
from moebench.spec.yaml_source import Source
from moebench.suites.suite_file import SuiteName

Quantity = Literal["params", "eval_gflop_per_image", "train_exaflop"]
Tolerance = float | Literal["digits"]
"""A share of the printed value; or "digits", the printed digits, rounded or cut."""

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Known(BaseModel):
    """A printed value outside the tolerance, with its own tolerance and the reason."""

    model_config = _STRICT

    table: str
    row: str
    quantity: Quantity
    tolerance: float = Field(gt=0)
    why: str = Field(min_length=1)


class _File(BaseModel):
    """The top level of the file."""

    model_config = _STRICT

    name: SuiteName
    question: str = Field(min_length=1)
    tables: list[str] = Field(min_length=1)
    tolerances: dict[Quantity, Tolerance]
    known: list[_Known] = []


@dataclass(frozen=True)
class CountingSuite:
    """A validated file of a counting suite.

    A counting suite trains nothing and has no profiles and no cells.
    """

    name: str
    question: str
    models: tuple[PrintedModel, ...]
    tolerances: Mapping[str, Tolerance]
    known: Mapping[tuple[str, str, str], tuple[float, str]]
    """For each table, row and quantity outside the tolerances a tolerance of its own, and the reason for it."""


def is_counting(source: Source) -> bool:
    """Return whether a suite file is one of a counting suite."""
    return isinstance(source.data, dict) and "tables" in source.data


def validate(source: Source) -> CountingSuite:
    """Return the suite of a file that has been read, together with its tables.

    Raises:
        BadInput: the file is no valid counting suite; the message names the file, the line and the key.
    """
    try:
        file = _File.model_validate(source.data)
    except ValidationError as error:
        at, sentence = first_mistake(error, _File)
        raise source.error(at, sentence) from error
    models: list[PrintedModel] = []
    for index, table in enumerate(file.tables):
        try:
            models += printed.models(table, source.path.parent)
        except BadInput as error:
            raise source.error(("tables", index), str(error)) from error
    quantities = {(model.table, model.row, quantity) for model in models for quantity in model.printed}
    for quantity in sorted({quantity for _, _, quantity in quantities} - set(file.tolerances)):
        raise source.error(("tolerances",), f"there is no tolerance for '{quantity}', which the tables print.")
    for index, known in enumerate(file.known):
        if (known.table, known.row, known.quantity) not in quantities:
            message = f"no row '{known.row}' of the table '{known.table}' prints '{known.quantity}'."
            raise source.error(("known", index), message)
    known_values: dict[tuple[str, str, str], tuple[float, str]] = {
        (each.table, each.row, each.quantity): (each.tolerance, each.why) for each in file.known
    }
    tolerances: dict[str, Tolerance] = {str(quantity): each for quantity, each in file.tolerances.items()}
    return CountingSuite(file.name, file.question.strip(), tuple(models), tolerances, known_values)
