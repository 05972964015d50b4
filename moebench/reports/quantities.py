"""What the numbers of the result table are called on an axis and how they are written for a reader."""

from dataclasses import dataclass
from math import floor, isfinite, log10
from typing import Literal

from moebench.errors import BadInput, unknown
from moebench.results import COLUMNS

Kind = Literal["share", "s", "FLOPs", "bytes", "count", "ratio", "number"]


@dataclass(frozen=True)
class Quantity:
    """A number of the result table: its column, its name for readers, and how it is written.

    `kind` says how: a share in percent; seconds, FLOPs and bytes with a metric prefix; a ratio with ×.
    """

    column: str
    title: str
    kind: Kind
    higher_is_better: bool = False


_NAMED = {
    quantity.column: quantity
    for quantity in (
        Quantity("accuracy", "Accuracy", "share", higher_is_better=True),
        Quantity("few_shot_1", "1-shot accuracy", "share", higher_is_better=True),
        Quantity("few_shot_5", "5-shot accuracy", "share", higher_is_better=True),
        Quantity("few_shot_10", "10-shot accuracy", "share", higher_is_better=True),
        Quantity("eval_loss", "Test loss (nats)", "number"),
        Quantity("train_loss", "Training loss (nats)", "number"),
        Quantity("flops_forward_per_image", "Forward FLOPs per image", "FLOPs"),
        Quantity("flops_train_step", "FLOPs of a training step", "FLOPs"),
        Quantity("flops_train_total", "Training FLOPs", "FLOPs"),
        Quantity("train_step_s", "Time of a training step", "s"),
        Quantity("train_step_vs_dense", "Time of a training step, times dense", "ratio"),
        Quantity("infer_s_per_image", "Inference time per image", "s"),
        Quantity("infer_vs_dense", "Inference time, times dense", "ratio"),
        Quantity("train_step_cpu_vs_dense", "Processor time of a training step, times dense", "ratio"),
        Quantity("infer_cpu_vs_dense", "Processor time of inference, times dense", "ratio"),
        Quantity("train_wall_s", "Training time", "s"),
        Quantity("compile_s", "Compile time", "s"),
        Quantity("params", "Parameters", "count"),
        Quantity("params_active", "Active parameters", "count"),
        Quantity("capacity_factor", "Capacity factor", "number"),
        Quantity("flops_used_per_image", "FLOPs used for an image", "FLOPs"),
        Quantity("infer_vs_trained", "Inference time, times that of the trained setting", "ratio"),
        Quantity("train_peak_bytes", "Peak memory in training", "bytes"),
        Quantity("infer_peak_bytes", "Peak memory in inference", "bytes"),
        Quantity("dropped_tokens", "Dropped tokens", "share"),
        Quantity("dropped_tokens_max_layer", "Dropped tokens, worst layer", "share"),
        Quantity("dropped_assignments", "Choices over capacity", "share"),
        Quantity("router_entropy", "Entropy of the gates", "number"),
        Quantity("load_cv", "Load of experts, std / mean", "number"),
        Quantity("max_violation", "Largest load / mean − 1", "number"),
        Quantity("dead_experts", "Dead experts", "share"),
        Quantity("under_dispatched_tokens", "Tokens hardly dispatched", "share"),
        Quantity("tokens_per_slot_90", "Tokens for 90 % of a slot", "number"),
        Quantity("load_average", "Load average of the machine", "number"),
        Quantity("cell_wall_s", "Time of the whole cell", "s"),
        Quantity("slot_utilisation", "Slot utilisation", "share", higher_is_better=True),
        Quantity("experts", "Experts", "count"),
        Quantity("total_slots", "Slots for a group of images", "count"),
        Quantity("slots_per_image", "Slots for an image", "count"),
    )
}
_KINDS: dict[str, Kind] = {"s": "s", "FLOPs": "FLOPs", "bytes": "bytes", "share": "share", "ratio": "ratio"}
_PREFIXES = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_UNITS = {"s": "s", "FLOPs": "FLOPs", "bytes": "B", "count": ""}


def quantity(column: str) -> Quantity:
    """A numeric column of the result table as a quantity.

    Raises:
        BadInput: no such column, or one that does not hold one number a row.
    """
    if column in _NAMED:
        return _NAMED[column]
    numeric = {c.name: c for c in COLUMNS if str(c.type) in ("double", "int32", "int64")}
    if column not in numeric:
        if any(column == c.name for c in COLUMNS):
            raise BadInput(f"column '{column}' does not hold one number a row, so it makes no axis.")
        raise unknown("column", column, numeric, listing="moebench list columns")
    title = column.removesuffix("_s").replace("_", " ").capitalize()
    return Quantity(column, title, _KINDS.get(numeric[column].unit, "number"))


def written(value: float, kind: Kind) -> str:
    """A number for a reader: 97.2 %, 12.3 ms, 1.21 GFLOPs, 27.3 M, 1.84 ×; a dash where there is none."""
    if not isfinite(value):
        return "–"
    factor, digits, unit = _writing(value, kind)
    return f"{value * factor:.{digits}f}{unit}"


def written_interval(value: float, low: float, high: float, kind: Kind) -> str:
    """A number with its interval, `97.2 % [96.8, 97.6]`; the bounds in its unit and precision, as `possible`."""
    if not (isfinite(value) and isfinite(low) and isfinite(high)):
        return written(value, kind)
    factor, digits, _ = _writing(value, kind)
    low, high = possible(low, kind), possible(high, kind)
    return f"{written(value, kind)} [{low * factor:.{digits}f}, {high * factor:.{digits}f}]"


def written_points(difference: float) -> str:
    """A difference of shares in percentage points with its sign; what rounds to nothing is +0.0."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def possible(bound: float, kind: Kind) -> float:
    """A bound of an interval as far as such a number can go: that of a share stays between 0 and 1.

    Intervals over seeds come from Student's law, which knows no end; near 100 % it passes it.
    """
    return min(max(bound, 0.0), 1.0) if kind == "share" else bound


def _writing(value: float, kind: Kind) -> tuple[float, int, str]:
    """What to multiply with, the digits after the point, and the unit, so that three digits are seen."""
    if kind == "share":
        return 100.0, 1, " %"
    if kind == "ratio":
        return 1.0, 2, " ×"
    # Three digits first, so that 999.96 becomes 1.00 k and not 1000.
    magnitude = floor(log10(float(f"{abs(value):.2e}"))) if value else 0
    if kind == "number":
        return 1.0, min(max(2 - magnitude, 0), 4), ""
    exponent = min(max(3 * (magnitude // 3), min(_PREFIXES)), max(_PREFIXES))
    if kind == "count" and exponent <= 0:
        return 1.0, 0 if float(value).is_integer() else 2, ""
    unit = f"{_PREFIXES[exponent]}{_UNITS[kind]}"
    return 10.0**-exponent, min(max(2 - magnitude + exponent, 0), 3), f" {unit}" if unit else ""
