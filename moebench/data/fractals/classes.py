"""Draw classes of fractals: random iterated function systems that fill enough of the canvas.

After FractalDB (2101.08515): a class is a set of 2 to 8 affine maps with coefficients drawn evenly from [−1, 1], kept
if its picture fills enough pixels; its images are the pictures of the set with one of the six coefficients weighted by
0.8 to 1.2 in all maps, and mirrored. What differs, and why: maps that do not contract are drawn again, as 2110.03091
does, so that every set stays bounded; the weight is one of many in its range and not of five, so that few images are
nearly alike; and a point is a single pixel, while the paper draws patches of 3 × 3 on canvases several times as large.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt8, UInt32

from moebench.data.fractals import render
from moebench.data.fractals.render import COEFFICIENT_BITS, MOST_MAPS, ONE, SHARE_BITS, UNIT, hashed

SEED = 210108515
LEAST_FILLED = 0.1
"""Least share of filled pixels of a class at 64 × 64 pixels; of all sets drawn, none fills more than half."""
_CANVAS = 64
_CONTRACTION = 0.9
"""Bound on the singular values of accepted maps."""
_TRIES = 12
"""Draws for each map; the first draw that contracts is taken."""
_BLOCK = 256
"""Sets that are drawn at a time."""
_COARSE = 1 << 12
"""The number 1 in the coordinates of a set before it is stretched to the canvas."""
_LEAST_SHARE = 64
"""Each map, however flat, is drawn at least once in this number of draws."""


@dataclass(frozen=True)
class Systems:
    """Iterated function systems, as arguments of `render.points`."""

    maps: Int32[np.ndarray, "system map coefficient"]
    shares: UInt32[np.ndarray, "system map"]

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, chosen: np.ndarray | slice) -> "Systems":
        return Systems(self.maps[chosen], self.shares[chosen])


def keys(classes: Int64[np.ndarray, "image"], instances: Int64[np.ndarray, "image"]) -> UInt32[np.ndarray, "image"]:
    """Return the seed of each image, from its class and its number within the class."""
    key: np.ndarray = hashed(np.full(len(classes), SEED, np.uint32))
    for part in (classes, instances):
        key = hashed(key + part.astype(np.uint32) + np.uint32(1))
    return key


def draw(count: int) -> Systems:
    """Draw the first `count` of an endless list of classes, equal on every machine."""
    bits = np.random.PCG64(SEED)
    found: list[Systems] = []
    while sum(map(len, found)) < count:
        drawn, contracting = _drawn(bits)
        sets = _stretched(drawn)
        rates = filling_rate(render.render(sets.maps, sets.shares, np.arange(len(sets), dtype=np.uint32), _CANVAS))
        found.append(sets[contracting & (rates >= LEAST_FILLED)])
    maps, shares = (np.concatenate([getattr(each, name) for each in found])[:count] for name in ("maps", "shares"))
    return Systems(maps, shares)


def filling_rate(images: UInt8[np.ndarray, "image height width"]) -> Float64[np.ndarray, "image"]:
    """Return the share of the pixels that a point has hit."""
    rates: np.ndarray = (images > 0).mean((1, 2))
    return rates


def perturbed(systems: Systems, key: UInt32[np.ndarray, "system"]) -> Systems:
    """Weight one of six coefficients by 0.8 to 1.2 in all maps of each system.

    Coefficient and weight are drawn from the key.
    """
    column = hashed(key ^ np.uint32(0x68E31DA4)) % np.uint32(6)
    weight = 205 + (hashed(key ^ np.uint32(0xB5297A4D)) % np.uint32(103)).astype(np.int32)  # in 1/256ths
    maps = systems.maps.copy()
    rows = np.arange(len(maps))
    maps[rows, :, column] = (maps[rows, :, column] * weight[:, None]) >> 8
    return Systems(maps, systems.shares)


def contracts(maps: Int64[np.ndarray, "*shape coefficient"]) -> np.ndarray:
    """Return whether the larger singular value of each map is below 0.9.

    Maps are in 1/8192ths. For the squares p ≥ q of both, p + q is the sum of the squared coefficients and p · q the
    squared determinant; with the bound's square s, both are below s if (s − p)(s − q) > 0 and p + q < 2s.
    """
    a, b, c, d = (maps[..., column] for column in range(4))
    bound = int(_CONTRACTION * ONE) ** 2
    total, product = a * a + b * b + c * c + d * d, (a * d - b * c) ** 2
    below: np.ndarray = (bound * bound - bound * total + product > 0) & (total < 2 * bound)
    return below


def _drawn(bits: np.random.PCG64) -> tuple[Int64[np.ndarray, "set map coefficient"], np.ndarray]:
    """Return sets of 2 to 8 drawn maps, padded with zeros, and which sets contract."""
    words = bits.random_raw(_BLOCK * (1 + MOST_MAPS * _TRIES * 6)).reshape(_BLOCK, -1)
    count = 2 + (words[:, 0] >> np.uint64(32)) % np.uint64(MOST_MAPS - 1)
    drawn = (words[:, 1:] >> np.uint64(63 - COEFFICIENT_BITS)).astype(np.int64) - ONE
    drawn = drawn.reshape(_BLOCK, MOST_MAPS, _TRIES, 6)
    good = contracts(drawn)
    first = good.argmax(-1)
    maps = np.take_along_axis(drawn, first[:, :, None, None], 2)[:, :, 0]
    used = np.arange(MOST_MAPS) < count[:, None]
    contracting: np.ndarray = np.asarray((good.any(-1) | ~used).all(-1))
    return np.where(used[..., None], maps, 0), contracting


def _stretched(maps: Int64[np.ndarray, "set map coefficient"]) -> Systems:
    """Rescale each set's coordinates so that its fractal's larger side fills the canvas."""
    coarse = maps.copy()
    coarse[..., 4:] = coarse[..., 4:] * _COARSE // ONE
    shares = _shares(maps)
    low, high = render.extent(coarse.astype(np.int32), shares, np.arange(len(maps), dtype=np.uint32))
    middle, half = (low + high) // 2, np.maximum((high - low).max(-1) // 2, 1)
    # With p = m + h·u, A·p + t becomes A·u + (A·m + t − m) / h.
    a, b, c, d, e, f = np.moveaxis(coarse, -1, 0)
    mx, my = middle[:, :1], middle[:, 1:]
    moved = np.stack([a * mx + b * my + (e - mx) * ONE, c * mx + d * my + (f - my) * ONE], -1)
    stretched = np.concatenate([maps[..., :4], moved * UNIT // (half[:, None, None] * ONE)], -1)
    return Systems(stretched.astype(np.int32), shares)


def _shares(maps: Int64[np.ndarray, "set map coefficient"]) -> UInt32[np.ndarray, "set map"]:
    """Return running sums of the maps' shares, which are proportional to |ad − bc|.

    |ad − bc| is the area of a map's image.
    """
    area = np.abs(maps[..., 0] * maps[..., 3] - maps[..., 1] * maps[..., 2])
    used = maps.any(-1)
    area = np.where(used, np.maximum(area, area.sum(-1, keepdims=True) // _LEAST_SHARE + 1), 0)
    sums = area.cumsum(-1)
    shares: np.ndarray = ((sums << SHARE_BITS) // sums[:, -1:]).astype(np.uint32)
    return shares
