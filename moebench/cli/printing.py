"""Output of the commands that run cells: the plan before, numbers and paths after."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from moebench.results import Store
from moebench.spec.tuning import TUNE
from moebench.suites.plan import PlannedCell
from moebench.suites.published_costs_file import CountingSuite
from moebench.suites.suite_file import Suite

if TYPE_CHECKING:
    from moebench.reports.analysis.cells import Results

_NUMBERS = (
    *("accuracy", "eval_loss", "train_loss", "params", "params_active", "flops_forward_per_image"),
    *("flops_train_total", "train_step_s", "train_step_vs_dense", "infer_s_per_image", "infer_vs_dense"),
    *("compile_s", "train_wall_s", "train_peak_bytes", "dropped_tokens", "load_cv", "router_entropy", "dead_experts"),
    # Columns of diagnostic tasks; other data have no values in them.
    *("domain_information", "needles_processed", "memorised_bits", "tail_accuracy"),
)


def device(environment: Mapping[str, Any]) -> str:
    """Return JAX's name of the device, for processors with their model.

    JAX calls all processors "cpu".
    """
    kind, processor = environment["device_kind"], environment.get("cpu")
    return f"{kind} ({processor})" if environment["platform"] == "cpu" and processor else str(kind)


def print_question(console: Console, suite: Suite | CountingSuite) -> None:
    """Print the suite's name and its question."""
    console.print(
        Text(suite.name, style="bold").append(f"  {suite.question}", style="not bold"),
        soft_wrap=not console.is_terminal,
    )


def print_plan(console: Console, cells: Sequence[PlannedCell], on: str, store: Store) -> None:
    """Print the plan of a run in one line.

    The line names the device, the number of cells, done and to run, the tries of tuning, and the results' folder.
    """
    waiting = [cell for cell in cells if cell.seeds]
    count = f"{len(cells)} cells" if len(cells) != 1 else "1 cell"
    seeds = len(cells[0].cell.spec.seeds)
    of_seeds = f" of {seeds} seeds" if seeds != 1 else ""
    done = len(cells) - len(waiting)
    state = f", {done} done before" if done else ""
    tries = sum(cell.tries for cell in waiting)
    tuned = f" after {tries} tries of {TUNE}" if tries else ""
    line = f"{on}: {count}{of_seeds}{state}, {len(waiting)} to run{tuned}; results in {store.folder}"
    console.print(line, markup=False, soft_wrap=not console.is_terminal)


def print_cells(console: Console, cells: Sequence[PlannedCell]) -> None:
    """Print every cell, whether it would run, and the reason."""
    width = max(len(cell.label) for cell in cells)
    for cell in cells:
        verdict = "would run" if cell.seeds else "cached"
        console.print(f"  {verdict:<10} {cell.label:<{width}}  {cell.why}", markup=False, soft_wrap=True)


def print_cell(console: Console, cell: PlannedCell) -> None:
    """Print one cell with its given and default settings."""
    spec = cell.cell.spec
    seeds = f"seed{'s' * (len(spec.seeds) > 1)} {', '.join(map(str, spec.seeds))}"
    what = (
        "one layer, timed alone" if spec.scope == "layer" else f"{spec.data}, {spec.steps} steps of {spec.batch} images"
    )
    console.print(f"{cell.label} in {spec.model}: {what}, {seeds}", markup=False, soft_wrap=not console.is_terminal)


def print_summary(console: Console, results: "Results") -> None:
    """Print a table of the cells, the claims' verdicts, the gain's parts, and the answer.

    The table has a row for each cell.
    """
    from moebench.cli.narrow_tables import print_table
    from moebench.reports.answer.sentence import answer, details
    from moebench.reports.answer.terminal_table import render_claims, render_table, render_texts
    from moebench.reports.tables import gains, pairs

    console.print()
    of_pairs = pairs(results)
    if not of_pairs.texts or results.cells["accuracy"].notna().any():
        print_table(console, render_table(results.ranked))
        console.print()
    if of_pairs.texts:
        print_table(console, render_texts(of_pairs))
        console.print("[ ] 95 % interval over seeds", style="dim", markup=False)
        console.print()
    if results.verdicts:
        print_table(console, render_claims(results.verdicts))
        console.print()
    if (parts := gains(results)).texts:
        print_table(console, render_texts(parts), keys=2)
        console.print()
    console.print(answer(results), markup=False, style="bold", soft_wrap=not console.is_terminal)
    console.print(details(results), markup=False, style="dim", soft_wrap=not console.is_terminal)


def print_numbers(console: Console, results: "Results") -> None:
    """Print the numbers of one cell, each with its interval if it has one."""
    from moebench.reports import flag_marks
    from moebench.reports.analysis.pair_scores import pair_scores
    from moebench.reports.quantities import quantity, written, written_interval

    cell = results.cells.iloc[0].to_dict()
    tests = pair_scores(results)
    chances = dict(zip(tests["quantity"], tests["chance"], strict=True))
    lines: dict[str, str] = {}
    for name in (*chances, *_NUMBERS):
        shown = quantity(name)
        value, low, high = (float(cell.get(f"{name}{end}", float("nan"))) for end in ("", "_ci_low", "_ci_high"))
        if not math.isnan(value):  # this cell has no such number
            lines[shown.title] = flag_marks.mark(cell, name) + written_interval(value, low, high, shown.kind)
            if name == "accuracy" and cell["seeds"] == 1:
                lines[shown.title] += " (one seed, so no interval)"
            if name in chances:
                lines[shown.title] += f" (chance {written(chances[name], shown.kind)})"
    console.print()
    width = max(map(len, lines), default=0)
    for title, text in lines.items():
        console.print(f"  {title:<{width}}  {text}", markup=False, soft_wrap=True)
    flags = [flag for flag in cell["timing_flags"] if any(flag_marks.concerning(name, [flag]) for name in _NUMBERS)]
    if flags:
        text = f"  {flag_marks.MARK} timing flagged ({flag_marks.in_words(flags)}): moebench show timing_flags"
        console.print(text, markup=False, soft_wrap=True)


def print_paths(console: Console, store: Store, paths: Sequence[Path]) -> None:
    """Print the paths of the results; the formats of one figure share a line."""
    console.print()
    console.print(f'results    {store.folder}   (pandas.read_parquet("{store.folder}"))', markup=False, soft_wrap=True)
    stems: dict[Path, list[str]] = {}
    for path in paths:
        stems.setdefault(path.with_suffix(""), []).append(path.suffix)
    for stem, suffixes in stems.items():
        kind = "dashboard" if suffixes == [".html"] else "figure"
        console.print(f"{kind:<10} {stem}{', '.join(suffixes)}", markup=False, soft_wrap=True)
