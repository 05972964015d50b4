"""Rows of the seeds of one cell: pre-train or load, probe, train, evaluate, save, try other settings."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool

from moebench import data
from moebench.cells.compile import Evaluator, Executables, program_for
from moebench.cells.images import source
from moebench.cells.log import say
from moebench.cells.recording import CellRecorder, Place
from moebench.cells.resolved_cell import ResolvedCell
from moebench.cells.seed import train_or_resume
from moebench.cells.transfer import Initializer, PretrainingDiverged, save_model
from moebench.evaluation.columns import eval_curve_columns, evaluation_columns
from moebench.evaluation.few_shot import Probe
from moebench.evaluation.pass_over_split import split_digest
from moebench.evaluation.task_columns import TaskTruth
from moebench.evaluation.test_time_sweep import Sweep
from moebench.measuring.time_accounts import Accounts
from moebench.training import EvalPoint, Schedule, Training, TrainState
from moebench.training.checkpoints import Checkpoints
from moebench.training.columns import training_columns

Row = dict[str, Any]
Read = Callable[[str, int | None], data.Dataset]
"""Returns the images of a data set at a size; None takes the data set's own size."""


@dataclass(frozen=True)
class SeedRunner:
    """The images and compiled programs that all seeds of a cell share."""

    cell: ResolvedCell
    images: data.Dataset
    """In the channels of the model."""
    test_set: str
    """Digest of the test split, in its own channels."""
    executables: Executables
    evaluator: Evaluator
    initializer: Initializer | None
    """None where seeds start from fresh parameters."""
    probe: Probe | None
    sweep: Sweep | None
    recorder: CellRecorder | None
    truth: TaskTruth | None
    """None unless the data is a diagnostic task."""
    checkpoints: Checkpoints
    models: Path
    """Folder of the saved models."""
    accounts: Accounts

    @classmethod
    def compile(
        cls,
        cell: ResolvedCell,
        read: Read,
        models: Path,
        checkpoints: Checkpoints,
        accounts: Accounts,
        recordings: Place | None,
    ) -> "SeedRunner":
        """Read the images of a cell and compile all of its programs.

        Programs that cannot be compiled end the cell before its training.
        """
        spec = cell.spec
        own = read(spec.data, spec.image_size)
        images = data.with_channels(own, cell.model.channels)
        task = source(spec.data)
        truth = TaskTruth.read(task, own.test, cell.model.preset) if isinstance(task, data.Task) else None
        if cell.model.truth:
            images = replace(images, train=images.train.with_truth(), test=images.test.with_truth())
        say(f"{cell.label} on {spec.model}, {spec.data}: compiling")
        with accounts.spending("compile_s"):
            executables = Executables.compile(program_for(cell.model, spec))
            evaluator = Evaluator.compile(executables.program, len(images.test))
        initializer = Initializer(cell, models, read, say) if spec.pretrain_data or spec.init_from else None
        probe: Probe | None = None
        if initializer is not None:
            with accounts.spending("few_shot_s"):
                probe = Probe(executables.program, images, evaluator.batch)
        sweep: Sweep | None = None
        if cell.settings:
            with accounts.spending("test_time_s"):
                sweep = Sweep(cell.settings, executables.program, evaluator.batch)
        recorder: CellRecorder | None = None
        if spec.record_routing is not None and recordings is not None:
            with accounts.spending("recording_s"):
                recorder = CellRecorder(cell, executables.program, images.test, recordings, truth)
        with accounts.spending("evaluation_s"):
            test_set = split_digest(own.test)
        return cls(
            *(cell, images, test_set, executables, evaluator, initializer, probe, sweep),
            *(recorder, truth, checkpoints, models, accounts),
        )

    def start(self, seed: int, schedule: Schedule) -> TrainState:
        """Return the state before the first step, of a pre-trained or saved model where the cell starts from one.

        Args:
            seed: of parameters, pre-training and routing noise.
            schedule: hyperparameters of the training.

        Raises:
            PretrainingDiverged: the pre-training of the seed diverged.
        """
        fresh = self.executables.fresh(seed, schedule)
        if self.initializer is None:
            return fresh
        with self.accounts.spending("pretrain_s"):
            return self.initializer.initial_state(fresh, seed)

    def row(self, seed: int, schedule: Schedule, shared: Row) -> Row:
        """Return the columns of one seed, from the checkpoint if the seed is finished.

        Args:
            seed: of parameters, order of the images and routing noise.
            schedule: hyperparameters of the training.
            shared: columns that all seeds of the cell share.
        """
        part = f"seed {seed}"
        if part in self.checkpoints.rows:
            say(f"{part}: finished before")
        else:
            self.checkpoints.finish(part, self._run(part, seed, schedule, shared))
        return self.checkpoints.rows[part]

    def _run(self, part: str, seed: int, schedule: Schedule, shared: Row) -> Row:
        spec, row = self.cell.spec, Row()
        try:
            start = self.start(seed, schedule)
        except PretrainingDiverged as reason:
            return {"status": "diverged", "status_reason": str(reason)}
        if self.probe is not None:
            with self.accounts.spending("few_shot_s"):
                row |= self.probe.evaluate(start, seed)
        say(f"{part}: training {spec.steps} steps")
        with self.accounts.spending("training_s"):
            training, inputs = train_or_resume(
                part,
                seed,
                start,
                self.images.train,
                spec,
                self.executables,
                self.checkpoints,
                self._held_out,
                self._evaluate_at,
                partial(self._record, seed),
                self.recorder.steps if self.recorder is not None and self.recorder.wants(seed) else (),
            )
        row |= training_columns(training, float(schedule.clip_norm)) | inputs
        if training.diverged_step is not None:
            return row | eval_curve_columns(training.eval_points)
        return row | self._evaluated(part, seed, training, shared)

    @property
    def _evaluate_at(self) -> range:
        """Steps before the last after which the test split is evaluated."""
        steps = self.cell.spec.steps
        every = self.cell.spec.eval_every or steps
        return range(every, steps, every)

    def _held_out(self, state: TrainState) -> tuple[float, float]:
        """Return loss and accuracy on the test split in the midst of a training."""
        with self.accounts.spending("evaluation_s"):
            evaluation = self.evaluator(state, self.images.test)
        return evaluation.loss, evaluation.accuracy

    def _record(self, seed: int, step: int, state: TrainState) -> None:
        """Record the routing in the midst of a training."""
        assert self.recorder is not None
        with self.accounts.spending("recording_s"):
            self.recorder.during(seed, step, state)

    def _evaluated(self, part: str, seed: int, training: Training, shared: Row) -> Row:
        """Evaluate, save and sweep a model whose training ended well."""
        cell = self.cell
        with self.accounts.spending("evaluation_s"):
            evaluation = self.evaluator(training.state, self.images.test)
        row = evaluation_columns(evaluation, cell.model, shared["flops_experts"])
        if self.truth is not None:
            row |= self.truth.evaluated(evaluation)
        if cell.spec.eval_every is not None:
            last = EvalPoint(cell.spec.steps, evaluation.loss, evaluation.accuracy)
            row |= eval_curve_columns([*training.eval_points, last])
        say(f"{part}: accuracy {evaluation.accuracy:.4f} after {training.wall_s:.1f} s")
        if cell.spec.save_model:
            row["saved_model"] = save_model(cell, training.state, seed, self.models, say)
        if self.recorder is not None and self.recorder.wants(seed):
            with self.accounts.spending("recording_s"):
                row |= self.recorder.finish(seed, training.state)
        if self.sweep is not None:
            with self.accounts.spending("test_time_s"):
                flops, needles = shared["flops_forward_per_image"], self.truth.needles if self.truth else None
                row["test_time"] = sweep_or_none(self.sweep, training.state, self.images.test, flops, part, needles)
        return row


def sweep_or_none(
    sweep: Sweep,
    state: TrainState,
    test: data.Split,
    flops: float | None,
    part: str,
    needles: Bool[np.ndarray, "image token"] | None = None,
) -> list[Row] | None:
    """Evaluate a trained model in its settings; return None where one of them needs more memory than there is.

    Args:
        sweep: the compiled settings.
        state: of the trained model.
        test: the test split.
        flops: FLOPs of a forward pass for one image; None where not known.
        part: name of the seed in the log.
        needles: whether each token is a needle of a diagnostic task; None where the task has none.
    """
    try:
        return sweep.evaluate(state, test, flops, needles)
    except jax.errors.JaxRuntimeError as fault:
        say(f"{part}: not evaluated in other settings: {str(fault).splitlines()[0]}")
        return None
