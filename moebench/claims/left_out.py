"""Seeds that failed, and that the effect of a claim therefore leaves out."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from moebench.claims.evidence import Evidence
from moebench.claims.suite_rows import SuiteRows


def with_left_out(evidence: Evidence, rows: SuiteRows, weights: Mapping[int, float], *, higher: bool) -> Evidence:
    """Return the evidence with the seeds that its cells lack because they failed.

    A seed that diverged is worse than all others, but has no value of the metric: without it a side looks better than
    it is. Diverged seeds of the side that comes out better therefore cast doubt on the effect, and those of the other
    side do not.

    Args:
        evidence: the evidence.
        rows: all cells.
        weights: the weight of each cell in the effect, with its sign; cells whose seeds all failed included.
        higher: whether more of the metric is better.
    """
    found: dict[str, set[tuple[str, int]]] = {}
    doubtful: set[tuple[str, int]] = set()
    side = float(np.sign(evidence.value - evidence.null)) * (1 if higher else -1)
    for cell, weight in weights.items():
        rows_of_cell = rows.cells[cell].rows
        failed = rows_of_cell[rows_of_cell["status"] != "ok"]
        for status, config, seed in zip(failed["status"], failed["config"], failed["seed"], strict=True):
            # One training fails once, in however many settings its model would have been evaluated.
            training = str(config), int(seed)
            found.setdefault(str(status), set()).add(training)
            if status == "diverged" and weight * side > 0:
                doubtful.add(training)
    counts = {status: len(trainings) for status, trainings in found.items()}
    return replace(evidence, left_out=counts, doubtful=len(doubtful))


def in_words(left_out: Mapping[str, int], doubtful: int) -> str:
    """Return the seeds that failed as the end of a sentence, "" if there are none.

    Args:
        left_out: seeds by status.
        doubtful: diverged seeds that the sentence names already.
    """
    rest = {**left_out, "diverged": left_out.get("diverged", 0) - doubtful}
    parts = [f"{count} {status}" for status, count in sorted(rest.items()) if count > 0]
    return f"; without {_listed(parts)} {seeds_in_words(rest.values())}" if parts else ""


def seeds_in_words(counts: Iterable[int]) -> str:
    """Return "seed" for one seed in all, else "seeds"."""
    return "seed" if sum(counts) == 1 else "seeds"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
