"""The grid: entries whose lists are multiplied out, one cell for each product, and choosing among them."""

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from moebench.errors import BadInput, unknown
from moebench.results.selection import parse_conditions
from moebench.spec import yaml_source
from moebench.spec.cell_spec import CellSpec, Scalar
from moebench.spec.messages import describe, first_mistake
from moebench.spec.yaml_source import Location, Source

CELL_KEYS = CellSpec.keys()
MAX_CELLS = 10_000
SETTINGS = "test_time"
"""The key whose list is one value: what is tried on one trained model makes no cells."""
_MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class Cell:
    """One cell of the grid, and where its values stand if they come from a file."""

    spec: CellSpec
    source: Source | None = None
    entry: Location = ()
    profile: Location = ()

    def with_seeds(self, seeds: tuple[int, ...]) -> "Cell":
        """The same cell for other seeds."""
        return replace(self, spec=self.spec.model_copy(update={"seeds": seeds}))

    def with_plugins(self, plugins: tuple[str, ...]) -> "Cell":
        """The same cell with these files to take routers from."""
        return replace(self, spec=self.spec.model_copy(update={"plugins": plugins}))

    def error(self, message: str, key: str | None = None) -> BadInput:
        """A mistake in this cell, with file and line where there is a file."""
        if self.source is None or key == "plugins":
            return BadInput(message, key=key)
        return self.source.error(place(self.source, key, self.entry, self.profile), message)


def place(source: Source, key: str | None, *around: Location) -> Location:
    """Where the value of `key` stands: in the first of these mappings that has it, else the first mapping."""
    within = (at for at in around if key is not None and (*at, key) in source.lines)
    at = next(within, None)
    return around[0] if at is None or key is None else (*at, key)


def expand(entry: Mapping[str, Any]) -> Iterator[dict[str, Scalar]]:
    """Every product of the entry's lists, the first key varying slowest; a lone value is a list of one."""
    lists = [value if isinstance(value, list) and key != SETTINGS else [value] for key, value in entry.items()]
    size = math.prod(len(values) for values in lists)
    if size > MAX_CELLS:
        raise BadInput(f"the entry spans {size:,} cells; a suite may have {MAX_CELLS:,}.")
    for point in itertools.product(*lists):
        yield dict(zip(entry, point, strict=True))


def build_spec(values: Mapping[str, Any]) -> CellSpec:
    """The specification of one cell; keys that are not `CellSpec`'s are options of its router.

    Raises BadInput with the key at fault.
    """
    known = (*CELL_KEYS, "seeds")
    options = {key: value for key, value in values.items() if key not in known}
    for key, value in options.items():
        if isinstance(value, list | dict):
            raise BadInput(f"'{key}' should be one value, not {describe(value)}.", key=key)
    fields = {key: value for key, value in values.items() if key in known}
    if "router" not in fields:
        raise BadInput("the key 'router' is missing.")
    if SETTINGS in fields:
        fields[SETTINGS] = check_settings(fields[SETTINGS])
    if "seeds" in fields:
        fields["seeds"] = check_seeds(fields["seeds"])
    try:
        return CellSpec(options=options, **fields)
    except ValidationError as error:
        place, sentence = first_mistake(error, known)
        raise BadInput(sentence, key=str(place[0])) from error


def check_settings(entries: Any) -> tuple[dict[str, Scalar], ...]:
    """The settings that a list of mappings spans, whose lists are multiplied out; each once."""
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, dict) for entry in entries):
        shown = f"a list of mappings such as [{{top_k: [1, 2]}}], not {describe(entries)}"
        raise BadInput(f"'{SETTINGS}' should be {shown}.", key=SETTINGS)
    settings: list[dict[str, Scalar]] = []
    for setting in itertools.chain.from_iterable(expand(entry) for entry in entries):
        for key, value in setting.items():
            if isinstance(value, list | dict):
                raise BadInput(f"'{key}' in '{SETTINGS}' should be one value, not {describe(value)}.", key=SETTINGS)
        if setting in settings or not setting:
            why = "stands twice" if setting else "changes nothing: the trained setting is always there"
            raise BadInput(f"the setting {setting} in '{SETTINGS}' {why}.", key=SETTINGS)
        settings.append(setting)
    return tuple(settings)


def check_seeds(seeds: Any) -> tuple[int, ...]:
    """Seeds as a tuple: at least one, whole numbers from 0 to 2³¹ − 1, each once."""
    if not isinstance(seeds, list | tuple):
        raise BadInput(f"'seeds' should be a list such as [0, 1, 2], not {describe(seeds)}.", key="seeds")
    if not seeds:
        raise BadInput("'seeds' is empty; give at least one, such as [0].", key="seeds")
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= _MAX_SEED:
            raise BadInput(f"a seed is a whole number from 0 to {_MAX_SEED}, not {describe(seed)}.", key="seeds")
        if seeds.count(seed) > 1:
            raise BadInput(f"the seed {seed} stands twice in 'seeds'.", key="seeds")
    return tuple(seeds)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds written on the command line as 0,1,2."""
    return check_seeds([yaml_source.parse_scalar(part) for part in text.split(",")])


def parse_cell(text: str) -> dict[str, Scalar]:
    """A cell written as soft[experts=16,slots_per_expert=1]: the values of an entry of a suite."""
    match = re.fullmatch(r"\s*([^\[\]=,\s]+)\s*(?:\[([^\[\]]*)\])?\s*", text)
    if match is None:
        raise BadInput(f"'{text}' is no cell; write a router with its options, such as 'soft[experts=16]'.")
    values: dict[str, str] = {}
    key = ""
    for part in filter(None, (match[2] or "").split(",")):
        before, equals, after = part.partition("=")
        if equals:
            key = before.strip()
            if key in values or key == "router":
                raise BadInput(f"'{text}' gives '{key}' twice.", key=key)
            values[key] = after.strip()
        elif key:  # a value with commas of its own, such as moe_layers=2,3
            values[key] += "," + part.strip()
        else:
            raise BadInput(f"'{part}' in '{text}' is no option; write key=value, such as 'soft[experts=16]'.")
    return {"router": match[1], **{name: yaml_source.parse_scalar(value) for name, value in values.items()}}


@dataclass(frozen=True)
class Filter:
    """Keeps the cells whose `key` has one of the `values`."""

    key: str
    values: tuple[Scalar, ...]

    @classmethod
    def parse(cls, text: str) -> "list[Filter]":
        """One for each key of a text such as router=soft,experts=2,4."""
        conditions = parse_conditions(text).items()
        return [cls(key, tuple(map(yaml_source.parse_scalar, values))) for key, values in conditions]

    def keeps(self, spec: CellSpec) -> bool:
        """Whether the cell has one of the values; a cell without the key is not kept."""
        return _values(spec).get(self.key) in self.values


def choose(specs: Sequence[CellSpec], filters: Iterable[Filter]) -> list[int]:
    """Positions of the specifications that every filter keeps.

    Raises BadInput for a key or a value that no cell has, and when the filters together leave nothing.
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
    """Everything that a cell was given, options and other keys alike."""
    return {**{key: getattr(spec, key) for key in CELL_KEYS if key != SETTINGS}, **spec.options}
