"""Interpolate position embeddings of a model to another resolution."""

import jax
import numpy as np

from moebench.models.vit_config import VitConfig


def interpolated(positions: np.ndarray, model: VitConfig) -> np.ndarray:
    """Interpolate position embeddings bilinearly to the patches of a model (2010.11929, section 3.2).

    Args:
        positions: float[tokens, dim] at another resolution; that of a class token stays as given.
        model: gives the number of patches.

    Returns:
        float[tokens, dim] for the tokens of `model`.
    """
    first = int(model.preset.class_token)
    side = round((len(positions) - first) ** 0.5)
    to = round((model.tokens - first) ** 0.5)
    if side == to:
        return positions
    grid = positions[first:].reshape(side, side, -1)
    # No antialiasing: positions are samples of a smooth function of the place, and not an image.
    spread = jax.image.resize(grid, (to, to, grid.shape[-1]), "bilinear", antialias=False)
    return np.concatenate([positions[:first], np.asarray(spread).reshape(to * to, -1)])
