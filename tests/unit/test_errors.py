"""What an unknown name is answered with."""

import pytest

from moebench.errors import unknown


@pytest.mark.parametrize(
    ("name", "known", "hint"),
    [
        ("sotf", ["soft", "bpr"], "did you mean 'soft'?"),
        ("flops", ["flops_router", "flops_experts_all", "params"], "did you mean flops_experts_all or flops_router?"),
        # Numbers stand in their own order, not in that of their digits.
        ("3", ["16", "2", "4", "8"], "known are: 2, 4, 8, 16."),
        ("x", [f"name-{n}" for n in range(30)], f"known are: {', '.join(f'name-{n}' for n in range(24))} and 6 more."),
    ],
)
def test_the_nearest_or_all(name: str, known: list[str], hint: str) -> None:
    assert str(unknown("thing", name, known)) == f"unknown thing '{name}': {hint}"


def test_what_has_the_names_and_what_lists_them() -> None:
    error = unknown("option", "x", ["abc"], of="router 'soft'", listing="moebench show soft")
    assert str(error) == "unknown option 'x' of router 'soft': `moebench show soft` says what there is."
