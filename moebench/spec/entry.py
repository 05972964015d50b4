"""Convert a suite entry, or a text like `soft[experts=16]`, to a cell's specification."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from moebench.errors import BadInput, shortened
from moebench.spec import yaml_source
from moebench.spec.cell_spec import CellSpec, Scalar
from moebench.spec.messages import describe, first_mistake
from moebench.spec.tuning import TUNE, check_tune

CELL_KEYS = CellSpec.keys()
MAX_CELLS = 10_000
SETTINGS = "test_time"
"""The key whose list is one value: settings in which one trained model is evaluated are not separate cells."""
_MAX_SEED = 2**31 - 1
_MAX_SEEDS = 10_000


def expand(entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every product of the entry's lists, the first key varying slowest.

    A single value is a list of one.

    Raises:
        BadInput: there are more products than a suite may have cells.
    """
    lists = [value if isinstance(value, list) and key != SETTINGS else [value] for key, value in entry.items()]
    size = math.prod(len(values) for values in lists)
    if size > MAX_CELLS:
        raise BadInput(f"the entry spans {size:,} cells; a suite may have {MAX_CELLS:,}.")
    for point in itertools.product(*lists):
        yield dict(zip(entry, point, strict=True))


def build_spec(values: Mapping[str, Any]) -> CellSpec:
    """Return the specification of one cell.

    Keys that `CellSpec` does not have are options of the router.

    Raises:
        BadInput: with the key at fault.
    """
    known = (*CELL_KEYS, "seeds")
    options = {key: value for key, value in values.items() if key not in known}
    for key, value in options.items():
        if isinstance(value, list | dict):
            raise BadInput(f"'{shortened(key)}' should be one value, not {describe(value)}.", key=key)
    fields = {key: value for key, value in values.items() if key in known}
    if "router" not in fields:
        raise BadInput("the key 'router' is missing.")
    if SETTINGS in fields:
        fields[SETTINGS] = check_settings(fields[SETTINGS])
    if TUNE in fields:
        others = {key: value for key, value in values.items() if key != TUNE}
        fields[TUNE] = check_tune(fields[TUNE], others, CellSpec)
    if "seeds" in fields:
        fields["seeds"] = check_seeds(fields["seeds"])
    try:
        return CellSpec(options=options, **fields)
    except ValidationError as error:
        place, sentence = first_mistake(error, CellSpec, known)
        raise BadInput(sentence, key=str(place[0])) from error


def check_settings(entries: Any) -> tuple[dict[str, Scalar], ...]:
    """Return the settings that a list of mappings spans, whose lists are multiplied out.

    Raises:
        BadInput: the value is no list of mappings, a setting occurs twice or is empty, or there are more settings than
            a suite may have cells.
    """
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, dict) for entry in entries):
        shown = f"a list of mappings such as [{{top_k: [1, 2]}}], not {describe(entries)}"
        raise BadInput(f"'{SETTINGS}' should be {shown}.", key=SETTINGS)
    settings: dict[tuple[tuple[str, Scalar], ...], dict[str, Scalar]] = {}
    for setting in itertools.chain.from_iterable(expand(entry) for entry in entries):
        for key, value in setting.items():
            if isinstance(value, list | dict):
                message = f"'{shortened(key)}' in '{SETTINGS}' should be one value, not {describe(value)}."
                raise BadInput(message, key=SETTINGS)
        same = tuple(sorted(setting.items(), key=lambda item: item[0]))
        if same in settings or not setting:
            why = "occurs twice" if setting else "changes nothing: the trained setting is always there"
            raise BadInput(f"the setting {shortened(str(setting), 200)} in '{SETTINGS}' {why}.", key=SETTINGS)
        settings[same] = setting
        if len(settings) > MAX_CELLS:
            raise BadInput(f"'{SETTINGS}' spans more than {MAX_CELLS:,} settings.", key=SETTINGS)
    return tuple(settings.values())


def check_seeds(seeds: Any) -> tuple[int, ...]:
    """Return seeds as a tuple.

    Raises:
        BadInput: there are none or too many, or a seed is no whole number from 0 to 2³¹ − 1 or occurs twice.
    """
    if not isinstance(seeds, list | tuple):
        raise BadInput(f"'seeds' should be a list such as [0, 1, 2], not {describe(seeds)}.", key="seeds")
    if not seeds:
        raise BadInput("'seeds' is empty; give at least one, such as [0].", key="seeds")
    if len(seeds) > _MAX_SEEDS:
        raise BadInput(f"'seeds' has {len(seeds):,} seeds; a cell may have {_MAX_SEEDS:,}.", key="seeds")
    found: set[int] = set()
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed <= _MAX_SEED:
            raise BadInput(f"a seed is a whole number from 0 to {_MAX_SEED}, not {describe(seed)}.", key="seeds")
        if seed in found:
            raise BadInput(f"the seed {seed} occurs twice in 'seeds'.", key="seeds")
        found.add(seed)
    return tuple(seeds)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds of a text such as 0,1,2 or 0-4, which is 0,1,2,3,4.

    Raises:
        BadInput: a part is neither a seed nor a range, or `check_seeds` rejects the seeds.
    """
    seeds: list[Scalar] = []
    for part in text.split(","):
        span = re.fullmatch(r"\s*(\d{1,10})\s*-\s*(\d{1,10})\s*", part)
        if span is None:
            seeds.append(yaml_source.parse_scalar(part))
            continue
        first, last = int(span[1]), int(span[2])
        if first > last:
            raise BadInput(f"the seeds {first}-{last} count down; write {last}-{first}.", key="seeds")
        seeds += range(first, min(last, first + _MAX_SEEDS) + 1)
    return check_seeds(seeds)


def parse_cell(text: str) -> dict[str, Scalar]:
    """Return the values of a suite's entry from a cell written as soft[experts=16,slots_per_expert=1].

    Raises:
        BadInput: the text has another form, a key occurs twice, or a number cannot be meant.
    """
    # A value may be a router with options of its own, such as text_router=soft[experts=4].
    match = re.fullmatch(r"\s*([^\[\]=,\s]+)\s*(?:\[((?:[^\[\]]|\[[^\[\]]*\])*)\])?\s*", text)
    if match is None:
        raise BadInput(f"'{shortened(text)}' is no cell; write a router with its options, such as 'soft[experts=16]'.")
    values: dict[str, str] = {}
    key = ""
    for part in filter(None, re.split(r",(?![^\[]*\])", match[2] or "")):
        before, equals, after = part.partition("=")
        if equals:
            key = before.strip()
            if key in values or key == "router":
                raise BadInput(f"'{shortened(text)}' gives '{shortened(key)}' twice.", key=key)
            values[key] = after.strip()
        elif key:  # a value that contains commas, such as moe_layers=2,3
            values[key] += "," + part.strip()
        else:
            raise BadInput(
                f"'{shortened(part)}' in '{shortened(text)}' is no option; write key=value, such as 'soft[experts=16]'."
            )
    return {"router": match[1], **{name: yaml_source.parse_scalar(value) for name, value in values.items()}}
