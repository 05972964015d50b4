"""Numbers are written as a reader would write them."""

import pytest

from moebench.results.number_text import three_digits


@pytest.mark.parametrize(
    ("value", "plain", "signed"),
    [
        (1674.2, "1,670", "+1,670"),
        (999.6, "1,000", "+1,000"),
        (-123456, "-123,000", "-123,000"),
        (0.01234, "0.0123", "+0.0123"),
        (12.0, "12", "+12"),
        (0.0, "0", "+0"),
        (2.5e12, "2.5e+12", "+2.5e+12"),
        (float("nan"), "nan", "+nan"),
    ],
)
def test_three_digits(value: float, plain: str, signed: str) -> None:
    assert three_digits(value) == plain
    assert three_digits(value, signed=True) == signed
