"""Numbers with their doubt: samples or a frame in; an interval, a verdict or a frame out.

    median_interval(samples)                       a time, from repeated measurements
    mean_interval(accuracies)                      a quality, over seeds
    difference_interval(ours, theirs)              of two qualities
    proportion_interval(found, of)                 a share of trials
    geometric_mean(ratios)                         one number for many cells
    probability_of_improvement(ours, theirs)       how often a seed of ours beats one of theirs
    compare({"soft": (ours, theirs), ...})         verdicts on times, corrected for their number
    signed_rank(ratios)                            the same question, of samples taken in pairs
    geometric_mean_test(tests)                     their verdicts as one
    p_below_best(samples, cells, count)            which cells are told from the best of them
    p_beside(samples, cells, count, one)           which are told from this one
    pareto_probability(frame, x, y)                which cells lie on the front, and how surely
    scaling_fit(frame, "experts", "accuracy")      a slope with its interval, or a refusal

Nothing here reads or writes a file, what is random has a fixed seed, and tests hold each 95 % interval by
simulation to what it promises.
"""

from moebench.statistics.best import p_below_best, p_beside
from moebench.statistics.comparison import (
    FEW_SAMPLES,
    MannWhitney,
    RatioTest,
    compare,
    geometric_mean_test,
    holm,
    mann_whitney,
)
from moebench.statistics.improvement import probability_of_improvement
from moebench.statistics.intervals import (
    Interval,
    contrast_interval,
    contrast_p_value,
    difference_interval,
    geometric_mean,
    mean_interval,
    median_coverage,
    median_interval,
    proportion_interval,
)
from moebench.statistics.paired import SignedRank, pseudo_median, signed_rank
from moebench.statistics.pareto import pareto_front, pareto_probability
from moebench.statistics.scaling import FEWEST_LEVELS, ScalingFit, scaling_fit
from moebench.statistics.steps import smallest_step, within_step

__all__ = [
    "FEWEST_LEVELS",
    "FEW_SAMPLES",
    "Interval",
    "MannWhitney",
    "RatioTest",
    "ScalingFit",
    "SignedRank",
    "compare",
    "contrast_interval",
    "contrast_p_value",
    "difference_interval",
    "geometric_mean",
    "geometric_mean_test",
    "holm",
    "mann_whitney",
    "mean_interval",
    "median_coverage",
    "median_interval",
    "p_below_best",
    "p_beside",
    "pareto_front",
    "pareto_probability",
    "probability_of_improvement",
    "proportion_interval",
    "pseudo_median",
    "scaling_fit",
    "signed_rank",
    "smallest_step",
    "within_step",
]
