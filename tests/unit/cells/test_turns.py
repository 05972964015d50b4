"""Turns of cells on the same processors: work side by side, timings alone."""

import fcntl
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from moebench.cells.turns import Turns
from moebench.executors.turn_locks import TurnLocks
from moebench.measuring.time_accounts import Accounts
from moebench.spec.side_by_side import AT_ONCE_VARIABLE, TURNS_VARIABLE, Waiting, adopt_waiting, own_waiting

PATIENCE_S = 20.0
"""Until a test gives up; none waits for it."""


@pytest.fixture
def locks() -> Iterator[TurnLocks]:
    opened = TurnLocks(4)
    yield opened
    opened.close()


def waits_for_the_turn(locks: TurnLocks) -> bool:
    """Return whether somebody has the lock `turn`, as a timing that waits for others has."""
    turn, _ = locks.pairs[3]
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(turn, fcntl.LOCK_UN)
    return False


def test_a_timing_waits_until_work_gives_way_and_work_until_it_has_ended(locks: TurnLocks) -> None:
    events: list[str] = []
    began = threading.Event()

    def timed() -> None:
        turns = Turns(locks.pairs[1], Accounts(), 2)
        with turns.working():
            began.set()
            with turns.alone():
                events.append("timed")

    accounts = Accounts()
    worker = Turns(locks.pairs[0], accounts, 2)
    with worker.working():
        worker.give_way()  # nobody waits
        other = threading.Thread(target=timed)
        other.start()
        assert began.wait(PATIENCE_S)  # two work side by side
        while not waits_for_the_turn(locks):
            pass
        events.append("worked")
        with worker.spending("evaluation_s"):
            events.append("worked on")
    other.join(PATIENCE_S)
    assert events == ["worked", "timed", "worked on"]
    spent = accounts.columns()
    assert spent["waiting_s"] > 0
    assert spent["evaluation_s"] > 0


def test_a_second_timing_follows_the_first_although_none_of_both_works(locks: TurnLocks) -> None:
    timed: list[int] = []

    def one(number: int) -> None:
        turns = Turns(locks.pairs[number], Accounts(), 3)
        with turns.working(), turns.alone():
            before = len(timed)
            timed.append(number)
            assert len(timed) == before + 1

    threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(timed) == [0, 1, 2]


def test_a_cell_that_waits_for_another_keeps_no_timing_from_its_turn(locks: TurnLocks) -> None:
    idle, timer = (Turns(pair, Accounts(), 2) for pair in locks.pairs[:2])
    with idle.working(), timer.working():
        with idle.idle(), timer.alone():
            pass
        idle.give_way()


def test_a_killed_timing_leaves_the_turn_to_others(locks: TurnLocks) -> None:
    killed, other = (Turns(pair, Accounts(), 2) for pair in locks.pairs[:2])
    timing = killed.working()
    timing.__enter__()
    alone = killed.alone()  # kept, so that nothing releases its locks before the executor does
    alone.__enter__()
    assert waits_for_the_turn(locks)
    locks.release(0)
    with other.working(), other.alone():
        pass


def test_a_lone_cell_waits_for_nobody() -> None:
    turns = Turns.from_environment({}, Accounts())
    with turns.working(), turns.alone():
        turns.give_way()
        with turns.idle():
            pass
    assert turns.columns == {"cells_at_once": 1}


def test_what_the_executor_says_is_read_from_the_environment(locks: TurnLocks) -> None:
    given = {TURNS_VARIABLE: ",".join(map(str, locks.pairs[2])), AT_ONCE_VARIABLE: "2"}
    turns = Turns.from_environment(given, Accounts())
    with turns.working(), turns.alone():
        assert waits_for_the_turn(locks)
    assert not waits_for_the_turn(locks)
    assert turns.columns == {"cells_at_once": 2}


def test_the_locks_have_no_name_that_a_cleaner_could_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    opened = TurnLocks(2)
    assert list(tmp_path.iterdir()) == []
    with Turns(opened.pairs[0], Accounts(), 2).working(), pytest.raises(BlockingIOError):
        fcntl.flock(opened.pairs[1][1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    opened.close()


def test_waiting_is_counted_while_it_lasts_and_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("moebench.spec.side_by_side.time.monotonic", lambda: now)
    waiting = Waiting()
    assert waiting.seconds(now) == 0.0
    with waiting.counted():
        assert waiting.seconds(now + 7.0) == 7.0
        now = 103.0
    assert waiting.seconds(now + 100.0) == 3.0
    with waiting.counted():
        assert waiting.seconds(now + 7.0) == 10.0


def test_a_process_counts_where_its_parent_reads(locks: TurnLocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moebench.spec.side_by_side.time.monotonic", itertools.count(1.0).__next__)
    before, read = own_waiting(), Waiting()
    adopt_waiting(read)
    try:
        turns = Turns(locks.pairs[0], Accounts(), 2)
        with turns.working():
            taken = read.seconds(0.0)
            with turns.idle():
                pass
            assert read.seconds(0.0) > taken > 0
    finally:
        adopt_waiting(before)
