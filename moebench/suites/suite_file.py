"""The suite file: a question, profiles, and the grid of cells that gives the answer.

Profiles are the sizes at which to answer the question.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from moebench.claims.claim import Claim, parse_claims
from moebench.errors import BadInput, unknown
from moebench.spec import yaml_source
from moebench.spec.cell_spec import CellSpec
from moebench.spec.entry import CELL_KEYS, MAX_CELLS, build_spec, expand
from moebench.spec.figure_names import DEFAULT_FIGURES, Figure
from moebench.spec.limits import LIMITS, Limits
from moebench.spec.messages import describe, first_mistake
from moebench.spec.tuning import TUNE
from moebench.spec.yaml_source import Location, Source
from moebench.suites.grid import Cell, place

SINGLE_CELLS = "run"
"""Name of the results of cells without a suite."""
_NAME = re.compile("[a-z0-9][a-z0-9-]*")
_MAX_NAME = 64
_PROFILE_KEYS = (*(key for key in CELL_KEYS if key != "router"), "seeds", *LIMITS, "cells")


def _check_name(name: str) -> str:
    """Return the name of a suite, which names folders and is part of web addresses."""
    if _NAME.fullmatch(name) and len(name) <= _MAX_NAME:
        return name
    near = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")[:_MAX_NAME].strip("-")
    hint = f", such as '{near}'" if near else ""
    raise BadInput(
        f"'name' should be at most {_MAX_NAME} small letters, digits and hyphens, and begin with a letter or "
        f"digit{hint}, not {describe(name)}."
    )


SuiteName = Annotated[str, AfterValidator(_check_name)]


class SuiteFile(BaseModel):
    """The top level of a suite file."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    name: SuiteName
    """Name of the suite, and of its folder among the results: small letters, digits and hyphens."""
    question: str = Field(min_length=1)
    """What the suite is to find out, in one sentence."""
    profiles: dict[str, dict[str, Any]] = Field(min_length=1)
    """Sizes of the suite by name. The profile that has the name of the device's platform (cpu, gpu, tpu) is chosen
    unless --profile names another."""
    cells: list[dict[str, Any]] = Field(min_length=1)
    """Entries, each a router with its options and other keys. The lists of an entry are multiplied out, the entries add
    up. A profile may have cells of its own.
    """
    tune: Annotated[Any, WithJsonSchema({"type": "object"})] = None
    """Values to choose hyperparameters from, for all cells that have no `tune` of their own."""
    figures: list[Figure] = list(DEFAULT_FIGURES)
    """Figures to draw after a run."""
    claims: list[Any] = []
    """Statements that the results of the suite decide, each with its source."""


@dataclass(frozen=True)
class Profile:
    """One size of a suite."""

    name: str
    limits: Limits
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Suite:
    """A validated suite file."""

    name: str
    question: str
    figures: tuple[Figure, ...]
    profiles: Mapping[str, Profile]
    source: Source
    claims: tuple[Claim, ...] = ()

    def profile(self, name: str) -> Profile:
        """Return the profile with a name.

        Raises:
            BadInput: the name is unknown; the message gives the nearest name.
        """
        if name not in self.profiles:
            raise unknown("profile", name, self.profiles, of=f"suite '{self.name}'")
        return self.profiles[name]

    def profile_for(self, platform: str) -> Profile:
        """Return the profile for JAX's name of a platform.

        Any other accelerator gets the profile `gpu`.
        """
        if platform in self.profiles:
            return self.profiles[platform]
        if platform != "cpu" and "gpu" in self.profiles:
            return self.profiles["gpu"]
        names = ", ".join(self.profiles)
        raise BadInput(f"suite '{self.name}' has no profile for the platform '{platform}'; give --profile: {names}.")


def load(path: Path) -> Suite:
    """Read and validate a suite file, with all of its profiles.

    Raises:
        BadInput: the file is no valid suite; the message names the file, the line and the key.
    """
    return validate(yaml_source.read(path))


def validate(source: Source) -> Suite:
    """Validate a suite file that has been read.

    Raises:
        BadInput: the file is no valid suite; the message names the file, the line and the key.
    """
    if not isinstance(source.data, dict):
        shown = "empty" if source.data is None else describe(source.data)
        raise source.error((), f"a suite is a mapping with the keys {', '.join(SuiteFile.model_fields)}, not {shown}.")
    try:
        file = SuiteFile.model_validate(source.data)
    except ValidationError as error:
        at, sentence = first_mistake(error, SuiteFile)
        raise source.error(at, sentence) from error
    if file.name == SINGLE_CELLS:
        raise source.error(("name",), f"the name '{SINGLE_CELLS}' is reserved for single cells; choose another.")
    profiles = {name: _profile(source, name, values) for name, values in file.profiles.items()}
    specs = [cell.spec for profile in profiles.values() for cell in profile.cells]
    claims = parse_claims(source, specs)
    return Suite(file.name, file.question.strip(), tuple(file.figures), profiles, source, claims)


def _profile(source: Source, name: str, values: Mapping[str, Any]) -> Profile:
    at: Location = ("profiles", name)
    for key, value in values.items():
        if key not in _PROFILE_KEYS:
            hint = str(unknown("key", key, _PROFILE_KEYS))
            raise source.error((*at, key), f"{hint} (an option of a router belongs under 'cells')")
        names_splits = isinstance(value, dict) and key in ("data", "pretrain_data")
        if isinstance(value, list | dict) and key not in ("seeds", "cells", TUNE) and not names_splits:
            raise source.error(
                (*at, key),
                f"'{key}' of a profile should be one value, not {describe(value)}; lists go under 'cells'.",
            )
    try:
        limits = Limits.from_values(values)
    except BadInput as error:
        raise source.error((*at, str(error.key)), str(error)) from error
    cells_at: Location = (*at, "cells") if "cells" in values else ("cells",)
    entries = values.get("cells", source.data["cells"])
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise source.error(cells_at, "'cells' should be a list of mappings, each with a router.")
    common = {TUNE: source.data[TUNE]} if TUNE in source.data else {}
    defaults = {**common, **{key: value for key, value in values.items() if key not in (*LIMITS, "cells")}}
    return Profile(name, limits, _cells(source, entries, cells_at, defaults, at))


def _cells(
    source: Source, entries: list[Any], cells_at: Location, defaults: Mapping[str, Any], profile_at: Location
) -> tuple[Cell, ...]:
    """Return all cells of all entries, in the file's order.

    Raises:
        BadInput: an entry is no cell, or a cell occurs twice; the message names the file, the line and the key.
    """
    cells: list[Cell] = []
    first: dict[str, Cell] = {}
    for index, entry in enumerate(entries):
        at: Location = (*cells_at, index)
        for key, value in entry.items():
            if value == []:
                raise source.error((*at, key), f"the list of '{key}' is empty, so the entry spans no cell.")
            if key == "seeds":
                raise source.error((*at, key), "'seeds' belongs to a profile: every cell runs the same seeds.")
        for spec in _specs(source, entry, at, defaults, profile_at):
            cell = Cell(spec, source, at, profile_at)
            same = first.setdefault(json.dumps(spec.as_json(), sort_keys=True), cell)
            if same is not cell:
                line = source.line(same.entry)
                raise cell.error(f"a cell of '{spec.router}' is in line {line} already; leave one out.")
            cells.append(cell)
            if len(cells) > MAX_CELLS:
                raise source.error(cells_at, f"the suite spans more than {MAX_CELLS:,} cells.")
    return tuple(cells)


def _specs(
    source: Source, entry: Mapping[str, Any], at: Location, defaults: Mapping[str, Any], profile_at: Location
) -> list[CellSpec]:
    try:
        return [build_spec({**defaults, **values}) for values in expand(entry)]
    except BadInput as error:
        raise source.error(place(source, error.key, at, profile_at, ()), str(error)) from error
