"""The cells of a suite, with their lines in the file, and their selection."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from moebench.errors import BadInput, unknown
from moebench.results.selection import parse_conditions
from moebench.spec import yaml_source
from moebench.spec.cell_spec import CellSpec, Scalar
from moebench.spec.entry import CELL_KEYS, SETTINGS
from moebench.spec.tuning import TUNE
from moebench.spec.yaml_source import Location, Source


@dataclass(frozen=True)
class Cell:
    """One cell of the grid, and the lines of its values in a file."""

    spec: CellSpec
    source: Source | None = None
    entry: Location = ()
    profile: Location = ()

    def with_seeds(self, seeds: tuple[int, ...]) -> "Cell":
        """Return the cell with other seeds."""
        return replace(self, spec=self.spec.model_copy(update={"seeds": seeds}))

    def with_plugins(self, plugins: tuple[str, ...]) -> "Cell":
        """Return the cell with plugin files."""
        return replace(self, spec=self.spec.model_copy(update={"plugins": plugins}))

    def error(self, message: str, key: str | None = None) -> BadInput:
        """Return a mistake in this cell, with file and line if known.

        File and line are known if the cell comes from a file.
        """
        if self.source is None or key == "plugins":
            return BadInput(message, key=key)
        return self.source.error(place(self.source, key, self.entry, self.profile, ()), message)


def place(source: Source, key: str | None, *around: Location) -> Location:
    """Return the location of a key.

    Args:
        source: the file.
        key: the key; None for none.
        *around: mappings from the inside out. The location is in the first mapping that has the key, else the first
            mapping's own.
    """
    within = (at for at in around if key is not None and (*at, key) in source.lines)
    at = next(within, None)
    return around[0] if at is None or key is None else (*at, key)


@dataclass(frozen=True)
class Filter:
    """A condition on cells: `key` has one of `values`."""

    key: str
    values: tuple[Scalar, ...]

    @classmethod
    def parse(cls, text: str) -> "list[Filter]":
        """Return one filter for each key of a text such as `router=soft,experts=2,4`."""
        conditions = parse_conditions(text).items()
        return [cls(key, tuple(map(yaml_source.parse_scalar, values))) for key, values in conditions]

    def keeps(self, spec: CellSpec) -> bool:
        """Return whether the cell's value of the key is one of `values`.

        A cell without the key has no value.
        """
        return _values(spec).get(self.key) in self.values


def choose(specs: Sequence[CellSpec], filters: Iterable[Filter]) -> list[int]:
    """Return the positions of the specifications that pass every filter.

    Raises:
        BadInput: no cell has a key or a value, or no cell passes all filters.
    """
    filters = list(filters)
    for chosen in filters:
        keys = sorted({key for spec in specs for key in _values(spec)})
        if chosen.key not in keys:
            raise unknown("key", chosen.key, keys, of="--filter")
        found = {_values(spec).get(chosen.key) for spec in specs} - {None}
        for value in chosen.values:
            if value not in found:
                raise unknown(chosen.key, str(value), map(str, found), of="--filter")
    kept = [index for index, spec in enumerate(specs) if all(chosen.keeps(spec) for chosen in filters)]
    if not kept:
        raise BadInput("no cell passes all of the filters together; `--dry-run` without them lists the cells.")
    return kept


def _values(spec: CellSpec) -> dict[str, Any]:
    """Return every value that a cell was given, options and other keys alike."""
    return {**{key: getattr(spec, key) for key in CELL_KEYS if key not in (SETTINGS, TUNE)}, **spec.options}
