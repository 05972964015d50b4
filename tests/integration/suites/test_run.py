"""Planning and running: what runs and why, and that every cell and seed becomes a row."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from moebench.errors import BadInput
from moebench.executors import LocalExecutor
from moebench.results import RunStatus, Store, load, statuses
from moebench.spec.cell_spec import CellSpec
from moebench.spec.limits import Limits
from moebench.suites.eta import Pace
from moebench.suites.grid import Cell
from moebench.suites.plan import PlannedCell, plan_cells
from moebench.suites.run import CellEnded, CellStarted, new_run_id, run_cells


@pytest.fixture(scope="module")
def executor() -> Iterator[LocalExecutor]:
    with LocalExecutor(cell_program="fake_cell") as local:
        yield local


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path, "small")


def cell(router: str = "soft", seeds: tuple[int, ...] = (0, 1), **options: str | int) -> Cell:
    return Cell(CellSpec(router=router, options=options, seeds=seeds))


def run(planned: list[PlannedCell], store: Store, executor: LocalExecutor) -> list[CellEnded]:
    events = run_cells(
        [one for one in planned if one.seeds],
        suite="small",
        store=store,
        run_id=new_run_id(),
        executor=executor,
        limits=Limits(10.0),
    )
    ended = {event.planned.cell_id: event for event in events if isinstance(event, CellEnded)}
    # Cells side by side end in any order; tests read them in the order of the plan.
    return [ended[one.cell_id] for one in planned if one.cell_id in ended]


def test_what_is_done_is_not_done_again(executor: LocalExecutor, store: Store, tmp_path: Path) -> None:
    grid = [cell("dense"), cell(experts=2)]
    planned = plan_cells(grid, executor, store)
    assert [(one.label, one.seeds, one.why, one.attempt) for one in planned] == [
        ("dense", (0, 1), "new", 1),
        ("soft[experts=2]", (0, 1), "new", 1),
    ]
    ended = run(planned, store, executor)
    # The fake cell's accuracy is 0.9 + seed / 100.
    assert [(one.status, one.accuracy) for one in ended] == [("ok", pytest.approx(0.905))] * 2
    again = plan_cells(grid, executor, store)
    assert [(one.seeds, one.why) for one in again] == [((), "done")] * 2
    frame = pd.read_parquet(tmp_path / "small")
    assert sorted(zip(frame["router"], frame["seed"], strict=True)) == [
        ("dense", 0),
        ("dense", 1),
        ("soft", 0),
        ("soft", 1),
    ]


def test_cells_of_the_same_router_are_told_apart_by_what_they_were_asked(executor: LocalExecutor, store: Store) -> None:
    def entry(router: str, **keys: Any) -> Cell:
        return Cell(CellSpec(router=router, options={"experts": 2} if router == "soft" else {}, **keys))

    grid = [
        entry("soft", moe_layers="0,1"),
        entry("soft", moe_layers="3", model="mu/4"),
        entry("soft"),
        entry("dense", learning_rate=1e-2),
        entry("dense", pretrain_data="fractals-100", learning_rate=3e-3),
        entry("bpr", steps=10),
    ]
    assert [one.label for one in plan_cells(grid, executor, store)] == [
        "soft[experts=2,moe_layers=0,1] · mu/2",
        "soft[experts=2,moe_layers=3] · mu/4",
        "soft[experts=2] · mu/2",
        "dense[learning_rate=0.01]",
        "dense[learning_rate=0.003,pretrain_data=fractals-100]",
        "bpr",  # whose label nobody shares
    ]


def test_only_the_seeds_that_are_missing_run(executor: LocalExecutor, store: Store) -> None:
    run(plan_cells([cell(seeds=(0,))], executor, store), store, executor)
    (more,) = plan_cells([cell(seeds=(0, 1, 2))], executor, store)
    assert (more.seeds, more.why) == ((1, 2), "new (seed 1, 2)")


def test_changed_code_and_fresh_run_again_and_keep_the_old_rows(
    executor: LocalExecutor, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = [cell(seeds=(0,))]
    run(plan_cells(grid, executor, store), store, executor)
    (fresh,) = plan_cells(grid, executor, store, fresh=True)
    kept = store.checkpoint_folder(fresh.cell_id)
    kept.mkdir(parents=True)  # of a run that was killed
    assert (fresh.seeds, fresh.why, fresh.attempt) == ((0,), "again, --fresh", 2)
    run([fresh], store, executor)
    assert not kept.exists()
    monkeypatch.setenv("FAKE_FINGERPRINT", "second")
    with LocalExecutor(cell_program="fake_cell") as changed_code:
        (changed,) = plan_cells(grid, changed_code, store)
        assert (changed.why, changed.attempt) == ("the code, the libraries or the images changed", 3)
        run([changed], store, changed_code)
    frame = load(tmp_path, "small")
    assert frame[["attempt", "fingerprint"]].to_numpy().tolist() == [[3, "second"]]
    assert len(list(store.superseded_files())) == 2


def test_a_failed_cell_is_a_row_with_its_reason_and_runs_again_when_asked(
    executor: LocalExecutor, store: Store, tmp_path: Path
) -> None:
    grid = [cell(behave="crash"), cell("dense")]
    planned = plan_cells(grid, executor, store)
    failed, good = run(planned, store, executor)
    assert (failed.status, good.status) == ("crashed", "ok")
    rows = load(tmp_path, "small").query("router == 'soft'")
    assert rows["seed"].tolist() == [0, 1]
    assert set(rows["status"]) == {"crashed"}
    # Inputs and environment stand in the row although the cell wrote nothing.
    assert rows[["model", "steps", "platform", "attempt"]].to_numpy().tolist() == [["mu/2", 250, "cpu", 1]] * 2
    assert rows["started_at"].notna().all()
    (reason,) = set(rows["status_reason"])
    assert reason.startswith("exit code 1: ValueError: planted crash (log: ")
    log = Path(reason.partition("(log: ")[2].rstrip(")"))
    assert "planted crash" in log.read_text()
    assert log.with_suffix(".json").exists()  # what to give the cell program to see it fail again

    (left, _) = plan_cells(grid, executor, store)
    assert (left.seeds, left.failed) == ((), "crashed")
    assert left.why == "failed before (crashed); --retry-failed runs it again"
    (again, _) = plan_cells(grid, executor, store, retry_failed=True)
    assert (again.seeds, again.why, again.attempt) == ((0, 1), "again after crashed", 2)


def test_a_disk_that_is_full_from_the_start_is_said(
    executor: LocalExecutor, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan_cells([cell("dense")], executor, store)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match=r"cannot write .*\.json: No space left on device"):
        run(planned, store, executor)


def test_an_interrupted_run_keeps_what_is_finished(executor: LocalExecutor, store: Store, tmp_path: Path) -> None:
    grid = [cell("dense", seeds=(0,)), cell(behave="hang", seeds=(0,))]
    with LocalExecutor(jobs=1, cell_program="fake_cell") as mine:
        events = run_cells(
            plan_cells(grid, mine, store),
            suite="small",
            store=store,
            run_id=new_run_id(),
            executor=mine,
            limits=Limits(60.0),
        )
        assert [type(next(events)) for _ in range(3)] == [CellStarted, CellEnded, CellStarted]
        (status,) = statuses(tmp_path)
        assert (status.total, status.ended, list(status.running)) == (2, {"ok": 1}, ["soft[behave=hang]"])
        assert status.seconds_left is not None
        assert status.is_alive(tmp_path)
        events.close()  # what Ctrl-C does, while the second cell hangs
    assert list(statuses(tmp_path)) == []
    assert pd.read_parquet(tmp_path / "small")["router"].tolist() == ["dense"]
    assert [one.seeds for one in plan_cells(grid, executor, store)] == [(), (0,)]


def test_what_a_killed_driver_left_is_not_done_again_and_is_sealed(
    executor: LocalExecutor, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "seal", lambda *_: None)  # a driver that dies before it seals
    run(plan_cells([cell("dense")], executor, store), store, executor)
    monkeypatch.undo()
    RunStatus("small", "dead", 5, pid_began=1.0).publish(tmp_path)
    planned = plan_cells([cell("dense"), cell()], executor, store)
    assert [one.why for one in planned] == ["done", "new"]
    run(planned, store, executor)
    assert len(pd.read_parquet(tmp_path / "small")) == 4
    assert list(statuses(tmp_path)) == [], "what it told of itself is cleared away"


def test_a_cell_that_cannot_be_built_is_refused_before_anything_runs(executor: LocalExecutor, store: Store) -> None:
    with pytest.raises(BadInput, match=r"unknown router 'sofd': did you mean 'soft'\?") as raised:
        plan_cells([cell("dense"), cell("sofd")], executor, store)
    assert raised.value.key == "router"
    with pytest.raises(BadInput, match="dense is the same cell as dense; leave one out"):
        plan_cells([cell("dense"), cell("dense", seeds=(5,))], executor, store)


def test_time_left_is_the_mean_so_far_times_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("moebench.suites.eta.time.monotonic", lambda: now)
    pace = Pace(total=4)
    pace.start()
    assert pace.seconds_left() is None
    now = 130.0
    pace.end_one()
    # 30 s for the first cell makes 120 s for four; 30 s have passed.
    assert pace.seconds_left() == 90.0
    now = 140.0
    assert pace.seconds_left() == 80.0
    now = 900.0
    assert pace.seconds_left() == 0.0


def test_run_ids_sort_by_time_and_never_meet() -> None:
    ids = [new_run_id() for _ in range(100)]
    assert len(set(ids)) == 100
    assert [name[:15] for name in ids] == sorted(name[:15] for name in ids)
