"""Timing flags: the names in the column `timing_flags`, and their meanings."""

NOISY = 0.1
"""Half width of an interval, relative to its median."""
DRIFT = 0.05
OTHER_PROCESS_SHARE = 0.1
CLOCKS = 0.05

MEANINGS = {
    "unsteady": "a program never settled in its warm-up",
    "noisy": f"an interval is wider than ± {NOISY:.0%} of its median",
    "contention": f"other processes had more than {OTHER_PROCESS_SHARE:.0%} of the processors, or the same accelerator",
    "budget_exhausted": "the budget was spent before the intervals were narrow",
    "drift": f"a fixed kernel changed by more than {DRIFT:.0%} from the first half to the second",
    "clock_changed": f"the clock moved by more than {CLOCKS:.0%}",
}
"""Meaning of each flag. In a row a flag follows what was timed: `training:noisy`, `inference:noisy`."""
