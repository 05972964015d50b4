"""The command `plan`, which predicts the needs of cells on an absent device."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moebench.cli import options

if TYPE_CHECKING:
    from moebench.planning.devices import Device
    from moebench.planning.plan import CellPlan
    from moebench.spec.cell_spec import CellSpec

_BATCH = 128


def plan(
    model: Annotated[
        str, typer.Argument(metavar="MODEL|SUITE", help="A backbone such as s/16, or a suite whose profile to plan.")
    ],
    on: Annotated[str, typer.Option("--on", metavar="DEVICE", help="a100, h100, h200, b200, v5e, v5p, v6e or cpu.")],
    routers: Annotated[
        list[str] | None,
        typer.Argument(metavar="ROUTER[KEY=VALUE,…]", help="Routers side by side; by default the model's own."),
    ] = None,
    devices: Annotated[
        str | None,
        typer.Option(metavar="DATAxEXPERT", help="Mesh, such as 1x8: images over 1, experts over 8; by default 1x1."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(parser=options.whole_number, metavar="N", help="Images of a step; by default 128.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="mixed|bfloat16|float32", help="Number format; by default mixed.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(metavar="P", help="The suite's size; by default that of the device's platform.")
    ] = None,
    time_limit_s: Annotated[
        float, typer.Option("--time-limit-s", parser=options.number, metavar="S", help="Seconds of one compilation.")
    ] = 3600.0,
    memory_limit_gib: Annotated[
        float | None,
        typer.Option("--memory-limit-gib", parser=options.number, metavar="GIB", help="Memory of one compilation."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compile again cases that were compiled before.")] = False,
    plugins: options.Plugins = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Compile a model for an absent device.

    Shows whether training step and inference fit, what they move, a lower bound of their times, and the largest batch.
    Nothing runs.
    """
    from moebench.planning import devices as known
    from moebench.planning.target import check_compiler
    from moebench.spec.limits import Limits

    device = known.find(on)
    compiler = check_compiler(device)
    limits = Limits.from_values({"time_limit_s": time_limit_s, "memory_limit_gib": memory_limit_gib})
    given = {"devices": devices, "batch": batch, "precision": precision}
    changes = {key: value for key, value in given.items() if value is not None}
    suite = None if routers else _suite(model, profile)
    if suite is None:
        options.load_plugins(plugins)
        specs = _specs(model, routers or [], changes)
    else:
        specs = _suite_specs(suite, profile, device, changes)
    specs = [spec.model_copy(update={"plugins": options.plugin_files(plugins)}) for spec in specs]
    from moebench.planning.jobs import Compiler
    from moebench.planning.plan import check, plan_cell

    for spec in specs:
        check(spec, suite is None, device)
    with _progress(as_json) as say, Compiler(limits, say, fresh) as compile_case:
        plans = [plan_cell(spec, suite is None, device, compile_case, search=suite is None) for spec in specs]
    if as_json:
        options.say(json.dumps(record(plans, device, compiler), indent=1))
    else:
        _print(plans, device, compiler, is_suite=suite is not None)
    if any(each.failed for each in plans):
        raise typer.Exit(1)


def _suite(name: str, profile: str | None) -> Any:
    """Return the suite with a name; None if the name is a model's."""
    from difflib import get_close_matches

    from moebench.errors import BadInput, unknown
    from moebench.suites import find
    from moebench.suites.published_costs_file import CountingSuite

    if name not in find.shipped() and not name.endswith((".yaml", ".yml")) and profile is None:
        if "/" not in name and get_close_matches(name, find.shipped()):
            raise unknown("suite", name, find.shipped())
        return None
    suite = find.find(name)
    if isinstance(suite, CountingSuite):
        raise BadInput(f"suite '{suite.name}' runs no cells, so that there is nothing to plan.")
    return suite


def _specs(model: str, routers: list[str], changes: dict[str, Any]) -> "list[CellSpec]":
    """Return the specification of each router on a model."""
    from moebench.cells import count
    from moebench.spec.entry import build_spec, parse_cell

    common = {"model": model, "batch": _BATCH, "precision": "mixed", **changes}
    entries = [{**common, **parse_cell(router)} for router in routers] or [common]
    return [build_spec(count.completed(entry)) for entry in entries]


def _suite_specs(suite: Any, profile: str | None, device: "Device", changes: dict[str, Any]) -> "list[CellSpec]":
    """Return the specifications of a suite's profile.

    The default profile is the one for the platform of the device.
    """
    platform = "gpu" if device.platform == "cuda" else device.platform
    chosen = suite.profile(profile) if profile is not None else suite.profile_for(platform)
    return [cell.spec.model_copy(update=changes) for cell in chosen.cells]


@contextmanager
def _progress(as_json: bool) -> "Iterator[Callable[[str], None]]":
    from moebench.cli.progress import showing

    if as_json:
        yield lambda line: options.say(line, err=True)
        return
    with showing(options.console()) as say:
        yield say


def _print(plans: "list[CellPlan]", device: "Device", compiler: str, *, is_suite: bool) -> None:
    from moebench.cli import plan_tables
    from moebench.cli.narrow_tables import print_table

    console = options.console()
    console.print(plan_tables.title(plans, device, compiler), markup=False, soft_wrap=True)
    for table in [plan_tables.by_cell(plans)] if is_suite else plan_tables.side_by_side(plans):
        console.print()
        print_table(console, table)
    console.print()
    for line in plan_tables.notes(plans, device, is_suite=is_suite):
        console.print(line, markup=False, soft_wrap=True)


def record(plans: "list[CellPlan]", device: "Device", compiler: str) -> dict[str, Any]:
    """Return plans as plain values by name.

    Bytes are of one device, FLOPs of all devices together, and times in seconds.
    """
    hours = [each.device_hours for each in plans]
    return {
        "device": device.name,
        "compiler": compiler,
        "memory_bytes": device.memory_bytes or None,
        "usable_share": device.usable_share,
        "cells": [_cell_record(each) for each in plans],
        "device_hours_bound": None if None in hours else math.fsum(hour for hour in hours if hour is not None),
    }


def _cell_record(plan: "CellPlan") -> dict[str, Any]:
    spec = plan.cell.spec
    programs = {}
    for name, program in (("train", plan.train), ("infer", plan.infer)):
        bound = program.bound
        programs[name] = {
            "status": program.status or "ok",
            "status_reason": program.reason,
            "fits": program.fits,
            "flops": program.flops if math.isfinite(program.flops) else None,
            **(program.facts.model_dump() if program.facts else {}),
            "bound": None
            if bound is None
            else {
                "seconds": bound.seconds,
                "binds": bound.binds,
                "products_s": bound.products_s,
                "memory_s": bound.memory_s,
                "collectives_s": bound.collectives_s,
            },
        }
    return {
        "router": plan.cell.label,
        "model": spec.model,
        "devices": spec.devices,
        "batch": spec.batch,
        "precision": spec.precision,
        "params": plan.params,
        **programs,
        "largest_batch": plan.largest_batch,
        "too_large_batch": plan.too_large_batch,
        "train_steps": plan.train_steps,
        "device_hours_bound": plan.device_hours,
    }
