"""Times beside the dense twin as they are quoted: the clock, and the scatter between timings."""

import numpy as np
import pandas as pd
import pytest

from moebench.claims.timing import Scatter, disturbed, quoted, scatter_of, seconds_scatter

NAN = float("nan")


def rows(*timings: tuple[str, float], **columns: object) -> pd.DataFrame:
    """A row for each timing of a router, with a ratio whose interval within the timing has no width."""
    frame = pd.DataFrame(
        [
            {
                "suite": "s",
                "cell_id": router,
                "run_id": f"r{place}",
                "attempt": 1,
                "hostname": "here",
                "router": router,
                "platform": "cpu",
                "device_kind": "cpu",
                "other_process_cpu_share": 0.0,
                "timing_flags": [],
                **{f"train_step_vs_dense{end}": ratio for end in ("", "_ci_low", "_ci_high")},
                **{
                    f"{name}{end}": NAN
                    for name in ("infer_vs_dense", "train_step_cpu_vs_dense", "infer_cpu_vs_dense")
                    for end in ("", "_ci_low", "_ci_high")
                },
            }
            for place, (router, ratio) in enumerate(timings)
        ]
    )
    return frame.assign(**columns)


def test_the_machines_self_test_tells_best() -> None:
    assert scatter_of(rows(("soft", 1.1), timing_scatter=0.03)) == Scatter(0.03, "the machine's timing self-test")


def test_else_dense_cells_and_cells_timed_several_times_do() -> None:
    # Dense beside itself is 1: squares of log 1.01 and log 0.99; soft three times: about the mean of its logarithms.
    timings = [
        ("dense", 1.01),
        ("dense", 0.99),
        ("soft", 1.1),
        ("soft", 1.1 * 1.02),
        ("soft", 1.1 / 1.02),
        ("bpr", 3.0),
    ]
    found = scatter_of(rows(*timings, ("dense", 1.0)))
    squares = np.log(1.01) ** 2 + np.log(0.99) ** 2 + 2 * np.log(1.02) ** 2
    assert found.value == pytest.approx(np.sqrt(squares / 5))
    assert found.source == "dense cells beside themselves and cells timed several times"


def test_else_a_stated_default() -> None:
    found = scatter_of(rows(("soft", 1.1), ("bpr", 1.2), ("dense", 1.05)))
    assert found.value == 0.01
    assert "taken for 1%" in found.source
    # The seeds of a cell share its timing.
    assert scatter_of(pd.concat([rows(("dense", 1.05))] * 9)).value == 0.01


def test_the_scatter_widens_the_interval() -> None:
    cells = rows(("soft", 1.2), train_step_vs_dense_ci_low=1.2 * 0.97, train_step_vs_dense_ci_high=1.2 * 1.04)
    found = quoted(cells, "train_step_vs_dense", 0.02).iloc[0]
    assert found["value"] == 1.2
    assert found["low"] == pytest.approx(1.2 * np.exp(-np.hypot(np.log(0.97), 1.959964 * 0.02)))
    assert found["high"] == pytest.approx(1.2 * np.exp(np.hypot(np.log(1.04), 1.959964 * 0.02)))
    assert found["clock"] == "wall"


def test_processor_time_stands_for_a_disturbed_wall_clock() -> None:
    cells = rows(("soft", 1.5), ("bpr", 1.5), ("dense", 1.5), ("switch", 1.5))
    for end in ("", "_ci_low", "_ci_high"):
        cells[f"train_step_cpu_vs_dense{end}"] = [1.2, 1.2, 1.2, NAN]
    cells["timing_flags"] = [["training:contention"], ["inference:contention"], [], ["training:contention"]]
    found = quoted(cells, "train_step_vs_dense", 0.0)
    assert found["value"].tolist() == [1.2, 1.5, 1.5, 1.5]
    assert found["clock"].tolist() == ["processor", "wall", "wall", "wall"]


def test_busy_processors_count_where_they_are_what_is_timed() -> None:
    busy = rows(("soft", 1.5), other_process_cpu_share=0.2).iloc[0]
    assert disturbed(busy, "train_step_vs_dense")
    assert not disturbed(rows(("soft", 1.5), other_process_cpu_share=0.2, platform="gpu").iloc[0], "infer_vs_dense")
    assert not disturbed(rows(("soft", 1.5)).iloc[0], "train_step_vs_dense")


def test_cells_that_were_not_timed_have_nothing_to_quote() -> None:
    found = quoted(rows(("soft", NAN)), "train_step_vs_dense", 0.01)
    assert found[["value", "low", "high"]].isna().all(axis=None)


def test_seconds_scatter_as_the_reference_kernel_does() -> None:
    kernel = [1.0, 1.1, 0.9, 1.0, 1.05, 0.95]
    timings = rows(*((f"r{n}", 1.0) for n in range(6))).assign(reference_kernel_s=kernel)
    assert seconds_scatter(timings) == pytest.approx(np.std(np.log(kernel), ddof=1))
    assert seconds_scatter(timings.iloc[:3]) == 0.02
