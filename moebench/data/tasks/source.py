"""The diagnostic tasks as data sets, drawn once and cached like fractals.

The images include the truth about each patch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from moebench.data.dataset import Dataset, Format, Pixels, Split
from moebench.data.drawn import Drawing, Parts
from moebench.data.set_files import SplitName
from moebench.data.source import Say
from moebench.data.tasks import domains, lookup, needles, words
from moebench.data.tasks.scenes import PATCHES, UNIT, Scenes, draw
from moebench.data.threads import mapped
from moebench.errors import BadInput
from moebench.spec.cell_spec import Augment
from moebench.spec.tasks import LABELS, TaskKind, parse_task

SPLITS: tuple[SplitName, ...] = ("train", "test")
LARGEST = 224
_PART = 256
"""Images drawn at a time, each part from its own seed, so that threads can draw them."""

Sample = Callable[[int, int, np.random.Generator], Scenes]
"""Returns the contents of images from N or K, their number, and a generator."""


@dataclass(frozen=True)
class Kind:
    """One kind of task."""

    of: str
    """Meaning of the number in the name."""
    least: int
    most: int
    usual: int
    """The number in listings and examples."""
    sample: Sample
    about: str
    train: int = 16_384
    """Training images: 256 batches of 64 without a repetition."""
    test: int = 1024


KINDS: dict[TaskKind, Kind] = {
    "domains": Kind(
        *("domains", 2, LABELS, 16, domains.sample),
        "domains with conflicting labels, seen in every patch: does a router find them?",
    ),
    "needles": Kind(
        *("needles", 1, PATCHES // 2, 2, needles.sample),
        "of 64 patches decide the label: does a router keep these when capacity is short?",
    ),
    "lookup": Kind(
        *("images", 64, 16_384, 1024, lookup.sample),
        "images with random labels, for training and test: how many bits are memorised?",
    ),
    "skewed": Kind(
        *("domains", 2, LABELS, 16, partial(domains.sample, skewed=True)),
        "domains as in domains-K, with frequencies after Zipf: do the rare ones get experts?",
    ),
    "words": Kind(
        *("words", 64, 4096, 512, words.sample),
        "visual words to memorise, of which each image shows 64: what are more parameters for each patch worth?",
        test=2048,
    ),
}


@dataclass(frozen=True)
class Task:
    """A diagnostic task: images whose right routing is known."""

    kind: TaskKind
    count: int
    augment: Augment = "none"

    def __post_init__(self) -> None:
        declared = KINDS[self.kind]
        if not declared.least <= self.count <= declared.most:
            nearest = min(max(self.count, declared.least), declared.most)
            raise BadInput(
                f"{self.kind}-N is drawn with {declared.least} to {declared.most:,} {declared.of}, and {self.count:,} "
                f"were asked for: {self.kind}-{nearest} is the nearest.",
                key="data",
            )

    @classmethod
    def named(cls, name: str) -> "Task | None":
        """Return the task of a name such as domains-16; None for any other name.

        Raises:
            BadInput: the number is out of range.
        """
        found = parse_task(name)
        return cls(*found) if found else None

    @property
    def name(self) -> str:
        """Canonical name of the data set."""
        return f"{self.kind}-{self.count}"

    def describe(self) -> str:
        """Describe the task in one line."""
        about = KINDS[self.kind].about
        return (
            f"Diagnostic task, {UNIT} × {UNIT} pixels (image_size: multiples up to {LARGEST}), {LABELS} classes: "
            f"{self.count:,} {about}"
        )

    def format(self, image_size: int | None) -> Format:
        """Return the format of the images: colour, of 32 pixels by default.

        Raises:
            BadInput: glyphs do not fit the size.
        """
        size = UNIT if image_size is None else image_size
        if size % UNIT or not UNIT <= size <= LARGEST:
            nearest = min(max(round(size / UNIT), 1), LARGEST // UNIT) * UNIT
            raise BadInput(
                f"{self.name} is drawn at multiples of {UNIT} pixels up to {LARGEST}, which its 8 × 8 glyphs fit, and "
                f"image_size={size} was asked for: {nearest} is the nearest.",
                key="image_size",
            )
        return Format(size, 3, LABELS, truth=True)

    def identity(self) -> str:
        """Return "": code alone decides the content."""
        return ""

    def load(self, image_size: int | None, say: Say) -> Dataset:
        """Load the images from the cache, or draw them now."""
        stored = self._drawing(image_size).load(say)
        return replace(stored, train=_with_hidden_truth(stored.train), test=_with_hidden_truth(stored.test))

    def is_ready(self, image_size: int | None) -> bool:
        """Return whether the images are drawn already."""
        return self._drawing(image_size).is_ready()

    @property
    def images(self) -> dict[SplitName, int]:
        """Number of images of each split.

        A lookup is tested on its training images, and many words need many images.
        """
        declared = KINDS[self.kind]
        if self.kind == "lookup":
            return {"train": self.count, "test": self.count}
        more = max(self.count // declared.usual, 1) if self.kind == "words" else 1
        return {"train": declared.train * more, "test": declared.test}

    def parts(self, split: SplitName, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the images of a split and their labels, part by part.

        The fourth channel of the images is their truth.

        Args:
            split: train or test.
            size: side of the images in pixels.
        """
        total = self.images[split]
        seed = (0 if self.kind == "lookup" else SPLITS.index(split), self.count)

        def one(start: int) -> tuple[np.ndarray, np.ndarray]:
            generator = np.random.default_rng((*seed, start))
            scenes = KINDS[self.kind].sample(self.count, min(_PART, total - start), generator)
            return draw(scenes, size, generator), scenes.label

        return mapped(one, range(0, total, _PART))

    def _drawing(self, image_size: int | None) -> Drawing:
        kind = self.format(image_size)

        def parts() -> Parts:
            for split in self.images:
                for images, labels in self.parts(split, kind.image_size):
                    yield split, images, labels

        with_truth = replace(kind, channels=kind.channels + 1)
        return Drawing(self.name, with_truth, self.images, __package__, parts)


def names() -> list[str]:
    """Return one usual name of each kind of task."""
    return [f"{name}-{kind.usual}" for name, kind in KINDS.items()]


def _with_hidden_truth(split: Split) -> Split:
    assert isinstance(split.images, Pixels)
    return Split(replace(split.images, hidden=1), split.labels)
