"""The key `tune`: what it may hold, where it may stand in a suite, and what it does to the identity of a cell."""

from pathlib import Path
from typing import Any

import pytest

from moebench.errors import BadInput
from moebench.spec.entry import build_spec, parse_cell
from moebench.suites.suite_file import load

RATES = {"learning_rate": [1e-3, 3e-3]}


def test_a_grid_of_numbers_is_taken() -> None:
    spec = build_spec({"router": "dense", "tune": {"learning_rate": [1e-3, 1], "weight_decay": [0, 0.1]}})
    assert spec.tune == {"learning_rate": (1e-3, 1.0), "weight_decay": (0.0, 0.1)}
    assert build_spec({"router": "dense", "tune": {}}).tune == {}


@pytest.mark.parametrize(
    ("tune", "key", "says"),
    [
        ([1e-3], "tune", "'tune' should be a mapping of keys to lists of values such as {learning_rate: "),
        (None, "tune", "not nothing"),
        ({"learning_rate": [1e-3]}, "tune", "'learning_rate' in 'tune' has one value, 0.001: give at least two"),
        ({"learning_rate": 1e-3}, "tune", "has one value, 0.001"),
        ({"learning_rate": []}, "tune", "'learning_rate' in 'tune' has no value"),
        ({"learning_rate": [1e-3, 1e-3]}, "tune", "the value 0.001 occurs twice in 'learning_rate' in 'tune'"),
        ({"learning_rate": [1e-3, "fast"]}, "tune", "should be a list of numbers"),
        ({"learning_rate": [1e-3, True]}, "tune", "should be a list of numbers"),
        ({"learning_rate": [1e-3, -1]}, "tune", "tune: 'learning_rate' should be "),
        ({"warmup": [0.1, 1.0]}, "tune", "tune: 'warmup' should be "),
        ({"steps": [10, 20]}, "tune", "'steps' in 'tune' cannot be tuned: learning_rate, weight_decay, warmup"),
        ({"weight_decay": [0.1, 0.2]}, "weight_decay", "'weight_decay' is both given and in 'tune': leave one out"),
        ({"learning_rate": list(range(1, 12)), "clip_norm": list(range(1, 11))}, "tune", "spans 110 combinations"),
    ],
)
def test_a_mistake_is_said_in_one_sentence(tune: Any, key: str, says: str) -> None:
    with pytest.raises(BadInput) as mistake:
        build_spec({"router": "dense", "weight_decay": 0.1, "tune": tune})
    assert says in str(mistake.value)
    assert mistake.value.key == key
    assert "\n" not in str(mistake.value)


def suite(tmp_path: Path, *, top: str = "", profile: str = "", cell: str = "") -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"name: mine\nquestion: Which?\n{top}profiles:\n  cpu: {{steps: 5{profile}}}\n"
        f"cells:\n  - {{router: dense}}\n  - {{router: soft, experts: 2{cell}}}\n"
    )
    return path


def test_a_grid_stands_at_the_top_in_a_profile_or_in_a_cell(tmp_path: Path) -> None:
    def tunes(**places: str) -> list[dict[str, tuple[float, ...]]]:
        return [cell.spec.tune for cell in load(suite(tmp_path, **places)).profiles["cpu"].cells]

    top, profile = "tune: {learning_rate: [1e-3, 3e-3]}\n", ", tune: {weight_decay: [0, 1]}"
    assert tunes() == [{}, {}]
    assert tunes(top=top) == [{"learning_rate": (1e-3, 3e-3)}] * 2
    assert tunes(top=top, profile=profile) == [{"weight_decay": (0, 1)}] * 2
    assert tunes(top=top, cell=", tune: {}") == [{"learning_rate": (1e-3, 3e-3)}, {}]


@pytest.mark.parametrize(
    ("places", "line"),
    [
        ({"top": "tune: {learning_rate: [1e-3]}\n"}, 3),
        ({"profile": ", tune: {learning_rate: [1e-3]}"}, 4),
        ({"cell": ", tune: {learning_rate: [1e-3]}"}, 7),
        # Given in the profile, tuned at the top: the line is that of the key that is given.
        ({"top": "tune: {learning_rate: [1, 2]}\n", "profile": ", learning_rate: 1"}, 5),
    ],
)
def test_a_mistake_is_shown_where_it_stands(tmp_path: Path, places: dict[str, str], line: int) -> None:
    path = suite(tmp_path, **places)
    with pytest.raises(BadInput) as mistake:
        load(path)
    text = str(mistake.value)
    assert text.startswith(f"{path}:{line if 'cell' not in places else 7}: ")


def test_tuned_keys_are_no_part_of_the_identity_by_themselves() -> None:
    def identity(**keys: Any) -> dict[str, Any]:
        return build_spec({"router": "dense", **keys}).identity()

    assert "tune" not in identity()
    assert identity()["learning_rate"] == 2e-3
    tuned = identity(tune=RATES)
    assert tuned["tune"] == RATES
    assert "learning_rate" not in tuned
    assert identity(tune={"learning_rate": [1e-3, 1e-2]}) != tuned


def test_pre_training_takes_the_keys_that_the_training_tunes() -> None:
    given = {"router": "dense", "tune": RATES, "pretrain_data": "fractals-100"}
    spec = build_spec({**given, "learning_rate": 1e-2})
    assert spec.learning_rate == 1e-2
    assert spec.identity()["learning_rate"] == 1e-2
    assert build_spec(given).identity() != spec.identity()


def test_a_cell_on_the_command_line_is_one_value_a_key() -> None:
    with pytest.raises(BadInput, match="'tune' should be a mapping"):
        build_spec(parse_cell("dense[tune=3]"))
