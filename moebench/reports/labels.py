"""Name cells in the notation of the command line, with the fewest distinguishing keys."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from moebench.results.schema import COLUMNS, in_section
from moebench.results.selection import config_of

LONGEST = 60
_SETTING = ("model", "data", "device_kind")
# Slots follow from a capacity factor, which is the better name of a cell.
_INPUTS = tuple(each.name for each in sorted(in_section("label"), key=lambda each: each.unit == "slots"))


def cell_labels(cells: pd.DataFrame) -> "pd.Series[str]":
    """Return a label for each cell of a frame: `dense`, `soft[experts=16]`.

    The frame has one row a cell.

    All labels of a suite name equal keys, those in which cells of one router differ: inputs and options inside the
    brackets; model, data, device and, if there are several, the suite after them, `soft[experts=16] · ti/16`. A key is
    left out for routers without a value, and for dense if all dense cells have one value. If no key is needed, experts
    are named; if no key suffices, the cell's hash follows.
    """
    return _by_suite(cells, _labels)


def brief_labels(cells: pd.DataFrame, longest: int) -> "tuple[pd.Series[str], str]":
    """Return labels of cells that have room in a figure, and a note.

    The note explains the labels. If some label is longer than `longest`, all cells are named by router and the values
    that vary, `soft: 2, 8`, since labels without their middles would not differ.

    Args:
        cells: one row a cell.
        longest: most letters of a label.
    """
    labels = cell_labels(cells)
    if labels.map(len).max() <= longest:
        return labels, ""
    values, title = point_names(cells), varied_title(cells)
    brief = [
        shortened(f"{router}: {value}" if value else router, longest)
        for router, value in zip(cells["router"].astype(str), values, strict=True)
    ]
    return pd.Series(brief, index=cells.index, dtype=object).astype(str), f"names: router, {title}" if title else ""


def point_names(cells: pd.DataFrame, apart: Sequence[str] = ()) -> "pd.Series[str]":
    """Return the values by which a router's cells differ, as names of points.

    Examples are `16`, `mu/2` and `4, 0.5`.

    Args:
        cells: one row a cell.
        apart: columns whose values have panels of their own, so that cells differ within them alone.
    """
    return _by_suite(cells, _names, apart)


def paths(cells: pd.DataFrame) -> "pd.Series[str]":
    """Return each cell's line through cells of its router that differ in one key.

    Lines join cells over the last of the keys in which labels differ, a number or the size of the model. A cell on no
    line has a path of its own.
    """
    return _by_suite(cells, _paths)


def varied_title(cells: pd.DataFrame, apart: Sequence[str] = ()) -> str:
    """Return the title of the values of `point_names`.

    Examples are `experts` and `model, capacity factor`; the title is empty without values.

    Args:
        cells: one row a cell.
        apart: columns whose values have panels of their own.
    """
    titles: dict[str, None] = {}
    for _, group in cells.groupby([_suites(cells), *(cells[key] for key in apart)], dropna=False, sort=False):
        keys = _Keys(group)
        several = keys.several()
        titles |= dict.fromkeys(_title(key) for key in keys.chosen if key in several or key in _SETTING)
    return ", ".join(titles)


def _title(key: str) -> str:
    known = {each.name: each.title for each in COLUMNS}
    title = known.get(key, key.replace("_", " "))
    return title if title[:2].isupper() or title[:3] == "MoE" else title[0].lower() + title[1:]


def _suites(cells: pd.DataFrame) -> "pd.Series[str]":
    return cells["suite"] if "suite" in cells else pd.Series([""] * len(cells), index=cells.index)


def _by_suite(
    cells: pd.DataFrame, make: Callable[[pd.DataFrame], list[str]], apart: Sequence[str] = ()
) -> "pd.Series[str]":
    groups = cells.groupby([_suites(cells), *(cells[key] for key in apart)], dropna=False, sort=False)
    made = []
    for (suite, *_), group in groups:
        behind = f" · {suite}" if groups.ngroups > 1 and make is not _names else ""
        made.append(pd.Series([f"{text}{behind}" for text in make(group)], index=group.index, dtype=object))
    return pd.concat(made).reindex(cells.index).astype(str)


class _Keys:
    """The keys in which cells of one router differ, and each cell's values as texts."""

    def __init__(self, cells: pd.DataFrame) -> None:
        self.columns = _columns(cells)
        self.routers = cells["router"].astype(str).tolist()
        self.chosen = _apart(self.routers, self.columns)
        if not set(self.chosen) - {*_SETTING} and "experts" in self.columns:
            self.chosen.insert(0, "experts")
        self.inside = {router: self._inside(router) for router in set(self.routers)}

    def _inside(self, router: str) -> list[str]:
        """Return the keys inside the brackets of a router.

        The keys are those with a value, and for dense those that vary.
        """
        places = [place for place, of in enumerate(self.routers) if of == router]
        values = {key: {self.columns[key][place] for place in places} for key in self.chosen if key not in _SETTING}
        named = [key for key, found in values.items() if (len(found) > 1 if router == "dense" else found != {None})]
        follows = "capacity_factor" in named
        return [key for key in named if key != "slots_per_expert" or not follows]

    def behind(self, place: int) -> list[str]:
        """Return the parts of a cell's setting that vary."""
        return [self.columns[key][place] or "none" for key in self.chosen if key in _SETTING]

    def varying(self) -> list[list[str]]:
        """Return for each cell the values that vary.

        Values of a key that was added as a last resort are left out.
        """
        several = self.several()
        return [
            [
                *(self.columns[key][place] or "none" for key in self.inside[router] if key in several),
                *self.behind(place),
            ]
            for place, router in enumerate(self.routers)
        ]

    def several(self) -> set[str]:
        """Return the keys inside brackets that have several values.

        The values are those of all routers other than dense, or those of dense alone.
        """
        sparse = [place for place, router in enumerate(self.routers) if router != "dense"]
        inside = {key for keys in self.inside.values() for key in keys}
        return {
            key
            for key in inside
            if len({self.columns[key][place] for place in sparse}) > 1 or key in self.inside.get("dense", ())
        }


def _labels(cells: pd.DataFrame) -> list[str]:
    keys = _Keys(cells)
    labels = []
    for place, router in enumerate(keys.routers):
        inside = [f"{key}={keys.columns[key][place] or 'none'}" for key in keys.inside[router]]
        labels.append(" · ".join([f"{router}[{','.join(inside)}]" if inside else router, *keys.behind(place)]))
    count = Counter(labels)
    hashes = [f" #{str(cell)[:8]}" for cell in cells["cell_id"]]
    return [label + (hashed if count[label] > 1 else "") for label, hashed in zip(labels, hashes, strict=True)]


def _names(cells: pd.DataFrame) -> list[str]:
    return [", ".join(values) for values in _Keys(cells).varying()]


def _paths(cells: pd.DataFrame) -> list[str]:
    keys = _Keys(cells)
    along = keys.chosen[-1] if keys.chosen else ""
    if along != "model" and not pd.api.types.is_numeric_dtype(cells.get(along, pd.Series(dtype=object))):
        return [str(cell) for cell in cells["cell_id"]]
    fixed = [key for key in (*_SETTING, *keys.chosen) if key != along and key in keys.columns]
    return [
        "\n".join([router, *(str(keys.columns[key][place]) for key in fixed)])
        for place, router in enumerate(keys.routers)
    ]


def tuned_keys(cells: pd.DataFrame) -> set[str]:
    """Return the keys whose values were chosen by tries.

    Such a value is a result of its cell: cells do not differ in the keys that they were given.
    """
    return {key for text in cells.get("tuned", pd.Series(dtype=object)).dropna() for key in config_of(text)}


def shortened(text: str, longest: int = LONGEST) -> str:
    """Return the text without its middle if it is too long for a figure."""
    if len(text) <= longest:
        return text
    head = (longest - 1) // 2
    return f"{text[:head]}…{text[len(text) - (longest - 1 - head) :]}"


def _columns(cells: pd.DataFrame) -> dict[str, list[str | None]]:
    """Return the values that may distinguish cells, by key.

    The order of the keys is the order of their trial.
    """
    tuned = tuned_keys(cells)
    names = [name for name in (*_SETTING, "experts", *_INPUTS) if name in cells and name not in tuned]
    columns = {name: [_plain(value) for value in cells[name]] for name in names}
    options = [_options(text) for text in cells.get("config", pd.Series([None] * len(cells), index=cells.index))]
    for key in sorted({key for option in options for key in option} - set(columns) - tuned):
        columns[key] = [_plain(option.get(key)) for option in options]
    return columns


def _apart(routers: Sequence[str], columns: dict[str, list[str | None]]) -> list[str]:
    """Return the keys, tried in their order, that distinguish all cells of each router.

    The model is left out if each data set has one model.
    """
    chosen: list[str] = []
    groups = list(routers)
    for key, values in columns.items():
        if len(set(groups)) == len(groups):
            break
        finer = [f"{group}\n{value}" for group, value in zip(groups, values, strict=True)]
        if len(set(finer)) > len(set(groups)):
            chosen.append(key)
            groups = finer
    if {"model", "data"} <= set(chosen):
        settings = set(zip(columns["model"], columns["data"], strict=True))
        if len(settings) == len(set(columns["data"])):
            chosen.remove("model")
    return chosen


def _options(config: object) -> dict[str, Any]:
    """Return the router's options from a row's `config`.

    The options are empty if the text is no JSON object.
    """
    try:
        options = json.loads(config).get("options", {}) if isinstance(config, str) else {}
    except (ValueError, AttributeError):
        return {}
    return options if isinstance(options, dict) else {}


def _plain(value: Any) -> str | None:
    """Return a value as text; None if there is none."""
    if value is None or value is pd.NA or (isinstance(value, float) and pd.isna(value)):
        return None
    return f"{value:g}" if isinstance(value, float) else str(value)
