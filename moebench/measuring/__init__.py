"""FLOPs, time, memory, and the environment they were measured in."""

from moebench.measuring.environment import environment
from moebench.measuring.flops import (
    PARTS,
    Parameters,
    Parts,
    Shapes,
    compiler_flops,
    count_parameters,
    forward_flops,
    shapes,
    train_flops,
)
from moebench.measuring.memory import peak_bytes
from moebench.measuring.operations import Operations, operations
from moebench.measuring.samples import Interval
from moebench.measuring.timing import Comparison, compare

__all__ = [
    "PARTS",
    "Comparison",
    "Interval",
    "Operations",
    "Parameters",
    "Parts",
    "Shapes",
    "compare",
    "compiler_flops",
    "count_parameters",
    "environment",
    "forward_flops",
    "operations",
    "peak_bytes",
    "shapes",
    "train_flops",
]
