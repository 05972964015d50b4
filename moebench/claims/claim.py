"""A claim of a suite: a sentence, its source, and the deciding comparison of cells."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from moebench.errors import BadInput, unknown
from moebench.results.schema import COLUMNS, column
from moebench.spec.cell_spec import CellSpec, Scalar
from moebench.spec.messages import describe, first_mistake
from moebench.spec.yaml_source import Location, Source

Kind = Literal["better", "rising", "no_loss", "falls_slower", "diverges_first"]
Selection = dict[str, Scalar | list[Scalar]]
"""Keys of cells with the value, or the values, that select a cell."""

RATIOS = ("train_step_vs_dense", "infer_vs_dense")
METRICS = (*(each.name for each in COLUMNS if each.numeric and each.varies == "seed" and each.better), *RATIOS)
"""Columns that a claim can be about: columns with a better and a worse that vary by seed, and times."""
TEST_TIME = "test_"
"""Prefix of keys for the setting in which a trained model was evaluated."""
ANY_COST = "any cost"
COST, TOLERANCE = "flops_forward_per_image", 0.03
"""Cells are compared at equal cost if this column differs by no larger share."""
_COSTS = ("flops_forward_per_image", "flops_train_step", "flops_train_total", "params", "params_active")
_AT = re.compile(r"equal (?P<column>\w+)(?: *\(± *(?P<percent>\d+(?:\.\d+)?) *%\))?")
_OVER_COLUMNS = tuple(each.name for each in COLUMNS if each.numeric and each.group in ("inputs", "cost"))
"""Columns that a trend can go over although no suite sets them."""


class _Shape(NamedTuple):
    """Keys that a kind of claim needs beside its own, and optional keys."""

    needs: tuple[str, ...]
    may: tuple[str, ...]


_KINDS: dict[str, _Shape] = {
    "better": _Shape(("than",), ("on", "at")),
    "rising": _Shape(("over",), ("on",)),
    "no_loss": _Shape(("than", "beyond"), ("on",)),
    "falls_slower": _Shape(("than", "over"), ("on",)),
    "diverges_first": _Shape(("than",), ()),
}
_COMMON = ("says", "source", "printed")
_KEYS = tuple(key for key in CellSpec.model_fields if key not in ("options", "seeds", "plugins", "test_time"))


class Claim(BaseModel):
    """A claim of a suite.

    Exactly one of the keys named in `Kind` gives the kind of the claim.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    says: str = Field(min_length=1)
    """The claim in a sentence."""
    source: str = Field(min_length=1)
    """Paper and section, or another author of the claim."""
    printed: str | None = None
    """The effect as the source prints it."""
    better: Selection | None = None
    """Cells that are better than those of `than`, pair by pair, at equal cost."""
    rising: Selection | None = None
    """Cells that get better as `over` grows."""
    no_loss: Selection | None = None
    """Cells whose loss against the cells of `than` is at most `beyond`."""
    falls_slower: Selection | None = None
    """Cells that lose less than the cells of `than` from one level of `over` to the next."""
    diverges_first: Selection | None = None
    """Cells that diverge at a lower learning rate than the cells of `than`."""
    than: Selection | None = None
    over: str | None = None
    """A key or a column of numbers."""
    beyond: float | None = Field(None, ge=0)
    """The loss that is allowed, in the metric's unit: 0.01 is one point of accuracy."""
    on: str = "accuracy"
    """The metric."""
    at: str | None = None
    """`equal COLUMN (±3 %)` of a cost, or `any cost`; None is equal forward FLOPs, of times any cost."""

    @property
    def kind(self) -> Kind:
        """The kind of the claim."""
        return next(kind for kind in get_args(Kind) if getattr(self, kind) is not None)

    @property
    def subject(self) -> Selection:
        """The cells that the claim is about."""
        subject: Selection = getattr(self, self.kind)
        return subject

    @property
    def at_test_time(self) -> bool:
        """Whether the claim is about settings in which trained models were evaluated."""
        keys = (*self.subject, *(self.than or {}), *([self.over] if self.over else []))
        return any(key.startswith(TEST_TIME) for key in keys)

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the metric is better."""
        return column(self.on).higher_is_better

    @property
    def cost(self) -> tuple[str, float] | None:
        """The column in which cells must agree, and the share by which they may differ.

        The value is None for any cost.
        """
        if self.kind != "better" or self.at == ANY_COST or (self.at is None and self.on in RATIOS):
            return None
        if self.at is None:
            return COST, TOLERANCE
        found = _AT.fullmatch(self.at)
        if found is None:  # rejected by `check`
            return None
        return found["column"], float(found["percent"]) / 100 if found["percent"] else TOLERANCE


def parse_claims(source: Source, specs: Sequence[CellSpec]) -> tuple[Claim, ...]:
    """Return the claims under the key `claims` of a suite file.

    The tuple is empty without the key.

    Args:
        source: the file.
        specs: the cells of all of its profiles.

    Raises:
        BadInput: an entry is no claim, occurs twice, or names cells that the grid lacks; with file, line and key.
    """
    claims: list[Claim] = []
    for index, values in enumerate(source.data.get("claims", [])):
        at: Location = ("claims", index)
        try:
            claim = parse_claim(values)
            check_cells(claim, specs)
        except BadInput as error:
            raise source.error(at if error.key is None else (*at, error.key), str(error)) from error
        if any(claim.says == other.says for other in claims):
            raise source.error((*at, "says"), f"the claim {describe(claim.says)} occurs twice here; leave one out.")
        claims.append(claim)
    return tuple(claims)


def parse_claim(values: Any) -> Claim:
    """Return a claim from the plain values of a suite file.

    Raises:
        BadInput: the values make no claim; its `key` is the key at fault.
    """
    if not isinstance(values, dict):
        raise BadInput(
            f"a claim should be a mapping with the keys says, source and what is claimed, not {describe(values)}."
        )
    try:
        claim = Claim.model_validate(values)
    except ValidationError as error:
        place, sentence = first_mistake(error, Claim)
        raise BadInput(sentence, key=str(place[0]) if place else None) from error
    kinds = [kind for kind in _KINDS if getattr(claim, kind) is not None]
    if len(kinds) != 1:
        given = f"it has {' and '.join(kinds)}" if kinds else "it has none"
        raise BadInput(f"a claim needs exactly one of the keys {', '.join(_KINDS)}, and {given}.")
    _check_shape(claim, values, kinds[0])
    return claim


def _check_shape(claim: Claim, values: Mapping[str, Any], kind: str) -> None:
    shape = _KINDS[kind]
    for key in shape.needs:
        if getattr(claim, key) is None:
            raise BadInput(f"the key '{key}' is missing, which a claim with '{kind}' needs.", key=kind)
    for key in values:
        if key not in (*_COMMON, kind, *shape.needs, *shape.may):
            raise BadInput(f"'{key}' has no meaning in a claim with '{kind}'.", key=key)
    for key in (kind, "than"):
        if getattr(claim, key) == {}:
            raise BadInput(f"'{key}' is empty; name cells, such as {{router: soft}}.", key=key)
    if claim.on not in METRICS:
        raise _at("on", unknown("metric of a claim", claim.on, METRICS))
    if claim.at not in (None, ANY_COST):
        found = _AT.fullmatch(str(claim.at))
        if found is None:
            raise BadInput(f"'at' should be 'equal {COST} (±3 %)' or '{ANY_COST}', not {describe(claim.at)}.", key="at")
        if found["column"] not in _COSTS:
            raise _at("at", unknown("cost", found["column"], _COSTS))


def check_cells(claim: Claim, specs: Sequence[CellSpec]) -> None:
    """Raise if a claim names keys or cells that the grid lacks.

    Args:
        claim: the claim.
        specs: the cells of all profiles of its suite.

    Raises:
        BadInput: a key is unknown, or no cell has the values; its `key` is the selection at fault.
    """
    grid = [values for spec in specs for values in values_of(spec)]
    keys = sorted({key for values in grid for key in values})
    for name in (claim.kind, "than"):
        selection: Selection | None = getattr(claim, name)
        if selection is None:
            continue
        for key in selection:
            if key not in keys:
                raise _at(name, unknown(f"key of '{name}'", key, keys))
        if not any(selects(selection, values) for values in grid):
            shown = ", ".join(f"{key}: {value}" for key, value in selection.items())
            raise BadInput(f"'{name}' names no cell of the grid: {{{shown}}}.", key=name)
    if claim.than is not None and not any(
        selects(claim.than, values) and not selects(claim.subject, values) for values in grid
    ):
        raise BadInput(f"'than' names no cell besides those of '{claim.kind}'.", key="than")
    if claim.over is not None and claim.over not in (*keys, *_OVER_COLUMNS):
        raise _at("over", unknown("key to go over", claim.over, (*keys, *_OVER_COLUMNS)))
    _check_levels(claim, [values for values in grid if selects(claim.subject, values)])


def _check_levels(claim: Claim, cells: Sequence[Mapping[str, Any]]) -> None:
    """Raise if the claim's cells have too few values of its input.

    There is no error if the suite file does not give the values of all cells.
    """
    from moebench.statistics import FEWEST_LEVELS  # takes long to import, and most files do not need it

    over = "learning_rate" if claim.kind == "diverges_first" else claim.over
    given = [values.get(over) for values in cells] if over is not None else []
    if not given or None in given:
        return
    levels = {value for value in given if isinstance(value, (int, float)) and not isinstance(value, bool)}
    if not levels and over not in _OVER_COLUMNS:
        raise BadInput(f"'over' should be a key or column of numbers, and '{over}' is none.", key="over")
    least = 2 if claim.kind == "diverges_first" else FEWEST_LEVELS
    if levels and len(levels) < least:
        shown = ", ".join(f"{level:g}" for level in sorted(levels))
        raise BadInput(
            f"the cells of '{claim.kind}' have too few values of {over}: {shown}; at least {least} are needed.",
            key=claim.kind,
        )


def values_of(spec: CellSpec) -> Iterator[dict[str, Any]]:
    """Yield the given values of a cell for each evaluation setting of its trained model."""
    given = {key: getattr(spec, key) for key in _KEYS} | spec.options
    for setting in ({}, *spec.test_time):
        yield (
            given
            | {f"{TEST_TIME}{key}": given.get(key) for key in _tried(spec)}
            | {f"{TEST_TIME}{key}": value for key, value in setting.items()}
        )


def _tried(spec: CellSpec) -> set[str]:
    """Return the keys that settings after training change, and the router."""
    return {"router", *(key for setting in spec.test_time for key in setting)} if spec.test_time else set()


def selects(selection: Selection, values: Mapping[str, Any]) -> bool:
    """Return whether a selection selects a cell.

    Args:
        selection: keys with the value, or the values, that select a cell.
        values: the values of the cell; a frozenset contains several spellings of one value.
    """
    for key, wanted in selection.items():
        choices = wanted if isinstance(wanted, list) else [wanted]
        value = values.get(key)
        if not any(each in choices for each in (value if isinstance(value, frozenset) else (value,))):
            return False
    return True


def _at(key: str, error: BadInput) -> BadInput:
    return BadInput(str(error), key=key)
