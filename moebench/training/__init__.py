"""Training steps, the optimiser, and evaluation."""

from moebench.training.loop import Evaluation, Progress, Training, evaluate, evaluation_batch, train
from moebench.training.optimizer import Schedule
from moebench.training.program import Program, TrainState, compiled, compiled_in_haste
from moebench.training.wide import WideProgram, join_processes, mesh

__all__ = [
    "Evaluation",
    "Program",
    "Progress",
    "Schedule",
    "TrainState",
    "Training",
    "WideProgram",
    "compiled",
    "compiled_in_haste",
    "evaluate",
    "evaluation_batch",
    "join_processes",
    "mesh",
    "train",
]
