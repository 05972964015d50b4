"""The commands `suite` and `run`, which run cells."""

from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from moebench.cli import ending, options

if TYPE_CHECKING:
    from rich.console import Console

    from moebench.executors import Executor
    from moebench.results import Store
    from moebench.spec.limits import Limits
    from moebench.suites.plan import PlannedCell


def suite(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped suite, or a suite file.")],
    profile: Annotated[
        str | None, typer.Option(metavar="P", help="The suite's size; by default that of the device found.")
    ] = None,
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="KEY=VALUE,…", help="Only these cells, such as router=soft,experts=2,4."),
    ] = None,
    seeds: Annotated[str | None, typer.Option(metavar="0,1,2", help="Seeds, in place of the suite's.")] = None,
    executor: Annotated[str, typer.Option(metavar="NAME", help="How to place the cells on devices.")] = "local",
    jobs: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number,
            metavar="N",
            help="Cells side by side: on accelerators one each, which is the default; on processors two, which pause "
            "while one is timed.",
        ),
    ] = None,
    plugins: options.Plugins = None,
    results: options.Results = Path("results"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the cells, with which would run and why.")] = False,
    fresh: options.Fresh = False,
    retry_failed: options.RetryFailed = False,
    trace: options.Trace = None,
) -> None:
    """Run a suite, or its unfinished cells, and report.

    At the end figures and a dashboard are written. Finished cells do not run again. Ctrl-C keeps finished cells; the
    same command continues the run.
    """
    from moebench import executors
    from moebench.cli import flops, printing
    from moebench.cli.progress import showing
    from moebench.reports.write import results_of, write_report
    from moebench.results import Store, located
    from moebench.spec.entry import parse_seeds
    from moebench.suites import find, grid
    from moebench.suites.plan import plan_cells
    from moebench.suites.published_costs_file import CountingSuite
    from moebench.suites.suite_record import remember

    chosen = find.find(name)
    if isinstance(chosen, CountingSuite):
        given = (profile, filters, seeds, jobs, plugins, dry_run, fresh, retry_failed, trace)
        flops.run(chosen, results, has_options=executor != "local" or any(given))
        return
    size = chosen.profile(profile) if profile else None
    wanted = [one for text in filters or [] for one in grid.Filter.parse(text)]
    new_seeds = parse_seeds(seeds) if seeds is not None else None
    files = options.plugin_files(plugins)
    results, _ = located(results, chosen.name)
    store = Store(results, chosen.name)
    console = options.console()
    with executors.create(executor, jobs) as placer:
        if not dry_run:
            _import_reports()
        environment = placer.environment()
        size = size or chosen.profile_for(environment["platform"])
        cells = [cell.with_plugins(files) for cell in size.cells]
        cells = [cell.with_seeds(new_seeds) if new_seeds is not None else cell for cell in cells]
        kept = grid.choose([cell.spec for cell in cells], wanted)
        with showing(console) as say:
            planned = plan_cells(cells, placer, store, fresh=fresh, retry_failed=retry_failed, say=say)
        requested = [planned[index] for index in kept]
        printing.print_question(console, chosen)
        _warn_of_namesake(name, chosen.name, store)
        printing.print_plan(console, requested, f"{printing.device(environment)}, profile {size.name}", store)
        if dry_run:
            printing.print_cells(console, requested)
            return
        remember(store, chosen)
        failed = _run_cells(
            console, requested, chosen.name, store, placer, size.limits, fresh, options.trace_folder(trace)
        )
    found, problems = results_of(store, results, [cell.cell_id for cell in planned], chosen.claims)
    printing.print_summary(console, found)
    with console.status("drawing the figures and the dashboard") if console.is_terminal else nullcontext():
        paths, missing = write_report(store, found, title=chosen.name, question=chosen.question, figures=chosen.figures)
    printing.print_paths(console, store, paths)
    _end(failed, [*problems, *missing])


def run(
    cell: Annotated[str, typer.Argument(metavar="ROUTER[KEY=VALUE,…]", help="A router with its options.")],
    model: Annotated[str | None, typer.Option(metavar="SIZE/PATCH", help="The backbone; by default mu/2.")] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|./PATH|hf:NAME",
            help="moebench's own, yours (train=PATH,test=PATH names splits), or of the hub; by default digits.",
        ),
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number, metavar="PIXELS", help="Side of the images; by default the data set's own."
        ),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(parser=options.whole_number, metavar="N", help="Training steps; by default 250.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(parser=options.whole_number, metavar="N", help="Images of a step; by default 64.")
    ] = None,
    seeds: Annotated[str | None, typer.Option(metavar="0,1,2", help="Seeds; by default 0 alone.")] = None,
    time_limit_s: Annotated[
        float,
        typer.Option("--time-limit-s", parser=options.number, metavar="S", help="Seconds that the cell may take."),
    ] = 3600.0,
    memory_limit_gib: Annotated[
        float | None,
        typer.Option("--memory-limit-gib", parser=options.number, metavar="GIB", help="Memory that the cell may take."),
    ] = None,
    plugins: options.Plugins = None,
    results: options.Results = Path("results"),
    fresh: options.Fresh = False,
    retry_failed: options.RetryFailed = False,
    trace: options.Trace = None,
) -> None:
    """Run one cell without a suite and print what was measured.

    The brackets contain options of the router, and any other key that a suite's entry may have, such as
    precision or learning_rate.
    """
    from moebench import executors
    from moebench.cli import printing
    from moebench.cli.progress import showing
    from moebench.reports.write import results_of
    from moebench.results import Store, located
    from moebench.spec.entry import build_spec, parse_cell, parse_seeds
    from moebench.spec.limits import Limits
    from moebench.suites import grid
    from moebench.suites.plan import plan_cells
    from moebench.suites.suite_file import SINGLE_CELLS

    limits = Limits.from_values({"time_limit_s": time_limit_s, "memory_limit_gib": memory_limit_gib})
    given = {"model": model, "data": data, "image_size": image_size, "steps": steps, "batch": batch}
    values = {**parse_cell(cell), **{key: value for key, value in given.items() if value is not None}}
    single = grid.Cell(build_spec(values)).with_plugins(options.plugin_files(plugins))
    single = single.with_seeds(parse_seeds(seeds)) if seeds is not None else single
    folder = options.trace_folder(trace)
    results, _ = located(results, SINGLE_CELLS)
    store = Store(results, SINGLE_CELLS)
    console = options.console()
    with executors.create("local") as placer:
        _import_reports()
        with showing(console) as say:
            planned = plan_cells([single], placer, store, fresh=fresh, retry_failed=retry_failed, say=say)
        printing.print_cell(console, planned[0])
        printing.print_plan(console, planned, printing.device(placer.environment()), store)
        failed = _run_cells(console, planned, SINGLE_CELLS, store, placer, limits, fresh, folder)
    found, problems = results_of(store, results, [planned[0].cell_id])
    printing.print_numbers(console, found)
    printing.print_paths(console, store, [])
    _end(failed, problems)


def _warn_of_namesake(given: str, suite: str, store: "Store") -> None:
    """Warn if a suite's file has the name of a shipped suite.

    The file and the shipped suite would then share one results folder.

    Args:
        given: the suite as the user named it.
        suite: name of the suite.
        store: results of the suite.
    """
    from moebench.suites import find

    namesake = find.shipped().get(suite)
    if namesake and given != suite and not namesake.samefile(given):
        options.say(
            f"moebench: {given} has the name of the shipped suite '{suite}', and shares {store.folder} with it; "
            "another `name:` keeps them apart.",
            err=True,
        )


def _import_reports() -> None:
    """Import pandas and the reports, while the executor's server imports jax on another processor."""
    import moebench.reports.answer.sentence  # noqa: F401


def _run_cells(
    console: "Console",
    cells: "Sequence[PlannedCell]",
    suite: str,
    store: "Store",
    executor: "Executor",
    limits: "Limits",
    fresh: bool,
    trace: Path | None,
) -> list[str]:
    """Run the cells, show progress, and return the failed cells with status and reason.

    Args:
        console: shows progress.
        cells: all requested cells; those without seeds are finished.
        suite: name of the suite.
        store: stores the rows.
        executor: runs the cells.
        limits: time and memory of a cell.
        fresh: whether everything is run again.
        trace: folder of profiles of training steps; None writes none.

    Raises:
        typer.Exit: with 130, on Ctrl-C.
    """
    from moebench.cli.progress import outcome, showing, watching
    from moebench.files import set_aside
    from moebench.results.run_status import damaged_statuses
    from moebench.suites.plan import FAILED
    from moebench.suites.prepare_data import prepare
    from moebench.suites.run import CellEnded, new_run_id, run_cells, trace_name

    waiting = [cell for cell in cells if cell.seeds]
    failed = [f"{cell.label} ({cell.failed} before)" for cell in cells if cell.failed]
    run_id = new_run_id()
    store.adopt_earlier_files()
    for damaged in damaged_statuses(store.root, suite):
        options.say(f"moebench: {damaged} It is set aside.", err=True)
        set_aside(damaged.path)
    if not waiting:
        store.seal(run_id)  # a killed driver may have left cells to seal
        return failed
    events = run_cells(waiting, suite=suite, store=store, run_id=run_id, executor=executor, limits=limits, trace=trace)
    ended = 0
    try:
        with showing(console) as say:
            notes = prepare(waiting, executor, say)
        for note in [*executor.notes(), *notes]:
            options.say(f"moebench: {note}", err=True)
        with watching(console, [cell.label for cell in waiting]) as watch, closing(events):
            for event in events:
                watch(event)
                if isinstance(event, CellEnded):
                    ended += 1
                    if event.status in FAILED:
                        failed.append(f"{event.planned.label} ({outcome(event)})")
    except KeyboardInterrupt as interrupt:
        then = "--fresh would run them again" if fresh else "the same command goes on"
        options.say(f"\ninterrupted: {ended} of {len(waiting)} cells are finished and kept; {then}.", err=True)
        raise typer.Exit(ending.exit_code(interrupt)) from None
    if trace is not None:
        for cell in waiting:
            if (written := trace / trace_name(cell)).is_dir():
                options.say(written)
    return failed


def _end(failed: list[str], problems: list[str]) -> None:
    """Print the failures, and exit with code 1 if a cell failed."""
    for problem in problems:
        options.say(f"moebench: {problem}", err=True)
    if failed:
        count, them = ("1 cell", "it") if len(failed) == 1 else (f"{len(failed)} cells", "them")
        options.say(f"moebench: {count} failed; --retry-failed runs {them} again:", err=True)
        for line in failed:
            options.say(f"  {line}", err=True)
        raise typer.Exit(1)
