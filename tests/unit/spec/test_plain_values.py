"""What an unquoted text means, in suites and on the command line."""

import pytest

from moebench.errors import BadInput
from moebench.spec.plain_values import Plain, plain_value, whole
from moebench.spec.yaml_source import parse_scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("16", 16), ("-3", -3), ("+3", 3), ("0", 0), ("1_000", 1000), ("0x10", 16), ("0o17", 15), ("0b101", 5)),
        # An exponent that leaves no fraction makes a whole number; a dot alone does not.
        *(("1e3", 1000), ("1E3", 1000), ("2.5e3", 2500), ("1e+2", 100), ("1e0", 1), ("-1e2", -100)),
        *(("1.0", 1.0), ("5.", 5.0), (".5", 0.5), ("1e-3", 0.001), ("2.5e-1", 0.25), ("1.5e0", 1.5), ("-0.1", -0.1)),
        ("1e300", 1e300),  # a float: no whole number of that size is exact
        *(("true", True), ("True", True), ("FALSE", False), ("null", None), ("~", None), ("", None)),
        # What YAML 1.1 takes for true and false, sixties, dates, a default value and a merge is a text.
        *((word, word) for word in ("yes", "no", "on", "off", "y", "N", "Yes", "OFF")),
        *((text, text) for text in ("1:30", "12:30:45.5", "2024-01-01", "2024-99-99", "2001-12-14t21:59:43.10-05:00")),
        *(
            (text, text)
            for text in ("=", "<<", "soft", "mu/2", "2x4", "2,3", "1e", "0x", "e3", "1.2.3", "-", ".", "nan")
        ),
        ("１２", "１２"),  # digits of other scripts are no numbers
    ],
)
def test_a_text_means_what_it_looks_like(text: str, value: Plain) -> None:
    found = plain_value(text)
    assert (found, type(found)) == (value, type(value))
    assert parse_scalar(f"  {text} ") == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("012", "'012' begins with a zero, which some readers take for an octal number"),
        ("-00", "begins with a zero"),
        ("0_1", "begins with a zero"),
        (".inf", ".inf is not a finite number"),
        ("-.INF", "not a finite number"),
        (".nan", "not a finite number"),
        ("1e400", "1e400 is not a finite number"),
        ("9" * 5000, "is too large a number"),
        ("0x" + "f" * 5000, "is too large a number"),
        (str(2**63), "is too large a number"),
    ],
)
def test_a_number_that_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadInput) as raised:
        plain_value(text)
    assert message in str(raised.value)
    assert len(str(raised.value)) < 200


def test_quotes_make_a_text_on_the_command_line() -> None:
    assert [parse_scalar(text) for text in ("'16'", '"true"', "''", "'", "'a")] == ["16", "true", "", "'", "'a"]


def test_a_whole_number_may_be_written_with_a_dot() -> None:
    found = [whole(value) for value in (1000.0, 2.5, 1e300, float("inf"), "1", None, True)]
    assert found == [1000, 2.5, 1e300, float("inf"), "1", None, True]
    assert type(found[0]) is int
