"""Train one seed, from its checkpoint if there is one."""

from collections.abc import Callable, Container
from typing import Any

from moebench import data
from moebench.cells.compile import TrainPrograms
from moebench.cells.turns import Turns
from moebench.spec.cell_spec import CellSpec
from moebench.training import Progress, Training, TrainState, train
from moebench.training.checkpoints import Checkpoints
from moebench.training.columns import input_columns

Row = dict[str, Any]


def train_or_resume(
    part: str,
    seed: int,
    start: TrainState,
    images: data.Split,
    spec: CellSpec,
    programs: TrainPrograms,
    checkpoints: Checkpoints,
    turns: Turns,
    evaluate: Callable[[TrainState], tuple[float, float]] | None = None,
    evaluate_at: Container[int] = (),
    visit: Callable[[int, TrainState], None] = lambda step, state: None,
    visit_at: Container[int] = (),
) -> tuple[Training, Row]:
    """Train one seed, from its checkpoint if there is one.

    Args:
        part: name of the training in checkpoints and log, such as "seed 0".
        seed: seed of the order of the images and of their augmentation.
        start: the state before the first step.
        images: the training images.
        spec: gives steps, batch and augmentation.
        programs: programs compiled for that batch.
        checkpoints: checkpoints of the cell.
        turns: turns of the cell, which pauses for other cells' timings after each read of the losses.
        evaluate: returns loss and accuracy of a state on held-out images.
        evaluate_at: numbers of steps, from 1, after which `evaluate` is called.
        visit: called with a step's number and the state after it.
        visit_at: numbers of steps, from 1, after which `visit` is called.

    Returns:
        The training, and the columns on how this process made its batches.
    """

    def between_steps(progress: Progress) -> None:
        checkpoints.offer(part, progress)
        turns.give_way()

    progress = checkpoints.progress(part, programs.program.abstract_state) or Progress(start)
    done, augment = len(progress.losses), spec.augment or "none"
    prefetcher = data.Prefetcher(data.batch_thunks(images, spec.batch, spec.steps, seed, done=done, augment=augment))
    training = train(
        programs.host_train_step,
        progress,
        prefetcher,
        between_steps,
        evaluate,
        evaluate_at,
        visit,
        visit_at,
    )
    return training, input_columns(prefetcher, training.wall_s - progress.wall_s)
