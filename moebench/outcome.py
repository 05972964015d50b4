"""What a seed came to: the columns that its training and its evaluation give."""

from typing import Any

from moebench.data import Feed
from moebench.routers import RoutingCounts
from moebench.training import Evaluation, Training

Row = dict[str, Any]


def trained(training: Training) -> Row:
    """The columns that training alone gives."""
    steps, losses, accuracies = training.curve()
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
    }


def fed(feed: Feed, wall_s: float) -> Row:
    """The columns of what the batches cost that this process made, of a training that took it `wall_s`."""
    return {
        "input_s_per_step": feed.made_s / feed.count if feed.count else None,
        "input_share": feed.waited_s / wall_s if feed.count else None,
    }


def evaluated(evaluation: Evaluation, flops_experts: float | None) -> Row:
    """The columns that a pass over the test split gives.

    Args:
        evaluation: the pass.
        flops_experts: the cell's column of that name, null where it is not known.
    """
    row = {"accuracy": evaluation.accuracy, "eval_loss": evaluation.loss, "eval_wall_s": evaluation.wall_s}
    row |= health(evaluation.routing)
    if flops_experts is not None:
        row["flops_padding"] = flops_experts * (1 - row["slot_utilisation"])
    return row


def health(layers: list[RoutingCounts]) -> Row:
    """The routing columns: means over MoE layers, the worst layer's drops, and loads by layer and expert."""
    by_layer: list[Row] = [{name: value.tolist() for name, value in layer.metrics().items()} for layer in layers]
    lists = ("expert_load", "expert_demand")
    row: Row = {name: [layer[name] for layer in by_layer] for name in lists}
    row |= {name: sum(layer[name] for layer in by_layer) / len(by_layer) for name in by_layer[0] if name not in lists}
    row["dropped_tokens_max_layer"] = max(layer["dropped_tokens"] for layer in by_layer)
    return row
