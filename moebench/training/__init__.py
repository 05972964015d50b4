"""Public names of training: programs, optimiser, loop and checkpoints."""

from moebench.training.loop import EvalPoint, Progress, Training, train
from moebench.training.loss_spikes import loss_spikes
from moebench.training.optimizer import Schedule
from moebench.training.program import (
    EvalReport,
    Program,
    TrainState,
    calls_by_image,
    compile_unoptimized,
    compiled,
    cross_entropy,
    processed_by_token,
)
from moebench.training.sharded import WideProgram, join_processes, mesh
from moebench.training.single_layer import LayerProgram
from moebench.training.two_towers import (
    TwoTowersProgram,
    WideTwoTowersProgram,
    image_arrays,
    program_on_one_device,
    with_image_arrays,
)

__all__ = [
    "EvalPoint",
    "EvalReport",
    "LayerProgram",
    "Program",
    "Progress",
    "Schedule",
    "TrainState",
    "Training",
    "TwoTowersProgram",
    "WideProgram",
    "WideTwoTowersProgram",
    "calls_by_image",
    "compile_unoptimized",
    "compiled",
    "cross_entropy",
    "image_arrays",
    "join_processes",
    "loss_spikes",
    "mesh",
    "processed_by_token",
    "program_on_one_device",
    "train",
    "with_image_arrays",
]
