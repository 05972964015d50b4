"""Estimates with their uncertainty, from samples or a frame.

An estimate is an interval, a p-value or a frame.

    Crossed(means, images)                     a metric of cells over seeds and test images
      .intervals()                             the mean of each cell, for new seeds
      .contrast(weights), .against(cell)       differences, paired by seed and image, for new seeds and new images
    contrast_across(tables, terms, images)     a contrast over pools of cells that share seeds and images
    trend(table, across, profiles)             a line through levels of an input, with a test of its fit
    smallest_detectable, power, seeds_needed   differences that a test finds, and seeds that it needs
    holm, tukey_critical                       corrections: for stated comparisons, for all pairs
    median_interval(samples)                   a time, from repeated measurements
    student_intervals(values, groups, n)       means of groups, each by its own scatter
    proportion_interval(found, of)             a share of trials
    probability_of_improvement(ours, theirs)   probability that a seed of ours beats one of theirs
    mann_whitney, signed_rank                  times of A and B, apart or in pairs
    joint_permutation_test(ours, theirs, pairs) two groups of configurations, by ranks
    geometric_mean_test(tests)                 many ratios as one
    timing_scatter(repeats)                    scatter between timings
    pareto_probability(frame, x, y)            probability of each cell to be on the Pareto front

No module here reads or writes a file, random numbers have a fixed seed, and tests check by simulation that each 95 %
interval has its coverage.
"""

from moebench.statistics.across_pools import contrast_across
from moebench.statistics.comparison import FEW_SAMPLES, MannWhitney, RatioTest, geometric_mean_test, mann_whitney
from moebench.statistics.contrast import Contrast
from moebench.statistics.correction import holm, tukey_critical
from moebench.statistics.crossed import Crossed, Differences
from moebench.statistics.detectable import POWER, power, seeds_needed, smallest_detectable
from moebench.statistics.image_covariance import ImageCovariance
from moebench.statistics.improvement import probability_of_improvement
from moebench.statistics.intervals import Interval, median_interval, proportion_interval, student_intervals
from moebench.statistics.paired import SignedRank, pseudo_median, signed_rank
from moebench.statistics.pareto import pareto_probability
from moebench.statistics.permutation import Configuration, joint_permutation_test
from moebench.statistics.seed_blocks import Variance
from moebench.statistics.steps import image_step, smallest_step
from moebench.statistics.timing_scatter import DEFAULT_SCATTER, timing_scatter
from moebench.statistics.trend import FEWEST_LEVELS, Trend, trend

__all__ = [
    "DEFAULT_SCATTER",
    "FEWEST_LEVELS",
    "FEW_SAMPLES",
    "POWER",
    "Configuration",
    "Contrast",
    "Crossed",
    "Differences",
    "ImageCovariance",
    "Interval",
    "MannWhitney",
    "RatioTest",
    "SignedRank",
    "Trend",
    "Variance",
    "contrast_across",
    "geometric_mean_test",
    "holm",
    "image_step",
    "joint_permutation_test",
    "mann_whitney",
    "median_interval",
    "pareto_probability",
    "power",
    "probability_of_improvement",
    "proportion_interval",
    "pseudo_median",
    "seeds_needed",
    "signed_rank",
    "smallest_detectable",
    "smallest_step",
    "student_intervals",
    "timing_scatter",
    "trend",
    "tukey_critical",
]
