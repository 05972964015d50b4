"""Tables of plans: routers side by side, or one row for each cell."""

import math
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from moebench.reports.quantities import written

if TYPE_CHECKING:
    from moebench.planning.devices import Device
    from moebench.planning.facts import Collective, Facts
    from moebench.planning.plan import CellPlan, ProgramPlan

_NONE = "–"
_MOST_KINDS = 8
_FITS = {"yes": "yes", "raised": "only with a raised share", "no": "no", "": _NONE}


def title(plans: "list[CellPlan]", device: "Device", compiler: str) -> str:
    """Return one line about the plan: models, batches, precisions, devices and compiler."""
    spec = plans[0].cell.spec
    count = spec.mesh_shape[0] * spec.mesh_shape[1]
    models = ", ".join(dict.fromkeys(plan.cell.spec.model for plan in plans))
    batches = ", ".join(dict.fromkeys(f"batch {plan.cell.spec.batch}" for plan in plans))
    precisions = ", ".join(dict.fromkeys(plan.cell.spec.precision for plan in plans))
    machines = f"{count} × {device.name}" + (f" (mesh {spec.devices})" if count > 1 else "")
    return f"{models}, {batches}, {precisions}, compiled for {machines} by {compiler}"


def side_by_side(plans: "list[CellPlan]") -> Iterator[Table]:
    """Yield a table of training and one of inference, a column for each router."""
    for name, programs in (
        ("training step", [plan.train for plan in plans]),
        ("inference", [plan.infer for plan in plans]),
    ):
        table = Table(name, box=None, pad_edge=False, header_style="bold")
        for plan in plans:
            table.add_column(Text(plan.cell.label), justify="right")
        if name == "training step":
            table.add_row("parameters", *(written(plan.params, "count") for plan in plans))
        _add(table, "fits", programs, lambda each: _FITS[each.fits])
        _add_facts(table, programs)
        if name == "training step":
            table.add_row("largest batch that fits", *map(_largest, plans))
        _add_bounds(table, programs)
        yield table


def _add(table: Table, name: str, programs: "list[ProgramPlan]", read: "Callable[[ProgramPlan], str]") -> None:
    table.add_row(name, *map(read, programs))


def _add_facts(table: Table, programs: "list[ProgramPlan]") -> None:
    def row(name: str, read: "Callable[[Facts], str]") -> None:
        table.add_row(Text(name), *(_NONE if each.facts is None else read(each.facts) for each in programs))

    row("peak bytes of a device", lambda facts: written(facts.peak_bytes, "bytes"))
    row("  arguments", lambda facts: written(facts.argument_bytes, "bytes"))
    row("  temporaries", lambda facts: written(facts.temp_bytes, "bytes"))
    row("  outputs − aliases", lambda facts: written(facts.output_bytes - facts.alias_bytes, "bytes"))
    _add(table, "FLOPs, all devices", programs, lambda each: written(each.flops, "FLOPs"))
    row("FLOPs of products, a device", lambda facts: written(facts.product_flops or math.nan, "FLOPs"))
    row("bytes moved, a device", lambda facts: written(facts.moved_bytes, "bytes"))
    found = [each.facts for each in programs if each.facts is not None]
    kinds = _kinds(found)
    row("kernels", lambda facts: f"{sum(facts.kernels.values()):,.0f}")
    for kind in kinds:
        row(f"  {kind}", partial(_kernels, kind=kind))
    if others := _kinds(found, others=True):
        row("  others", lambda facts: _count(sum(facts.kernels.get(kind, 0.0) for kind in others)))
    for key in dict.fromkeys(_key(each) for facts in found for each in facts.collectives):
        row(_collective_name(key), partial(_collective, key=key))


def _kinds(found: "list[Facts]", *, others: bool = False) -> list[str]:
    """Return the most frequent kinds of kernels besides collectives, or all other kinds."""
    counts: Counter[str] = Counter()
    for facts in found:
        counts.update({kind: calls for kind, calls in facts.kernels.items() if kind not in _collective_kinds(facts)})
    kinds = [kind for kind, _ in counts.most_common()]
    return kinds[_MOST_KINDS:] if others else kinds[:_MOST_KINDS]


def _kernels(facts: "Facts", *, kind: str) -> str:
    return _count(facts.kernels.get(kind, 0.0))


def _collective_kinds(facts: "Facts") -> set[str]:
    return {each.kind for each in facts.collectives}


_Key = tuple[str, int, int]


def _key(each: "Collective") -> _Key:
    return each.kind, each.group, each.hosts


def _collective_name(key: _Key) -> str:
    kind, group, hosts = key
    return f"{kind} of {group} devices, {f'{hosts} hosts' if hosts > 1 else 'one host'}"


def _collective(facts: "Facts", *, key: _Key) -> str:
    for each in facts.collectives:
        if _key(each) == key:
            return f"{_count(each.count)} × {written(each.bytes / max(each.count, 1), 'bytes')}"
    return _NONE


def _count(number: float) -> str:
    return f"{number:,.0f}" if number else _NONE


def _add_bounds(table: Table, programs: "list[ProgramPlan]") -> None:
    if all(each.bound is None for each in programs):
        return
    table.add_row("time is at least", *map(_bound, programs))
    for name in ("products_s", "memory_s", "collectives_s"):
        values = [_NONE if each.bound is None else written(getattr(each.bound, name), "s") for each in programs]
        table.add_row(f"  {name.removesuffix('_s')}", *values)


def _bound(program: "ProgramPlan") -> str:
    if program.bound is None:
        return _NONE
    return f"{written(program.bound.seconds, 's')} ({program.bound.binds})"


def _largest(plan: "CellPlan") -> str:
    return _NONE if plan.largest_batch is None else f"{plan.largest_batch:,}"


def by_cell(plans: "list[CellPlan]") -> Table:
    """Return a table with a row for each cell of a suite."""
    table = Table("cell", box=None, pad_edge=False, header_style="bold")
    for heading in ("fits", "peak bytes", "step at least", "inference at least", "steps", "device-hours at least"):
        table.add_column(heading, justify="right")
    for plan in plans:
        facts = plan.train.facts
        table.add_row(
            Text(f"{plan.cell.label} {plan.cell.spec.model}"),
            _FITS[plan.train.fits],
            _NONE if facts is None else written(facts.peak_bytes, "bytes"),
            _bound(plan.train),
            _bound(plan.infer),
            f"{plan.train_steps:,}",
            _NONE if plan.device_hours is None else f"{plan.device_hours:.3g}",
        )
    return table


def notes(plans: "list[CellPlan]", device: "Device", *, is_suite: bool) -> Iterator[str]:
    """Yield the sentences below the tables: failures, and the meaning of the numbers."""
    for plan in plans:
        for name, program in (("training step", plan.train), ("inference", plan.infer)):
            if program.status is not None:
                yield f"{plan.cell.label}, {name}: {program.status}: {program.reason}"
    if is_suite and any(plan.train.bound for plan in plans):
        total = sum(plan.device_hours or 0.0 for plan in plans)
        missing = sum(plan.device_hours is None for plan in plans)
        without = f", without {missing} cells that did not compile" if missing else ""
        yield f"Training of all seeds takes at least {total:.3g} hours of one {device.name}{without}."
    if any(plan.train.bound for plan in plans):
        yield (
            "A time is a lower bound from the data sheet's peaks: no kernel reaches them, and a step takes longer. The "
            "bound predicts no time."
        )
    if device.memory_bytes:
        usable = written(device.usable_share * device.memory_bytes, "bytes")
        share = (
            f", {written(device.usable_share, 'share')} of the memory, JAX's default" if device.usable_share < 1 else ""
        )
        yield f"Fits: peak bytes within {usable}{share}."
    if any("raised" in (plan.train.fits, plan.infer.fits) for plan in plans):
        yield "A raised share: with XLA_PYTHON_CLIENT_MEM_FRACTION=0.95."
