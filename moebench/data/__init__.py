"""Sources of images. No data is downloaded by default."""

from moebench.data.batches import Prefetcher, batch_thunks, batches
from moebench.data.channels import with_channels
from moebench.data.dataset import Dataset, Format, Pixels, Split
from moebench.data.digits import digits
from moebench.data.holdout import hold_out_validation
from moebench.data.registry import describe, find, load, names, register
from moebench.data.source import Source
from moebench.data.tasks.source import Task
from moebench.data.user.decode import DECODED_AS
from moebench.data.user.detect import READABLE

__all__ = [
    "DECODED_AS",
    "READABLE",
    "Dataset",
    "Format",
    "Pixels",
    "Prefetcher",
    "Source",
    "Split",
    "Task",
    "batch_thunks",
    "batches",
    "describe",
    "digits",
    "find",
    "hold_out_validation",
    "load",
    "names",
    "register",
    "with_channels",
]
