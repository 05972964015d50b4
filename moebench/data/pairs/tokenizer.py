"""Convert texts to ids of one fixed length, with a fixed list of words.

Every text ends with the end token, which is repeated up to the fixed length: the last token of every text is the end
token, from which a text tower can read its embedding without a mask (the "sticky" end of the public code of 2106.05974
and of 2303.15343).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int32

END = 0
"""Id of the end token, which also fills up every text."""
UNKNOWN = 1
"""Id of every word outside the vocabulary."""
LENGTH = 32
"""Tokens of every text, unless another length is chosen."""


@dataclass(frozen=True)
class Encoded:
    """Texts as ids."""

    ids: Int32[np.ndarray, "text length"]
    """Ids of each text, then the end token up to the fixed length, once or more."""
    cut: int
    """Number of texts that were longer than the fixed length allows, and lost their last tokens."""
    unknown: int
    """Number of texts with a word outside the vocabulary."""


@runtime_checkable
class Tokenizer(Protocol):
    """A converter of texts to ids."""

    @property
    def vocabulary(self) -> int:
        """Number of ids, which are 0 to this number less 1."""

    def encode(self, texts: Sequence[str], length: int = LENGTH) -> Encoded:
        """Return the ids of texts.

        Args:
            texts: any texts.
            length: tokens of every text, the end token included; longer texts are cut and counted.
        """

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids up to the first end token."""


class WordTokenizer:
    """A tokenizer that splits texts at white space into the words of a fixed list."""

    def __init__(self, words: Sequence[str]) -> None:
        """Give the words numbers in their order, after the end token and the unknown word.

        Args:
            words: distinct words in small letters, without white space.
        """
        self._words = tuple(words)
        self._ids = {word: number for number, word in enumerate(self._words, start=UNKNOWN + 1)}
        assert len(self._ids) == len(self._words)

    @property
    def vocabulary(self) -> int:
        """Number of ids: words, the end token and the unknown word."""
        return len(self._words) + UNKNOWN + 1

    def encode(self, texts: Sequence[str], length: int = LENGTH) -> Encoded:
        """Return the ids of the words of texts.

        Args:
            texts: any texts; capital letters are read as small ones.
            length: tokens of every text, the end token included; longer texts are cut and counted.
        """
        found = [[self._ids.get(word, UNKNOWN) for word in text.lower().split()] for text in texts]
        return padded(found, length)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words of ids up to the first end token, separated by spaces.

        Unknown words become "?".
        """
        words = []
        for number in ids:
            if number == END:
                break
            words.append(self._words[number - UNKNOWN - 1] if number > UNKNOWN else "?")
        return " ".join(words)


def padded(found: Sequence[Sequence[int]], length: int) -> Encoded:
    """Return ids of one fixed length.

    Each text is cut to leave room for the end token.

    Args:
        found: ids of each text, without the end token.
        length: tokens of every text, the end token included.
    """
    ids = np.full((len(found), length), END, np.int32)
    for row, each in zip(ids, found, strict=True):
        kept = each[: length - 1]
        row[: len(kept)] = kept
    return Encoded(ids, sum(len(each) >= length for each in found), sum(UNKNOWN in each for each in found))
