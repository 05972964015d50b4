"""Columns of the result table from the evaluation of one seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from moebench.evaluation.pair_tests import PairEvaluation
from moebench.evaluation.pass_over_split import Evaluation
from moebench.models import VitConfig
from moebench.routers import RoutingCounts
from moebench.training import EvalPoint

Row = dict[str, Any]


def evaluation_columns(evaluation: Evaluation, model: VitConfig, flops_experts: float | None) -> Row:
    """Return the columns of a pass over the test split.

    Args:
        evaluation: the pass.
        model: the model that was evaluated.
        flops_experts: the cell's column `flops_experts`; None if the FLOPs are unknown.
    """
    row = {
        "accuracy": evaluation.accuracy,
        "eval_loss": evaluation.loss,
        "eval_wall_s": evaluation.wall_s,
        "image_correct": evaluation.image_correct.tolist(),
        "image_log_likelihood": evaluation.image_log_likelihood.tolist(),
    }
    row |= health(evaluation.routing) | calls(evaluation.calls)
    if flops_experts is not None:
        row["flops_padding"] = padding(model, flops_experts, evaluation.calls)
    return row


def pair_columns(evaluation: PairEvaluation, model: VitConfig, flops_experts: float | None) -> Row:
    """Return the columns of the tests of two towers.

    The routing is the image tower's.

    Args:
        evaluation: the tests.
        model: the towers.
        flops_experts: the cell's column `flops_experts`; None if the FLOPs are unknown.
    """
    row = {**evaluation.columns, "eval_loss": evaluation.loss, "eval_wall_s": evaluation.wall_s}
    row |= health(evaluation.routing) | calls(evaluation.calls)
    if flops_experts is not None:
        row["flops_padding"] = padding(model, flops_experts, evaluation.calls)
    return row


def pair_summary(row: Mapping[str, Any]) -> str:
    """Return the main results of two towers as a phrase for the log."""
    seen = row.get("zero_shot_seen")
    zero_shot = "" if seen is None else f"zero-shot {seen:.4f}, "
    return f"{zero_shot}image to text R@1 {row['image_to_text_r1']:.4f} of {row['retrieval_images']:,}"


def eval_curve_columns(points: Sequence[EvalPoint]) -> Row:
    """Return the columns of evaluations during the training; null without such evaluations."""
    if not points:
        return {}
    return {
        "curve_eval_step": [point.step for point in points],
        "curve_eval_loss": [point.loss for point in points],
        "curve_accuracy_eval": [point.accuracy for point in points],
    }


def padding(model: VitConfig, flops_experts: float, by_image: Float64[np.ndarray, "image"] | None) -> float:
    """Return the FLOPs of one image that experts spend on slots without a token.

    Args:
        model: the model that was evaluated.
        flops_experts: FLOPs of the experts in a forward pass for one image, empty slots included.
        by_image: expert calls for a token of each image; None if slots are never empty.
    """
    if by_image is None or not flops_experts:
        return 0.0
    size = model.preset.size
    row = 2 * 2 * size.width * size.mlp
    return max(0.0, flops_experts - float(by_image.mean()) * model.tokens * len(model.moe_blocks) * row)


def calls(by_image: Float64[np.ndarray, "image"] | None) -> Row:
    """Return the columns of expert calls for a token: mean and standard deviation.

    Both are over images. The row is empty if slots mix tokens.
    """
    if by_image is None:
        return {}
    return {"expert_calls_per_token": float(by_image.mean()), "expert_calls_per_token_std": float(by_image.std())}


def health(layers: list[RoutingCounts]) -> Row:
    """Return the routing columns, from the counts of all MoE layers.

    The columns are means over MoE layers, drops of the worst layer, and loads by layer and expert.
    """
    by_layer: list[Row] = [{name: value.tolist() for name, value in layer.metrics().items()} for layer in layers]
    lists = ("expert_load", "expert_load_requested")
    row: Row = {name: [layer[name] for layer in by_layer] for name in lists}
    row |= {name: sum(layer[name] for layer in by_layer) / len(by_layer) for name in by_layer[0] if name not in lists}
    row["dropped_tokens_max_layer"] = max(layer["dropped_tokens"] for layer in by_layer)
    return row
