"""Rows of a cell's seeds: pre-train or load, probe, train, evaluate, save, try other settings."""

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
from moebench.cells.log import say
from moebench.cells.recording import CellRecorder, Place
from moebench.cells.resolved_cell import ResolvedCell
from moebench.cells.seed import train_or_resume
from moebench.cells.transfer import Initializer, PretrainingDiverged, save_model
from moebench.cells.turns import Turns
from moebench.data.channels import images_with_channels
from moebench.data.pairs import PairData
from moebench.data.pairs.split import PairSplit, pair_dataset
from moebench.evaluation.columns import eval_curve_columns, evaluation_columns, pair_columns, pair_summary
from moebench.evaluation.few_shot import Probe
from moebench.evaluation.pair_tests import PairTests
from moebench.evaluation.pass_over_split import Evaluation, split_digest
from moebench.evaluation.task_columns import TaskTruth
from moebench.evaluation.test_time_sweep import Sweep
from moebench.measuring.time_accounts import Accounts
from moebench.training import EvalPoint, Program, Schedule, Training, TrainState, TwoTowersProgram
from moebench.training.checkpoints import Checkpoints
from moebench.training.columns import training_columns

Row = dict[str, Any]
Read = Callable[[str, int | None], data.Dataset]
"""Returns the images of a data set at a size; None takes the data set's own size."""
ReadPairs = Callable[[str, int | None], PairData]
"""Returns image-text pairs at a size; None takes the pairs' own size."""


@dataclass(frozen=True)
class SeedRunner:
    """The images and compiled programs that all seeds of a cell share."""

    cell: ResolvedCell
    images: data.Dataset
    """Images in the channels of the model."""
    test_set: str
    """Digest of the test split, in the data set's own channels."""
    executables: Executables
    evaluator: Evaluator | None
    """Compiled evaluation; None if the cell has two towers."""
    initializer: Initializer | None
    """Source of initial states; None if seeds start from fresh parameters."""
    probe: Probe | None
    sweep: Sweep | None
    recorder: CellRecorder | None
    truth: TaskTruth | None
    """Truth of a diagnostic task; None for other data."""
    pair_tests: PairTests | None
    """Tests of two towers; None if the cell classifies."""
    checkpoints: Checkpoints
    models: Path
    """Folder of the saved models."""
    accounts: Accounts
    turns: Turns

    @classmethod
    def compile(
        cls,
        cell: ResolvedCell,
        read: Read,
        models: Path,
        checkpoints: Checkpoints,
        accounts: Accounts,
        turns: Turns,
        recordings: Place | None,
        read_pairs: ReadPairs,
    ) -> "SeedRunner":
        """Read the images of a cell and compile all of its programs.

        A program that cannot be compiled ends the cell before its training.
        """
        spec = cell.spec
        pairs = None if spec.text_model is None else read_pairs(spec.data, spec.image_size)
        own = read(spec.data, spec.image_size) if pairs is None else pair_dataset(pairs, spec.text_length)
        for note in own.notes if pairs is not None else ():
            say(f"{spec.data}: {note}")
        images = data.with_channels(own, cell.model.channels)
        task = cell.images
        truth = TaskTruth.read(task, own.test, cell.model.preset) if isinstance(task, data.Task) else None
        if cell.model.truth:
            images = replace(images, train=images.train.with_truth(), test=images.test.with_truth())
        say(f"{cell.label} on {spec.model}, {spec.data}: compiling")
        with turns.spending("compile_s"):
            executables = Executables.compile(program_for(cell.model, spec))
            evaluator, pair_tests = None, None
            if pairs is None:
                evaluator = Evaluator.compile(executables.program, len(images.test))
            else:
                pair_tests = _pair_tests(executables.program, pairs, images)
        initializer = Initializer(cell, models, read, turns, say) if spec.pretrain_data or spec.init_from else None
        probe: Probe | None = None
        if initializer is not None and evaluator is not None:
            with turns.spending("few_shot_s"):
                probe = Probe(executables.program, images, evaluator.batch)
        sweep: Sweep | None = None
        if cell.settings and evaluator is not None:
            with turns.spending("test_time_s"):
                sweep = Sweep(cell.settings, executables.program, evaluator.batch)
        recorder: CellRecorder | None = None
        if spec.record_routing is not None and recordings is not None:
            with turns.spending("recording_s"):
                recorder = CellRecorder(cell, executables.program, images.test, recordings, truth)
        with turns.spending("evaluation_s"):
            test_set = split_digest(own.test)
        return cls(
            *(cell, images, test_set, executables, evaluator, initializer, probe, sweep),
            *(recorder, truth, pair_tests, checkpoints, models, accounts, turns),
        )

    def start(self, seed: int, schedule: Schedule) -> TrainState:
        """Return the state before the first step.

        If the cell starts from a model, the parameters are pre-trained or saved ones.

        Args:
            seed: seed of parameters, pre-training and routing noise.
            schedule: hyperparameters of the training.

        Raises:
            PretrainingDiverged: the pre-training of the seed diverged.
        """
        fresh = self.executables.fresh(seed, schedule)
        if self.initializer is None:
            return fresh
        with self.turns.spending("pretrain_s"):
            return self.initializer.initial_state(fresh, seed)

    def row(self, seed: int, schedule: Schedule, shared: Row) -> Row:
        """Return the columns of one seed, from the checkpoint if the seed is finished.

        Args:
            seed: seed of parameters, order of the images and routing noise.
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
            with self.turns.spending("few_shot_s"):
                row |= self.probe.evaluate(start, seed)
        with self.turns.spending("training_s"):
            images = self._trained_on(part, start)
            say(f"{part}: training {spec.steps} steps")
            training, inputs = train_or_resume(
                part,
                seed,
                start,
                images,
                spec,
                self.executables,
                self.checkpoints,
                self.turns,
                self._held_out,
                self._evaluate_at,
                partial(self._record, seed),
                self.recorder.steps if self.recorder is not None and self.recorder.wants(seed) else (),
            )
        row |= training_columns(training, float(schedule.clip_norm)) | inputs
        if training.diverged_step is not None:
            return row | eval_curve_columns(training.eval_points)
        return row | self._evaluated(part, seed, training, shared)

    def _trained_on(self, part: str, start: TrainState) -> data.Split:
        """Return the training images; a frozen image tower embeds them once."""
        images = self.images.train
        if self.pair_tests is None or self.cell.spec.freeze is None:
            return images
        assert isinstance(images, PairSplit)
        say(f"{part}: embedding {len(images):,} training images")
        return self.pair_tests.embedded(start, images)

    @property
    def _evaluate_at(self) -> range:
        """Steps before the last after which the test split is evaluated."""
        steps = self.cell.spec.steps
        every = self.cell.spec.eval_every or steps
        return range(every, steps, every)

    def _held_out(self, state: TrainState) -> tuple[float, float]:
        """Return loss and accuracy on the test split during a training."""
        with self.turns.spending("evaluation_s"):
            if self.pair_tests is not None:
                return self.pair_tests.held_out(state)
            evaluation = self.evaluated(state, self.images.test)
        return evaluation.loss, evaluation.accuracy

    def evaluated(self, state: TrainState, images: data.Split) -> Evaluation:
        """Evaluate labelled images, in the channels of the model."""
        assert self.evaluator is not None
        return self.evaluator(state, images)

    def _record(self, seed: int, step: int, state: TrainState) -> None:
        """Record the routing during a training."""
        assert self.recorder is not None
        with self.turns.spending("recording_s"):
            self.recorder.during(seed, step, state)

    def _evaluated(self, part: str, seed: int, training: Training, shared: Row) -> Row:
        """Evaluate, save and sweep a model whose training succeeded."""
        cell = self.cell
        with self.turns.spending("evaluation_s"):
            row, loss, accuracy = self._tested(training.state, shared["flops_experts"])
        if cell.spec.eval_every is not None:
            last = EvalPoint(cell.spec.steps, loss, accuracy)
            row |= eval_curve_columns([*training.eval_points, last])
        found = f"accuracy {accuracy:.4f}" if self.pair_tests is None else pair_summary(row)
        say(f"{part}: {found} after {training.wall_s:.1f} s")
        if cell.spec.save_model:
            row["saved_model"] = save_model(cell, training.state, seed, self.models, say)
        if self.recorder is not None and self.recorder.wants(seed):
            with self.turns.spending("recording_s"):
                row |= self.recorder.finish(seed, training.state)
        if self.sweep is not None:
            with self.accounts.spending("test_time_s"), self.turns.alone():  # the settings are timed
                flops, needles = shared["flops_forward_per_image"], self.truth.needles if self.truth else None
                row["test_time"] = sweep_or_none(self.sweep, training.state, self.images.test, flops, part, needles)
        return row

    def _tested(self, state: TrainState, flops_experts: float | None) -> tuple[Row, float, float]:
        """Return the columns of all tests of a trained model, its loss and its accuracy."""
        if self.pair_tests is not None:
            pairs = self.pair_tests.evaluate(state)
            return pair_columns(pairs, self.cell.model, flops_experts), pairs.loss, pairs.accuracy
        evaluation = self.evaluated(state, self.images.test)
        row = evaluation_columns(evaluation, self.cell.model, flops_experts)
        if self.truth is not None:
            row |= self.truth.evaluated(evaluation)
        return row, evaluation.loss, evaluation.accuracy


def _pair_tests(program: Program, pairs: PairData, images: data.Dataset) -> PairTests:
    """Return the tests of two towers, whose images have the channels of the image tower."""
    assert isinstance(program, TwoTowersProgram)
    assert isinstance(images.train, PairSplit)
    assert isinstance(images.test, PairSplit)
    cut = (images.train.cut + images.test.cut) / (len(images.train.ids) + len(images.test.ids))
    return PairTests(program, pairs, images.test, cut, partial(images_with_channels, channels=images.channels))


def sweep_or_none(
    sweep: Sweep,
    state: TrainState,
    test: data.Split,
    flops: float | None,
    part: str,
    needles: Bool[np.ndarray, "image token"] | None = None,
) -> list[Row] | None:
    """Evaluate a trained model in its settings; return None if the device fails.

    One setting may need more memory than there is, which costs neither the trained model nor its other columns.

    Args:
        sweep: the compiled settings.
        state: state of the trained model.
        test: the test split.
        flops: FLOPs of a forward pass for one image; None if unknown.
        part: name of the seed in the log.
        needles: whether each token is a needle of a diagnostic task; None if the task has no needles.
    """
    try:
        return sweep.evaluate(state, test, flops, needles)
    except jax.errors.JaxRuntimeError as fault:
        say(f"{part}: not evaluated in other settings: {str(fault).splitlines()[0]}")
        return None
