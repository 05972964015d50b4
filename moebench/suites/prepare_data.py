"""Make the images that cells need, before any cell runs."""

import json
from collections.abc import Callable, Sequence

from moebench.executors import Executor
from moebench.spec.tuning import TUNE
from moebench.suites.plan import PlannedCell

_IMAGES = ("data", "image_size", "pretrain_data", "pretrain_image_size", TUNE)
"""Keys that determine the images of a cell, and whether a validation split has to be held out."""


def prepare(cells: Sequence[PlannedCell], executor: Executor, say: Callable[[str], None]) -> list[str]:
    """Make the images that are not ready, and return notes for the user.

    Each set of images is made once.

    Args:
        cells: the cells that will run.
        executor: makes the images.
        say: receives progress.

    Raises:
        BadInput: the images of a cell cannot be made; the message gives file and line of the first such cell.
    """
    lacking = {
        json.dumps([getattr(planned.cell.spec, key) for key in _IMAGES]): planned.cell
        for planned in reversed(cells)
        if not planned.ready
    }
    wanted = list(reversed(lacking.values()))
    notes: dict[str, None] = {}
    answers = executor.prepare([cell.spec.as_json() for cell in wanted], say) if wanted else []
    for cell, answer in zip(wanted, answers, strict=False):
        if "error" in answer:
            raise cell.error(str(answer["error"]), answer.get("key"))
        notes |= dict.fromkeys(answer.get("notes", ()))
    return list(notes)
