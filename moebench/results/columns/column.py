"""The declaration of a column of the result table."""

from dataclasses import dataclass, replace
from typing import Literal

import pyarrow as pa

Kind = Literal["share", "s", "FLOPs", "bytes", "FLOPs/s", "bytes/s", "count", "ratio", "number", "text", "list"]
"""How a value is written for a reader: shares in percent, seconds and FLOPs with a metric prefix, ratios with ×."""
Section = Literal[
    "main",  # the first table of a report
    "health",  # the table of routing metrics
    "timing",  # the table of times and timing flags
    "environment",  # the table of machines and versions
    "cost axis",  # a choice for the cost axis of a Pareto front
    "quality axis",  # a choice for the quality axis of a Pareto front
    "scaled axis",  # a choice for the quantity drawn over an input
    "input axis",  # an input that suites vary, for the horizontal axis
    "test-time cost",  # a choice for the cost axis of a setting at test time
    "test-time quality",  # a choice for the quality axis of a setting at test time
    "label",  # an input in the labels of cells with equal router and number of experts
    "export",  # a column of the Markdown export
]
"""Places where readers find a column."""

TEXT, WHOLE, SMALL, NUMBER, BOOL = pa.string(), pa.int64(), pa.int32(), pa.float64(), pa.bool_()
TIME = pa.timestamp("us", tz="UTC")
TEXTS, WHOLES, NUMBERS = pa.list_(TEXT), pa.list_(WHOLE), pa.list_(NUMBER)
BOOLS, HALVES = pa.list_(BOOL), pa.list_(pa.float16())
BY_LAYER_AND_EXPERT = pa.list_(NUMBERS)

_KINDS: dict[str, Kind] = {
    "s": "s",
    "FLOPs": "FLOPs",
    "bytes": "bytes",
    "FLOPs/s": "FLOPs/s",
    "bytes/s": "bytes/s",
    "share": "share",
    "ratio": "ratio",
}


@dataclass(frozen=True)
class Column:
    """One column of the result table.

    A row of the table is one seed of one cell. A new column is one such declaration, and one line where cells compute
    its value. Pages, figures, tables and the command line derive everything about a column from its declaration.
    """

    name: str
    type: pa.DataType
    unit: str
    meaning: str
    title: str
    better: Literal["higher", "lower"] | None = None
    varies: Literal["seed", "timing", "cell"] = "cell"
    """Source of variation of the column: seeds, timed samples, or only different cells."""
    sections: tuple[Section, ...] = ()
    group: str = ""

    @property
    def numeric(self) -> bool:
        """Whether a row contains one number in this column."""
        return bool(pa.types.is_integer(self.type) or pa.types.is_floating(self.type))

    @property
    def kind(self) -> Kind:
        """How values are written for a reader, derived from type and unit."""
        if pa.types.is_nested(self.type):
            return "list"
        if not self.numeric:
            return "text"
        return _KINDS.get(self.unit, "count" if pa.types.is_integer(self.type) or self.unit == "slots" else "number")

    @property
    def higher_is_better(self) -> bool:
        """Whether more of the quantity is better."""
        return self.better == "higher"


def in_group(name: str, *columns: Column) -> tuple[Column, ...]:
    """Return the columns as members of a group.

    Args:
        name: name of the group.
        *columns: the columns.
    """
    return tuple(replace(column, group=name) for column in columns)


def timed(name: str, unit: str, meaning: str, title: str, *sections: Section) -> tuple[Column, ...]:
    """Return the columns of a timed value: median, bounds of its interval, and samples.

    The interval is a 95 % interval.

    Args:
        name: the name of the median's column; `_ci_low`, `_ci_high` and `_samples` follow it in the other names.
        unit: the unit of all four columns.
        meaning: what is timed, without a full stop at the end.
        title: the title on axes and in tables.
        sections: places where readers find the median.
    """
    return (
        Column(name, NUMBER, unit, f"{meaning}; median of the samples", title, "lower", "timing", sections),
        Column(f"{name}_ci_low", NUMBER, unit, f"{name}: lower bound of the median's 95 % interval", f"{title}, low"),
        Column(f"{name}_ci_high", NUMBER, unit, f"{name}: upper bound of the median's 95 % interval", f"{title}, high"),
        Column(f"{name}_samples", NUMBERS, unit, f"{name}: every sample, in the order taken", f"{title}, samples"),
    )
