"""Upgrade result files of older versions to the current layout.

Every file carries the version of its layout in its metadata. A change that a reader could misunderstand (a column
renamed, its unit or meaning changed) raises `SCHEMA_VERSION` by one and adds one function to `UPGRADES`, which turns a
whole table of the version before into the next one. The functions run in order, so that each function depends on two
neighbouring versions only and never changes again. A column that is merely added needs neither: files without the
column read as null.
"""

from collections.abc import Callable, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from moebench.results.schema import SCHEMA, SCHEMA_VERSION

VERSION_KEY = b"moebench_schema_version"


def _mixed(table: pa.Table) -> pa.Table:
    """Rename the precision bfloat16 of version 1, with parameters and moments in float32, to mixed."""
    for name, before, now in (
        ("precision", "bfloat16", "mixed"),
        ("config", '"precision": "bfloat16"', '"precision": "mixed"'),
    ):
        if name in table.column_names:
            column = pc.replace_substring(table[name], before, now)
            table = table.set_column(table.column_names.index(name), name, column)
    return table


_RENAMED_IN_3 = {
    "measure": "scope",
    "upstream": "pretrain_data",
    "upstream_steps": "pretrain_steps",
    "upstream_s": "pretrain_s",
    "twin_compile_s": "dense_compile_s",
    "rest_s": "other_s",
    "foreign_cpu_share": "other_process_cpu_share",
    "anchor_s": "reference_kernel_s",
    "anchor_drift": "reference_kernel_drift",
    "infer_largest_batch": "infer_max_batch",
    "dispatch_mass_low": "under_dispatched_tokens",
    "expert_demand": "expert_load_requested",
    "kept_model": "saved_model",
    **{
        f"infer_largest_s_per_image{part}": f"infer_max_batch_s_per_image{part}"
        for part in ("", "_ci_low", "_ci_high", "_samples")
    },
}
_KEYS_RENAMED_IN_3 = {
    "measure": "scope",
    "upstream": "pretrain_data",
    "upstream_steps": "pretrain_steps",
    "upstream_image_size": "pretrain_image_size",
    "start_from": "init_from",
    "keep_model": "save_model",
}
_FLAGS_RENAMED_IN_3 = {
    "contaminated": "contention",
    "budget": "budget_exhausted",
    "clocks": "clock_changed",
    "not_steady": "unsteady",
}


def _field_words(table: pa.Table) -> pa.Table:
    """Rename columns, keys of `config` and timing flags to the words of version 3."""
    table = table.rename_columns([_RENAMED_IN_3.get(name, name) for name in table.column_names])
    if "config" in table.column_names:
        column = table["config"]
        for before, now in _KEYS_RENAMED_IN_3.items():
            column = pc.replace_substring(column, f'"{before}": ', f'"{now}": ')
        table = table.set_column(table.column_names.index("config"), "config", column)
    if "timing_flags" in table.column_names:
        flags = [
            None if row is None else [_renamed_flag(flag) for flag in row] for row in table["timing_flags"].to_pylist()
        ]
        place = table.column_names.index("timing_flags")
        table = table.set_column(place, "timing_flags", pa.array(flags, pa.list_(pa.string())))
    return table


def _renamed_flag(flag: str) -> str:
    """Rename a flag such as `inference:budget`; the part before the colon stays."""
    side, colon, name = flag.rpartition(":")
    return f"{side}{colon}{_FLAGS_RENAMED_IN_3.get(name, name)}"


UPGRADES: dict[int, Callable[[pa.Table], pa.Table]] = {1: _mixed, 2: _field_words}
"""Upgrade function of each version n, to version n + 1."""


def file_version(file: pq.FileMetaData) -> int | None:
    """Return the layout version of a file; None without moebench results."""
    text = (file.metadata or {}).get(VERSION_KEY, b"")
    return int(text) if text.isdigit() else None


def upgrade(table: pa.Table, version: int) -> pa.Table:
    """Return a table of an older layout in the current layout.

    Args:
        table: all columns in the layout of `version`.
        version: version of the table's layout.
    """
    for step in range(version, SCHEMA_VERSION):
        table = UPGRADES[step](table)
    return table


def conform(table: pa.Table, columns: Sequence[str] | None = None) -> pa.Table:
    """Return columns in the schema's types; columns that the table lacks are null.

    If all columns are requested, columns that the schema does not know follow at the end: a later version may have
    added them, and rewriting a file must not lose them.

    Args:
        table: a table in the current layout.
        columns: names of columns; None: all columns.
    """
    fields = list(SCHEMA) if columns is None else [SCHEMA.field(name) for name in columns]
    if table.schema.equals(pa.schema(fields)):  # as in most files, of which there may be thousands
        return pa.table(table.columns, schema=pa.schema(fields, metadata=SCHEMA.metadata))
    stored = dict(zip(table.column_names, table.columns, strict=True))
    arrays = []
    for field in fields:
        column = stored.pop(field.name, None)
        if column is None:
            column = pa.nulls(table.num_rows, field.type)
        elif column.type != field.type:
            column = column.cast(field.type)
        arrays.append(column)
    if columns is None:
        fields += [table.schema.field(name) for name in stored]
        arrays += stored.values()
    return pa.table(arrays, schema=pa.schema(fields, metadata=SCHEMA.metadata))
