"""Resolving specifications: slots, identity, and mistakes with their keys."""

from typing import Any

import pytest

from moebench.cells.queries import resolve
from moebench.cells.resolve import resolve_cell
from moebench.errors import BadInput
from moebench.measuring import count_parameters, environment
from moebench.spec.cell_spec import CellSpec

DEVICE = environment()


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


def test_total_slots_hold_in_evaluation_as_well() -> None:
    # 8 images of 16 tokens for 8 experts. By themselves sinkhorn and base have no limit in evaluation, and switch twice
    # its slots; of as much compute as the dense model nothing would be left.
    for router in ("sinkhorn", "base", "switch", "loss-free", "bpr"):
        inputs = resolve_cell(spec(router=router, options={"experts": 8}, total_slots="tokens")).inputs
        assert (inputs["total_slots"], inputs["eval_total_slots"]) == (128, 128), router
        assert (inputs["slots_per_expert"], inputs["eval_slots_per_expert"]) == (16, 16)
        assert inputs["effective_capacity_factor"] == inputs["eval_effective_capacity_factor"] == 1
    # Unless the cell says otherwise.
    given = spec(router="base", options={"experts": 8, "eval_capacity_factor": 2.0}, total_slots="tokens")
    assert resolve_cell(given).inputs["eval_total_slots"] == 256
    # Where evaluation does as training does, nothing is added to the cell.
    assert resolve_cell(spec(total_slots="tokens")).label == "bpr[experts=2]"


def test_slots_of_evaluation_are_recorded() -> None:
    inputs = resolve_cell(spec(router="base", options={"experts": 8})).inputs
    assert (inputs["slots_per_expert"], inputs["total_slots"]) == (16, 128)
    assert (inputs["eval_slots_per_expert"], inputs["eval_total_slots"]) == (128, 1024)
    assert inputs["eval_effective_capacity_factor"] == 8
    options = {"experts": 8, "top_k": 2, "eval_top_k": 1, "eval_capacity_factor": 0.5}
    inputs = resolve_cell(spec(options=options)).inputs
    assert (inputs["total_slots"], inputs["eval_total_slots"]) == (256, 64)
    assert (inputs["effective_capacity_factor"], inputs["eval_effective_capacity_factor"]) == (1, 0.5)


def test_a_strategy_without_a_limit_takes_none_from_a_published_model() -> None:
    # V-MoE was published with a capacity factor of 1.05.
    published = {"model": "vmoe-s/32", "image_size": 32, "options": {"experts": 2, "top_k": 1}}
    assert resolve_cell(spec(**published)).inputs["capacity_factor"] == 1.05
    for router in ("dropless", "loss-free", "threshold"):
        assert resolve_cell(spec(router=router, **published)).inputs["capacity_factor"] is None


def test_the_mlps_can_be_wider_or_narrower() -> None:
    own, wide = resolve_cell(spec()), resolve_cell(spec(mlp_ratio=6))
    # mu is 64 wide, its MLPs 256.
    assert (own.inputs["mlp_ratio"], wide.inputs["mlp_ratio"]) == (4, 6)
    assert (own.model.preset.size.mlp, wide.model.preset.size.mlp) == (256, 384)
    # To a whole column: 0.3 · 64 = 19.2.
    assert resolve_cell(spec(mlp_ratio=0.3)).inputs["mlp_ratio"] == 19 / 64
    assert resolve_cell(spec(mlp_ratio=0.3, scope="layer", timing_budget_s=1.0)).inputs["mlp_ratio"] == 19 / 64
    ids = [resolve_cell(each).identity(DEVICE)["cell_id"] for each in (spec(), spec(mlp_ratio=4), spec(mlp_ratio=6))]
    assert ids[0] == ids[1] != ids[2]
    assert wide.config["mlp_ratio"] == 6
    assert "mlp_ratio" not in own.config
    with pytest.raises(BadInput, match=r"mlp_ratio=0\.001 leaves no MLP: .* so use at least 0\.015625") as mistake:
        resolve_cell(spec(mlp_ratio=0.001))
    assert mistake.value.key == "mlp_ratio"


def test_a_dense_model_can_be_widened_to_the_parameters_of_a_routed_one() -> None:
    routed = resolve_cell(spec(options={"experts": 8, "top_k": 2}))
    counts = count_parameters(routed.model, routed.router)

    def widened(ratio: float) -> int:
        wide = resolve_cell(spec(router="dense", options={}, mlp_ratio=ratio))
        return count_parameters(wide.model, wide.router).total

    # Eight experts in two of four blocks: 4.5 times as wide on average, up to the gates and biases.
    assert widened(4 * (2 + 2 * 8) / 4) == pytest.approx(counts.total, rel=0.01)
    # Two of them are active: 1.5 times as wide on average.
    assert widened(4 * (2 + 2 * 2) / 4) == pytest.approx(counts.active, rel=0.01)


def test_initial_positions_are_the_papers_unless_given() -> None:
    published = resolve_cell(spec(model="s/2"))
    assert published.inputs["position_init"] == 0.02
    given = resolve_cell(spec(model="s/2", position_init=0.5))
    assert given.inputs["position_init"] == given.config["position_init"] == 0.5
    same = resolve_cell(spec(model="s/2", position_init=0.02))
    assert same.identity(DEVICE) == published.identity(DEVICE) != given.identity(DEVICE)


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
        ({"data": "lookup-256", "tune": {"learning_rate": (1e-4, 1e-2)}}, "tune", "random in lookup-256: leave tune"),
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
