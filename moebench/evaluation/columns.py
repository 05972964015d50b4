"""What a seed came to: the columns that its training and its evaluation give."""

from typing import Any

import numpy as np
from jaxtyping import Float64

from moebench.data import Prefetcher
from moebench.models import VitConfig
from moebench.routers import RoutingCounts
from moebench.training import Evaluation, Training, loss_spikes

Row = dict[str, Any]


def training_columns(training: Training, clip_norm: float) -> Row:
    """The columns that training alone gives; gradients were clipped to the norm `clip_norm`."""
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


def input_columns(feed: Prefetcher, wall_s: float) -> Row:
    """The columns of what the batches cost that this process made, of a training that took it `wall_s`."""
    return {
        "input_s_per_step": feed.made_s / feed.count if feed.count else None,
        "input_share": feed.waited_s / wall_s if feed.count else None,
    }


def evaluation_columns(evaluation: Evaluation, model: VitConfig, flops_experts: float | None) -> Row:
    """The columns that a pass over the test split gives.

    Args:
        evaluation: the pass.
        model: the model that was evaluated.
        flops_experts: the cell's column of that name, null where it is not known.
    """
    row = {"accuracy": evaluation.accuracy, "eval_loss": evaluation.loss, "eval_wall_s": evaluation.wall_s}
    row |= health(evaluation.routing) | calls(evaluation.calls)
    if flops_experts is not None:
        row["flops_padding"] = padding(model, flops_experts, evaluation.calls)
    return row


def padding(model: VitConfig, flops_experts: float, by_image: Float64[np.ndarray, "image"] | None) -> float:
    """FLOPs of `flops_experts`, both for one image, that are spent on slots without a token.

    Args:
        model: the model that was evaluated.
        flops_experts: of a forward pass.
        by_image: expert calls for a token of each image; None where slots are never empty.
    """
    if by_image is None or not flops_experts:
        return 0.0
    size = model.preset.size
    row = 2 * 2 * size.width * size.mlp
    return max(0.0, flops_experts - float(by_image.mean()) * model.tokens * len(model.moe_blocks) * row)


def calls(by_image: Float64[np.ndarray, "image"] | None) -> Row:
    """The columns of how often experts are called, of each image's calls for a token."""
    if by_image is None:
        return {}
    return {"expert_calls_per_token": float(by_image.mean()), "expert_calls_per_token_std": float(by_image.std())}


def health(layers: list[RoutingCounts]) -> Row:
    """The routing columns: means over MoE layers, the worst layer's drops, and loads by layer and expert."""
    by_layer: list[Row] = [{name: value.tolist() for name, value in layer.metrics().items()} for layer in layers]
    lists = ("expert_load", "expert_load_requested")
    row: Row = {name: [layer[name] for layer in by_layer] for name in lists}
    row |= {name: sum(layer[name] for layer in by_layer) / len(by_layer) for name in by_layer[0] if name not in lists}
    row["dropped_tokens_max_layer"] = max(layer["dropped_tokens"] for layer in by_layer)
    return row
