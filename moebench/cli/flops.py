"""Counting without running: the command `flops`, and suites that compare counts with printed costs."""

import gc
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moebench.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from moebench.suites.published_costs_file import CountingSuite

_PART_NAMES = {
    "embed": "patch embedding",
    "attention": "attention",
    "mlp": "dense MLPs",
    "router": "router",
    "dispatch_combine": "dispatch and combine",
    "experts": "experts",
    "head": "head",
}


def flops(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A backbone such as s/16, or a published vmoe-l/16.")],
    router: Annotated[
        str | None,
        typer.Argument(
            metavar="ROUTER[KEY=VALUE,…]", help="By default the model's own, which is dense if it has none."
        ),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(parser=options.whole_number, metavar="PIXELS", help="By default the model's own.")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(parser=options.whole_number, metavar="N", help="By default the model's own.")
    ] = None,
    batch: Annotated[
        int | None, typer.Option(parser=options.whole_number, metavar="N", help="Images; by default one group.")
    ] = None,
    group_images: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number,
            metavar="N",
            help="Images routed together; by default as its authors do.",
        ),
    ] = None,
    moe_layers: Annotated[
        str | None, typer.Option(metavar="RULE", help="last-half, every-2, last-n:K, or block numbers such as 2,3.")
    ] = None,
    dispatch: Annotated[
        str | None, typer.Option(metavar="gather|einsum|ragged", help="How tokens reach the slots of a sparse router.")
    ] = None,
    plugins: options.Plugins = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Count parameters, FLOPs and memory of a model from its shapes.

    A multiply-add is 2 FLOPs. Matrix products count, and the weighting of gathered rows.
    """
    from moebench.spec.entry import build_spec, parse_cell

    given = {"batch": batch, "group_images": group_images, "moe_layers": moe_layers, "dispatch": dispatch}
    entry: dict[str, Any] = {} if router is None else {**parse_cell(router)}
    entry |= {"model": model, **{key: value for key, value in given.items() if value is not None}}
    with _no_garbage_collection():
        from moebench.cells import count

        options.load_plugins(plugins)
        options.start_jax()
        spec = build_spec(count.completed(entry))
        record = count.count(count.resolved(spec, image_size, classes)).record()
    if as_json:
        options.say(json.dumps(_without_nan(record), indent=1))
        return
    from moebench.cli.narrow_tables import print_table

    console = options.console()
    console.print(_title(record, classes), markup=False, soft_wrap=True)
    console.print()
    print_table(console, _parts(record))
    console.print("a multiply-add is 2 FLOPs", style="dim")
    console.print()
    for line in _lines(record):
        console.print(line, markup=False, soft_wrap=True)


def run(suite: "CountingSuite", results: Path, has_options: bool) -> None:
    """Count every printed model, print the table, and write the table and its figure.

    The command exits with 1 if a count lies outside the tolerance.

    Args:
        suite: the counting suite.
        results: results folder.
        has_options: whether options for cells were given.

    Raises:
        BadInput: an option has no meaning because no cell runs.
    """
    from moebench.cli import printing
    from moebench.cli.narrow_tables import print_table
    from moebench.errors import BadInput
    from moebench.reports.write import write_agreement
    from moebench.results.suite_folder import SuiteFolder

    if has_options:
        raise BadInput(f"suite '{suite.name}' runs no cells: its only option is --results.")
    console = options.console()
    printing.print_question(console, suite)
    with _no_garbage_collection(), console.status("counting") if console.is_terminal else nullcontext():
        from moebench.cells.count_published import counts
        from moebench.papers import agreement

        frame = agreement.compare(suite.models, counts(suite.models), suite.tolerances, suite.known)
    for table in agreement.render_tables(frame):
        console.print()
        print_table(console, table, keys=2)
    console.print()
    console.print(
        "count, in brackets the printed value and the count's deviation; ~ known to differ; ✗ outside the tolerance"
    )
    console.print()
    console.print(agreement.sentence(frame), markup=False, style="bold", soft_wrap=not console.is_terminal)
    for place, (_, why) in suite.known.items():
        console.print(f"  ~ {' '.join(place)}: {why}", markup=False, soft_wrap=True)
    console.print()
    for path in write_agreement(frame, SuiteFolder(results, suite.name).report_folder):
        console.print(str(path), markup=False, soft_wrap=True)
    outside = agreement.outside(frame)
    for line in outside:
        options.say(f"moebench: outside the tolerance: {line}", err=True)
    if outside:
        raise typer.Exit(1)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Disable the garbage collector while a block counts.

    The collector would take a third of the time of a trace and find nothing to free.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _without_nan(value: Any) -> Any:
    """Return a value with None in place of NaN and infinity, which JSON cannot represent."""
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _title(record: dict[str, Any], given_classes: int | None) -> str:
    side = record["image_size"]
    if "text_params" in record:
        tower = f"a text tower {record['text_model']} {record['text_router']}"
        return f"{record['model']} {record['router']}, {side} × {side} pixels, beside {tower}"
    classes = f"{record['classes']:,} classes" + (", as published" if given_classes is None else "")
    return f"{record['model']} {record['router']}, {side} × {side} pixels, {classes}"


def _parts(record: dict[str, Any]) -> "Table":
    from rich.table import Table

    from moebench.reports.quantities import written

    table = Table("part", box=None, pad_edge=False)
    for name in ("forward, FLOPs per image", "share"):
        table.add_column(name, justify="right")
    total = record["flops_forward_per_image"]
    for part, flops in record["parts"].items():
        if flops:
            table.add_row(_PART_NAMES[part], written(flops, "FLOPs"), written(flops / total, "share"))
    table.add_section()
    table.add_row("all", written(total, "FLOPs"), "")
    return table


def _lines(record: dict[str, Any]) -> Iterator[str]:
    """Yield the lines below the table, each with its name."""
    from moebench.reports.quantities import written

    train, elementwise = record["flops_train_per_image"], sum(record["elementwise"].values())
    rows = [
        ("parameters", f"{record['params']:,}"),
        ("active parameters", f"{record['params_active']:,}"),
        ("training step", f"{written(train, 'FLOPs')} per image, forward and backward"),
        ("element-wise", f"{written(elementwise, 'FLOPs')} per image forward, not counted above"),
    ]
    if record["experts"]:
        factor = record["effective_capacity_factor"]
        group = "image" if record["group_images"] == 1 else f"group of {record['group_images']} images routed together"
        slots = f"{record['slots']} for each of {record['experts']} experts and each {group}"
        rows.append(("slots", f"{slots}, effective capacity factor {factor:.3f}"))
        rows.append(("blocks with experts", record["moe_layers"]))
    if "text_params" in record:
        tower = (
            f"{record['text_params']:,} parameters, {written(record['flops_forward_per_text'], 'FLOPs')} per caption"
        )
        tower += f" of {record['text_length']} tokens out of {record['text_vocabulary']:,}"
        rows.append(("text tower", tower))
    if record["flops_padding"]:
        rows.append(("padding", f"{written(record['flops_padding'], 'FLOPs')} of the experts', in slots never filled"))
    memory = ("parameter_bytes", "gradient_bytes", "optimizer_bytes", "activation_bytes")
    parts = ", ".join(f"{key.removesuffix('_bytes')} {written(record[key], 'bytes')}" for key in memory)
    total = written(record["train_bytes_estimate"], "bytes")
    rows.append(("training memory", f"{total}, estimated for a batch of {record['batch']}: {parts}"))
    width = max(len(name) for name, _ in rows)
    return (f"{name:<{width}}  {value}" for name, value in rows)
