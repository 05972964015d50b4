"""Turns of cells on the same processors: work side by side, timings alone."""

import fcntl
import threading
from pathlib import Path

from moebench.cells.turns import Turns
from moebench.measuring.time_accounts import Accounts
from moebench.spec.side_by_side import AT_ONCE_VARIABLE, TURNS_VARIABLE

PATIENCE_S = 20.0
"""Until a test gives up; none waits for it."""


def waits_for_the_turn(folder: Path) -> bool:
    """Return whether somebody has the lock `turn`, as a timing that waits for others has."""
    with (folder / "turn").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def test_a_timing_waits_until_work_gives_way_and_work_until_it_has_ended(tmp_path: Path) -> None:
    events: list[str] = []
    began = threading.Event()

    def timed() -> None:
        turns = Turns(tmp_path, Accounts(), 2)
        with turns.working():
            began.set()
            with turns.alone():
                events.append("timed")

    accounts = Accounts()
    worker = Turns(tmp_path, accounts, 2)
    with worker.working():
        worker.give_way()  # nobody waits
        other = threading.Thread(target=timed)
        other.start()
        assert began.wait(PATIENCE_S)  # two work side by side
        while not waits_for_the_turn(tmp_path):
            pass
        events.append("worked")
        worker.give_way()
        events.append("worked on")
    other.join(PATIENCE_S)
    assert events == ["worked", "timed", "worked on"]
    assert accounts.columns()["waiting_s"] > 0


def test_a_second_timing_follows_the_first_although_none_of_both_works(tmp_path: Path) -> None:
    timed: list[int] = []

    def one(number: int) -> None:
        turns = Turns(tmp_path, Accounts(), 3)
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


def test_a_cell_that_waits_for_another_keeps_no_timing_from_its_turn(tmp_path: Path) -> None:
    idle, timer = Turns(tmp_path, Accounts(), 2), Turns(tmp_path, Accounts(), 2)
    with idle.working(), timer.working():
        with idle.idle(), timer.alone():
            pass
        idle.give_way()


def test_a_killed_timing_leaves_the_turn_to_others(tmp_path: Path) -> None:
    killed, other = Turns(tmp_path, Accounts(), 2), Turns(tmp_path, Accounts(), 2)
    timing = killed.working()
    timing.__enter__()
    killed.alone().__enter__()
    timing.__exit__(None, None, None)  # its files are closed, as the kernel does
    with other.working(), other.alone():
        pass


def test_a_lone_cell_waits_for_nobody(tmp_path: Path) -> None:
    accounts = Accounts()
    turns = Turns.from_environment({}, accounts)
    with turns.working(), turns.alone():
        turns.give_way()
        with turns.idle():
            pass
    assert turns.columns == {"cells_at_once": 1}


def test_what_the_executor_says_is_read_from_the_environment(tmp_path: Path) -> None:
    turns = Turns.from_environment({TURNS_VARIABLE: str(tmp_path), AT_ONCE_VARIABLE: "2"}, Accounts())
    with turns.working():
        assert sorted(path.name for path in tmp_path.iterdir()) == ["turn", "work"]
    assert turns.columns == {"cells_at_once": 2}
