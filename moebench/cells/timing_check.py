"""Timing self-test on a typical program: a training step of a small model."""

from collections.abc import Iterator

from moebench import data
from moebench.cells.compile import Executables, program_for
from moebench.cells.images import dataset
from moebench.cells.resolve import resolve_cell
from moebench.measuring.timing.self_test import Reading, readings
from moebench.spec.cell_spec import CellSpec

SPEC = CellSpec.model_validate({"router": "soft", "options": {"experts": 8}, "total_slots": "tokens"})


def check_timing(repeats: int) -> Iterator[Reading]:
    """Time a training step of Soft MoE against itself; yield one reading each time.

    The timing budget is the default of a cell.
    """
    cell = resolve_cell(SPEC)
    executables = Executables.compile(program_for(cell.model, SPEC))
    batch = next(data.batches(dataset(SPEC.data).train, SPEC.batch, 1, 0))
    return readings(lambda: executables.train_step_call(batch), SPEC.timing_budget_s, repeats=repeats)
