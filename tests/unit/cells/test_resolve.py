"""Resolving specifications: slots, identity, and mistakes with their keys."""

from typing import Any

import pytest

from moebench.cells.queries import resolve
from moebench.cells.resolve import resolve_cell
from moebench.errors import BadInput
from moebench.spec.cell_spec import CellSpec


def spec(**changes: Any) -> CellSpec:
    return CellSpec(**{"router": "bpr", "options": {"experts": 2}, "timing_budget_s": 0.0, **changes})


def test_total_slots_sets_the_slots_of_every_kind_of_router() -> None:
    # 16 tokens an image: soft has one group of 16 slots, 4 for each of 4 experts; bpr groups 8 images.
    soft = resolve_cell(spec(router="soft", options={"experts": 4}, total_slots="tokens"))
    assert soft.router.options["slots_per_expert"] == 4
    assert soft.label == "soft[experts=4,slots_per_expert=4]"
    bpr = resolve_cell(spec(options={"experts": 4, "top_k": 2}, total_slots=8))
    assert bpr.inputs["total_slots"] == 8 * 8
    assert bpr.inputs["capacity_factor"] == 0.25


@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ({"router": "softt"}, "router", "did you mean 'soft'"),
        ({"model": "nu/2"}, "model", "did you mean 'mu/2'"),
        ({"data": "digit"}, "data", "did you mean 'digits'"),
        ({"image_size": 4}, "image_size", "which can be enlarged to at most 224, and image_size=4 was asked for"),
        ({"options": {}}, "router", "needs the option 'experts'"),
        ({"options": {"experts": 2, "top_k": 3}}, "top_k", "must be from 1 to experts=2, got 3"),
        ({"options": {"experts": 3}, "total_slots": "tokens"}, "total_slots", "128 slots for a group of 8"),
        ({"options": {"experts": 2, "capacity_factor": 1.0}, "total_slots": 16}, "capacity_factor", "leave one out"),
        ({"batch": 12}, "batch", "use a batch that is a multiple of 8"),
        ({"moe_layers": "first"}, "moe_layers", "last-half"),
        ({"model": "mu/3"}, "model", "do not tile"),
        ({"options": {"experts": "two"}}, "experts", "must be of type int"),
        ({"steps": 5, "eval_every": 6}, "eval_every", "longer than the training: use at most steps=5"),
    ],
)
def test_what_cannot_be_built_names_the_key(changes: dict[str, Any], key: str, says: str) -> None:
    with pytest.raises(BadInput, match=says) as mistake:
        resolve_cell(spec(**changes))
    assert mistake.value.key == key
    assert resolve([spec(**changes).as_json()]) == [{"error": str(mistake.value), "key": key}]


def test_a_key_that_is_not_used_has_no_part_in_the_identity() -> None:
    assert "test_time" not in resolve_cell(spec()).config
    tried = spec(test_time=({"top_k": 2},))
    assert resolve_cell(tried).config["test_time"] == [{"top_k": 2}]
    assert resolve([tried.as_json()])[0]["cell_id"] != resolve([spec().as_json()])[0]["cell_id"]


def test_identity_is_of_what_was_asked_and_not_of_how_it_was_written() -> None:
    written_out, by_default, other, seeds = resolve(
        [
            spec(options={"experts": 2, "top_k": 1}, image_size=8, augment="none").as_json(),
            spec().as_json(),
            spec(options={"experts": 4}).as_json(),
            spec(seeds=(5,)).as_json(),
        ]
    )
    assert written_out["cell_id"] == by_default["cell_id"] == seeds["cell_id"]
    assert other["cell_id"] != by_default["cell_id"]
    assert other["fingerprint"] == by_default["fingerprint"]
