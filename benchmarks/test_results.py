"""Loading of a results folder with many files."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from results_rows import finish

from moebench.results import Store, load


def test_load_of_a_thousand_unsealed_cells(benchmark: Any, tmp_path: Path) -> None:
    template = finish(Store(tmp_path, "small"), "0", seeds=(0,))
    table = pq.read_table(template)
    place = table.column_names.index("cell_id")
    template.unlink()
    for number in range(1_000):
        named = table.set_column(place, "cell_id", pa.array([str(number)]))
        pq.write_table(named, template.with_name(f"{number}.parquet"))
    frame = benchmark.pedantic(load, (tmp_path,), rounds=5, warmup_rounds=1)
    assert len(frame) == 1_000
