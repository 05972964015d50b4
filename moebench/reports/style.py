"""One colour and one marker for each router, equal in all figures and pages.

The five routers of the main suite have colours that are distinct under protanopia, deuteranopia and tritanopia and have
a contrast of 3 or more on white paper and on the page's dark ground; the markers distinguish them without any colour. A
router that this file does not know gets a style from its name, so that it looks equal in every report on every machine.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True)
class RouterStyle:
    """The look of a router: colour as #rrggbb, matplotlib's marker, Vega's symbol of equal form."""

    color: str
    marker: str
    shape: str


_KNOWN = {
    "dense": RouterStyle("#777785", "o", "circle"),
    "tokens-choice": RouterStyle("#0066ee", "s", "square"),
    "bpr": RouterStyle("#00a067", "D", "diamond"),
    "experts-choice": RouterStyle("#aa55bb", "^", "triangle-up"),
    "soft": RouterStyle("#cf5a10", "P", "cross"),
}
_OCHRE, _TEAL, _PINK, _VIOLET, _RED, _OLIVE = "#997700", "#008fb3", "#d9447a", "#6b6b9e", "#b0605a", "#5f6d00"
_DOWN, _LEFT, _RIGHT = ("v", "triangle-down"), ("<", "triangle-left"), (">", "triangle-right")
_SQUARE, _DIAMOND = ("s", "square"), ("D", "diamond")
# Suites draw all routers of the registry side by side, so that each has a look of its own.
_OTHERS = {
    "identity": RouterStyle(_OCHRE, *_DOWN),
    "hash": RouterStyle(_OCHRE, *_LEFT),
    "gshard": RouterStyle(_OCHRE, *_RIGHT),
    "oracle": RouterStyle(_OCHRE, *_DIAMOND),
    "zero-experts": RouterStyle(_TEAL, *_DOWN),
    "soft-uniform": RouterStyle(_TEAL, *_LEFT),
    "expert-race": RouterStyle(_TEAL, *_RIGHT),
    "mixture-of-depths": RouterStyle(_PINK, *_DOWN),
    "threshold": RouterStyle(_PINK, *_LEFT),
    "switch": RouterStyle(_PINK, *_RIGHT),
    "uniform-soft": RouterStyle(_PINK, *_SQUARE),
    "dropless": RouterStyle(_VIOLET, *_DOWN),
    "base": RouterStyle(_VIOLET, *_LEFT),
    "uniform": RouterStyle(_VIOLET, *_RIGHT),
    "relu": RouterStyle(_RED, *_DOWN),
    "quantile": RouterStyle(_RED, *_LEFT),
    "sinkhorn": RouterStyle(_RED, *_RIGHT),
    "loss-free": RouterStyle(_OLIVE, *_DOWN),
    "smear": RouterStyle(_OLIVE, *_LEFT),
    "random": RouterStyle(_OLIVE, *_RIGHT),
}
NOT_SIGNIFICANT = "#8a8f99"
"""Colour of differences that are not significant."""
PARTS = {
    "attention and the rest": "#8a8a96",
    "experts (dense: the MLP)": "#0066ee",
    "experts, empty slots": "#9cc3f7",
    "router": "#cf5a10",
    "dispatch and combine": "#aa55bb",
}
"""Parts of a forward pass and their colours, from bottom to top of a bar; short enough for a legend on a phone."""
THE_REST = "the rest: embedding, MLPs of blocks without experts, head"
_OTHER_COLORS = (_OCHRE, _TEAL, _PINK, _VIOLET, _RED, _OLIVE)
_OTHER_FORMS = (_DOWN, _LEFT, _RIGHT)


def style_of(router: str) -> RouterStyle:
    """Return the style of a router, known or not."""
    known = _KNOWN.get(router) or _OTHERS.get(router)
    if known:
        return known
    number = crc32(router.encode())
    form = _OTHER_FORMS[number // len(_OTHER_COLORS) % len(_OTHER_FORMS)]
    return RouterStyle(_OTHER_COLORS[number % len(_OTHER_COLORS)], *form)


def rank(router: str) -> tuple[int, str]:
    """Return a sort key of routers.

    The routers of the main suite come first, by their history; the other routers follow by name.
    """
    known = list(_KNOWN)
    return (known.index(router), "") if router in known else (len(known), router)


def in_order(routers: Iterable[str]) -> list[str]:
    """Return routers without repeats, in the order of `rank`.

    The main suite's routers follow their history, the other routers their names.
    """
    return sorted(set(routers), key=rank)
