"""Where images come from. Nothing is ever downloaded by default."""

from moebench.data.batches import Feed, batches, makings
from moebench.data.dataset import Dataset, Format, Pixels, Split
from moebench.data.digits import digits
from moebench.data.registry import describe, find, load, names, register
from moebench.data.source import Source
from moebench.data.user.detect import READABLE

__all__ = [
    "READABLE",
    "Dataset",
    "Feed",
    "Format",
    "Pixels",
    "Source",
    "Split",
    "batches",
    "describe",
    "digits",
    "find",
    "load",
    "makings",
    "names",
    "register",
]
