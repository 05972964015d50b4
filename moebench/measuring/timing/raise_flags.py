"""Timing flags: reasons not to trust a time."""

from collections.abc import Iterable

import numpy as np

from moebench.measuring.timing.machine_state import Circumstances
from moebench.measuring.timing.sampler import Interval
from moebench.spec.timing_flags import CLOCKS, DRIFT, MEANINGS, NOISY, OTHER_PROCESS_SHARE


def drift(anchor: Interval) -> float:
    """Return the reference kernel's relative slow-down between the halves of the rounds.

    The slow-down is the median of the second half over the median of the first, less 1.
    """
    first, second = np.array_split(np.array(anchor.samples), 2)
    return float(np.median(second) / np.median(first) - 1)


def contention(circumstances: Circumstances) -> bool:
    """Return whether other processes used a large share of the processors, or use the accelerator."""
    return (circumstances.other_process_share or 0.0) > OTHER_PROCESS_SHARE or circumstances.device_shared


def flags(
    measured: Iterable[Interval], anchor: Interval, circumstances: Circumstances, *, steady: bool, precise: bool
) -> tuple[str, ...]:
    """Return the names of the flags to raise, in the order of `MEANINGS`.

    A good timing has none.

    Args:
        measured: the intervals that are reported.
        anchor: samples of the reference kernel.
        circumstances: state of the machine around the rounds.
        steady: whether each program became steady in the warm-up.
        precise: whether the intervals became narrow within the budget.
    """
    raised = {
        "unsteady": not steady,
        "noisy": any(interval.relative_width > NOISY for interval in measured),
        "contention": contention(circumstances),
        "budget_exhausted": not precise,
        "drift": abs(drift(anchor)) > DRIFT,
        "clock_changed": circumstances.clock_moved > CLOCKS,
    }
    return tuple(name for name in MEANINGS if raised[name])
