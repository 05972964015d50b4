"""Image-text pairs: rendered scenes, and the user's own pairs."""

from moebench.data.pairs.load import find_pairs, load_pairs
from moebench.data.pairs.pairs import CaptionedImages, Choices, PairData, PairFormat, PairSource, ZeroShot
from moebench.data.pairs.tokenizer import Encoded, Tokenizer, WordTokenizer

__all__ = [
    "CaptionedImages",
    "Choices",
    "Encoded",
    "PairData",
    "PairFormat",
    "PairSource",
    "Tokenizer",
    "WordTokenizer",
    "ZeroShot",
    "find_pairs",
    "load_pairs",
]
