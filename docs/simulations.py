"""Simulate suites whose truth is known, and write how often the statistics err: python docs/simulations.py."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from moebench.statistics import (
    Crossed,
    ImageCovariance,
    holm,
    mann_whitney,
    proportion_interval,
    signed_rank,
    trend,
    tukey_critical,
)

FOLDER = Path(__file__).parent
sys.path.append(str(FOLDER.parent / "tests" / "support"))

Row = tuple[str, str, "list[bool]"]
"""What is simulated, what is due or wanted, and whether the counted event came in each simulated suite."""
SETTINGS: dict[str, dict[str, Any]] = {
    "3 seeds, 2,000 test images": {},
    "seeds that change nothing": {"seed_deviation": 0.0},
    "seeds that move all cells together": {"shared_deviation": 0.006},
    "cells that take to single images": {"interaction": 1.0},
    "360 test images": {"images": 360},
    "360 test images, 2 seeds": {"images": 360, "seeds": 2},
    "5 seeds that move a cell by a point": {"seed_deviation": 0.01, "seeds": 5, "images": 500},
}


def _claims(sets: int, gains: np.ndarray, setting: dict[str, Any]) -> Iterator[np.ndarray]:
    """Yield which of five claims against dense are significant after Holm's correction, for each simulated suite."""
    from simulated_cells import correct

    for right in correct(sets, gains, **setting):
        images = ImageCovariance.from_values([cell.astype(float) for cell in right], ["test"] * len(right))
        table = Crossed(right.mean(axis=2), images, step=1 / right.shape[2])
        weights = np.hstack([-np.ones((5, 1)), np.eye(5)])
        yield holm([table.contrast(each).p_value() for each in weights]) < 0.05


def false_claims() -> Iterator[Row]:
    """Count suites in which any of five claims without a difference is called significant."""
    for name, setting in SETTINGS.items():
        found = [bool(shown.any()) for shown in _claims(300, np.zeros(6), setting)]
        yield f"Five claims without any difference: any significant; {name}", "at most 5 %", found


def true_claims() -> Iterator[Row]:
    """Count true differences of a point that are found."""
    shown = np.concatenate(list(_claims(250, np.array([0, *[0.01] * 5]), {})))
    yield "Five true differences of one point, 3 seeds, 2,000 images: each found", "much", shown.tolist()


def coverage() -> Iterator[Row]:
    """Count intervals of a difference that contain the truth."""
    from simulated_cells import correct

    covered = []
    for right in correct(300, np.array([0, 0.005, 0, 0]), interaction=1.0, rng=1):
        images = ImageCovariance.from_values([cell.astype(float) for cell in right], ["test"] * len(right))
        table = Crossed(right.mean(axis=2), images, step=1 / right.shape[2])
        _, low, high = table.contrast(np.array([-1.0, 1, 0, 0])).interval()
        covered.append(bool(low <= 0.005 <= high))
    yield "Intervals of a difference, for new seeds and new images: contain the truth", "95 %", covered


def _equal_suites(sets: int, rng: int) -> Iterator[np.ndarray]:
    """Yield values float[17, seeds] of suites without any difference; seeds move cells and all alike."""
    generator = np.random.default_rng(rng)
    for _ in range(sets):
        yield generator.normal(size=(17, 3)) + generator.normal(size=3)


def pairs() -> Iterator[Row]:
    """Count suites of equal cells in which a pair is told apart."""
    found = []
    for values in _equal_suites(500, 0):
        table = Crossed(values)
        gaps = table.against(int(values.mean(axis=1).argmax()))
        found.append(bool((np.abs(gaps.t) > tukey_critical(17, table.variances.interaction.freedom)).any()))
    yield "All pairs of 17 equal cells: any called different", "at most 5 %", found


def over_dense() -> Iterator[Row]:
    """Count suites of equal cells with an interval over dense that excludes 0."""
    p_values = np.array([Crossed(values).against(0).p_values[1:] for values in _equal_suites(500, 1)])
    what = "Points over dense of 16 equal cells: any interval excludes 0"
    yield what, "at most 5 %", list((p_values * 16 < 0.05).any(1))
    yield f"{what}, if each stood for itself", "–", list((p_values < 0.05).any(1))


def trends() -> Iterator[Row]:
    """Count slopes over four levels that are called significant, without a rise and with one."""
    for rise, due in ((0.0, "at most 5 %"), (1.0, "much")):
        rng = np.random.default_rng(5)
        found = []
        for _ in range(400):
            values = rng.normal(size=(16, 3))
            values[:4] += rise * np.arange(4)[:, None]
            found.append(bool(trend(Crossed(values), [1, 2, 3, 4], np.eye(16)[:4]).slope.p_value() < 0.05))
        what = "No rise" if not rise else "A rise by one standard deviation over seeds for each doubling"
        yield f"{what}: called a trend", due, found


def times() -> Iterator[Row]:
    """Count verdicts on times, and intervals of a ratio that contain the truth."""
    for slower, due in ((1.0, "at most 5 %"), (1.05, "much")):
        rng = np.random.default_rng(9)
        pairs_of_times = 1 + 0.04 * rng.gamma(2, 0.7, (300, 2, 30))
        tests = [mann_whitney(a * slower, b) for a, b in pairs_of_times]
        found = [test.verdict(test.p_value, 0.05) == "higher" for test in tests]
        yield f"30 times a side with 4 % of noise, A slower by {slower - 1:.0%}: called slower", due, found
    rng = np.random.default_rng(12)
    covered = []
    for _ in range(1000):
        ratio = signed_rank(np.exp(rng.normal(0, 0.01) + rng.normal(0, 0.03, 20))).scattered(0.01).ratio
        covered.append(bool(ratio.low <= 1 <= ratio.high))
    yield "Ratio of times to dense, with the scatter between timings: contains the truth", "95 %", covered


Simulation = Callable[[], Iterator[Row]]
SIMULATIONS: tuple[Simulation, ...] = (false_claims, true_claims, coverage, pairs, over_dense, trends, times)


def table(simulations: tuple[Simulation, ...] = SIMULATIONS) -> str:
    """Return the table of what was simulated and how often the counted event came, with its 95 % interval."""
    lines = ["| Simulated: counted | Expected | Found | Runs |", "| --- | --- | --- | ---: |"]
    for simulate in simulations:
        for what, due, came in simulate():
            share, low, high = (100 * float(each) for each in proportion_interval(sum(came), len(came)))
            lines.append(f"| {what} | {due} | {share:.1f} % \\[{low:.1f}, {high:.1f}\\] | {len(came):,} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    path = FOLDER / "simulations.md"
    path.write_text(table(), "utf-8")
    print(path)
