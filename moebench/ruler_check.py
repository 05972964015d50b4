"""The ruler held to known lengths with a program of its usual kind: a training step of a small model."""

from collections.abc import Iterator

from moebench import data
from moebench.executables import Executables, program_for
from moebench.measuring.ruler import Reading, readings
from moebench.resolving import dataset, resolve_cell
from moebench.specification import CellSpec

SPEC = CellSpec.model_validate({"router": "soft", "options": {"experts": 8}, "total_slots": "tokens"})


def check_ruler(repeats: int) -> Iterator[Reading]:
    """Time a training step of Soft MoE against itself at a cell's default budget; one reading after the other."""
    cell = resolve_cell(SPEC)
    executables = Executables.of(program_for(cell.model, SPEC))
    batch = next(data.batches(dataset(SPEC.data).train, SPEC.batch, 1, 0))
    return readings(lambda: executables.stepping(batch), SPEC.timing_budget_s, repeats=repeats)
