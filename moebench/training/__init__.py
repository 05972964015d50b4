"""Training steps, the optimiser, and evaluation."""

from moebench.training.loop import (
    Evaluation,
    Progress,
    Training,
    evaluate,
    evaluation_batch,
    filled_batches,
    train,
)
from moebench.training.loss_spikes import loss_spikes
from moebench.training.optimizer import Schedule
from moebench.training.program import (
    Program,
    TrainState,
    calls_by_image,
    compile_unoptimized,
    compiled,
    cross_entropy,
)
from moebench.training.sharded import WideProgram, join_processes, mesh
from moebench.training.single_layer import LayerProgram

__all__ = [
    "Evaluation",
    "LayerProgram",
    "Program",
    "Progress",
    "Schedule",
    "TrainState",
    "Training",
    "WideProgram",
    "calls_by_image",
    "compile_unoptimized",
    "compiled",
    "cross_entropy",
    "evaluate",
    "evaluation_batch",
    "filled_batches",
    "join_processes",
    "loss_spikes",
    "mesh",
    "train",
]
