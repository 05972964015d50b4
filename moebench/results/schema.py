"""Assemble the result table's one schema from the declarations of its columns."""

import pyarrow as pa

from moebench.errors import unknown
from moebench.results.columns.column import Column, Kind, Section
from moebench.results.columns.costs import COST, EFFICIENCY, MEMORY
from moebench.results.columns.environment import ENVIRONMENT
from moebench.results.columns.inputs import IDENTITY, INPUTS, STATUSES
from moebench.results.columns.quality import QUALITY
from moebench.results.columns.routing import ROUTING
from moebench.results.columns.test_time import FIELDS, TEST_TIME
from moebench.results.columns.times import TIME
from moebench.results.columns.tuning import TUNING

__all__ = [
    "COLUMNS",
    "SCHEMA",
    "SCHEMA_VERSION",
    "STATUSES",
    "TEST_TIME_FIELDS",
    "Column",
    "Kind",
    "Section",
    "column",
    "in_section",
]

SCHEMA_VERSION = 3

COLUMNS: tuple[Column, ...] = (
    *IDENTITY,
    *INPUTS,
    *COST,
    *TIME,
    *MEMORY,
    *EFFICIENCY,
    *ROUTING,
    *QUALITY,
    *TUNING,
    *TEST_TIME,
    *ENVIRONMENT,
)
TEST_TIME_FIELDS: tuple[Column, ...] = FIELDS
"""The fields of one setting in the column `test_time`."""

SCHEMA: pa.Schema = pa.schema(
    [pa.field(each.name, each.type) for each in COLUMNS],
    metadata={"moebench_schema_version": str(SCHEMA_VERSION)},
)
_BY_NAME = {each.name: each for each in (*TEST_TIME_FIELDS, *COLUMNS)}


def column(name: str) -> Column:
    """Return the declaration of a column, or of a field that only `test_time` has.

    Raises:
        BadInput: there is no such column.
    """
    if name not in _BY_NAME:
        raise unknown("column", name, _BY_NAME, listing="moebench list columns")
    return _BY_NAME[name]


def in_section(section: Section) -> tuple[Column, ...]:
    """Return the columns of a section, in the order of the table.

    The sections of `test_time` have its fields instead of columns.
    """
    declared = TEST_TIME_FIELDS if section.startswith("test-time") else COLUMNS
    return tuple(each for each in declared if section in each.sections)
