"""Cost and efficiency columns of a cell: parameters, FLOPs, memory, shares of the device's peak."""

import math
from collections.abc import Mapping
from typing import Any

from moebench.cells.compile import Executables
from moebench.cells.count import Count
from moebench.cells.resolved_cell import ResolvedCell
from moebench.measuring import Peak, compiler_flops, moved_bytes, peak_bytes, routed_share

Row = dict[str, Any]


def costs(cell: ResolvedCell, executables: Executables) -> Row:
    """Return parameters, FLOPs and memory; padding is left out, because only an evaluation knows it.

    Args:
        cell: the cell.
        executables: compiled programs of the cell.
    """
    count, batch = Count(cell, executables.program), cell.spec.batch
    forward = count.forward
    # Less than three times the forward pass: images and one-hot dispatch weights have no gradient.
    step = count.step.total
    devices = math.prod(cell.spec.mesh_shape)
    compiler = compiler_flops(executables.infer)
    flops = {
        "flops_forward_per_image": forward.total / batch,
        "flops_train_step": step,
        "flops_train_total": step * cell.spec.steps if cell.spec.scope == "model" else math.nan,
        "flops_router": forward.parts.router / batch,
        "flops_dispatch_combine": forward.parts.dispatch_combine / batch,
        "flops_experts": forward.parts.experts / batch,
        "routed_flops_share": routed_share(cell.model, cell.router, forward.parts),
        # The compiler counts the FLOPs of one device.
        "flops_forward_hlo": math.nan if compiler is None else compiler * devices / batch,
        "train_intensity": step / _moved(executables.train_step, devices),
        "infer_intensity": forward.total / _moved(executables.infer, devices),
    }
    return {
        "params": count.parameters.total,
        "params_active": count.parameters.active,
        **_of_text(count),
        **{column: None if math.isnan(value) else value for column, value in flops.items()},
        "train_peak_bytes": peak_bytes(executables.train_step),
        "infer_peak_bytes": peak_bytes(executables.infer),
        "train_bytes_estimate": count.memory.total,
    }


def _of_text(count: Count) -> Row:
    """Return the costs of the text tower; an empty row for a model that classifies."""
    if count.text_parameters is None or count.text_forward is None:
        return {}
    return {
        "text_params": count.text_parameters.total,
        "flops_forward_per_text": count.text_forward.total / count.batch,
    }


def _moved(program: Any, devices: int) -> float:
    """Return the bytes that a program moves on all devices.

    The result is NaN if the compiler does not count bytes.
    """
    moved = moved_bytes(program)
    return math.nan if moved is None else moved * devices


def efficiency(cell: ResolvedCell, row: Mapping[str, Any]) -> Row:
    """Return the shares of the devices' measured peak that a timed cell reached.

    Args:
        cell: the cell.
        row: cost and time columns of the cell.
    """
    peak, devices = Peak(row["peak_flops_per_s"], row["peak_bytes_per_s"]), math.prod(cell.spec.mesh_shape)
    found: Row = {}
    for name, flops, seconds in (
        ("train", row["flops_train_step"], row["train_step_s"]),
        ("infer", row["flops_forward_per_image"], row["infer_s_per_image"]),
    ):
        if flops is not None:
            reached = flops / seconds / devices
            found[f"{name}_mfu"] = reached / peak.flops_per_s
            if row[f"{name}_intensity"] is not None:
                found[f"{name}_roofline"] = reached / peak.achievable(row[f"{name}_intensity"])
    return found
