"""Every key of a suite file, explained by the fields that validate it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from moebench.spec.cell_spec import CellSpec
from moebench.spec.limits import LIMITS, Limits
from moebench.spec.messages import describe, in_words
from moebench.suites.suite_file import SuiteFile


@dataclass(frozen=True)
class SuiteKey:
    """One key of a suite file."""

    name: str
    where: str
    """Place of the key in a suite file."""
    kind: str
    """Values that the key accepts."""
    default: str
    """Value of a key that is left out; empty for a required key."""
    meaning: str

    @property
    def line(self) -> str:
        """Type, default and meaning in one line."""
        default = f", default {self.default}" if self.default else ", must be given"
        return f"{self.kind}{default}. {self.meaning}"


_FILE, _PROFILE, _CELL, _BOTH = "suite", "profile", "cell", "profile or cell"


def suite_keys() -> Iterator[SuiteKey]:
    """Yield every key of the file, of a profile and of a cell.

    Keys of a cell are in the order of `CellSpec`.
    """
    file = SuiteFile.model_json_schema()
    cell = CellSpec.model_json_schema()
    yield from (_key(name, _FILE, file) for name in SuiteFile.model_fields)
    yield _key("seeds", _PROFILE, cell)
    yield from (_key(name, _PROFILE, TypeAdapter(Limits).json_schema()) for name in LIMITS)
    cell_keys = CellSpec.keys()
    yield from (_key(name, _CELL if name == "router" else _BOTH, cell) for name in cell_keys)


def _key(name: str, where: str, schema: Mapping[str, Any]) -> SuiteKey:
    field = schema["properties"][name]
    given = field.get("default")
    if name in schema.get("required", ()):
        default = ""
    elif given in (None, {}):
        default = "below" if "Default: " in field["description"] else "none"
    elif isinstance(given, list):
        default = f"[{', '.join(map(str, given))}]"
    else:
        default = given if isinstance(given, str) else describe(given)
    return SuiteKey(name, where, in_words(field), default, " ".join(field["description"].split()))
