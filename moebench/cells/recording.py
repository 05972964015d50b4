"""Record the routing of a cell's seeds, at the steps that its specification names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from moebench.cells.log import say
from moebench.cells.resolved_cell import ResolvedCell
from moebench.data import Split
from moebench.errors import BadInput
from moebench.evaluation.recorder import Origin, Recorded, Recorder
from moebench.evaluation.task_columns import TaskTruth
from moebench.files import publishing
from moebench.inside.columns import recording_columns
from moebench.inside.files import read_facts
from moebench.inside.load import Recording
from moebench.spec.cell_spec import CellSpec
from moebench.training import Program, TrainState

Row = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Folder of the recordings of a cell, and the driver's names for the cell."""

    folder: Path
    """Folder of the suite's recordings."""
    identity: Mapping[str, Any]
    """The identity columns suite, run_id, cell_id and attempt."""


class CellRecorder:
    """Recorder of the seeds of one cell, one after the other."""

    def __init__(
        self, cell: ResolvedCell, program: Program, test: Split, place: Place, truth: TaskTruth | None = None
    ) -> None:
        """Compile the recording.

        Args:
            cell: the cell, whose specification requests recordings.
            program: program of the cell's model.
            test: the test split.
            place: folder and names of the recordings.
            truth: truth of the diagnostic task; None for other data.
        """
        assert cell.spec.record_routing is not None
        self.cell, self.place, self.truth = cell, place, truth
        self.recorder = Recorder(program, test, cell.spec.record_routing, cell.spec.batch)
        self.steps = steps_before_the_last(cell.spec)

    def wants(self, seed: int) -> bool:
        """Return whether a seed is to be recorded."""
        below = self.cell.spec.record_seeds
        return below is None or seed < below

    def during(self, seed: int, step: int, state: TrainState) -> None:
        """Record a model during its training, into a file for `finish`.

        `finish` reads the file in this process or in a process that resumes.

        Args:
            seed: seed of the training.
            step: training steps taken.
            state: state after that step.
        """
        recorded = self.recorder.record(state, step)
        try:
            with publishing(self._part(seed, step)) as temporary:
                pq.write_table(pa.table(recorded.columns), temporary, compression="zstd")
        except BadInput as fault:  # a full disk should not end the training
            say(f"seed {seed}: the routing at step {step} is not recorded: {fault}")

    def finish(self, seed: int, state: TrainState) -> Row:
        """Publish the recording of a seed.

        Args:
            seed: seed of the training.
            state: state of the trained model.

        Returns:
            The columns of the recording; an empty row if the recording cannot be written.
        """
        identity, spec = self.place.identity, self.cell.spec
        origin = Origin(
            suite=identity["suite"],
            cell_id=identity["cell_id"],
            run_id=identity["run_id"],
            attempt=identity["attempt"],
            seed=seed,
            cell=self.cell.label,
            model=spec.model,
            data=spec.data,
        )
        earlier = [self._read(seed, step) for step in self.steps]
        parts = [part for part in earlier if part is not None]
        try:
            last = self.recorder.record(state, spec.steps)
            path = self.recorder.save([*parts, last], state, origin, self.place.folder)
        except BadInput as fault:
            say(f"seed {seed}: the routing is not recorded: {fault}")
            return {}
        for step in self.steps:
            self._part(seed, step).unlink(missing_ok=True)
        say(f"seed {seed}: the routing of {self.recorder.count} images is in {path}")
        recording = Recording(path, read_facts(path))
        of_task = {} if self.truth is None else self.truth.recorded(recording)
        return recording_columns(recording) | of_task

    def _read(self, seed: int, step: int) -> Recorded | None:
        """Return the recording of a step; None if the recording is lost."""
        try:
            table = pq.read_table(self._part(seed, step), partitioning=None)
        except (OSError, pa.ArrowException) as fault:
            say(f"seed {seed}: the recording of step {step} is lost: {str(fault).splitlines()[0]}")
            return None
        return Recorded({name: table[name].to_numpy() for name in table.column_names}, {})

    def _part(self, seed: int, step: int) -> Path:
        """Return the file of a step until the seed is finished.

        Readers of the folder skip names with a leading `_`.
        """
        return self.place.folder / f"_{self.place.identity['cell_id']}-{seed}-step{step}.parquet"


def steps_before_the_last(spec: CellSpec) -> tuple[int, ...]:
    """Return the steps at which a training is recorded, before its last step.

    Each step is half of the next; the largest is half of all steps. `record_during_training` counts the trained model
    too; repeated steps and step 0 are left out.
    """
    count = spec.record_during_training or 1
    return tuple(sorted({spec.steps >> back for back in range(1, count)} - {0, spec.steps}))
