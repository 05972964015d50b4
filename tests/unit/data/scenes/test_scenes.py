"""Rendered, captioned scenes: what is drawn, what is said of it, and what is held out."""

import hashlib
import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from moebench.data.registry import find, names
from moebench.data.scenes import source
from moebench.data.scenes.grammar import (
    BACKWARDS,
    FORWARDS,
    FRAMES,
    SYNONYMS,
    TEMPLATES,
    caption,
    vocabulary,
)
from moebench.data.scenes.render import render
from moebench.data.scenes.sample import Dice, Layout, arrange
from moebench.data.scenes.scene import (
    COLOURS,
    COMBINATIONS,
    CONTAINERS,
    SEEN,
    SEEN_COMBINATIONS,
    SHAPES,
    SIZES,
    TEXTURES,
    Group,
    Relation,
    Scene,
    Thing,
    is_drawable,
    with_colours_exchanged,
)
from moebench.data.scenes.source import Scenes, Shown, retrieval_scenes, singles, train_scenes
from moebench.errors import BadInput

_MEANING = {word: name for name, words in SYNONYMS.items() for word in words}
_PHRASES: dict[str, tuple[Relation, bool]] = {
    phrase: (relation, backwards)
    for backwards, table in ((False, FORWARDS), (True, BACKWARDS))
    for relation, phrases in table.items()
    for phrase in phrases
}


def _parsed(text: str) -> Counter[Group]:
    """The groups that a caption tells of, read without the code that words it."""
    frame = max((each for each in FRAMES if text.startswith(each)), key=len)
    return Counter(_group(part.strip()) for part in text.removeprefix(frame).split(" and "))


def _group(text: str) -> Group:
    found = [phrase for phrase in _PHRASES if f" {phrase} " in text]
    if not found:
        return Group((_thing(text),))
    (phrase,) = found
    relation, backwards = _PHRASES[phrase]
    things = tuple(_thing(each) for each in text.split(f" {phrase} "))
    return Group(things[::-1] if backwards else things, relation)


def _thing(text: str) -> Thing:
    article, *words = text.split()
    assert article == "a"
    return Thing(*(_MEANING.get(word, word) for word in words))


@pytest.fixture(scope="module")
def scenes() -> list[Shown]:
    return train_scenes(1024)


@pytest.fixture(scope="module")
def layouts(scenes: list[Shown]) -> list[Layout]:
    dice = Dice(np.random.default_rng(0))
    return [arrange(dice, each.scene) for each in scenes[:256]]


def test_every_caption_names_every_object_and_every_relation(scenes: list[Shown]) -> None:
    for shown in scenes[:256]:
        captions = [caption(shown.scene, wording) for wording in shown.wordings]
        assert len(set(captions)) == 5
        for text in captions:
            assert _parsed(text) == Counter(shown.scene.groups), text


def test_a_hand_made_scene_in_words() -> None:
    inner, outer = Thing("small", "plain", "red", "star"), Thing("large", "dotted", "cyan", "ring")
    alone = Thing("large", "striped", "blue", "heart")
    scene = Scene((Group((inner, outer), "inside"), Group((alone,))))
    (shown,) = [source._shown(Dice(np.random.default_rng(1)), scene)]
    texts = [re.sub("^(a picture of|there is|we see|this image shows) ", "", caption(scene, w)) for w in shown.wordings]
    words = r"a (?:small|little|tiny) (?:plain|solid) red star"
    ring = r"a (?:large|big|huge) (?:dotted|spotted) (?:cyan|turquoise) (?:ring|hoop)"
    pair = f"(?:{words} (?:inside|within) {ring}|{ring} (?:around|containing) {words})"
    heart = r"a (?:large|big|huge) (?:striped|lined) blue heart"
    for text in texts:
        assert re.fullmatch(f"{pair} and {heart}|{heart} and {pair}", text), text


def test_relations_are_true_of_the_places(layouts: list[Layout]) -> None:
    relations = Counter[str]()
    for layout in layouts:
        at = {placed.thing: placed for placed in layout.placed}
        for group in layout.scene.groups:
            if group.relation is None:
                continue
            relations[group.relation] += 1
            first, second = (at[thing] for thing in group.things)
            across, down = second.x - first.x, second.y - first.y
            if group.relation == "left":
                assert across > 0.4 > 0.1 > abs(down)
            elif group.relation == "above":
                assert down > 0.4 > 0.1 > abs(across)
            else:
                assert (across, down) == (0, 0)
                assert first.radius < 0.6 * second.radius
    assert min(relations.values()) > 0.2 * relations.total()  # of 1/3 each
    assert set(relations) == {"left", "above", "inside"}


def test_objects_stay_in_the_image_and_apart(layouts: list[Layout]) -> None:
    for layout in layouts:
        for placed in layout.placed:
            assert placed.radius <= min(placed.x, placed.y, 1 - placed.x, 1 - placed.y)
        inside = {group.things[0] for group in layout.scene.groups if group.relation == "inside"}
        beside = [placed for placed in layout.placed if placed.thing not in inside]
        assert len({(placed.x > 0.5, placed.y > 0.5) for placed in beside}) == len(beside)


def test_outer_objects_are_painted_first(layouts: list[Layout]) -> None:
    for layout in layouts:
        order = [placed.thing for placed in layout.placed]
        for group in layout.scene.groups:
            if group.relation == "inside":
                inner, outer = group.things
                assert order.index(outer) < order.index(inner)
                assert outer.shape in CONTAINERS
                assert inner.colour != outer.colour


def test_a_fifth_of_the_combinations_is_held_out_and_every_attribute_is_seen() -> None:
    held = [each for each, seen in zip(COMBINATIONS, SEEN, strict=True) if not seen]
    assert (len(held), len(SEEN_COMBINATIONS)) == (13, 51)
    assert set(Counter(colour for colour, _ in held).values()) == {1, 2}
    assert set(Counter(shape for _, shape in held).values()) == {1, 2}
    assert len(Counter(shape for _, shape in held)) == len(Counter(colour for colour, _ in held)) == 8


def test_no_training_or_test_scene_shows_what_is_held_out(scenes: list[Shown]) -> None:
    for shown in (*scenes, *retrieval_scenes()):
        assert shown.scene.combinations <= set(SEEN_COMBINATIONS)
        assert is_drawable(shown.scene)
        assert shown.combination in shown.scene.combinations


def test_combinations_and_attributes_are_balanced(scenes: list[Shown]) -> None:
    things = [thing for shown in scenes for thing in shown.scene.things]
    combinations = Counter(thing.combination for thing in things)
    assert set(combinations) == set(SEEN_COMBINATIONS)
    assert max(combinations.values()) < 3 * min(combinations.values())  # containers are outer objects as well
    for attribute, values in (("size", SIZES), ("texture", TEXTURES), ("colour", COLOURS), ("shape", SHAPES)):
        shares = Counter(getattr(thing, attribute) for thing in things)
        assert all(shares[value] > 0.6 * len(things) / len(values) for value in values)
    numbers = Counter(len(shown.scene.things) for shown in scenes)
    # 40, 30, 20 and 10 %, each within four standard errors
    for number, share in ((1, 0.4), (2, 0.3), (3, 0.2), (4, 0.1)):
        assert abs(numbers[number] / 1024 - share) < 4 * (share * (1 - share) / 1024) ** 0.5
    labels = Counter(shown.combination for shown in scenes if len(shown.scene.things) == 2)
    assert len(labels) > 40


def test_scenes_for_retrieval_differ_in_colours_and_shapes() -> None:
    shown = retrieval_scenes()
    assert len({each.scene.combinations for each in shown}) == len(shown) == 1000
    assert len({caption(each.scene, w) for each in shown for w in each.wordings}) == 5000


def test_single_objects_show_every_combination_equally_often() -> None:
    found = Counter(shown.scene.things[0].combination for shown in singles())
    assert found == dict.fromkeys(COMBINATIONS, 20)
    assert {len(shown.scene.things) for shown in singles()} == {1}


def test_exchanged_colours_of_hand_made_scenes() -> None:
    red, blue = Thing("small", "plain", "red", "circle"), Thing("large", "plain", "blue", "heart")
    (found,) = with_colours_exchanged(Scene((Group((red, blue), "left"),)))
    assert [thing.colour for thing in found.things] == ["blue", "red"]
    assert [thing.shape for thing in found.things] == ["circle", "heart"]
    same_shape = Thing("large", "plain", "blue", "circle")
    same_colour = Thing("large", "plain", "red", "heart")
    held_out = Thing("large", "plain", "white", "star")  # and red stars are held out
    for other in (same_shape, same_colour, held_out):
        assert with_colours_exchanged(Scene((Group((red, other), "left"),))) == []


def test_exchanged_colours_are_always_another_scene(scenes: list[Shown]) -> None:
    for shown in scenes:
        for swapped in with_colours_exchanged(shown.scene):
            assert is_drawable(swapped)
            assert swapped.combinations != shown.scene.combinations


def test_a_reversed_relation_changes_the_relation_alone(scenes: list[Shown]) -> None:
    tried = 0
    for shown in scenes[:256]:
        for number, group in enumerate(shown.scene.groups):
            if group.relation not in ("left", "above"):
                continue
            opposite = Group(group.things[::-1], group.relation)
            groups = [opposite if place == number else each for place, each in enumerate(shown.scene.groups)]
            for wording in shown.wordings:
                true, false = caption(shown.scene, wording), caption(shown.scene, wording, number)
                assert _parsed(false) == Counter(groups)
                changed = [pair for pair in zip(true.split(), false.split(), strict=True) if pair[0] != pair[1]]
                assert len(changed) == 1
                tried += 1
    assert tried > 100


def test_about_sixty_words_and_no_caption_of_more_than_28() -> None:
    words = set(vocabulary())
    assert 50 <= len(words) <= 65
    prompts = [template.format(" ".join(each)) for template in TEMPLATES for each in COMBINATIONS]
    texts = [caption(each.scene, wording) for each in retrieval_scenes() for wording in each.wordings]
    assert {word for text in (*texts, *prompts) for word in text.split()} <= words
    assert max(len(text.split()) for text in texts) <= 28


def test_a_texture_and_a_size_for_each_template() -> None:
    attributes = [tuple(word for word in template.split() if word in (*SIZES, *TEXTURES)) for template in TEMPLATES]
    assert len(set(attributes)) == len(TEMPLATES) == len(SIZES) * len(TEXTURES)
    assert {len(each) for each in attributes} == {2}


@pytest.mark.parametrize(("size", "digest"), [(32, "91ce00bc64a7170a"), (64, "ef550a72180dba67")])
def test_images_are_equal_on_every_machine(scenes: list[Shown], size: int, digest: str) -> None:
    (images, _), *_ = source._drawn(scenes[:8], size, 0)
    assert images.shape == (8, size, size, 3)
    assert hashlib.blake2b(images.tobytes(), digest_size=8).hexdigest() == digest


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_drawn_in_their_colour_and_alone(shape: str) -> None:
    thing = Thing("large", "plain", "green", shape)
    dice = Dice(np.random.default_rng(0))
    layout = arrange(dice, Scene((Group((thing,)),)))
    (image,) = render([layout], 64, np.random.default_rng(0))
    (placed,) = layout.placed
    distance = np.abs(image.astype(float) - placed.colour).max(axis=-1)
    y, x = np.nonzero(distance < 30)
    area = len(x) / (np.pi * (placed.radius * 64) ** 2)
    assert 0.25 < area < 1.0
    assert abs((x.min() + x.max() + 1) / 128 - placed.x) < 0.03
    assert abs((y.min() + y.max() + 1) / 128 - placed.y) < 0.03


def test_shapes_differ_from_each_other() -> None:
    dice = Dice(np.random.default_rng(0))
    layout = arrange(dice, Scene((Group((Thing("small", "plain", "green", "circle"),)),)))
    drawn = []
    for shape in SHAPES:
        (placed,) = layout.placed
        thing = Thing("small", "plain", "green", shape)
        changed = Layout(layout.scene, (type(placed)(**{**vars(placed), "thing": thing}),), layout.ground)
        drawn.append(render([changed], 32, np.random.default_rng(0))[0].astype(float))
    for number, one in enumerate(drawn):
        for other in drawn[:number]:
            assert (np.abs(one - other).max(axis=-1) > 40).sum() >= 8


def test_larger_numbers_begin_with_the_same_images() -> None:
    few, more = train_scenes(300), train_scenes(700)
    assert more[:300] == few
    assert len(more) == 700


def test_a_data_set_for_classification(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path))
    found = find("scenes-256").load(None, lambda _: None)
    assert (found.name, len(found.train), len(found.test), found.classes) == ("scenes-256", 256, 1020, 51)
    assert found.validation is None
    assert found.format == Scenes(256).format(None)
    shown = train_scenes(256)
    assert [found.class_name(label) for label in found.train.labels] == [" ".join(each.combination) for each in shown]
    assert Counter(found.test.labels.tolist()) == dict.fromkeys(range(51), 20)
    assert not {found.class_name(label) for label in found.test.labels} - {" ".join(each) for each in SEEN_COMBINATIONS}


def test_names_and_numbers() -> None:
    assert "scenes-8192" in names()
    assert [find(name).name for name in ("scenes-8192", "scenes-100k", "scenes-100000")] == [
        "scenes-8192",
        "scenes-100k",
        "scenes-100k",
    ]
    with pytest.raises(BadInput, match="256 to 1,000,000 training images, and 3 were asked for: scenes-256 is the"):
        find("scenes-3")
    assert find("scenes-256").describe().startswith("Rendered scenes of 1 to 4 objects with captions, 32 × 32 pixels")


@pytest.mark.parametrize(("size", "near"), [(24, 32), (33, 32), (61, 64), (512, 224)])
def test_sizes_that_are_not_rendered(size: int, near: int) -> None:
    with pytest.raises(BadInput, match=rf"image_size={size} was asked for: {near} is the nearest"):
        Scenes(256).format(size)


def test_dice_pick_evenly() -> None:
    dice = Dice(np.random.default_rng(0))
    counts = Counter(dice.pick("abc") for _ in range(3000))
    assert all(abs(count - 1000) < 4 * (3000 * 2 / 9) ** 0.5 for count in counts.values())
    values = sorted(dice.between(2.0, 3.0) for _ in range(3000))
    assert 2 <= values[0] < 2.01 < 2.99 < values[-1] < 3
    assert max(b - a for a, b in pairwise(values)) < 0.02
