"""Names of the tasks that are drawn, and known bounds of their scores.

The module serves modules that need no images.
"""

import math
import re
from typing import Literal, get_args

TaskKind = Literal["domains", "needles", "lookup", "skewed", "words"]
TASK_KINDS: tuple[TaskKind, ...] = get_args(TaskKind)
LABELS = 16
"""Classes of every task, so that all tasks share the shape of a model."""
_FRACTALS = re.compile(r"fractals-(\d{1,9})(k?)")
_NAME = re.compile(rf"({'|'.join(TASK_KINDS)})-(\d{{1,9}})")


def parse_task(data: str) -> tuple[TaskKind, int] | None:
    """Return kind and number of a task's name; None for another data set.

    An example of a name is domains-16.
    """
    match = _NAME.fullmatch(data)
    return next((kind, int(match[2])) for kind in TASK_KINDS if kind == match[1]) if match else None


def fractal_classes(data: str) -> int | None:
    """Return the classes of fractals by their name; None for another data set.

    Examples of names are fractals-100 and fractals-1k.
    """
    match = _FRACTALS.fullmatch(data)
    return int(match[1]) * (1000 if match[2] else 1) if match else None


def domain_shares(domains: int, *, skewed: bool) -> list[float]:
    """Return the share of the images of each domain.

    The shares are even, or proportional to 1 / (k + 1) for domain k (Zipf).
    """
    weights = [1 / (number + 1) if skewed else 1.0 for number in range(domains)]
    return [weight / sum(weights) for weight in weights]


def domain_entropy(domains: int, *, skewed: bool) -> float:
    """Return the entropy of an image's domain in bits.

    No expert can have more information on the domain.
    """
    return -sum(share * math.log2(share) for share in domain_shares(domains, skewed=skewed))
