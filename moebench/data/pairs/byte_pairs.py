"""Train a byte-pair tokenizer on captions, and read texts with it."""

from collections.abc import Iterable, Sequence
from typing import Any

from moebench.data.pairs.tokenizer import END, LENGTH, Encoded, padded
from moebench.errors import BadInput

VOCABULARY = 4096
"""Number of ids. Captions with few words use fewer ids, and the shape of the model does not change."""
_SPECIAL = ("<end>", "<unknown>")
"""Tokens in the order of their ids, `END` and `UNKNOWN`."""


class BytePairTokenizer:
    """A tokenizer that splits texts in small letters into frequent pairs of bytes (1508.07909).

    Every text has ids: each byte is a token of its own.
    """

    def __init__(self, stored: str) -> None:
        """Read a tokenizer.

        Args:
            stored: the result of `train`.

        Raises:
            BadInput: the package `tokenizers` is not installed.
        """
        self._tokenizer = _package().Tokenizer.from_str(stored)
        self._tokenizer.encode_special_tokens = True  # a caption that contains "<end>" does not end there

    @property
    def vocabulary(self) -> int:
        """Number of ids, some of which may be unused."""
        return VOCABULARY

    def encode(self, texts: Sequence[str], length: int = LENGTH) -> Encoded:
        """Return the ids of texts.

        Args:
            texts: any texts.
            length: tokens of every text, the end token included; longer texts are cut and counted.
        """
        return padded([found.ids for found in self._tokenizer.encode_batch_fast(list(texts))], length)

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids up to the first end token."""
        found = list(ids)
        text: str = self._tokenizer.decode(found[: found.index(END)] if END in found else found)
        return text


def train(captions: Iterable[str]) -> str:
    """Return a tokenizer as text, trained on captions; equal captions give an equal text.

    Raises:
        BadInput: the package `tokenizers` is not installed.
    """
    package = _package()
    tokenizer = package.Tokenizer(package.models.BPE())
    tokenizer.normalizer = package.normalizers.Sequence([package.normalizers.NFC(), package.normalizers.Lowercase()])
    tokenizer.pre_tokenizer = package.pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = package.decoders.ByteLevel()
    trainer = package.trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(_SPECIAL),
        initial_alphabet=sorted(package.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(captions, trainer)
    stored: str = tokenizer.to_str()
    return stored


def _package() -> Any:
    try:
        import tokenizers
        import tokenizers.models
        import tokenizers.trainers
    except ImportError as error:
        raise BadInput(
            "captions of one's own need the package tokenizers, which is not installed: pip install 'moebench[text]'",
            key="data",
        ) from error
    return tokenizers
