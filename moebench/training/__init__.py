"""Training steps, the optimiser, and evaluation."""

from moebench.training.loop import Evaluation, Training, evaluate, evaluation_batch, train
from moebench.training.optimizer import Schedule
from moebench.training.program import Program, TrainState, compiled

__all__ = [
    "Evaluation",
    "Program",
    "Schedule",
    "TrainState",
    "Training",
    "compiled",
    "evaluate",
    "evaluation_batch",
    "train",
]
