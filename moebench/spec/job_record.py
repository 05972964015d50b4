"""The driver's record for the program of one cell.

With this file a failed cell can be run again by hand.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from moebench.spec.cell_spec import CellSpec
from moebench.spec.records import FileName

_STRICT = ConfigDict(strict=True, frozen=True)


class Identity(BaseModel):
    """The columns that identify a row's attempt, cell and run."""

    model_config = _STRICT

    suite: FileName
    run_id: FileName
    cell_id: FileName
    fingerprint: str
    attempt: Annotated[int, Field(ge=1)]


class JobRecord(BaseModel):
    """One cell to run."""

    model_config = _STRICT

    spec: CellSpec
    identity: Identity
    checkpoints: str | None = None
    """Folder of the cell's checkpoints, from which its next run resumes; None: one beside the rows."""
    models: str | None = None
    """Folder of trained models that cells share; None: one beside the checkpoints."""
    recordings: str | None = None
    """Folder of recordings of routing; None: one beside the rows."""
    tuning: str | None = None
    """Tries of the cell's tuning that earlier seeds recorded, as in their rows; None: none."""
    trace: str | None = None
    """Folder for a profile of ten training steps; None: no profile is written."""
