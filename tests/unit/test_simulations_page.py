"""The table of simulations on the page of statistics is what its program writes."""

import importlib
import sys

from paths import REPOSITORY


def test_a_part_of_the_table_is_as_the_program_writes_it() -> None:
    folder = str(REPOSITORY / "docs")
    sys.path.append(folder)
    try:
        simulations = importlib.import_module("simulations")
    finally:
        sys.path.remove(folder)
    rows = simulations.table((simulations.over_dense,)).splitlines()
    page = (REPOSITORY / "docs" / "simulations.md").read_text("utf-8").splitlines()
    assert len(rows) == 2 + 2
    assert [row for row in rows if row not in page] == []
    assert len(page) == 2 + 7 + 1 + 1 + 1 + 2 + 2 + 3
