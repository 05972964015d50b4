"""Where images come from. Nothing is ever downloaded by default."""

from moebench.data.dataset import Dataset, Split, batches
from moebench.data.digits import digits
from moebench.data.registry import describe, load, names, register

__all__ = ["Dataset", "Split", "batches", "describe", "digits", "load", "names", "register"]
