"""The columns that can be compared: which of them are timed, counted, or differ from seed to seed."""

from moebench.errors import BadInput
from moebench.reports.quantities import quantity
from moebench.results import COLUMNS

TIMED = tuple(column.name for column in COLUMNS if column.varies == "timing")
"""Metrics with timed samples: their changes are ratios, and lower is better."""
COUNTED = tuple(c.name for c in COLUMNS if c.group in ("cost", "memory") and c.varies == "cell")
"""Metrics that are counted and not sampled: equal or not, whatever the seed; lower is better."""
OVER_SEEDS = tuple(c.name for c in COLUMNS if c.varies == "seed" and c.better and c.group != "time")
"""Metrics that each seed has anew."""
PROCESSOR_TIMES = {"train_step_vs_dense": "train_step_cpu_vs_dense", "infer_vs_dense": "infer_cpu_vs_dense"}
"""For wall-clock beside that of the dense twin the same of processor time."""
DEFAULT = ("accuracy", "train_step_vs_dense", "infer_vs_dense")
PAIR_TESTS = ("zero_shot_seen", "zero_shot_unseen", "image_to_text_r1", "text_to_image_r1", "binding_accuracy")
"""Compared as well where cells have a text tower."""
SECONDS = ("train_step_s", "infer_s_per_image")
"""Compared as well where the code differs: the dense twin may then have changed with everything else."""

TIME_THAT_MATTERS, SHARE_THAT_MATTERS = 0.05, 0.005


def check_metric(metric: str) -> None:
    """Refuses a column that cannot be compared.

    Raises:
        BadInput: no such column, no number, or one without a better and a worse, or measured once for each cell.
    """
    quantity(metric)
    if metric not in (*TIMED, *COUNTED, *OVER_SEEDS):
        raise BadInput(
            f"'{metric}' cannot be compared, for it has no better and worse, or is measured once for each cell, which "
            f"leaves its doubt unknown; compared can be {', '.join(OVER_SEEDS)}, times such as "
            f"{' and '.join(DEFAULT[1:])}, and what is counted, such as flops_train_step."
        )


def smallest_effect(metric: str) -> float:
    """The change below which a difference does not matter: 5 % of a time, half a point of a share, else none.

    Half a point is some two images of the smallest test set here.
    """
    if metric in TIMED:
        return TIME_THAT_MATTERS
    return SHARE_THAT_MATTERS if quantity(metric).kind == "share" else 0.0
