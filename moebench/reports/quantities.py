"""Write the numbers of the result table for readers: axis titles, units, prefixes, digits."""

from math import floor, inf, isfinite, log10

from moebench.errors import BadInput, unknown
from moebench.results.number_text import three_digits
from moebench.results.schema import COLUMNS, TEST_TIME_FIELDS, Column, Kind, Section, column, in_section

_PREFIXES = {-9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_UNITS = {"s": "s", "FLOPs": "FLOPs", "bytes": "B", "FLOPs/s": "FLOPs/s", "bytes/s": "B/s", "count": ""}
_NUMERIC = {each.name for each in (*COLUMNS, *TEST_TIME_FIELDS) if each.numeric}
_GROUPS = ("quality", "cost", "time", "memory", "efficiency", "routing")


def quantity(name: str) -> Column:
    """Return the declaration of a numeric column, or of a numeric field of `test_time`.

    A numeric column has one number a row.

    Raises:
        BadInput: the column does not exist, or does not have one number a row.
    """
    if name in _NUMERIC:
        return column(name)
    if any(name == each.name for each in COLUMNS):
        raise BadInput(f"column '{name}' does not hold one number a row, so it makes no axis.")
    raise unknown("column", name, _NUMERIC, listing="moebench list columns")


def section(name: Section) -> list[Column]:
    """Return the columns of a section of reports, quality first.

    Cost, time, memory, routing and the rest follow. Among costs FLOPs precede parameters, which are less meaningful for
    mixtures of experts.
    """
    place = {group: at for at, group in enumerate(_GROUPS)}
    return sorted(
        in_section(name),
        key=lambda each: (place.get(each.group, len(place)), each.group == "cost" and each.kind == "count"),
    )


def titled(of: Column) -> str:
    """Return the title of a column, with its unit if needed: `Test loss (nats)`.

    The unit is needed if values are written without one.
    """
    unsaid = of.kind == "number" and of.unit and of.unit not in of.title.lower()
    return f"{of.title} ({of.unit})" if unsaid else of.title


def written(value: float, kind: Kind) -> str:
    """Return a number for a reader, such as 97.2 % or 12.3 ms.

    Further examples are 1.21 GFLOPs, 27.3 M and 1.84 ×; a missing number is a dash.
    """
    if not isfinite(value):
        return "–"
    factor, digits, unit = _writing(value, kind)
    return f"{value * factor:.{digits}f}{unit}"


def written_interval(value: float, low: float, high: float, kind: Kind) -> str:
    """Return a number with its interval, `97.2 % [96.8, 97.6]`.

    Bounds have the number's unit and digits. A ratio without an upper bound is a lower limit, `≥ 1.99 ×`, and a ratio
    with the lower bound 0 an upper limit.
    """
    if kind == "ratio" and isfinite(value) and (sign := limit_sign(low, high)):
        return sign + written(value, kind)
    if not (isfinite(value) and isfinite(low) and isfinite(high)):
        return written(value, kind)
    factor, digits, _ = _writing(value, kind)
    low, high = possible(low, kind), possible(high, kind)
    return f"{written(value, kind)} [{low * factor:.{digits}f}, {high * factor:.{digits}f}]"


def limit_sign(low: float, high: float) -> str:
    """Return the sign before a ratio that is only a limit, from its bounds; empty before an estimate."""
    return "≥ " if high == inf else "≤ " if low == 0 else ""


def written_points(difference: float) -> str:
    """Return a difference of shares in percentage points with a sign.

    A difference that rounds to zero is +0.0.
    """
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def written_change(value: float, low: float, high: float, kind: Kind) -> str:
    """Return a difference with its interval, `+0.4 [-0.2, +1.0]`.

    Differences of shares are points, and other differences have three significant digits.
    """
    if kind == "share":
        return f"{written_points(value)} [{written_points(low)}, {written_points(high)}]"
    written_value, *bounds = (three_digits(number, signed=True) for number in (value, low, high))
    return f"{written_value} [{', '.join(bounds)}]"


def possible(bound: float, kind: Kind) -> float:
    """Return a bound of an interval, clipped to possible values.

    Shares are clipped to [0, 1], other quantities to [0, ∞). No quantity of the result table is negative. Intervals
    over seeds assume Student's t distribution, which is unbounded, so that bounds near the top would exceed 100 %.
    """
    lowest, highest = possible_range(kind)
    return min(max(bound, lowest), highest)


def possible_range(kind: Kind) -> tuple[float, float]:
    """Return the smallest and the largest value that a quantity can have."""
    return 0.0, 1.0 if kind == "share" else inf


def _writing(value: float, kind: Kind) -> tuple[float, int, str]:
    """Return factor, decimals and unit that show three significant digits of a value."""
    if kind == "share":
        return 100.0, 1, " %"
    if kind == "ratio":
        return 1.0, 2, " ×"
    # Rounded to three digits first, so that 999.96 becomes 1.00 k and not 1000.
    magnitude = floor(log10(float(f"{abs(value):.2e}"))) if value else 0
    if kind not in _UNITS:
        return 1.0, min(max(2 - magnitude, 0), 4), ""
    exponent = min(max(3 * (magnitude // 3), min(_PREFIXES)), max(_PREFIXES))
    if kind == "count" and exponent <= 0:
        return 1.0, 0 if float(value).is_integer() else 2, ""
    unit = f"{_PREFIXES[exponent]}{_UNITS[kind]}"
    return 10.0**-exponent, min(max(2 - magnitude + exponent, 0), 3), f" {unit}" if unit else ""
