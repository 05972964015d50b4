"""The Pareto front and how surely a cell is on it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moebench.errors import BadInput
from moebench.statistics import pareto_probability
from moebench.statistics.pareto import pareto_front

NAN = float("nan")


def test_a_front_by_hand() -> None:
    # (1, 5) (2, 3) (3, 1) trade off; (2, 4) is beaten by (2, 3), (3, 3) as well; (1, 5) occurs twice, equally good.
    x = np.array([1.0, 2, 3, 2, 3, 1, NAN])
    y = np.array([5.0, 3, 1, 4, 3, 5, 0])
    assert pareto_front(x, y).tolist() == [True, True, True, False, False, True, False]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_a_front_is_never_empty_and_beats_all_the_rest(points: list[tuple[int, int]]) -> None:
    x, y = np.array(points, float).T
    front = pareto_front(x, y)
    best = {p for p, on in zip(points, front, strict=True) if on}
    assert best
    assert not any(a != b and a[0] <= b[0] and a[1] <= b[1] for a in best for b in best)
    for point in set(points) - best:
        assert any(p[0] <= point[0] and p[1] <= point[1] for p in best)
    order = np.arange(len(points))[::-1]
    assert pareto_front(x[order], y[order]).tolist() == front[order].tolist()


def _frame(**cells: tuple[list[float], list[float]]) -> pd.DataFrame:
    """For each cell its flops and accuracies, by seed."""
    parts = [
        pd.DataFrame({"cell_id": name, "seed": range(len(x)), "flops": x, "accuracy": y})
        for name, (x, y) in cells.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_probabilities_by_hand() -> None:
    frame = _frame(
        cheap=([1, 1, 1], [0.3, 0.3, 0.3]),  # nothing is cheaper: on the front whatever happens
        best=([9, 9, 9], [0.95, 0.96, 0.97]),  # nothing is better
        lost=([9, 9, 9], [0.1, 0.11, 0.12]),  # dearer than cheap, and worse
        # Two of the same cost, whose accuracies differ by chance only.
        level=([5, 5, 5], [0.625, 0.75, 0.875]),
        twin=([5, 5, 5], [0.875, 0.625, 0.75]),
    )
    table = pareto_probability(frame, "flops", "accuracy", draws=20_000).set_index("cell_id")

    assert list(table.columns) == ["x", "y", "seeds", "on_front", "probability"]
    assert table.index.tolist() == ["cheap", "best", "lost", "level", "twin"]
    assert table.loc["level", ["x", "y", "seeds"]].tolist() == pytest.approx([5, 0.75, 3])
    assert table["on_front"].tolist() == [True, True, False, True, True]
    chance = table["probability"]
    assert chance["cheap"] == 1
    assert chance["lost"] == 0
    # Both of two that differ by chance may be the better one, and 0.75 moves too little to pass 0.96 or fall to 0.3.
    assert chance["level"] == pytest.approx(0.5, abs=0.03)
    assert chance["twin"] == pytest.approx(0.5, abs=0.03)
    assert chance["level"] + chance["twin"] == pytest.approx(1, abs=0.01)


def test_points_move_by_the_scatter_of_all_cells() -> None:
    # Two cells of one cost, 0.1 apart; rows less their means and less the columns' leave ±0.05, 4 · 0.0025 in squares
    # over one freedom: a variance of 0.01, of which half is a mean's, and their difference moves by 0.1 · t of 1.
    frame = _frame(a=([1, 1], [0.6, 0.6]), b=([1, 1], [0.6, 0.4]))
    chance = pareto_probability(frame, "flops", "accuracy", draws=20_000).set_index("cell_id")["probability"]
    # P(√0.005 (t - t') > -0.1) of two independent Cauchy variables: their difference is twice one.
    assert chance["a"] == pytest.approx(0.5 + np.arctan(0.1 / (2 * 0.005**0.5)) / np.pi, abs=0.015)


def test_the_better_direction_can_be_chosen() -> None:
    frame = _frame(a=([1, 1], [1, 1]), b=([2, 2], [2, 2]))
    on = {
        (x, y): pareto_probability(frame, "flops", "accuracy", x_higher_is_better=x, y_higher_is_better=y)[
            "on_front"
        ].tolist()
        for x in (False, True)
        for y in (False, True)
    }
    assert on == {
        (False, True): [True, True],  # a cheaper, b better
        (False, False): [True, False],  # a is less on both
        (True, True): [False, True],
        (True, False): [True, True],
    }


def test_times_move_by_their_samples_and_not_by_seed() -> None:
    frame = _frame(steady=([2, 2], [0.9, 0.9]), noisy=([2, 2], [0.9, 0.9]), slow=([9, 9], [0.9, 0.9]))
    frame["flops_samples"] = [[2.0] * 20] * 2 + [[1.0, 3.0] * 10] * 2 + [[9.0] * 20] * 2
    chance = pareto_probability(frame, "flops", "accuracy").set_index("cell_id")["probability"]
    # The noisy median falls on 1, on 2 between the two, or on 3: below, equal (both on the front), above.
    assert chance["noisy"] + chance["steady"] == pytest.approx(1.18, abs=0.06)
    assert 0.4 < chance["noisy"] < 0.7
    assert chance["slow"] == 0


def test_a_cell_without_a_point_or_with_one_seed() -> None:
    frame = _frame(failed=([1, 1], [NAN, NAN]), single=([1, 1], [0.9, NAN]), other=([2, 2], [0.8, 0.85]))
    table = pareto_probability(frame, "flops", "accuracy").set_index("cell_id")
    assert table["seeds"].tolist() == [0, 1, 2]
    assert table["on_front"].tolist() == [False, True, False]
    assert np.isnan(table["probability"]["failed"])
    assert np.isnan(table["probability"]["single"])
    assert table["probability"]["other"] < 0.5


def test_the_same_seed_gives_the_same_answer_and_rows_may_come_in_any_order() -> None:
    frame = _frame(a=([1, 1, 1], [0.5, 0.6, 0.7]), b=([1, 1, 1], [0.55, 0.6, 0.65]))
    first = pareto_probability(frame, "flops", "accuracy", draws=200)
    pd.testing.assert_frame_equal(first, pareto_probability(frame, "flops", "accuracy", draws=200))
    other = pareto_probability(frame.iloc[::-1], "flops", "accuracy", draws=2000).set_index("cell_id")
    assert other["probability"]["a"] == pytest.approx(first.set_index("cell_id")["probability"]["a"], abs=0.1)


def test_refusals() -> None:
    with pytest.raises(BadInput, match="unknown column 'flop': did you mean 'flops'"):
        pareto_probability(_frame(a=([1], [1])), "flop", "accuracy")
    with pytest.raises(BadInput, match="the table has no rows"):
        pareto_probability(_frame(a=([1], [1])).iloc[:0], "flops", "accuracy")
