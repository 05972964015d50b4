"""Glyphs: patterns of 4 × 4 points that differ in at least four points.

Each glyph fills one patch.
"""

from functools import cache

import numpy as np
from jaxtyping import Bool

SIDE = 4
"""Points along a side of a glyph."""
GLYPHS = 64
"""Glyphs of the alphabet; a random search finds far more patterns that lie as far apart."""
_SEED = 16
_APART = 4
"""Points in which two glyphs differ at least, so that one wrong point never turns one into another."""
_INK = (6, 10)
"""Least and most points of ink, so that no glyph can be read from its brightness alone."""


@cache
def alphabet() -> Bool[np.ndarray, "glyph 4 4"]:
    """Return the glyphs, equal on every machine."""
    generator = np.random.default_rng(_SEED)
    found: list[np.ndarray] = []
    while len(found) < GLYPHS:
        glyph = generator.random((SIDE, SIDE)) < 0.5
        apart = all((glyph != other).sum() >= _APART for other in found)
        if _INK[0] <= glyph.sum() <= _INK[1] and apart:
            found.append(glyph)
    return np.array(found)
