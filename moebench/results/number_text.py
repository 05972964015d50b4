"""Write numbers that have no unit of their own."""


def three_digits(value: float, *, signed: bool = False) -> str:
    """Return a number with three significant digits, large ones in full: `1,670` and not `1.67e+03`.

    Args:
        value: any number.
        signed: whether a number that is not negative begins with `+`.
    """
    sign = "+" if signed else ""
    short = format(value, f"{sign}.3g")
    return format(float(short), f"{sign},.0f") if 1000 <= abs(float(short)) < 1e9 else short
