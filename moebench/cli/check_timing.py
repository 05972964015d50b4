"""`check --timing`: how often this machine detects slow-downs of known size.

Detections without a slow-down are counted too.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table

from moebench.cli import options
from moebench.cli.narrow_tables import print_table
from moebench.cli.progress import duration, time_left
from moebench.suites.eta import Pace

if TYPE_CHECKING:
    from moebench.measuring.timing.self_test import Detection, Reading


def run(as_json: bool) -> None:
    """Time a program against itself, and print the curve of detection.

    Progress goes to the standard error. Exit code 1 if a slow-down was found less often than required, or found where
    there is none; 130 after Ctrl-C, with the curve of the repeats so far.
    """
    from moebench.cells.self_test_record import remember_scatter
    from moebench.cells.timing_check import SPEC, check_timing
    from moebench.measuring.environment import environment
    from moebench.measuring.timing.self_test import REPEATS, detections, expected_s, scatter

    alone, most = (duration(seconds) for seconds in expected_s(SPEC.timing_budget_s))
    progress = Console(stderr=True, highlight=False)
    progress.print(
        f"A training step of Soft MoE against itself, {SPEC.timing_budget_s:g} s for each timing: up to {alone} if "
        f"no other process uses the processors, up to {most} if some do.",
        soft_wrap=True,
    )
    readings: list[Reading] = []
    interrupted = False
    try:
        readings.extend(_watched(progress, check_timing(REPEATS)))
    except KeyboardInterrupt:
        interrupted = True
    curve = detections(readings)
    if as_json:
        record = _record(curve, readings) | {
            "timing_scatter": scatter(readings),
            "timing_budget_s": SPEC.timing_budget_s,
            "environment": environment(),
        }
        options.say(json.dumps(record, indent=1))
    else:
        _print(curve, readings)
    kept, found = remember_scatter(readings), scatter(readings)
    if kept and found is not None and not as_json:
        options.say(f"Scatter between timings: {found:.1%}, kept for the intervals of this machine's cells in {kept}.")
    if interrupted:
        raise typer.Exit(130)
    if not all(detection.passed for detection in curve):
        raise typer.Exit(1)


def _watched(console: Console, readings: "Iterator[Reading]") -> "Iterator[Reading]":
    """Yield the readings and show each as it comes.

    A pipe gets a line for each reading; a terminal shows one changing line.
    """
    from moebench.measuring.timing.self_test import EFFECTS, REPEATS

    pace = Pace(len(EFFECTS) * REPEATS)
    pace.start()
    status = console.status("compiling")
    with status if console.is_terminal else nullcontext():
        for reading in readings:
            pace.end_one()
            later = f", {time_left(pace.seconds_left())}" if pace.ended < pace.total else ""
            line = f"{pace.ended} of {pace.total}, {_name(reading.effect)}: {reading.verdict}{later}"
            if console.is_terminal:
                status.update(line)
            else:
                console.print(line, markup=False, soft_wrap=True)
            yield reading


def _print(curve: "Sequence[Detection]", readings: "Sequence[Reading]") -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, heading in enumerate(("slow-down", "found", "share", "95 % interval", "required", "", "median")):
        table.add_column(heading, justify="right" if place else "left")
    for detection in curve:
        low, high = detection.interval
        table.add_row(
            _name(detection.effect),
            f"{detection.found} of {detection.repeats}",
            f"{detection.share:.0%}",
            f"{low:.0%} to {high:.0%}",
            detection.required,
            "ok" if detection.passed else "missed",
            f"{detection.estimate:+.1%}",
        )
    console = options.console()
    if curve:
        print_table(console, table)
    shares = sorted(reading.other_process_share for reading in readings if reading.other_process_share is not None)
    if shares:
        middle = shares[len(shares) // 2]
        console.print(f"Other processes had {middle:.0%} of the processors, from {shares[0]:.0%} to {shares[-1]:.0%}.")


def _record(curve: "Sequence[Detection]", readings: "Sequence[Reading]") -> dict[str, Any]:
    return {
        "passed": all(detection.passed for detection in curve),
        "curve": [
            {
                "effect": detection.effect,
                "repeats": detection.repeats,
                "found": detection.found,
                "share": detection.share,
                "share_interval": list(detection.interval),
                "required": detection.required,
                "passed": detection.passed,
                "measured": detection.estimate,
            }
            for detection in curve
        ],
        "timings": [
            {
                "effect": reading.effect,
                "verdict": reading.verdict,
                "ratio": list(reading.test.ratio),
                "p_value": reading.test.p_value,
                "samples": reading.test.samples,
                "seconds": reading.seconds,
                "flags": list(reading.flags),
                "other_process_cpu_share": reading.other_process_share,
            }
            for reading in readings
        ],
    }


def _name(effect: float) -> str:
    return f"{effect:.0%}" if effect else "none (A against A)"
