"""Summarise the similarity of a layer's experts and the value of a trained model's routing."""

import pandas as pd

CELL = ("cell", "router", "seed")


def expert_similarity(pairs: pd.DataFrame) -> pd.DataFrame:
    """Return the mean similarity of two experts' outputs on equal tokens, for each layer.

    Args:
        pairs: tables `experts` of recordings. cosine: mean over tokens of the cosine of two outputs. cka: linear CKA,
            ‖Y₁ᵀY₂‖² / (‖Y₁ᵀY₁‖ · ‖Y₂ᵀY₂‖) of outputs less their mean over the tokens (1905.00414).

    Returns:
        cell, router, seed, layer, cosine, cka.
    """
    return pairs.groupby([*CELL, "layer"], sort=False)[["cosine", "cka"]].mean().reset_index()


def swap_losses(swaps: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy that the trained model loses by another routing in one layer.

    The experiment is that of 2106.05974, figure 28.

    Args:
        swaps: tables `swaps` of recordings.

    Returns:
        cell, router, seed, layer, swap, loss: accuracy of the trained routing less accuracy of the other routing.
    """
    loss = swaps["trained_accuracy"] - swaps["accuracy"]
    return swaps[[*CELL, "layer", "swap"]].assign(loss=loss)
