"""Columns of the result table that come from the training of one seed."""

from typing import Any

import numpy as np

from moebench.data import Prefetcher
from moebench.training.loop import Training
from moebench.training.loss_spikes import loss_spikes

Row = dict[str, Any]


def training_columns(training: Training, clip_norm: float) -> Row:
    """Return status, losses, curves and gradient norms of one training.

    Args:
        training: training of one seed, completed or diverged.
        clip_norm: the norm to which gradients were clipped.
    """
    steps, losses, accuracies = training.curve()
    medians, maxima = training.gradient_norm_curve()
    diverged = training.diverged_step is not None
    return {
        "status": "diverged" if diverged else "ok",
        "status_reason": f"the loss was not finite at step {training.diverged_step}" if diverged else None,
        "diverged_step": training.diverged_step,
        "train_loss": training.final_loss,
        "train_wall_s": training.wall_s,
        "curve_step": steps,
        "curve_loss": losses,
        "curve_accuracy": accuracies,
        "loss_spike_steps": loss_spikes(training.losses),
        "gradient_norm": float(np.median(training.gradient_norms)),
        "gradient_norm_max": float(training.gradient_norms.max()),
        "clipped_steps": float((training.gradient_norms > clip_norm).mean()),
        "curve_gradient_norm": medians,
        "curve_gradient_norm_max": maxima,
    }


def input_columns(prefetcher: Prefetcher, wall_s: float) -> Row:
    """Return the columns of the time that this process spent on making batches.

    Args:
        prefetcher: source of the batches.
        wall_s: seconds of the training in this process.
    """
    return {
        "input_s_per_step": prefetcher.made_s / prefetcher.count if prefetcher.count else None,
        "input_share": prefetcher.waited_s / wall_s if prefetcher.count else None,
    }
