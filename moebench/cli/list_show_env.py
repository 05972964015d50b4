"""The commands `list`, `show` and `env`."""

import os
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from moebench.cli import options
from moebench.cli.descriptions import DESCRIPTIONS, OF_TABLES, describe_dataset, describe_model, describe_slots
from moebench.cli.listings import KINDS, LISTS, routing_columns
from moebench.errors import BadInput, unknown
from moebench.spec.tasks import TASK_KINDS

_VARIABLES = ("JAX_", "XLA_", "MOEBENCH_", "CUDA_VISIBLE", "NVIDIA_TF32", "LIBTPU_", "OMP_NUM_")
"""Prefixes of the environment variables that can change measurements."""


def list_names(
    kind: Annotated[
        str | None,
        typer.Argument(metavar=f"[{'|'.join(KINDS)}]", help="Kind of names to list; without it, the kinds."),
    ] = None,
    routing: Annotated[
        bool, typer.Option("--routing", help="With columns: those of routing recordings, not of the result table.")
    ] = False,
    plugins: options.Plugins = None,
) -> None:
    """List names, with a line about each."""
    if kind is None:
        _print_names(KINDS.items())
        return
    if kind not in KINDS:
        raise unknown("kind of list", kind, KINDS)
    if routing and kind != "columns":
        raise BadInput(f"--routing is for `moebench list columns`, not for '{kind}'.")
    options.load_plugins(plugins)
    _print_names(routing_columns() if routing else LISTS[kind]())
    if kind == "keys":
        options.say("\nAny other key of a cell is an option of its router: moebench show ROUTER")
    if kind == "routers":
        from moebench import routers

        for broken in routers.broken_packages():
            options.say(f"moebench: left out: {broken}", err=True)


def _print_names(rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    width = max((len(name) for name, _ in rows), default=0)
    for name, line in rows:
        options.say(f"{name:<{width}}  {line}".rstrip())


def show(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A router, suite, model, data set, column or key; or router[key=value,…]."),
    ],
    model: Annotated[
        str | None, typer.Option(metavar="SIZE/PATCH", help="The backbone whose tokens are routed; by default mu/2.")
    ] = None,
    image_size: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number, metavar="PIXELS", help="Side of the images; by default the model's own."
        ),
    ] = None,
    group_images: Annotated[
        int | None,
        typer.Option(
            parser=options.whole_number,
            metavar="N",
            help="Images routed together; by default the paper's choice.",
        ),
    ] = None,
    plugins: options.Plugins = None,
) -> None:
    """Show everything about one name, or the slots of a router.

    With options in brackets, or a model, a router's slots are shown. The slots depend on the tokens that are routed
    together, and so on the model, the images, and how many are a group.
    """
    options.load_plugins(plugins)
    if "[" in name or model or image_size or group_images:
        for line in describe_slots(name, image_size, model=model, group_images=group_images):
            options.say(line)
        return
    known: list[str] = []
    shown = 0
    for kind, describe in DESCRIPTIONS.items():
        if shown and kind not in OF_TABLES:
            return
        names = [found for found, _ in LISTS[kind]()]
        if name in names:
            for line in (*([""] if shown else []), *describe(name)):
                options.say(line)
            shown += 1
        known += names
    if shown:
        return
    # Names beyond the lists: the user's own paths, a size with any patch, data sets drawn with any number.
    data = name.startswith((".", "/", "~", "hf:", "fractals-", "scenes-", *(f"{kind}-" for kind in TASK_KINDS)))
    if data or "/" in name:
        for line in describe_dataset(name) if data else describe_model(name):
            options.say(line)
        return
    raise unknown("name", name, known, listing=f"moebench list {'|'.join(KINDS)}")


def env(
    measure: Annotated[
        bool, typer.Option("--measure", help="Also measure the device's peak: a matrix product, a copy.")
    ] = False,
) -> None:
    """Print what is installed, found, and used by default.

    If JAX cannot start, all other lines are printed, followed by the reason.
    """
    from moebench import executors
    from moebench.spec.cell_spec import CellSpec
    from moebench.spec.machine import machine

    trouble: BadInput | None = None
    found: dict[str, Any] = {"device_kind": None, "device_count": None, "platform": None} | machine()
    try:
        with executors.create("local") as placer:
            found |= placer.environment()
    except BadInput as error:
        trouble = error
    except executors.ExecutorError as error:
        trouble = BadInput(str(error))
    of_cell = {key: CellSpec.model_fields[key].default for key in ("model", "data", "steps", "batch")}
    if platform := found["platform"]:
        found["profile of a suite"] = platform if platform == "cpu" else f"{platform}, or gpu where it has no such"
    found["cell of run"] = "{model} on {data}, {steps} steps of {batch} images, seed 0".format(**of_cell)
    found |= {name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)}
    if measure and trouble is None:
        from moebench.measuring import measure_peak

        peaks = {precision: measure_peak(precision) for precision in ("float32", "bfloat16")}
        found |= {f"{name}_flops_per_s": f"{peak.flops_per_s:.3g}" for name, peak in peaks.items()}
        found["bytes_per_s"] = f"{max(peak.bytes_per_s for peak in peaks.values()):.3g}"
    width = max(map(len, found))
    for key, value in found.items():
        options.say(f"{key:<{width}}  {'–' if value is None else value}")
    if trouble:
        raise trouble
