"""The declarations of columns: complete, readable alone, and what tables and axes derive from them."""

import re

import pytest

from moebench.errors import BadInput
from moebench.results.schema import COLUMNS, SCHEMA, TEST_TIME_FIELDS, column, in_section


def test_names_are_unique_and_every_column_has_a_title_a_meaning_and_a_group() -> None:
    for declared in (COLUMNS, TEST_TIME_FIELDS):
        names = [each.name for each in declared]
        assert len(set(names)) == len(names)
        assert all(each.title and each.meaning and each.group for each in declared)


def test_no_meaning_leans_on_another_one() -> None:
    hanging = re.compile(r"\b(of the same|likewise|as above|those as well|that time|the others)\b")
    assert [each.name for each in (*COLUMNS, *TEST_TIME_FIELDS) if hanging.search(each.meaning)] == []


def test_fields_that_are_also_columns_agree_in_unit_and_direction() -> None:
    known = {each.name: each for each in COLUMNS}
    for field in TEST_TIME_FIELDS:
        if field.name in known:
            declared = known[field.name]
            assert (field.type, field.unit, field.better) == (declared.type, declared.unit, declared.better)


def test_a_timed_column_has_its_bounds_and_samples_beside_it() -> None:
    timed = [each.name for each in COLUMNS if each.varies == "timing"]
    assert "train_step_s" in timed
    assert len(timed) == 9
    for name in timed:
        assert {f"{name}_ci_low", f"{name}_ci_high", f"{name}_samples"} <= set(SCHEMA.names)


def test_kinds_follow_from_type_and_unit() -> None:
    kinds = {name: column(name).kind for name in ("accuracy", "train_step_s", "params", "slots_per_image", "load_cv")}
    assert kinds == {
        "accuracy": "share",
        "train_step_s": "s",
        "params": "count",
        "slots_per_image": "count",
        "load_cv": "number",
    }
    assert [column(name).kind for name in ("router", "expert_load", "timing_flags")] == ["text", "list", "list"]


def test_sections_name_columns_in_the_order_of_the_table() -> None:
    assert [each.name for each in in_section("quality axis")] == [
        *("accuracy", "eval_loss", "few_shot_1", "few_shot_5", "few_shot_10", "zero_shot_seen", "zero_shot_unseen"),
        *(f"{way}_r{depth}" for way in ("image_to_text", "text_to_image") for depth in (1, 5, 10)),
        *("binding_accuracy", "relations_accuracy"),
    ]
    assert [each.name for each in in_section("test-time quality")] == [
        *("accuracy", "eval_loss", "dropped_tokens", "dropped_assignments", "needles_processed", "slot_utilisation")
    ]


def test_an_axis_of_quality_or_cost_says_which_direction_is_better() -> None:
    axes = (*in_section("cost axis"), *in_section("quality axis"), *in_section("test-time quality"))
    assert all(each.better and each.numeric for each in axes)


def test_an_unknown_column_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(BadInput, match="did you mean 'dropped_tokens'"):
        column("droped_tokens")
