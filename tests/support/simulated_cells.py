"""Simulated cells with seeds and test images of individual difficulty, for tests of the statistics."""

from collections.abc import Iterator

import numpy as np
from scipy import optimize, special

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
ACCURACY = 0.97
WITHIN = 0.013
"""Mean of p (1 - p) over images: an accuracy on 360 images then has a standard deviation of 0.6 points over seeds."""


def latent() -> tuple[float, float, float]:
    """Return mean and spread of the latent ability over images, and the accuracy gained for each unit of ability."""
    weights = WEIGHTS / WEIGHTS.sum()

    def ability(spread: float) -> float:
        return float(special.ndtri(ACCURACY) * np.sqrt(1 + spread**2))

    def excess(spread: float) -> float:
        p = special.ndtr(ability(spread) + spread * NODES)
        return float((weights * p * (1 - p)).sum() - WITHIN)

    spread = float(optimize.brentq(excess, 0.01, 20))
    mean = ability(spread)
    density = np.exp(-((mean + spread * NODES) ** 2) / 2) / np.sqrt(2 * np.pi)
    return mean, spread, float((weights * density).sum())


def correct(
    sets: int,
    gains: np.ndarray,
    *,
    seeds: int = 3,
    images: int = 2000,
    seed_deviation: float | np.ndarray = 0.003,
    shared_deviation: float = 0.0,
    interaction: float = 0.0,
    rng: int = 0,
) -> Iterator[np.ndarray]:
    """Yield which images each cell classifies right, bool[cells, seeds, images], for so many simulated suites.

    Args:
        sets: number of suites.
        gains: float[cells], true differences in accuracy.
        seeds: number of seeds.
        images: number of test images.
        seed_deviation: standard deviation of what a seed does to the accuracy of one cell on all images alike, for all
            cells or float[cells].
        shared_deviation: the same for what a seed does to all cells.
        interaction: standard deviation of the ability of one cell on one image under every seed.
        rng: seed of the simulation.
    """
    mean, spread, slope = latent()
    generator = np.random.default_rng(rng)
    cells = len(gains)
    deviation = np.broadcast_to(np.asarray(seed_deviation), (cells,))[:, None]
    for _ in range(sets):
        moved = gains[:, None] + deviation * generator.standard_normal((cells, seeds))
        moved = moved + shared_deviation * generator.standard_normal(seeds)
        ability = mean + (moved / slope)[..., None] + spread * generator.standard_normal(images, dtype=np.float32)
        if interaction:
            ability = ability + interaction * generator.standard_normal((cells, 1, images), dtype=np.float32)
        yield generator.standard_normal((cells, seeds, images), dtype=np.float32) < ability
