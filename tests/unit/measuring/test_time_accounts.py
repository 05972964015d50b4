"""Time accounts: they add up to the wall time, and no second counts twice."""

import pytest

from moebench.measuring import time_accounts
from moebench.measuring.time_accounts import Accounts


class Clock:
    """A clock that stands still but for `wait`."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time_accounts.time, "perf_counter", clock)
    return clock


def test_accounts_add_up_and_do_not_overlap(clock: Clock) -> None:
    accounts = Accounts()
    with accounts.spending("compile_s"):
        clock.wait(2)
    with accounts.spending("training_s"):
        clock.wait(10)
        with accounts.spending("evaluation_s"):  # the images of a curve, in the midst of a training
            clock.wait(3)
        clock.wait(20)
    clock.wait(8)
    accounts.add("warmup_s", 5)
    accounts.add("timed_s", 1)
    columns = accounts.columns()
    assert {name: seconds for name, seconds in columns.items() if seconds} == {
        "compile_s": 2,
        "training_s": 30,
        "evaluation_s": 3,
        "warmup_s": 5,
        "timed_s": 1,
        "timing_wall_s": 6,
        "cell_wall_s": 43,
        "other_s": 2,
    }


def test_a_block_that_fails_is_accounted_for(clock: Clock) -> None:
    accounts = Accounts()

    def fail() -> None:
        with accounts.spending("training_s"), accounts.spending("evaluation_s"):
            clock.wait(1)
            raise ValueError("planted")

    with pytest.raises(ValueError, match="planted"):
        fail()
    clock.wait(4)
    columns = accounts.columns()
    assert (columns["training_s"], columns["evaluation_s"], columns["other_s"]) == (0, 1, 4)
