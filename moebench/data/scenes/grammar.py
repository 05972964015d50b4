"""Describe a scene, completely and in several ways, by a grammar of about 60 words.

    caption  = [frame] group ["and" group]
    group    = object | object relation object
    object   = "a" size texture colour shape

Every caption names every object with all four attributes, since binding cannot be learned from captions that leave
objects out (2507.07985). Paraphrases differ in the frame, the order of the groups, the direction of a relation, and in
synonyms.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from moebench.data.scenes.sample import Dice
from moebench.data.scenes.scene import COLOURS, SHAPES, SIZES, TEXTURES, Relation, Scene, Thing

FRAMES = ("", "a picture of", "there is", "we see", "this image shows")
"""Beginnings of a caption; each image has one caption of each."""
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "small": ("small", "little", "tiny"),
    "large": ("large", "big", "huge"),
    "plain": ("plain", "solid"),
    "striped": ("striped", "lined"),
    "dotted": ("dotted", "spotted"),
    "purple": ("purple", "violet"),
    "cyan": ("cyan", "turquoise"),
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "diamond": ("diamond", "rhombus"),
    "cross": ("cross", "plus"),
    "ring": ("ring", "hoop"),
}
"""Words for an attribute; an attribute that is not listed is its own and only word."""
FORWARDS: Mapping[Relation, tuple[str, ...]] = {
    "left": ("left of",),
    "above": ("above", "over"),
    "inside": ("inside", "within"),
}
"""Words between the first object of a group and the second."""
BACKWARDS: Mapping[Relation, tuple[str, ...]] = {
    "left": ("right of",),
    "above": ("below", "under", "beneath"),
    "inside": ("around", "containing"),
}
"""Words between the second object of a group and the first."""
TEMPLATES = (
    "a small plain {}",
    "a picture of a large plain {}",
    "there is a small striped {}",
    "we see a large striped {}",
    "this image shows a small dotted {}",
    "a large dotted {}",
)
"""Prompts for zero-shot classification: each size with each texture."""


@dataclass(frozen=True)
class Wording:
    """The choices that make one caption of a scene."""

    frame: str
    turned: bool
    """Whether the second group comes first."""
    backwards: tuple[bool, ...]
    """Whether each group's relation is worded from its second object."""
    picks: tuple[int, ...]
    """Choices among synonyms: for each group the attributes of its objects, then the relation."""


def wordings(dice: Dice, scene: Scene) -> tuple[Wording, ...]:
    """Return five wordings of a scene, one for each frame."""
    groups, things = len(scene.groups), len(scene.things)
    return tuple(
        Wording(
            frame,
            bool(dice.below(2)),
            tuple(bool(dice.below(2)) for _ in range(groups)),
            tuple(dice.below(6) for _ in range(4 * things + groups)),
        )
        for frame in FRAMES
    )


def caption(scene: Scene, wording: Wording, opposite: int | None = None) -> str:
    """Return the caption of a scene in a wording.

    Scenes with as many objects and groups can share a wording.

    Args:
        scene: the scene.
        wording: the choices among words.
        opposite: number of a group whose relation is replaced by its opposite, which makes the caption false; None
            for the true caption.
    """
    picks = iter(wording.picks)
    phrases = []
    for number, (group, backwards) in enumerate(zip(scene.groups, wording.backwards, strict=True)):
        names = [_name(thing, picks) for thing in group.things]
        pick = next(picks)
        if group.relation is None:
            phrases += names
            continue
        between = BACKWARDS if backwards != (number == opposite) else FORWARDS
        relation = _choice(between[group.relation], pick)
        phrases.append(f" {relation} ".join(reversed(names) if backwards else names))
    sentence = " and ".join(reversed(phrases) if wording.turned else phrases)
    return f"{wording.frame} {sentence}".strip()


def vocabulary() -> tuple[str, ...]:
    """Return every word of captions and prompts, in alphabetical order."""
    texts = [
        *FRAMES,
        *("a", "and"),
        *(word for name in (*SIZES, *TEXTURES, *COLOURS, *SHAPES) for word in SYNONYMS.get(name, (name,))),
        *(phrase for table in (FORWARDS, BACKWARDS) for phrases in table.values() for phrase in phrases),
    ]
    return tuple(sorted({word for text in texts for word in text.split()}))


def _name(thing: Thing, picks: Iterator[int]) -> str:
    attributes = (thing.size, thing.texture, thing.colour, thing.shape)
    return " ".join(("a", *(_choice(SYNONYMS.get(each, (each,)), next(picks)) for each in attributes)))


def _choice(words: Sequence[str], pick: int) -> str:
    return words[pick % len(words)]
