"""The columns that can be compared: timed, counted, or different from seed to seed."""

from moebench.errors import BadInput
from moebench.reports.quantities import quantity
from moebench.results import COLUMNS

TIMED = tuple(column.name for column in COLUMNS if column.varies == "timing")
"""Metrics with timed samples: their changes are ratios, and lower is better."""
COUNTED = tuple(c.name for c in COLUMNS if c.group in ("cost", "memory") and c.varies == "cell")
"""Metrics that are counted and not sampled: equal or not, whatever the seed; lower is better."""
OVER_SEEDS = tuple(c.name for c in COLUMNS if c.varies == "seed" and c.better and c.group != "time")
"""Metrics with one value for each seed."""
PROCESSOR_TIMES = {"train_step_vs_dense": "train_step_cpu_vs_dense", "infer_vs_dense": "infer_cpu_vs_dense"}
"""Column of processor time for each column of wall-clock time beside the dense twin."""
DEFAULT = ("accuracy", "train_step_vs_dense", "infer_vs_dense")
PAIR_TESTS = ("zero_shot_seen", "zero_shot_unseen", "image_to_text_r1", "text_to_image_r1", "binding_accuracy")
"""Columns that are compared by default if cells have a text tower."""
SECONDS = ("train_step_s", "infer_s_per_image")
"""Columns that are compared by default if the code differs: the dense twin may then have changed as well."""

TIME_THAT_MATTERS, SHARE_THAT_MATTERS = 0.05, 0.005


def check_metric(metric: str) -> None:
    """Raise unless a column can be compared.

    Raises:
        BadInput: the column does not exist, is no number, has no better and worse, or is measured once for each cell.
    """
    quantity(metric)
    if metric not in (*TIMED, *COUNTED, *OVER_SEEDS):
        raise BadInput(
            f"'{metric}' cannot be compared, for it has no better and worse, or is measured once for each cell, "
            f"without a confidence interval; metrics that can be compared are {', '.join(OVER_SEEDS)}, times such as "
            f"{' and '.join(DEFAULT[1:])}, and counts such as flops_train_step."
        )


def smallest_effect(metric: str) -> float:
    """Return the change below which a difference does not matter.

    The change is 5 % of a time, half a point of a share, and 0 for other metrics. Half a point is about two images of
    the smallest test set here.
    """
    if metric in TIMED:
        return TIME_THAT_MATTERS
    return SHARE_THAT_MATTERS if quantity(metric).kind == "share" else 0.0
