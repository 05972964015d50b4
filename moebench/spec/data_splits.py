"""Splits of a data set that a user names one by one.

The splits are a mapping in a suite, or a text. In a suite: `data: {train: ./photos/good, test: ./photos/held-back}`,
each a path of its own; or `data: {place: "hf:food101", train: train, test: validation}`, each a split of one place. As
a text, for the command line and the result table: `train=./photos/good,test=./photos/held-back`.
"""

import re
from collections.abc import Mapping
from typing import Any

from moebench.errors import BadInput, unknown

KEYS = ("place", "train", "validation", "test")
_NO_TRAIN = "data names splits, and one of them should be 'train'."
_KEY = re.compile(rf"(?:^|,)({'|'.join(KEYS)})=")


def splits_text(data: Any) -> Any:
    """Return the text of a mapping that names splits, and any other value as given.

    Raises:
        BadInput: the mapping has unknown keys, lacks `train`, or has a value that is no text.
    """
    if not isinstance(data, Mapping):
        return data
    for key, value in data.items():
        if key not in KEYS:
            raise unknown("key", str(key), KEYS, of="data")
        if not isinstance(value, str):
            raise BadInput(f"'{key}' of data should be a path or the name of a split.", key="data")
    if "train" not in data:
        raise BadInput(_NO_TRAIN, key="data")
    text = ",".join(f"{key}={data[key]}" for key in KEYS if key in data)
    if list(parse_splits(text) or {}) != [key for key in KEYS if key in data]:
        raise BadInput("a path in data should have no ',train=' or the like in it.", key="data")
    return text


def parse_splits(text: str) -> dict[str, str] | None:
    """Return the splits that a text names; None for a whole data set.

    Raises:
        BadInput: a split occurs twice, or there is no split to train on.
    """
    if not _KEY.match(text):
        return None
    found = list(_KEY.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    splits: dict[str, str] = {}
    for match, end in zip(found, ends, strict=True):
        key, value = match[1], text[match.end() : end]
        if key in splits:
            raise BadInput(f"'{key}' occurs twice in data, and should be there once.", key="data")
        if not value:
            raise BadInput(f"'{key}' of data should be a path or the name of a split, and is empty.", key="data")
        splits[key] = value
    if "train" not in splits:
        raise BadInput(_NO_TRAIN, key="data")
    evaluated = [splits[key] for key in ("validation", "test") if key in splits]
    if len({splits["train"], *evaluated}) <= len(evaluated):
        raise BadInput("data names the same images for two splits, which should be of different images.", key="data")
    return splits
