"""Choose the training, validation and test split among a collection's parts.

The classes of the splits are joined by name.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, compress

import numpy as np
from jaxtyping import Int

from moebench.data.holdout import held_out
from moebench.data.set_files import SplitName
from moebench.data.user.labels import brief, check_minus_one, in_order
from moebench.data.user.reader import Part, Raw
from moebench.errors import BadInput

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing")
VALIDATION_NAMES = ("val", "valid", "validation", "eval", "dev")
EVALUATION_NAMES = (*TEST_NAMES, *VALIDATION_NAMES)
"""Names of splits that can be used for testing; the first labelled one is the test split."""
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Listing:
    """The used images of a collection, in the order in which `raw` yields them."""

    classes: tuple[str, ...]
    labels: Int[np.ndarray, "image"]
    """Number of the class of each image."""
    splits: Int[np.ndarray, "image"]
    """Split of each image, as a place in `SPLITS`."""
    notes: tuple[str, ...]
    """Sentences on which splits are used and what is left out."""
    parts: tuple[Part, ...] = field(repr=False)

    def raw(self) -> Iterator[Raw]:
        """Yield the images that have labels."""
        return chain.from_iterable(
            compress(part.raw(), (label is not None for label in part.labels)) for part in self.parts
        )

    def counts(self) -> dict[SplitName, int]:
        """Return the number of images of each split that has any."""
        counts = np.bincount(self.splits, minlength=len(SPLITS)).tolist()
        return {name: count for name, count in zip(SPLITS, counts, strict=True) if count}


def are_splits(names: Iterable[str]) -> bool:
    """Return whether these names contain a split for training and one for evaluation."""
    small = {name.lower() for name in names}
    return not small.isdisjoint(TRAIN_NAMES) and not small.isdisjoint(EVALUATION_NAMES)


def choose(where: str, parts: Mapping[str, Part], notes: Sequence[str] = ()) -> Listing:
    """Choose the splits of a collection.

    The test split is the first part among `EVALUATION_NAMES` that has labels. A part with one of `VALIDATION_NAMES`
    that is not the test split is the validation split. If there is only one part, a fifth of each class is held out for
    testing.

    Args:
        where: the collection, for messages.
        parts: the parts by their names as stored.
        notes: sentences of the collection's reader.

    Raises:
        BadInput: the parts for training or testing are missing, or there are no labels.
    """
    if len(parts) == 1:
        (only,) = parts
        known_name = only.lower() in ("", *TRAIN_NAMES)
        remarks = [] if known_name else [f"the only split, '{only}', is used for training and testing."]
        return join(where, {"train": parts[only]}, [*notes, *remarks])
    written = {name.lower(): name for name in parts}
    train = _first(written, TRAIN_NAMES)
    found = [written[name] for name in EVALUATION_NAMES if name in written]
    if train is None or not found:
        raise BadInput(
            f"{where} has the splits {', '.join(sorted(parts))}: moebench takes train, and test or validation; "
            f"data: {{place: {where}, train: …, test: …}} names others.",
            key="data",
        )
    check_numbers([parts[name] for name in (train, *found)])
    known = _classes(parts[train])
    faults = {name: _fault(parts[name], known) for name in found}
    labelled = [name for name in found if not faults[name]]
    if known and not labelled:
        raise BadInput(
            f"no split of {where} can be tested on: "
            + ", and ".join(f"'{name}' has {faults[name]}" for name in found)
            + f"; data: {{place: {where}, train: {train}}} holds a fifth of '{train}' out for testing.",
            key="data",
        )
    remarks = [*notes]
    test = labelled[0] if labelled else found[0]
    skipped = found[: found.index(test)]
    if skipped:
        why = ", and ".join(f"'{name}' has {faults[name]}" for name in skipped)
        remarks.append(f"the test split is '{test}', since {why}.")
    validation = next((name for name in labelled[1:] if name.lower() in VALIDATION_NAMES), None)
    chosen = {"train": train, "validation": validation, "test": test}
    for name in sorted(set(parts) - set(chosen.values()) - set(skipped)):
        remarks.append(f"left out: the split '{name}' with {len(parts[name].labels):,} images.")
    return join(where, {role: parts[name] for role, name in chosen.items() if name is not None}, remarks)


def join(where: str, roles: Mapping[str, Part], notes: Sequence[str] = ()) -> Listing:
    """Join splits whose roles are known, classes by their names.

    Without a test split a fifth of each class of the training split is held out.

    Args:
        where: the collection, for messages.
        roles: parts by their role, a name among `SPLITS`; "train" is among them.
        notes: sentences that come first in the listing's notes.

    Raises:
        BadInput: a split has no labels, there are too few classes, or a class has too few images.
    """
    remarks = [*notes]
    used = {name: roles[name] for name in SPLITS if name in roles}
    check_numbers(used.values())
    known = _classes(used["train"])
    for name, part in used.items():
        fault = _fault(part, known)
        if fault:
            raise BadInput(f"the {_NAMES[name]} split {part.where} has {fault}.", key="data")
        check_minus_one(part.where, (label for label in part.labels if label is not None))
        lacking = sum(label is None for label in part.labels)
        if lacking:
            remarks.append(
                f"left out: {lacking:,} of {len(part.labels):,} images of {part.where}, which have no label."
            )
    names = [[label for label in part.labels if label is not None] for part in used.values()]
    classes = in_order(chain.from_iterable(names))
    if len(classes) < 2:
        held = f"one class, '{brief(classes[0])}'" if classes else "no images"
        raise BadInput(f"{where} has {held}: a data set needs two classes or more.", key="data")
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[name] for name in chain.from_iterable(names)], np.int64)
    splits = np.repeat([SPLITS.index(name) for name in used], list(map(len, names)))
    if "test" not in used:
        splits = _hold_out_test(where, classes, labels, splits)
    found = Listing(tuple(classes), labels, splits, tuple(remarks), tuple(used.values()))
    counts = {name: np.bincount(labels[splits == SPLITS.index(name)], minlength=len(classes)) for name in SPLITS}
    if not counts["train"].all():
        lacking = int(counts["train"].argmin())
        which = "test" if counts["test"][lacking] else "validation"
        raise BadInput(
            f"class '{brief(classes[lacking])}' of {where} is in the {which} split and has no image to train on.",
            key="data",
        )
    untested = [brief(name) for name, count in zip(classes, counts["test"], strict=True) if not count]
    if untested:
        shown = ", ".join(untested[:5]) + ("" if len(untested) <= 5 else ", …")
        which = "1 class has" if len(untested) == 1 else f"{len(untested):,} classes have"
        found = replace(found, notes=(*found.notes, f"{which} no image in the test split: {shown}."))
    return found


_NAMES = {"train": "training", "validation": "validation", "test": "test"}


def check_numbers(parts: Iterable[Part]) -> None:
    """Raise if numbers without names occur beside numbers with names, because their classes are unknown.

    Raises:
        BadInput: one part has bare numbers, another has named ones.
    """
    found = {part.numbers: part for part in parts}
    if "bare" in found and "named" in found:
        raise BadInput(
            f"{found['bare'].where} numbers its classes without naming them, and {found['named'].where} names them: "
            "store the same names in both.",
            key="data",
        )


def _classes(part: Part) -> set[str]:
    return {label for label in part.labels if label is not None}


def _fault(part: Part, known: set[str]) -> str:
    """Return why a part is useless, or "" if images have labels.

    The reason completes "it has …".

    Args:
        part: the part.
        known: classes of the training split.
    """
    if part.unlabelled:
        return f"no labels: {part.unlabelled}"
    if not part.labels:
        return "no images"
    classes = _classes(part)
    if not classes:
        return "no labels: each of them is null, NaN or -1"
    if classes == {"-1"}:
        return "no labels: each of them is -1"
    if known and not classes & known:
        first = brief(in_order(classes)[0])
        return f"no labels of the training split's classes: the first is '{first}'"
    return ""


def _hold_out_test(
    where: str, classes: Sequence[str], labels: np.ndarray, splits: Int[np.ndarray, "image"]
) -> Int[np.ndarray, "image"]:
    """Return the splits with a fifth of each training class held out for testing."""
    trained = np.flatnonzero(splits == SPLITS.index("train"))
    for name, count in zip(classes, np.bincount(labels[trained], minlength=len(classes)), strict=True):
        if count == 1:
            raise BadInput(
                f"class '{brief(name)}' of {where} has 1 image, and needs 2: one to train on and one to test.",
                key="data",
            )
    changed = splits.copy()
    changed[trained[held_out(labels[trained])]] = SPLITS.index("test")
    return changed


def _first(written: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((written[name] for name in names if name in written), None)
