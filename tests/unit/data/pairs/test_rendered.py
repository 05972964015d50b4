"""Scenes as image-text pairs."""

from pathlib import Path

import numpy as np
import pytest

from moebench.data.pairs import PairData, PairSource, find_pairs, load_pairs
from moebench.data.pairs.rendered import binding, relations, tokenizer
from moebench.data.scenes.grammar import caption
from moebench.data.scenes.scene import SEEN
from moebench.data.scenes.source import retrieval_scenes, train_scenes


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> PairData:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return load_pairs("scenes-256", say=lambda _: None)


def test_five_captions_of_each_image(pairs: PairData) -> None:
    assert (len(pairs.train), len(pairs.test)) == (256, 1000)
    assert pairs.train.images.shape == (256, 32, 32, 3)
    shown = train_scenes(256)[7]
    assert list(pairs.train.of_image(7)) == [caption(shown.scene, wording) for wording in shown.wordings]
    assert pairs.train.image_of_caption[[0, 4, 5, 1279]].tolist() == [0, 0, 1, 255]


def test_every_combination_is_a_class_of_the_zero_shot_test(pairs: PairData) -> None:
    test = pairs.zero_shot
    assert test is not None
    assert np.bincount(test.labels).tolist() == [20] * 64
    assert test.seen.tolist() == list(SEEN)
    assert 1 / len(test.phrases) < 0.02
    assert test.phrases[1] == "red square"
    assert test.prompts(1)[1] == "a picture of a large plain red square"
    assert len(test.prompts(1)) == 6


def test_choices_are_of_test_images_and_their_true_captions(pairs: PairData) -> None:
    for choices, expected in ((pairs.binding, binding), (pairs.relations, relations)):
        assert choices is not None
        assert len(choices) == len(list(expected(retrieval_scenes()))) > 400
        for row, true, false in zip(choices.rows, choices.true, choices.false, strict=True):
            assert true in pairs.test.of_image(row)
            assert false not in pairs.test.captions
            assert true != false


def test_exchanged_colours_keep_the_words(pairs: PairData) -> None:
    choices = pairs.binding
    assert choices is not None
    same = sum(
        sorted(true.split()) == sorted(false.split()) for true, false in zip(choices.true, choices.false, strict=True)
    )
    assert same > 0.7 * len(choices)  # the others say violet and purple, or turquoise and cyan


def test_no_caption_is_cut_and_no_word_unknown(pairs: PairData) -> None:
    found = pairs.tokenizer.encode([*pairs.train.captions, *pairs.test.captions])
    assert (found.cut, found.unknown) == (0, 0)
    prompts = [prompt for label in range(64) for prompt in pairs.zero_shot.prompts(label)] if pairs.zero_shot else []
    assert pairs.tokenizer.encode(prompts).unknown == 0


def test_a_source_of_pairs() -> None:
    source = find_pairs("scenes-256")
    assert isinstance(source, PairSource)
    kind = source.format(64)
    assert (kind.image_size, kind.channels, kind.vocabulary, kind.length) == (64, 3, tokenizer().vocabulary, 32)
    assert (source.name, source.augment, source.identity()) == ("scenes-256", "none", "")


def test_rendered_pairs_are_ready_after_loading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path))
    assert not find_pairs("scenes-256").is_ready(32)
