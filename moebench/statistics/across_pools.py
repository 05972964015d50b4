"""Contrasts over several pools of cells that share seeds and test images.

Cells of a pool scatter alike; cells of two pools, such as two sizes of a model, need not. A seed may nevertheless move
the cells of a router alike in all pools, and an image may be easy for a router whatever its size. Pools are therefore
no independent repetitions: seeds and images are counted once.
"""

from collections.abc import Sequence

import numpy as np

from moebench.statistics.contrast import Contrast
from moebench.statistics.crossed import Crossed, of_images, pooled
from moebench.statistics.image_covariance import ImageCovariance
from moebench.statistics.intervals import Floats
from moebench.statistics.seed_blocks import Variance, seed_variances_of_pools
from moebench.statistics.terms import sum_of_terms


def contrast_across(tables: Sequence[Crossed], terms: Sequence[Floats], images: ImageCovariance | None) -> Contrast:
    """Return a sum of cell means of several pools.

    Values are divided by the scatter of their pool. Their variance has a part of family × seed over all pools, which
    three or more families estimate together, and a part of each cell. Two families know no more about family × seed
    than the seeds' own sums do, whose variance is then taken. With three pools of three seeds that share nothing, a
    difference of 3 standard errors is found in 70 % of data sets with five families, 54 % with three and 40 % with
    two. An error for independent pools would find 81, 76 and 58 %, but gives 10 to 18 % of false positives if half of
    the variance is shared by pools, and 20 to 26 % if nine tenths are.

    Args:
        tables: the pools, whose seeds are in equal columns.
        terms: for each pool float[terms, cells], the weights of its cells in each term of the sum.
        images: covariances of all cells, pool after pool; None if values of single images are unknown.
    """
    weights = np.concatenate(terms, axis=1)
    total = sum_of_terms(np.concatenate([table.means for table in tables]), weights)
    scales = np.repeat([_scale(table) for table in tables], [len(table.means) for table in tables])
    names = [name for table in tables for name in table.names]
    pools = np.repeat(np.arange(len(tables)), [len(table.means) for table in tables])
    families, counted = _families(names, weights.sum(axis=0))
    counted &= scales > 0  # a pool without any scatter says nothing about that of others
    # What a scale of 0 divides is not counted.
    values = np.concatenate([table.means for table in tables]) / np.where(scales > 0, scales, 1.0)[:, None]
    variances = seed_variances_of_pools(values[counted], families[counted], pools[counted])
    squares, family_squares = total._replace(weights=total.weights * scales[:, None]).squares(families)
    pool, pool_freedom = variances.of_contrast(np.array([squares]), np.array([family_squares]))
    # The scales are estimates as well: the squared errors of a product of two variances add up.
    parts = np.bincount(pools, (total.weights**2).sum(axis=1) * scales**2)
    spread = sum(part**2 / table.variances.cell.freedom for part, table in zip(parts, tables, strict=True) if part)
    if spread:
        pool_freedom = pool_freedom / (1 + pool_freedom * spread / parts.sum() ** 2)
    floors = np.repeat([table.floor for table in tables], [len(table.means) for table in tables])
    least, _ = total._replace(weights=total.weights * np.sqrt(floors)[:, None]).squares(families)
    used = (weights != 0).any(axis=0)
    own = weights.sum(axis=0)[used]
    noise, by_image = of_images(images, lambda form: np.array([own @ form[np.ix_(used, used)] @ own]), 1)
    own_variance, own_freedom = np.array([total.variance]), np.array([total.seeds - 1.0])
    if variances.family is None or variances.family.freedom < 2 * own_freedom[0]:
        variance, freedom = own_variance, own_freedom
    else:
        variance, freedom = pooled(own_variance, own_freedom, pool, pool_freedom, np.fmax(noise, least))
    return Contrast(
        total.value,
        total.seeds,
        Variance(max(float(variance[0]), least) if total.seeds > 1 else float("nan"), float(freedom[0])),
        float(noise[0]),
        None if np.isnan(by_image[0]) else float(by_image[0]),
    )


def _scale(table: Crossed) -> float:
    """Return the standard deviation of a cell over seeds in its pool, at least that of a step."""
    return float(np.sqrt(np.fmax(np.nan_to_num(table.variances.cell.value), table.floor)))


def _families(names: Sequence[str], weights: Floats) -> tuple[np.ndarray, np.ndarray]:
    """Return the number of each cell's family, and which cells estimate the scatter.

    If cells of one family stand on both sides of the contrast, the effect of a seed on the family cancels; the cells of
    each side are then a family of their own, and no others say how much a seed moves one side against the other.
    """
    signs = np.sign(weights)
    sides = {sign: {name for name, own in zip(names, signs, strict=True) if own == sign} for sign in (-1.0, 1.0)}
    split = bool(sides[-1.0] & sides[1.0])
    keys = [f"{name} {sign}" if split else name for name, sign in zip(names, signs, strict=True)]
    return np.unique(keys, return_inverse=True)[1], (signs != 0) | (not split)
