"""How numbers are written for a reader, each case by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moebench.errors import BadInput
from moebench.reports.quantities import Kind, quantity, section, titled, written, written_interval, written_points
from moebench.results.schema import COLUMNS


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (0.97222, "share", "97.2 %"),
        (0.0, "share", "0.0 %"),
        (0.0123456, "s", "12.3 ms"),
        (0.00001234, "s", "12.3 µs"),
        (75.0, "s", "75.0 s"),
        (0.0, "s", "0.00 s"),
        (1.2345e9, "FLOPs", "1.23 GFLOPs"),
        (999.96e6, "FLOPs", "1.00 GFLOPs"),
        (999.4e6, "FLOPs", "999 MFLOPs"),
        (27.3e6, "count", "27.3 M"),
        (16, "count", "16"),
        (2.5, "count", "2.50"),
        (2048, "bytes", "2.05 kB"),
        (1.836, "ratio", "1.84 ×"),
        (0.12345, "number", "0.123"),
        (123.4, "number", "123"),
        (3e25, "FLOPs", "30000000 EFLOPs"),
        (math.nan, "share", "–"),
        (math.inf, "s", "–"),
    ],
)
def test_numbers_are_written_with_three_digits_and_a_prefix(value: float, kind: Kind, text: str) -> None:
    assert written(value, kind) == text


def test_bounds_share_the_unit_of_the_number() -> None:
    # 995 µs and 1.010 ms are both written in the unit of the 1.002 ms between them.
    assert written_interval(1.002e-3, 0.995e-3, 1.010e-3, "s") == "1.00 ms [0.99, 1.01]"
    assert written_interval(0.972, 0.968, 0.976, "share") == "97.2 % [96.8, 97.6]"
    assert written_interval(0.972, math.nan, math.nan, "share") == "97.2 %"
    assert written_interval(math.nan, 0.1, 0.2, "share") == "–"


@given(st.floats(-1e20, 1e20), st.sampled_from(["s", "FLOPs", "bytes", "count"]))
def test_what_is_written_lies_within_a_percent_of_the_value(value: float, kind: Kind) -> None:
    prefixes = {"n": -9, "µ": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
    number, _, unit = written(value, kind).partition(" ")
    prefix = unit.removesuffix("FLOPs").removesuffix("B") if kind != "s" else unit.removesuffix("s")
    # Nanoseconds, and counts to two digits after the point, are the finest that is written; 0.625 - 0.62 is more than
    # 0.005 in binary by a rounding error.
    tiny = {"count": 0.005 + 1e-12, "s": 5e-13, "FLOPs": 5e-13, "bytes": 5e-13}[kind]
    assert float(number) * 10.0 ** prefixes.get(prefix, 0) == pytest.approx(value, rel=0.006, abs=tiny)


def test_every_numeric_column_of_the_table_is_a_quantity() -> None:
    for column in COLUMNS:
        if column.numeric:
            assert quantity(column.name) == column
    assert quantity("train_wall_s").kind == "s"
    assert quantity("flops_used_per_image").kind == "FLOPs"


def test_a_title_names_the_unit_of_numbers_that_are_written_without_one() -> None:
    titles = [titled(quantity(name)) for name in ("eval_loss", "train_step_s", "tokens_per_slot_90", "load_cv")]
    assert titles == [
        *("Test loss (nats)", "Time of a training step", "Tokens for 90 % of a slot", "Load of experts, std / mean")
    ]


def test_a_section_begins_with_quality_and_then_cost() -> None:
    names = [each.name for each in section("main")]
    assert names == [
        *("accuracy", "few_shot_1", "few_shot_5", "few_shot_10"),
        *("zero_shot_seen", "zero_shot_unseen", "image_to_text_r1", "text_to_image_r1"),
        *("binding_accuracy", "relations_accuracy", "compute_multiplier", "time_multiplier"),
        *("flops_forward_per_image", "params"),
        *("train_step_vs_dense", "infer_vs_dense", "train_peak_bytes", "dropped_tokens"),
    ]


def test_a_column_that_makes_no_axis_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BadInput, match="did you mean 'accuracy'"):
        quantity("acuracy")
    with pytest.raises(BadInput, match="does not hold one number"):
        quantity("expert_load")


def test_an_interval_of_a_share_ends_at_0_and_100_percent() -> None:
    assert written_interval(0.988, 0.963, 1.013, "share") == "98.8 % [96.3, 100.0]"
    assert written_interval(0.004, -0.006, 0.014, "share") == "0.4 % [0.0, 1.4]"
    assert written_interval(1.02, 0.98, 1.06, "ratio") == "1.02 × [0.98, 1.06]"


def test_a_ratio_with_an_open_bound_is_a_limit() -> None:
    assert written_interval(1.99, 1.9, math.inf, "ratio") == "≥ 1.99 ×"
    assert written_interval(0.25, 0.0, 0.3, "ratio") == "≤ 0.25 ×"


def test_points_have_a_sign_and_nothing_is_plus_nothing() -> None:
    assert [written_points(difference) for difference in (0.0271, -0.0004, -0.013)] == ["+2.7", "+0.0", "-1.3"]
