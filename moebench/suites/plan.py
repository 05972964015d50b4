"""Find the cells that have to run, and why, from the grid and stored results."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from moebench.executors import Executor
from moebench.results import Finished, Store
from moebench.spec.tuning import count_tries
from moebench.suites.grid import Cell

FAILED = ("oom", "timeout", "crashed")
"""Statuses without an answer to the cell's question; `diverged` and `skipped` are answers."""

_SHOWN = ("router", "options", "total_slots", "seeds", "plugins")
"""Keys that a cell's label shows already, or that do not distinguish cells."""


@dataclass(frozen=True)
class PlannedCell:
    """One cell of the grid with its identity, and the seeds that have to run."""

    cell: Cell
    cell_id: str
    fingerprint: str
    label: str
    inputs: Mapping[str, Any]
    seeds: tuple[int, ...]
    why: str
    attempt: int
    failed: str | None = None
    """Status of an earlier failure that is not retried; None if the cell runs or is finished."""
    ready: bool = True
    """Whether the cell's images are made."""
    fresh: bool = False
    """Whether the cell starts over, even from the checkpoints of a killed run."""
    tuning: str | None = None
    """Tries of the cell's tuning, if seeds of the cell ran before, so that all seeds share one choice."""

    @property
    def tries(self) -> int:
        """Number of tries that have to be trained."""
        return count_tries(self.cell.spec.tune) if self.seeds and self.tuning is None else 0


def identify(cells: Sequence[Cell], answers: Sequence[Mapping[str, Any]]) -> None:
    """Check the cell program's answers about the specifications.

    Args:
        cells: the cells.
        answers: an answer for each cell.

    Raises:
        BadInput: a cell cannot be built, or occurs twice; the message gives file and line of the first such cell.
    """
    first: dict[str, Mapping[str, Any]] = {}
    for cell, answer in zip(cells, answers, strict=True):
        if "error" in answer:
            raise cell.error(str(answer["error"]), answer.get("key"))
        same = first.setdefault(answer["cell_id"], answer)
        if same is not answer:
            raise cell.error(f"{answer['label']} is the same cell as {same['label']}; leave one out.")


def plan(
    cell: Cell,
    answer: Mapping[str, Any],
    known: Mapping[tuple[str, int], Finished],
    *,
    fresh: bool = False,
    retry_failed: bool = False,
) -> PlannedCell:
    """Return the work for one cell, given its finished seeds.

    Args:
        cell: the cell.
        answer: the cell program's answer about the cell.
        known: the newest result of each `cell_id` and seed.
        fresh: whether to run finished seeds as well.
        retry_failed: whether to run failed seeds again.
    """
    cell_id, fingerprint = answer["cell_id"], answer["fingerprint"]
    seeds: list[int] = []
    reasons: list[str] = []
    failed = None
    for seed in cell.spec.seeds:
        found = known.get((cell_id, seed))
        reason = _reason(found, fingerprint, fresh=fresh, retry_failed=retry_failed)
        if reason is not None:
            seeds.append(seed)
            reasons.append(reason)
        elif found is not None and found.status in FAILED:
            failed = found.status
    earlier = [known[cell_id, seed].attempt for seed in seeds if (cell_id, seed) in known]
    if reasons:
        why = ", ".join(dict.fromkeys(reasons))
        if len(seeds) < len(cell.spec.seeds):
            why += f" (seed {', '.join(map(str, seeds))})"
    else:
        why = f"failed before ({failed}); --retry-failed runs it again" if failed else "done"
    return PlannedCell(
        cell=cell,
        cell_id=cell_id,
        fingerprint=fingerprint,
        label=answer["label"],
        inputs=answer["inputs"],
        seeds=tuple(seeds),
        why=why,
        attempt=1 + max(earlier, default=0),
        failed=failed,
        ready=answer.get("ready", True),
        fresh=fresh,
        tuning=None if fresh or not cell.spec.tune else _tuning(known, cell_id, fingerprint),
    )


def _tuning(known: Mapping[tuple[str, int], Finished], cell_id: str, fingerprint: str) -> str | None:
    """Return the tries of a cell that some seed has recorded.

    Only tries with equal code and images count.
    """
    found = (each for (cell, _), each in known.items() if cell == cell_id and each.fingerprint == fingerprint)
    return next((each.tuning for each in found if each.tuning is not None), None)


def _reason(found: Finished | None, fingerprint: str, *, fresh: bool, retry_failed: bool) -> str | None:
    """Return why a seed has to run; None if the seed need not run.

    Args:
        found: the newest result of the seed; None without a result.
        fingerprint: fingerprint that an up-to-date result has.
        fresh: whether to run finished seeds as well.
        retry_failed: whether to run failed seeds again.
    """
    if found is None:
        return "new"
    if fresh:
        return "again, --fresh"
    if found.fingerprint != fingerprint:
        return "the code, the libraries or the images changed"
    if found.status in FAILED and retry_failed:
        return f"again after {found.status}"
    return None


def plan_cells(
    cells: Sequence[Cell],
    executor: Executor,
    store: Store,
    *,
    fresh: bool = False,
    retry_failed: bool = False,
    say: Callable[[str], None] | None = None,
) -> list[PlannedCell]:
    """Return the work for each cell of a grid.

    The work depends on the executor's devices and the stored results.

    Args:
        cells: the cells.
        executor: resolves the cells.
        store: the stored results.
        fresh: whether to run finished seeds as well.
        retry_failed: whether to run failed seeds again.
        say: receives progress.

    Raises:
        BadInput: a cell cannot be built, or occurs twice; the message gives file and line of the first such cell.
    """
    known = store.finished()
    answers = executor.resolve([cell.spec.as_json() for cell in cells], say)
    identify(cells, answers)
    return with_distinct_labels(
        [
            plan(cell, answer, known, fresh=fresh, retry_failed=retry_failed)
            for cell, answer in zip(cells, answers, strict=True)
        ]
    )


def with_distinct_labels(planned: Sequence[PlannedCell]) -> list[PlannedCell]:
    """Return the cells with labels that differ.

    A label of several cells gets the keys in which the cells differ. As in the reports, model and data follow the
    label, `soft[experts=2] · mu/4`; other keys go inside the brackets.
    """
    sharing: dict[str, list[dict[str, Any]]] = {}
    for cell in planned:
        sharing.setdefault(cell.label, []).append(cell.cell.spec.as_json())
    return [replace(cell, label=_distinct_label(cell, sharing[cell.label])) for cell in planned]


def _distinct_label(cell: PlannedCell, sharing: Sequence[Mapping[str, Any]]) -> str:
    keys = cell.cell.spec.as_json()
    differing = [key for key in keys if len({json.dumps(spec[key]) for spec in sharing}) > 1]
    given = {key: keys[key] for key in differing if keys[key] not in (None, []) and key not in _SHOWN}
    behind = [str(given.pop(key)) for key in ("model", "data") if key in given]
    router, _, options = cell.label.removesuffix("]").partition("[")
    inside = [*filter(None, [options]), *(f"{key}={value}" for key, value in given.items())]
    return " · ".join([f"{router}[{','.join(inside)}]" if inside else router, *behind])
