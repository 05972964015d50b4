"""Images of cells, read once in a process."""

from functools import cache, partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import moebench.data
    import moebench.data.pairs


@cache
def source(name: str) -> "moebench.data.Source":
    """Return the source of a data set.

    Raises:
        BadInput: no data set has that name.
    """
    from moebench import data  # counting needs none of the libraries that images come from

    return data.find(name)


@cache
def pair_source(name: str) -> "moebench.data.pairs.PairSource":
    """Return the source of image-text pairs.

    Raises:
        BadInput: no pairs have that name.
    """
    from moebench.data.pairs import find_pairs

    return find_pairs(name)


@cache
def pairs(name: str, image_size: int | None = None) -> "moebench.data.pairs.PairData":
    """Read image-text pairs.

    Args:
        name: name of the pairs, or their path.
        image_size: side in pixels; None takes the data's own size.

    Raises:
        BadInput: the pairs cannot be read, or not at that size.
    """
    return pair_source(name).load(image_size, partial(print, flush=True))


@cache
def dataset(name: str, image_size: int | None = None) -> "moebench.data.Dataset":
    """Read a data set.

    Args:
        name: name of the data set, or its path.
        image_size: side in pixels; None takes the data set's own size.

    Raises:
        BadInput: the images cannot be read, or not at that size.
    """
    return source(name).load(image_size, partial(print, flush=True))
