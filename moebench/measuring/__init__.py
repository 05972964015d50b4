"""FLOPs, time, memory, and the environment they were measured in."""

from moebench.measuring.environment import environment
from moebench.measuring.flops import Parameters, Parts, Shapes, compiler_flops, count_parameters, forward_flops, shapes
from moebench.measuring.memory import peak_bytes
from moebench.measuring.timing import Comparison, Interval, compare

__all__ = [
    "Comparison",
    "Interval",
    "Parameters",
    "Parts",
    "Shapes",
    "compare",
    "compiler_flops",
    "count_parameters",
    "environment",
    "forward_flops",
    "peak_bytes",
    "shapes",
]
