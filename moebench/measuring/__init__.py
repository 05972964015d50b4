"""FLOPs, time, memory, and the environment they were measured in."""

from moebench.measuring.environment import environment
from moebench.measuring.flops import (
    PARTS,
    Parameters,
    Parts,
    Shapes,
    compiler_flops,
    count_layer_parameters,
    count_parameters,
    forward_flops,
    padding,
    printed_train_flops,
    shapes,
    train_flops,
)
from moebench.measuring.memory import TrainMemory, estimate, peak_bytes
from moebench.measuring.operations import Operations, operations, traced
from moebench.measuring.roofline import Peak, measure_peak, moved_bytes
from moebench.measuring.samples import Interval
from moebench.measuring.timing import Comparison, compare

__all__ = [
    "PARTS",
    "Comparison",
    "Interval",
    "Operations",
    "Parameters",
    "Parts",
    "Peak",
    "Shapes",
    "TrainMemory",
    "compare",
    "compiler_flops",
    "count_layer_parameters",
    "count_parameters",
    "environment",
    "estimate",
    "forward_flops",
    "measure_peak",
    "moved_bytes",
    "operations",
    "padding",
    "peak_bytes",
    "printed_train_flops",
    "shapes",
    "traced",
    "train_flops",
]
