"""The image-text pairs scenes-N, with tests of zero-shot classification, binding and relations."""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache

import numpy as np

from moebench.data.dataset import Pixels, Split
from moebench.data.pairs.pairs import CaptionedImages, Choices, PairData, PairFormat, ZeroShot
from moebench.data.pairs.tokenizer import LENGTH, WordTokenizer
from moebench.data.scenes.grammar import TEMPLATES, caption, vocabulary
from moebench.data.scenes.sample import Dice
from moebench.data.scenes.scene import COMBINATIONS, SEEN, with_colours_exchanged
from moebench.data.scenes.source import Scenes, Shown, retrieval_scenes, train_scenes
from moebench.data.source import Say
from moebench.spec.cell_spec import Augment

_CHOICE_SEED = 3


class ScenePairs:
    """Rendered scenes with 5 captions each."""

    augment: Augment = "none"

    def __init__(self, scenes: Scenes) -> None:
        self._scenes = scenes

    @property
    def name(self) -> str:
        """Canonical name of the scenes."""
        return self._scenes.name

    def describe(self) -> str:
        """Describe the scenes in one line."""
        return self._scenes.describe()

    def format(self, image_size: int | None) -> PairFormat:
        """Return the properties that determine the shape of both towers.

        Images are in colour, by default of 32 pixels; texts have 32 tokens.

        Raises:
            BadInput: the size is not rendered.
        """
        found = self._scenes.format(image_size)
        return PairFormat(found.image_size, found.channels, tokenizer().vocabulary, LENGTH)

    def identity(self) -> str:
        """Return "": code alone determines the content."""
        return ""

    def is_ready(self, image_size: int | None) -> bool:
        """Return whether the images are rendered already."""
        return self._scenes.is_ready(image_size)

    def load(self, image_size: int | None, say: Say) -> PairData:
        """Load the images from the cache, or render them now, and word their captions."""
        found = self._scenes.rendered(image_size, say)
        assert found.validation is not None
        tested = retrieval_scenes()
        return PairData(
            self.name,
            _captioned(found.train, train_scenes(self._scenes.count)),
            _captioned(found.validation, tested),
            tokenizer(),
            ZeroShot(
                _pixels(found.test),
                found.test.labels,
                tuple(" ".join(each) for each in COMBINATIONS),
                np.array(SEEN),
                TEMPLATES,
            ),
            _choices(binding(tested)),
            _choices(relations(tested)),
        )


@cache
def tokenizer() -> WordTokenizer:
    """Return the tokenizer of all captions and prompts of scenes."""
    return WordTokenizer(vocabulary())


def binding(scenes: Sequence[Shown]) -> Iterator[tuple[int, str, str]]:
    """Yield number, true caption and false caption for each scene with exchangeable colours.

    The false caption has the colours of two objects exchanged.
    """
    dice = Dice(np.random.default_rng(_CHOICE_SEED))
    for number, shown in enumerate(scenes):
        swapped = with_colours_exchanged(shown.scene)
        if swapped:
            wording = dice.pick(shown.wordings)
            yield number, caption(shown.scene, wording), caption(dice.pick(swapped), wording)


def relations(scenes: Sequence[Shown]) -> Iterator[tuple[int, str, str]]:
    """Yield number, true caption and false caption for each scene with a reversible relation.

    The false caption has one relation reversed: left, right, above or below. "inside" is not reversed: no scene has a
    large object inside a small one, so that the words alone would reveal the false caption.
    """
    dice = Dice(np.random.default_rng(_CHOICE_SEED))
    for number, shown in enumerate(scenes):
        groups = [place for place, each in enumerate(shown.scene.groups) if each.relation in ("left", "above")]
        if groups:
            wording = dice.pick(shown.wordings)
            yield number, caption(shown.scene, wording), caption(shown.scene, wording, dice.pick(groups))


def _captioned(split: Split, scenes: Sequence[Shown]) -> CaptionedImages:
    captions = [caption(shown.scene, wording) for shown in scenes for wording in shown.wordings]
    return CaptionedImages(_pixels(split), captions, np.cumsum([0, *(len(shown.wordings) for shown in scenes)]))


def _choices(found: Iterable[tuple[int, str, str]]) -> Choices:
    rows, true, false = zip(*found, strict=True)
    return Choices(np.array(rows), true, false)


def _pixels(split: Split) -> Pixels:
    assert isinstance(split.images, Pixels)
    return split.images
