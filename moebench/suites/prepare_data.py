"""Making the images that cells will need, before any of them runs."""

import json
from collections.abc import Callable, Sequence

from moebench.executors import Executor
from moebench.suites.plan import PlannedCell

_IMAGES = ("data", "image_size", "pretrain_data", "pretrain_image_size")
"""The keys that say which images a cell needs."""


def prepare(cells: Sequence[PlannedCell], executor: Executor, say: Callable[[str], None]) -> None:
    """Have the images made that are not ready, each set once; `say` hears how far that is.

    Raises BadInput, with file and line, for the first cell whose images cannot be had.
    """
    lacking = {
        json.dumps([getattr(planned.cell.spec, key) for key in _IMAGES]): planned.cell
        for planned in reversed(cells)
        if not planned.ready
    }
    wanted = list(reversed(lacking.values()))
    if not wanted:
        return
    for cell, answer in zip(wanted, executor.prepare([cell.spec.as_json() for cell in wanted], say), strict=False):
        if "error" in answer:
            raise cell.error(str(answer["error"]), answer.get("key"))
