"""Render iterated function systems by the chaos game, many images at once, in whole numbers.

Whole numbers make an image equal on every machine: in floating point, processors differ in whether they round a · x
before they add b · y, which would move points from one pixel to the next. Coefficients are 1/8192ths, coordinates
1/16384ths of half the canvas; 32 bits suffice for every product, since coordinates are kept within ±4.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, Int64, UInt8, UInt32

from moebench.errors import BadInput

COEFFICIENT_BITS = 13
ONE = 1 << COEFFICIENT_BITS
UNIT = 1 << 14
"""Half the side of the canvas, in coordinates."""
MOST_MAPS = 8
SHARE_BITS = 16
"""Shares of the maps are 1/65536ths."""

_FURTHEST = 4 * UNIT - 1
_BURN_IN, _KEPT = 8, 16
"""Steps of every walker whose points are discarded at first, and steps whose points count afterwards."""
_POINTS_PER_PIXEL = 2
_EXTENT_WALKERS = 128
_FRACTION_BITS = 23
_LEAST_DETERMINANT = ONE >> 7


def hashed(x: Any) -> Any:
    """Hash 32 bits to 32 bits that look random.

    The multiplications and shifts have equal results on every machine.

    Args:
        x: uint32 array of NumPy or JAX.
    """
    kind = x.dtype.type
    x = (x ^ (x >> kind(16))) * kind(0x7FEB352D)
    x = (x ^ (x >> kind(15))) * kind(0x846CA68B)
    return x ^ (x >> kind(16))


def fixed_point(maps: Int32[Array, "image coefficient"]) -> tuple[Int32[Array, "image"], Int32[Array, "image"]]:
    """Return the fixed point of each map, (1 − A)⁻¹ t.

    The point is part of the fractal.
    """
    a, b, c, d, e, f = (maps[:, column] for column in range(6))
    determinant = ((ONE - a) * (ONE - d) - b * c) >> COEFFICIENT_BITS
    determinant = jnp.maximum(determinant, _LEAST_DETERMINANT)
    x, y = (ONE - d) * e + b * f, c * e + (ONE - a) * f
    return _near(x // determinant), _near(y // determinant)


def _near(x: Int32[Array, "*shape"]) -> Int32[Array, "*shape"]:
    return jnp.clip(x, -_FURTHEST, _FURTHEST)


def points(
    maps: Int32[Array, "image map coefficient"],
    shares: UInt32[Array, "image map"],
    keys: UInt32[Array, "image"],
    walkers: int,
) -> tuple[Int32[Array, "step image walker"], Int32[Array, "step image walker"]]:
    """Return points of each fractal, visited by walkers.

    Walkers start in the fractal, and each step applies a map drawn by its share.

    Args:
        maps: a, b, c, d in 1/8192ths, e, f in coordinates: x' = a·x + b·y + e, y' = c·x + d·y + f.
        shares: running sums of the shares, the last 65536; a draw takes the first map whose sum is larger.
        keys: seeds of the walks.
        walkers: number of walkers of each image.
    """
    lanes = hashed(jnp.arange(1, walkers + 1, dtype=jnp.uint32))

    def step(at: tuple[Array, Array], number: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        x, y = at
        draw = hashed(hashed(keys + number)[:, None] ^ lanes) >> jnp.uint32(32 - SHARE_BITS)
        chosen = (draw[..., None] >= shares[:, None, :-1]).sum(-1)
        a, b, c, d, e, f = jnp.moveaxis(jax.vmap(lambda own, which: own[which])(maps, chosen), -1, 0)
        x, y = _near(((a * x + b * y) >> COEFFICIENT_BITS) + e), _near(((c * x + d * y) >> COEFFICIENT_BITS) + f)
        return (x, y), (x, y)

    x, y = (jnp.broadcast_to(start[:, None], (len(maps), walkers)) for start in fixed_point(maps[:, 0]))
    _, (xs, ys) = jax.lax.scan(step, (x, y), jnp.arange(_BURN_IN + _KEPT, dtype=jnp.uint32))
    return xs[_BURN_IN:], ys[_BURN_IN:]


def pixels(x: Int32[Array, "step image walker"], size: int) -> Int32[Array, "step image walker"]:
    """Return rows or columns that stretch the points of each image from margin to margin."""
    low, high = x.min((0, 2)), x.max((0, 2))
    margin = size // 32
    scale = ((size - 2 * margin) << _FRACTION_BITS) // (high - low + 1)
    return margin + (((x - low[:, None]) * scale[:, None]) >> _FRACTION_BITS)


@jax.jit
def _extent(maps: Array, shares: Array, keys: Array) -> tuple[Array, Array]:
    both = jnp.stack(points(maps, shares, keys, _EXTENT_WALKERS))
    return both.min((1, 3)).T, both.max((1, 3)).T


@partial(jax.jit, static_argnames="size")
def _rendered(maps: Array, shares: Array, keys: Array, size: int) -> UInt8[Array, "image height width"]:
    x, y = points(maps, shares, keys, walkers=size * size * _POINTS_PER_PIXEL // _KEPT)
    canvases = jnp.arange(len(maps))[:, None] * size * size
    places = canvases + pixels(y, size) * size + pixels(x, size)
    hits = jnp.zeros(len(maps) * size * size, jnp.int32).at[places.ravel()].add(1)
    # Brightness is the logarithm of the hits, so that rare points are visible beside frequent ones.
    doublings = sum((hits >= bound).astype(jnp.uint8) for bound in (2, 4, 8, 16))
    light = jnp.where(hits > 0, 127 + 32 * doublings, 0).astype(jnp.uint8)
    return light.reshape(len(maps), size, size)


def render(
    maps: Int32[np.ndarray, "image map coefficient"],
    shares: UInt32[np.ndarray, "image map"],
    keys: UInt32[np.ndarray, "image"],
    size: int,
) -> UInt8[np.ndarray, "image height width"]:
    """Render each system light on black, stretched to its canvas.

    Args:
        maps: coefficients, as in `points`.
        shares: running sums of the shares, as in `points`.
        keys: seed of each image.
        size: side in pixels.

    Raises:
        BadInput: JAX may not use the CPU.
    """
    return np.asarray(_rendered(*_on_processor(maps, shares, keys), size=size))


def extent(
    maps: Int32[np.ndarray, "image map coefficient"],
    shares: UInt32[np.ndarray, "image map"],
    keys: UInt32[np.ndarray, "image"],
) -> tuple[Int64[np.ndarray, "image 2"], Int64[np.ndarray, "image 2"]]:
    """Return the least and the greatest x and y of the points of each system.

    Args:
        maps: coefficients, as in `points`.
        shares: running sums of the shares, as in `points`.
        keys: seed of each system.

    Raises:
        BadInput: JAX may not use the CPU.
    """
    low, high = _extent(*_on_processor(maps, shares, keys))
    return np.asarray(low, np.int64), np.asarray(high, np.int64)


def _on_processor(*arrays: np.ndarray) -> tuple[Array, ...]:
    try:
        processor = jax.local_devices(backend="cpu")[0]
    except RuntimeError as error:
        raise BadInput(
            "fractals are rendered by JAX on the CPU, which JAX_PLATFORMS leaves out: write JAX_PLATFORMS=cuda,cpu.",
            key="data",
        ) from error
    placed: tuple[Array, ...] = jax.device_put(arrays, processor)
    return placed
