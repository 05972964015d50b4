"""domains-K and skewed-K: labels of symbols that depend on the domain of the image.

Every patch shows the domain.

Rule: each of K domains has a background, an ink, and a table of its own from 16 symbols to 16 labels. No two tables
agree in any symbol, so that a table that fits one domain is wrong in all others. The symbol of an image is in 8 of its
64 patches; the others show the background alone. In domains-K the domains are equally frequent; in skewed-K domain k,
from 0, has a share proportional to 1 / (k + 1) (Zipf).

Optimum: accuracy 1. Truth: the domain; an expert for each domain has 16 pairs to learn in place of 16 · K, and the
mutual information of expert and domain is then log2 K bits (in skewed-K, the entropy of the shares). Chance: 1/16.
"""

from colorsys import hsv_to_rgb

import numpy as np
from jaxtyping import UInt8

from moebench.data.tasks.glyphs import alphabet
from moebench.data.tasks.scenes import NOISE, PATCHES, Scenes, scattered, tables
from moebench.spec.tasks import LABELS, domain_shares

_TABLES = 1
_COPIES = 8
"""Patches of an image that show the symbol."""


def sample(domains: int, images: int, generator: np.random.Generator, *, skewed: bool = False) -> Scenes:
    """Return the contents of images of random domains and symbols.

    Args:
        domains: K, from 2 to 16.
        images: number of images.
        generator: draws domains, symbols and places.
        skewed: whether the shares of the domains follow Zipf's law.
    """
    domain = generator.choice(domains, images, p=domain_shares(domains, skewed=skewed))
    symbol = generator.integers(LABELS, size=images)
    grounds, inks = _palette(domains)
    patches = np.broadcast_to(grounds[domain][:, None, None, None], (images, PATCHES, 4, 4, 3)).copy()
    shown = np.where(alphabet()[symbol][..., None], inks[domain][:, None, None], grounds[domain][:, None, None])
    patches[np.arange(images)[:, None], scattered(_COPIES, images, generator)] = shown[:, None]
    truth = np.broadcast_to(domain[:, None], (images, PATCHES))
    return Scenes(patches, tables(domains, _TABLES)[domain, symbol], truth)


def _palette(count: int) -> tuple[UInt8[np.ndarray, "domain 3"], UInt8[np.ndarray, "domain 3"]]:
    """Return backgrounds of even hues, and an ink for each.

    Backgrounds are dark and light in turn, and the ink stands out from its background.
    """
    grounds = [hsv_to_rgb(number / count, 0.75, (0.45, 0.9)[number % 2]) for number in range(count)]
    inks = [hsv_to_rgb((number / count + 0.5) % 1, 0.35, (1.0, 0.25)[number % 2]) for number in range(count)]
    ground, ink = (np.array(each) * (255 - 2 * NOISE) + NOISE for each in (grounds, inks))
    return ground.round().astype(np.uint8), ink.round().astype(np.uint8)
