"""Which parts of a collection are trained on, validated on and tested on."""

from collections.abc import Sequence

import pytest

from moebench.data.user.reader import Part, Raw
from moebench.data.user.splits import Listing, choose, join
from moebench.errors import BadInput


def part(labels: str | Sequence[str | None], name: str = "it", **more: str) -> Part:
    """A part with one image for each label, whose name is its number."""
    return Part(name, list(labels), lambda: (Raw(str(number), b"") for number in range(len(labels))), **more)  # type: ignore[arg-type]


def roles(listing: Listing) -> dict[str, str]:
    """Classes of the images of each split, in order."""
    return {
        name: "".join(
            listing.classes[label]
            for label, split in zip(listing.labels, listing.splits, strict=True)
            if split == place
        )
        for place, name in enumerate(("train", "validation", "test"))
    }


def test_the_first_labelled_split_for_evaluation_is_tested_on() -> None:
    found = choose("it", {"test": part("", unlabelled="no column 'label'"), "val": part("ab"), "train": part("aabb")})
    assert roles(found) == {"train": "aabb", "validation": "", "test": "ab"}
    assert found.notes == ("the test split is 'val', since 'test' has no labels: no column 'label'.",)


def test_a_second_labelled_split_is_the_validation_split() -> None:
    parts = {"train": part("aabb"), "test": part("ab"), "validation": part("ba"), "extra": part("aaaa")}
    found = choose("it", parts)
    assert roles(found) == {"train": "aabb", "validation": "ba", "test": "ab"}
    assert found.notes == ("left out: the split 'extra' with 4 images.",)
    assert found.counts() == {"train": 4, "validation": 2, "test": 2}
    assert [raw.name for raw in found.raw()] == list("01230101")


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ([None, None], "no labels: each of them is null, NaN or -1"),
        (["-1", "-1"], "no labels: each of them is -1"),
        ([], "no images"),
        (["images", "images"], "no labels of the training split's classes: the first is 'images'"),
    ],
)
def test_labels_that_say_nothing_are_no_labels(labels: list[str | None], why: str) -> None:
    found = choose("it", {"train": part("aabb"), "test": part(labels), "dev": part("ab")})
    assert roles(found)["test"] == "ab"
    assert found.notes == (f"the test split is 'dev', since 'test' has {why}.",)
    with pytest.raises(BadInput) as mistake:
        choose("it", {"train": part("aabb"), "test": part(labels)})
    assert str(mistake.value) == (
        f"no split of it can be tested on: 'test' has {why}; data: {{place: it, train: train}} holds a fifth of "
        "'train' out for testing."
    )


def test_images_without_a_label_are_left_out_and_counted() -> None:
    found = choose("it", {"train": part(["a", None, "b"], "T"), "test": part(["b", "a", None])})
    assert [raw.name for raw in found.raw()] == ["0", "2", "0", "1"]
    assert roles(found) == {"train": "ab", "validation": "", "test": "ba"}
    assert found.notes[0] == "left out: 1 of 3 images of T, which have no label."


def test_without_splits_a_fifth_of_each_class_is_tested_on() -> None:
    found = choose("it", {"": part("aaaaabb")})
    assert roles(found) == {"train": "aaaab", "validation": "", "test": "ab"}
    assert found.notes == ()
    assert choose("it", {"test": part("aabb")}).notes == ("the only split, 'test', is used for training and testing.",)


def test_a_named_validation_split_stays_beside_held_out_images() -> None:
    found = join("it", {"train": part("aabb"), "validation": part("ab")})
    assert roles(found) == {"train": "ab", "validation": "ab", "test": "ab"}


def test_classes_that_are_not_tested_are_named() -> None:
    found = choose("it", {"train": part("abcd"), "test": part("bd")})
    assert found.notes == ("2 classes have no image in the test split: a, c.",)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"train": part("aabb"), "extra": part("ab")}, "it has the splits extra, train: moebench takes train"),
        ({"a": part("ab"), "b": part("ab")}, "it has the splits a, b: moebench takes train"),
        ({"train": part("ab"), "test": part("abc")}, "class 'c' of it is in the test split and has no image"),
        (
            {"train": part("ab"), "val": part("abc"), "test": part("ab")},
            "class 'c' of it is in the validation split and has no image to train on",
        ),
        ({"": part("aab")}, "class 'b' of it has 1 image, and needs 2"),
        ({"": part("aaa")}, "it has one class, 'a': a data set needs two classes or more"),
        ({"": part("")}, "the training split it has no images"),
        ({"": part([None, None])}, "the training split it has no labels: each of them is null"),
        ({"train": part("", unlabelled="no column 'x'"), "test": part("ab")}, "split it has no labels: no column"),
        (
            {"train": part("01", "T", numbers="named"), "test": part("01", "E", numbers="bare")},
            "E numbers its classes without naming them, and T names them: store the same names in both",
        ),
        ({"train": part(["-1", "0", "1"]), "test": part(["0"])}, "it has the label -1 in 1 of 3 images"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_said(parts: dict[str, Part], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        choose("it", parts)
