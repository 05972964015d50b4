"""One metric of many cells, by seed and test image, as input of the statistics."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from moebench.errors import BadInput
from moebench.statistics import Contrast, Crossed, ImageCovariance, contrast_across, image_step, smallest_step

POOL = (
    *("model", "data", "device_kind", "image_size", "steps", "batch_size", "precision"),
    *("pretrain_data", "pretrain_steps"),
)
"""Columns in which the cells of a pool agree; cells of a pool are assumed to scatter alike over seeds.

The learning rate is one more such column.
"""
IMAGE_SHARES = ("accuracy", "few_shot_1", "few_shot_5", "few_shot_10")
"""Metrics that are shares of test images."""
_IMAGES = {"accuracy": ("image_correct", 1.0), "eval_loss": ("image_log_likelihood", -1.0)}
"""Column with a metric's values of single images, and the factor from its mean to the metric."""

_MOST = 65504.0
"""The largest number of float16."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CellValues:
    """A metric of numbered cells."""

    means: Floats
    """float[cells, seeds]; NaN for a seed that failed."""
    images: Sequence[Floats | None]
    """float[seeds, images] for each cell, or None."""
    test_sets: Sequence[str | None]
    """Digest of the test images of each cell."""
    families: Sequence[str]
    """Router of each cell: a seed may move the cells of a router alike."""
    step: float
    """Resolution of a mean."""
    _tables: dict[tuple[int, ...], Crossed] = field(default_factory=dict, compare=False)

    @classmethod
    def from_cells(cls, cells: Sequence[pd.DataFrame], metric: str) -> "CellValues":
        """Return a metric of the result rows of each cell.

        Args:
            cells: rows with the status ok, one for each seed; a frame for each cell.
            metric: a column of numbers.
        """
        counts = [len(rows) for rows in cells]
        numbers = np.repeat(np.arange(len(counts)), counts)
        return cls.from_rows(pd.concat(cells, ignore_index=True), numbers, len(counts), metric)

    @classmethod
    def from_rows(cls, rows: pd.DataFrame, cells: NDArray[np.int64], count: int, metric: str) -> "CellValues":
        """Return a metric of result rows with the status ok.

        Args:
            rows: one row for each cell and seed; of several rows of one cell and seed the last counts.
            cells: int[rows], the number of each row's cell.
            count: number of cells.
            metric: a column of numbers.
        """
        seeds, _ = pd.factorize(rows["seed"], sort=True)
        means = np.full((count, int(seeds.max(initial=-1)) + 1), np.nan)
        means[cells, seeds] = rows[metric].to_numpy(np.float64)
        means[~np.isfinite(means)] = np.nan
        images, test_sets = _images(rows, cells, seeds, means, metric)
        known = means[~np.isnan(means)]
        if metric in IMAGE_SHARES:
            numbers = {image.shape[1] for image in images if image is not None}
            step = image_step(known, min(numbers) if numbers else None)
        else:
            step = smallest_step(known)
        families = [""] * count
        for cell, router in zip(cells.tolist(), rows["router"], strict=True):
            families[cell] = str(router)
        return cls(means, images, test_sets, families, step)

    def table(self, members: Sequence[int], *, by_image: bool = True) -> Crossed:
        """Return some cells as one table, whose cells scatter alike and share their seeds.

        Args:
            members: numbers of the cells.
            by_image: whether differences are paired by test image if values of single images are known.
        """
        key = (by_image, *members)
        if key not in self._tables:
            self._tables[key] = self._table(members, by_image)
        return self._tables[key]

    def _table(self, members: Sequence[int], by_image: bool) -> Crossed:
        images = [self.images[member] for member in members]
        covariance = None
        if by_image and any(image is not None for image in images):
            covariance = ImageCovariance.from_values(images, [self.test_sets[member] for member in members])
        families = [self.families[member] for member in members]
        return Crossed(self.means[np.asarray(members, dtype=int)], covariance, families=families, step=self.step)

    def images_of(self, cells: Iterable[int]) -> int:
        """Return the number of test images in the smallest test set of some cells.

        The number is 0 if a cell has no values of single images.
        """
        counts = [0 if (image := self.images[cell]) is None else image.shape[1] for cell in cells]
        return min(counts, default=0)

    def contrast(self, terms: Sequence[Mapping[int, float]], pools: Sequence[Any]) -> Contrast:
        """Return a sum of cell means; seeds and images that pools share count once.

        Args:
            terms: parts of the sum, such as the differences of pairs: weights of some cells, which add up to 0. A seed
                counts in each term whose cells all have it, and the pools of these cells are joined.
            pools: for each cell the name of the pool of cells that scatter alike.
        """
        places, weights = [], []
        for members in joined(pools, [set(term) for term in terms]):
            own = np.array([[term.get(member, 0.0) for member in members] for term in terms])
            if own.any():
                places.append(members)
                weights.append(own)
        if not places:
            raise BadInput("there is no contrast to add up.")
        tables = [self.table(members) for members in places]
        if len(tables) == 1:
            return tables[0].contrast(weights[0][weights[0].any(axis=1)])
        used = np.concatenate([own.any(axis=0) for own in weights])
        return contrast_across(tables, weights, self._covariance([each for own in places for each in own], used))

    def _covariance(self, members: Sequence[int], used: NDArray[np.bool_]) -> ImageCovariance | None:
        """Return the covariances of some cells of several pools, NaN for cells that are not used.

        The result is None if the images of a used cell are unknown.
        """
        cells = [member for member, own in zip(members, used, strict=True) if own]
        images = [image for cell in cells if (image := self.images[cell]) is not None]
        if len(images) < len(cells):
            return None
        # Images without a name are taken for equal if they are equally many; different ones have no covariance.
        names = [self.test_sets[cell] or f"{image.shape[1]} images" for cell, image in zip(cells, images, strict=True)]
        found = ImageCovariance.from_values(images, names)
        wide = [np.full((len(members),) * 2, np.nan) for _ in range(2)]
        places = np.ix_(used, used)
        wide[0][places], wide[1][places] = found.same_seed, found.other_seed
        return ImageCovariance(*wide)


def joined(pools: Sequence[Any], linked: Sequence[set[int]]) -> list[list[int]]:
    """Return the members of each pool, after joining the pools of linked cells.

    Args:
        pools: for each cell the name of its pool.
        linked: sets of cells.
    """
    parent: dict[Any, Any] = {pool: pool for pool in pools}

    def root(pool: Any) -> Any:
        while parent[pool] != pool:
            pool = parent[pool]
        return pool

    for cells in linked:
        first, *others = [root(pools[cell]) for cell in cells]
        for other in others:
            parent[root(other)] = root(first)
    members: dict[Any, list[int]] = {}
    for cell, pool in enumerate(pools):
        members.setdefault(root(pool), []).append(cell)
    return list(members.values())


def pools_of(cells: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the pool of each cell.

    Cells of a pool agree in all settings that affect the scatter of seeds.

    Args:
        cells: one row for each cell. Cells with a tuned learning rate share a pool, whatever their rate.
    """
    rate = cells["learning_rate"].astype(object)
    if "tuned" in cells:
        rate = rate.where(cells["tuned"].isna(), "tuned")
    columns = [cells[name].astype(str).tolist() for name in POOL] + [rate.astype(str).tolist()]
    return list(zip(*columns, strict=True))


def _images(
    rows: pd.DataFrame, cells: NDArray[np.int64], seeds: NDArray[np.int64], means: Floats, metric: str
) -> tuple[list[Floats | None], list[str | None]]:
    """Return each cell's values of single images, and each cell's test set.

    The values are None unless all seeds of the cell have equally many.
    """
    count, width = means.shape
    images: list[Floats | None] = [None] * count
    test_sets: list[str | None] = [None] * count
    column, factor = _IMAGES.get(metric, ("", 1.0))
    if column not in rows or rows[column].isna().all():
        return images, test_sets
    names = rows["test_set"].tolist() if "test_set" in rows else [None] * len(rows)
    found: dict[int, dict[int, Floats]] = {}
    for cell, seed, values, name in zip(cells.tolist(), seeds.tolist(), rows[column], names, strict=True):
        if isinstance(values, (list, np.ndarray)) and len(values) and not np.isnan(means[cell, seed]):
            # float16 turns a likelihood too small for it into infinity.
            found.setdefault(cell, {})[seed] = factor * np.clip(np.asarray(values, dtype=np.float64), -_MOST, _MOST)
            test_sets[cell] = name if isinstance(name, str) else None
    for cell, by_seed in found.items():
        sizes = {len(values) for values in by_seed.values()}
        if len(sizes) == 1 and len(by_seed) == int((~np.isnan(means[cell])).sum()):
            whole = np.full((width, sizes.pop()), np.nan)
            for seed, values in by_seed.items():
                whole[seed] = values
            images[cell] = whole
    return images, test_sets
