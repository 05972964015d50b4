"""Public names for FLOPs, parameters, time, memory and the environment."""

from moebench.measuring.compiled.counts import compiler_flops, moved_bytes
from moebench.measuring.environment import environment
from moebench.measuring.flops.closed_form import (
    PARTS,
    Parts,
    Shapes,
    forward_flops,
    padding,
    printed_train_flops,
    routed_share,
    shapes,
    train_flops,
)
from moebench.measuring.flops.jaxpr import Operations, operations, traced
from moebench.measuring.memory import TrainMemory, estimate, peak_bytes
from moebench.measuring.parameters import (
    Parameters,
    count_layer_parameters,
    count_parameters,
    count_text_parameters,
    text_router,
)
from moebench.measuring.roofline import Peak, measure_peak
from moebench.measuring.timing.interleaved import Comparison, compare
from moebench.measuring.timing.sampler import Interval

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
    "count_text_parameters",
    "environment",
    "estimate",
    "forward_flops",
    "measure_peak",
    "moved_bytes",
    "operations",
    "padding",
    "peak_bytes",
    "printed_train_flops",
    "routed_share",
    "shapes",
    "text_router",
    "traced",
    "train_flops",
]
