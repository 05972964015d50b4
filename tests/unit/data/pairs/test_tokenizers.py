"""Texts as ids of one fixed length."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moebench.data.pairs import Tokenizer, WordTokenizer
from moebench.data.pairs.byte_pairs import BytePairTokenizer, train
from moebench.data.pairs.rendered import tokenizer
from moebench.data.pairs.tokenizer import END, UNKNOWN

WORDS = WordTokenizer(["a", "red", "star"])
CAPTIONS = ["two dogs run", "a dog runs on the beach", "dogs, dogs and a café"] * 3


@pytest.fixture(scope="module")
def stored() -> str:
    pytest.importorskip("tokenizers", reason="tokenizers is not installed: pip install 'moebench[text]'")
    return train(CAPTIONS)


def test_ids_of_words_by_hand() -> None:
    found = WORDS.encode(["a red star", "A  blue star", "", "a a a a a"], 5)
    assert found.ids.tolist() == [[2, 3, 4, 0, 0], [2, 1, 4, 0, 0], [0, 0, 0, 0, 0], [2, 2, 2, 2, 0]]
    assert found.ids.dtype == np.int32
    assert (found.cut, found.unknown) == (1, 1)
    assert WORDS.vocabulary == 5
    assert [WORDS.decode(row) for row in found.ids] == ["a red star", "a ? star", "", "a a a a"]


@given(st.lists(st.lists(st.sampled_from(["a", "red", "star", "moon"]), max_size=9), max_size=4), st.integers(2, 8))
def test_every_text_ends_and_comes_back_unless_it_is_cut(texts: list[list[str]], length: int) -> None:
    found = WORDS.encode([" ".join(words) for words in texts], length)
    assert found.ids.shape == (len(texts), length)
    assert (found.ids[:, -1] == END).all()
    assert found.cut == sum(len(words) > length - 1 for words in texts)
    assert found.unknown == sum("moon" in words for words in texts)
    for row, words in zip(found.ids, texts, strict=True):
        kept = words[: length - 1]
        assert WORDS.decode(row) == " ".join(word if word != "moon" else "?" for word in kept)


@given(st.text("aÄ \n漢é<>?end", max_size=60))
def test_any_text_has_ids_of_the_vocabulary(text: str) -> None:
    found = tokenizer().encode([text])
    assert found.ids.shape == (1, 32)
    assert 0 <= found.ids.min() <= found.ids.max() < tokenizer().vocabulary


def test_byte_pairs_are_deterministic_and_lossless(stored: str) -> None:
    found = BytePairTokenizer(stored)
    assert isinstance(found, Tokenizer)
    assert train(CAPTIONS) == stored
    assert train([*CAPTIONS, "cats", "cats"]) != stored
    ids = found.encode(["A Dog runs", "zebra ☃ 漢字"], 64).ids
    assert [found.decode(row).strip() for row in ids] == ["a dog runs", "zebra ☃ 漢字"]
    assert (ids != UNKNOWN).all()
    assert ids.max() < found.vocabulary


def test_frequent_words_are_single_tokens(stored: str) -> None:
    found = BytePairTokenizer(stored).encode(["dogs", "gods"], 16)
    assert (found.ids != END).sum(1).tolist() == [
        1,
        5,
    ]  # "gods": a space and four letters


def test_byte_pairs_are_cut_and_counted(stored: str) -> None:
    found = BytePairTokenizer(stored).encode(["dogs " * 20, "dogs"], 8)
    assert found.cut == 1
    assert (found.ids[0] != END).tolist() == [True] * 7 + [False]


@given(text=st.text("aÄ \n漢é<>?end", max_size=40))
def test_special_tokens_do_not_come_from_texts(stored: str, text: str) -> None:
    found = BytePairTokenizer(stored).encode([f"{text} <end> dogs <unknown>"], 256)
    used = found.ids[0][: 256 - int((found.ids[0][::-1] != END).argmax())]
    assert (used != END).all()
    assert (used != UNKNOWN).all()
