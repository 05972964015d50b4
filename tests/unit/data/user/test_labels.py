"""Labels as they are stored, and the classes that they name."""

import math
from typing import Any

import pytest

from moebench.data.user.labels import LabelReader, check_minus_one, clean, in_order
from moebench.errors import BadInput


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([3, 0], ["3", "0"]),
        ([0.0, 1.0, -0.0], ["0", "1", "0"]),
        ([True, False], ["True", "False"]),
        ([b"cat", "dog", "caf\u00e9".encode()], ["cat", "dog", "caf\u00e9"]),
        ([None, math.nan, "", b""], [None] * 4),
        ([-1, -2, 7], ["-1", "-2", "7"]),
        (["1", 1], ["1", "1"]),
        ([2**63, 10**18], ["0x8000000000000000", "0xde0b6b3a7640000"]),
        (["cafe\u0301"], ["caf\u00e9"]),
        ([1, True, 1.0, "1"], ["1", "True", "1", "1"]),  # equal for Python, and not the same label
    ],
)
def test_labels_are_taken_for_what_they_are(values: list[Any], names: list[str | None]) -> None:
    assert LabelReader("it").read(values) == names


def test_numbers_stand_for_names() -> None:
    reader = LabelReader("it", ["ant", "bee"])
    assert reader.read([1, 0, 1.0, -1, None, "cow", b"ant"]) == ["bee", "ant", "bee", None, None, "cow", "ant"]
    assert not reader.has_bare_numbers
    for number in (2, -2):
        with pytest.raises(BadInput, match=f"it holds the number {number}, and has names for 0 to 1"):
            reader.read([number])


@pytest.mark.parametrize(
    "value", [1.5, math.inf, [1, 0], {"a": 1}, 1j, b"\xff\xfe", object(), (1,)], ids=lambda value: type(value).__name__
)
def test_other_values_are_refused_in_one_sentence(value: Any) -> None:
    with pytest.raises(
        BadInput, match=r"^it holds .*(: a label is a whole number or a text|is no UTF-8 text)\.$"
    ) as mistake:
        LabelReader("it").read([value])
    assert len(str(mistake.value)) < 150


def test_two_numbers_of_the_same_name_are_refused() -> None:
    with pytest.raises(BadInput, match="the class 'ant' occurs twice among the names of it"):
        LabelReader("it", ["ant", "bee", "ant"])


def test_classes_are_ordered_by_number_and_then_by_name() -> None:
    assert in_order(["b", "10", "9", "-1", "a", "9", "1" * 5000]) == ["-1", "9", "10", "1" * 5000, "a", "b"]


@pytest.mark.parametrize(("labels", "fine"), [(["-1", "1", "1"], True), (["0", "1"], True), (["-1", "0", "1"], False)])
def test_minus_one_is_a_class_only_beside_one(labels: list[str], fine: bool) -> None:
    if fine:
        check_minus_one("it", labels)
    else:
        with pytest.raises(BadInput, match="it has the label -1 in 1 of 3 images, which often means 'no label'"):
            check_minus_one("it", labels)


def test_names_of_folders_that_are_no_utf8_are_escaped() -> None:
    assert clean("a\udcff") == "a\\udcff"
