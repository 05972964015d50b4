"""Analyses of recordings by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from recordings import hard_frame, recorded_frame, recorder, soft_frame

from moebench.errors import BadInput
from moebench.inside import analyses
from moebench.inside.analyses.capacity import slots_at
from moebench.inside.analyses.information import mutual_information

# Two images of three tokens, three experts, two choices each.
CHOICES = [[[0, 1], [0, 2], [1, 0]], [[2, 0], [2, 1], [2, 0]]]


def test_first_choices_before_and_after_capacity() -> None:
    dropped = [[[False, False], [True, False], [False, True]], [[True, True], [False, False], [True, False]]]
    found = analyses.expert_map(hard_frame(CHOICES, experts=3, dropped=dropped))
    assert found["first"].tolist() == [0, 0, 1, 2, 2, 2]
    assert found["first_processed"].tolist() == [0, 2, 1, -1, 2, 0]
    assert found["experts"].tolist() == [2] * 6
    assert found["processed"].tolist() == [2, 1, 1, 0, 2, 1]
    assert found["dropped"].tolist() == [False, False, False, True, False, False]
    assert list(found.columns[:7]) == list(analyses.KEYS)


def test_tokens_that_no_expert_took_are_on_the_map() -> None:
    found = analyses.expert_map(hard_frame([[[3, 3], [1, 3]]], experts=3))
    assert found["first"].tolist() == [-1, 1]
    assert found["experts"].tolist() == [0, 1]
    assert found["dropped"].tolist() == [True, False]


def test_a_soft_token_belongs_to_the_expert_that_gives_it_most() -> None:
    # Expert 0 gives the token 0.25 + 0.25 by two slots, expert 1 gives 0.375 + 0.125.
    combine = [[[[0.25, 0.25], [0.375, 0.0625]], [[0.125, 0.125], [0.5, 0.25]]]]
    found = analyses.expert_map(soft_frame(combine, combine))
    assert found["first"].tolist() == [0, 1]
    assert not found["dropped"].any()


def test_slots_needed_in_array_order() -> None:
    # Expert 0: first choices of tokens 0 and 1 of the first image stand before the second choices.
    found = analyses.slots_needed(hard_frame(CHOICES, experts=3, group_images=2), order="array")
    # Queues of the group of both images: expert 0: (0,0) (0,1) | (0,2) (1,0) (1,2); 1: (0,2) | (0,0) (1,1);
    # 2: (1,0) (1,1) (1,2) | (0,1). A token needs the smaller of its two places.
    assert found["slots"].tolist() == [1, 2, 1, 1, 2, 3]


def test_slots_needed_by_priority() -> None:
    gates = [[[0.4, 0.3], [0.9, 0.05], [0.5, 0.3]], [[0.6, 0.3], [0.7, 0.2], [0.8, 0.1]]]
    found = analyses.slots_needed(hard_frame(CHOICES, gates, experts=3, group_images=2), order="priority")
    # By largest gate: (0,1) .9, (1,2) .8, (1,1) .7, (1,0) .6, (0,2) .5, (0,0) .4.
    # Expert 0: (0,1) (0,0) | (1,2) (1,0) (0,2); 1: (0,2) | (1,1) (0,0); 2: (1,2) (1,1) (1,0) | (0,1).
    assert found["slots"].tolist() == [2, 1, 1, 3, 2, 1]


def test_the_recorded_priority_comes_before_the_gates() -> None:
    frame = hard_frame([[[0], [0], [0]]], experts=1, priority=[2, 0, 1])
    assert analyses.slots_needed(frame)["slots"].tolist() == [3, 1, 2]
    assert analyses.slots_needed(frame, order="array")["slots"].tolist() == [1, 2, 3]


def test_experts_that_choose_let_go_of_their_smallest_gates() -> None:
    # Expert 0 took tokens 0 and 2, expert 1 took 0 and 1; nobody took token 3.
    frame = hard_frame([[[0, 1], [1, 2], [0, 2], [2, 2]]], [[[0.5, 0.4], [0.6, 0], [0.7, 0], [0, 0]]], experts=2)
    found = analyses.slots_needed(frame, chosen_by="experts")
    assert found["slots"].fillna(-1).tolist() == [2, 1, 1, -1]
    # S = 4, k = 2, E = 2: C = 0.25 gives 1 slot, C = 0.5 gives 2.
    dropped = analyses.dropped_over_capacity(frame, [0.25, 0.5], top_k=2, chosen_by="experts", recorded_factor=0.5)
    assert dropped["slots_per_expert"].tolist() == [1, 2]
    assert dropped["dropped"].tolist() == [0.5, 0.25]
    with pytest.raises(BadInput, match=r"recorded at C = 0.5: at C = 1 its experts would take tokens that were not"):
        analyses.dropped_over_capacity(frame, [0.25, 1], top_k=2, chosen_by="experts", recorded_factor=0.5)


@pytest.mark.parametrize("order", ["array", "priority"])
@pytest.mark.parametrize("router", ["tokens-choice", "bpr"])
def test_dropped_tokens_are_those_that_the_router_drops(router: str, order: str) -> None:
    """At the recorded capacity, the choices alone give what the router recorded."""
    for factor in (0.25, 0.5, 1.0):
        frame, _ = recorded_frame(router, experts=4, top_k=2, capacity_factor=factor)
        frame = frame.assign(suite="s", cell_id="c", cell=router, router=router, seed=0)
        recorded = analyses.expert_map(frame)["dropped"]
        needed = analyses.slots_needed(frame)["slots"] > slots_at(factor, 32, 2, 4)
        assert recorded.tolist() == needed.tolist()
        assert 0 < recorded.mean() < 1 or factor == 1.0
        found = analyses.dropped_over_capacity(frame, [factor, 8.0], top_k=2, order=order)
        other = "bpr" if order == "priority" else "tokens-choice"
        theirs, _ = recorded_frame(other, experts=4, top_k=2, capacity_factor=factor)
        theirs = theirs.assign(suite="s", cell_id="c", cell=other, router=other, seed=0)
        assert found["dropped"].tolist() == [pytest.approx(analyses.expert_map(theirs)["dropped"].mean()), 0]


def test_array_order_drops_the_end_and_priority_the_unsure() -> None:
    gates = np.linspace(0.1, 0.9, 16).reshape(1, 16, 1)  # the later in the array, the surer
    frame = hard_frame(np.zeros((1, 16, 1), int), gates, experts=1)
    slots = slots_at(0.25, 16, 1, 1)
    by_array = analyses.slots_needed(frame, order="array")["slots"] > slots
    by_priority = analyses.slots_needed(frame, order="priority")["slots"] > slots
    assert by_array.tolist() == [False] * 4 + [True] * 12
    assert by_priority.tolist() == [True] * 12 + [False] * 4


def test_what_has_no_capacity_is_said() -> None:
    weights = np.full((1, 2, 1, 2), 0.5)
    with pytest.raises(BadInput, match="x has no capacity: every token has a part in every slot"):
        analyses.slots_needed(soft_frame(weights, weights))
    with pytest.raises(BadInput, match="x has no capacity that could be changed"):
        analyses.slots_needed(hard_frame([[[0]]], experts=1), chosen_by="nobody")
    with pytest.raises(BadInput, match="unknown order 'arrays': did you mean 'array'"):
        analyses.slots_needed(hard_frame([[[0]]], experts=1), order="arrays")


def test_class_counts_shares_and_lift() -> None:
    # Class 7: experts 0, 0, 1; class 9: experts 1, 1, 1. Of the six choices 2 are expert 0's.
    frame = hard_frame([[[0], [0], [1]], [[1], [1], [1]]], experts=2, labels=[7, 9])
    found = analyses.class_counts(frame).set_index(["label", "expert"])
    assert found["weight"].to_dict() == {(7, 0): 2, (7, 1): 1, (9, 0): 0, (9, 1): 3}
    assert found.loc[(7, 0), "share"] == pytest.approx(2 / 3)
    assert found.loc[(7, 0), "lift"] == pytest.approx((2 / 3) / (2 / 6))
    assert found.loc[(9, 1), "lift"] == pytest.approx(1 / (4 / 6))
    found = analyses.position_counts(frame).set_index(["token", "expert"])
    assert found["weight"].to_dict() == {(0, 0): 1, (0, 1): 1, (1, 0): 1, (1, 1): 1, (2, 0): 0, (2, 1): 2}


def test_counts_after_capacity_leave_dropped_choices_out() -> None:
    dropped = [[[True], [False], [False]], [[False], [True], [True]]]
    frame = hard_frame([[[0], [0], [1]], [[1], [1], [1]]], experts=2, labels=[7, 9], dropped=dropped)
    found = analyses.class_counts(frame, processed=True).set_index(["label", "expert"])
    assert found["weight"].to_dict() == {(7, 0): 1, (7, 1): 1, (9, 0): 0, (9, 1): 1}


def test_counts_of_a_soft_router_are_combine_weights() -> None:
    combine = np.array([[[[0.75], [0.25]], [[0.5], [0.5]]], [[[0.0], [1.0]], [[0.25], [0.75]]]])
    found = analyses.class_counts(soft_frame(combine, combine, labels=[0, 1])).set_index(["label", "expert"])
    assert found["weight"].to_dict() == {(0, 0): 1.25, (0, 1): 0.75, (1, 0): 0.25, (1, 1): 1.75}


def test_mutual_information_by_hand() -> None:
    # Independent: 0. Determined, two equal classes: 1 bit. And p = [[3/8, 1/8], [1/8, 3/8]]:
    # 2 · 3/8 · log2(3/8 / 1/4) + 2 · 1/8 · log2(1/8 / 1/4) = 0.75 · log2 1.5 − 0.25.
    assert mutual_information(np.array([[2.0, 4.0], [1.0, 2.0]])) == 0
    assert mutual_information(np.array([[5.0, 0.0], [0.0, 5.0]])) == pytest.approx(1)
    assert mutual_information(np.array([[3.0, 1.0], [1.0, 3.0]])) == pytest.approx(0.75 * math.log2(1.5) - 0.25)
    assert mutual_information(np.zeros((2, 2))) == 0


def test_an_expert_for_each_class_has_all_information_about_it() -> None:
    labels = np.arange(40) % 4
    frame = hard_frame(np.broadcast_to(labels[:, None, None], (40, 9, 1)), experts=4, labels=labels)
    (row,) = analyses.expert_information(frame, "class").to_dict("records")
    assert row["information"] == pytest.approx(2)
    assert row["p_value"] == pytest.approx(1 / 51)
    assert 0 < row["null_mean"] < row["null_high"] < 0.6
    assert row["excess"] == pytest.approx(2 - row["null_mean"])
    (row,) = analyses.expert_information(frame, "position").to_dict("records")
    assert row["information"] == 0
    assert row["p_value"] == 1


def test_an_expert_for_each_position_has_all_information_about_it() -> None:
    frame = hard_frame(np.broadcast_to(np.arange(8)[:, None], (40, 8, 1)), experts=8, labels=np.arange(40) % 4)
    (row,) = analyses.expert_information(frame, "position").to_dict("records")
    assert row["information"] == pytest.approx(3)
    assert row["p_value"] == pytest.approx(1 / 51)
    (row,) = analyses.expert_information(frame, "class").to_dict("records")
    assert (row["information"], row["excess"], row["p_value"]) == (0, 0, 1)


@pytest.mark.parametrize("of", ["class", "position"])
@pytest.mark.parametrize("top_k", [1, 2])
def test_a_router_that_ignores_its_input_lies_within_its_null(of: str, top_k: int) -> None:
    """Experts drawn at random: p values are spread evenly, and information without its mean is 0."""
    generator = np.random.default_rng(3)
    p_values, excess, information = [], [], []
    for _ in range(40):
        experts = np.argsort(generator.random((60, 16, 8)), axis=-1)[..., :top_k]
        frame = hard_frame(experts, experts=8, labels=generator.integers(0, 10, 60))
        (row,) = analyses.expert_information(frame, of, draws=19).to_dict("records")
        p_values.append(row["p_value"])
        excess.append(row["excess"])
        information.append(row["information"])
    assert np.mean(information) > 0.02  # by chance alone
    assert abs(np.mean(excess)) < 4 * np.std(excess) / math.sqrt(40)
    assert np.sum(np.array(p_values) <= 0.05) <= 7  # of 40, at a rate of 1 in 20: beyond 7 once in 1,000
    assert 0.3 < np.mean(p_values) < 0.7


def test_a_weak_relation_is_told_from_none() -> None:
    generator = np.random.default_rng(1)
    labels = generator.integers(0, 4, 200)
    follows = generator.random((200, 16, 1)) < 0.3
    experts = np.where(follows, labels[:, None, None], generator.integers(0, 4, (200, 16, 1)))
    (row,) = analyses.expert_information(hard_frame(experts, experts=4, labels=labels), "class").to_dict("records")
    # p(e = y) = 0.3 + 0.7/4 = 0.475, other experts 0.175 each: Σ p · log2(4 p).
    exact = 0.475 * math.log2(1.9) + 3 * 0.175 * math.log2(0.7)
    assert row["excess"] == pytest.approx(exact, abs=0.03)
    assert row["p_value"] < 0.05


def test_uniform_soft_weights_have_no_information() -> None:
    weights = np.full((6, 4, 2, 2), 0.25)
    for of in ("class", "position"):
        found = analyses.expert_information(soft_frame(weights, weights, labels=[0, 1] * 3), of)
        assert found["information"].tolist() == [0]


def test_coactivation_over_all_pairs_of_a_token() -> None:
    # Tokens {0, 1, 2}, {0, 2}, {1}: N_0 = 2, N_1 = 2, N_2 = 2; N_01 = 1, N_02 = 2, N_12 = 1.
    frame = hard_frame([[[0, 1, 2], [2, 0, 3], [1, 3, 3]]], experts=3)
    found = analyses.coactivation(frame).set_index(["expert", "other"])
    assert found["tokens"].to_dict() == {(0, 1): 1, (0, 2): 2, (1, 0): 1, (1, 2): 1, (2, 0): 2, (2, 1): 1}
    assert found["share"].tolist() == [0.5, 1, 0.5, 0.5, 1, 0.5]
    # A token of expert 0 has 1.5 other experts on average; of these, 1 and 2 have equal loads.
    assert found.loc[(0, 1), "expected"] == pytest.approx(1.5 / 2)
    weights = np.full((1, 2, 1, 2), 0.5)
    with pytest.raises(BadInput, match="no pairs of experts that serve the same token"):
        analyses.coactivation(soft_frame(weights, weights))


def test_saturation_and_fluctuation_by_hand() -> None:
    early = hard_frame([[[0, 1], [2, 0], [1, 2]]], experts=3, step=1)
    late = hard_frame([[[0, 1], [1, 2], [2, 1]]], experts=3, step=8)
    found = analyses.dynamics(pd.concat([early, late]))
    assert found["step"].tolist() == [1, 8]
    # Both experts kept, one of two kept, both kept; first experts: kept, changed, changed.
    assert found["saturation"].tolist() == [pytest.approx(2.5 / 3), 1]
    assert found["fluctuation"].tolist() == [pytest.approx(2 / 3), 0]
    with pytest.raises(BadInput, match=r"recorded at step 30 alone: `record_during_training: 8`"):
        analyses.dynamics(hard_frame([[[0]]], experts=1))


def test_tokens_without_an_expert_count_as_such_in_the_dynamics() -> None:
    early = hard_frame([[[2, 2], [0, 2]]], experts=2, step=1)
    late = hard_frame([[[0, 1], [2, 2]]], experts=2, step=8)
    found = analyses.dynamics(pd.concat([early, late]))
    assert found["saturation"].tolist() == [0, 1]
    assert found["fluctuation"].tolist() == [1, 0]


def test_dynamics_of_a_soft_router_follow_the_largest_expert() -> None:
    early = np.array([[[[0.75], [0.25]], [[0.75], [0.25]]]])
    late = np.array([[[[0.75], [0.25]], [[0.25], [0.75]]]])
    frame = pd.concat([soft_frame(early, early, step=1), soft_frame(late, late, step=2)])
    found = analyses.dynamics(frame)
    assert found["saturation"].tolist() == [0.5, 1]
    assert found["fluctuation"].tolist() == [0.5, 0]


def test_confidence_against_accuracy() -> None:
    gates = np.array([[0.2, 0.4], [0.8, 0.8], [0.5, 0.5], [0.1, 0.1]])[..., None]
    frame = hard_frame(np.zeros((4, 2, 1), int), gates, experts=1, labels=[0, 1, 2, 3])
    frame["prediction"] = frame["image"].map({0: 0, 1: 1, 2: 2, 3: 0})
    found = analyses.confidence_and_accuracy(frame, bins=2)
    assert found["images"].tolist() == [2, 2]
    np.testing.assert_allclose(found["confidence"], [(0.3 + 0.1) / 2, (0.8 + 0.5) / 2], atol=1e-3)
    assert found["accuracy"].tolist() == [0.5, 1]
    assert (found["accuracy_low"] < found["accuracy"]).all()


def test_distribution_of_gates_by_rank() -> None:
    gates = [[[0.95, 0.05], [0.6, 0.4], [0.55, 0.45], [0.9, 0.1]]]
    found = analyses.gate_distribution(hard_frame(np.zeros((1, 4, 2), int), gates, experts=2), bins=2)
    assert found["rank"].tolist() == [0, 0, 1, 1]
    assert found["share"].tolist() == [0, 1, 1, 0]
    assert found["high"].tolist() == [0.5, 1, 0.5, 1]


def test_calls_of_each_image() -> None:
    dropped = [[[False, False], [True, False]], [[True, True], [True, True]]]
    one = hard_frame([[[0, 1], [1, 0]], [[0, 1], [2, 2]]], experts=2, dropped=dropped, labels=[4, 5])
    found = analyses.calls_by_image(pd.concat([one, one.assign(layer=2, dropped=False)]))
    # Image 0: 3 of 4 in one layer, 4 of 4 in the other, over two tokens in two layers; image 1: 0 and 2.
    assert found["calls"].tolist() == [7 / 4, 2 / 4]
    assert found["label"].tolist() == [4, 5]
    assert "layer" not in found


SLOTS = np.array([[[[0.5]], [[0.25]], [[0.125]], [[0.125]]], [[[0.25]], [[0.25]], [[0.25]], [[0.25]]]])
"""Dispatch weights of one slot in two images of four tokens."""


def test_tokens_for_a_share_of_a_slot() -> None:
    frame = soft_frame(SLOTS, SLOTS)
    # 0.5 + 0.25 + 0.125 = 0.875 falls short of 0.9, so all four are needed; for 0.7 two and three.
    assert analyses.tokens_for_share(frame)["tokens"].tolist() == [4, 4]
    assert analyses.tokens_for_share(frame, 0.7)["tokens"].tolist() == [2, 3]


def test_tokens_for_a_share_agree_with_the_evaluation() -> None:
    frame, made = recorded_frame("soft", experts=2, slots_per_expert=2, count=24)
    frame = frame.assign(suite="s", cell_id="c", cell="soft", router="soft", seed=0)
    _, state = recorder("soft", experts=2, slots_per_expert=2, count=24)
    routings = jax.jit(lambda: made.program.model(state)(jnp.asarray(made.split.images))[1])()
    expected = float(routings[0].metrics()["tokens_per_slot_90"])
    assert analyses.tokens_for_share(frame)["tokens"].mean() == pytest.approx(expected, abs=0.05)
    under = (analyses.token_mass(frame, "token")["mass"] < 0.25).mean()
    assert under == pytest.approx(float(routings[0].metrics()["under_dispatched_tokens"]), abs=0.05)


def test_a_slot_that_is_cut_before_its_share_is_unknown() -> None:
    frame = soft_frame(SLOTS, SLOTS)
    cut = frame[(frame["image"] == 1) | (frame["token"] < 2)]
    assert analyses.tokens_for_share(cut)["tokens"].fillna(-1).tolist() == [-1, 4]


def test_cumulative_weights_of_slots_and_tokens() -> None:
    found = analyses.cumulative_weights(soft_frame(SLOTS, SLOTS), "dispatch")
    assert found["count"].tolist() == [1, 2, 3, 4]
    assert found["mean"].tolist() == [0.375, 0.625, 0.8125, 1]
    assert found["q50"].tolist() == [0.375, 0.625, 0.8125, 1]
    combine = np.array([[[[0.75], [0.25]], [[0.5], [0.5]]]])
    found = analyses.cumulative_weights(soft_frame(combine, combine), "combine")
    assert found["count"].tolist() == [1, 2]
    assert found["mean"].tolist() == [0.625, 1]


def test_mass_by_token_and_by_slot() -> None:
    dispatch = np.array([[[[0.75], [0.5]], [[0.25], [0.5]]]])
    combine = np.array([[[[0.25], [0.75]], [[0.5], [0.5]]]])
    frame = soft_frame(dispatch, combine)
    assert analyses.token_mass(frame, "token")["mass"].tolist() == [1.25, 0.75]
    assert analyses.token_mass(frame, "slot")["mass"].tolist() == [0.375, 0.625]


def test_a_map_of_a_slot() -> None:
    found = analyses.slot_weights(soft_frame(SLOTS, SLOTS), image=0)
    assert found["dispatch"].tolist() == [0.5, 0.25, 0.125, 0.125]
    assert found["relative"].tolist() == [2, 1, 0.5, 0.5]
    with pytest.raises(BadInput, match="x has no slots that hold mixtures: its slots hold single tokens"):
        analyses.slot_weights(hard_frame([[[0]]], experts=1), image=0)


def test_similarity_and_losses_are_means_and_differences() -> None:
    cell = {"cell": "x", "router": "x", "seed": 0}
    pairs = pd.DataFrame({"layer": [1, 1, 2], "cosine": [0.0, 1.0, 0.25], "cka": [0.5, 1, 0.75]}).assign(**cell)
    found = analyses.expert_similarity(pairs)
    assert found["cosine"].tolist() == [0.5, 0.25]
    assert found["cka"].tolist() == [0.75, 0.75]
    swaps = {"layer": [1], "swap": ["random router"], "accuracy": [0.5], "trained_accuracy": [0.75]}
    assert analyses.swap_losses(pd.DataFrame(swaps).assign(**cell))["loss"].tolist() == [0.25]


def test_parts_of_a_frame_are_analysed_alone() -> None:
    one = hard_frame(CHOICES, experts=3)
    frame = pd.concat([one, one.assign(layer=2), one.assign(seed=1), one.assign(cell_id="y", cell="y")])
    found = analyses.expert_map(frame)
    assert len(found) == 4 * 6
    assert found.groupby(list(analyses.KEYS)).ngroups == 4
    with pytest.raises(BadInput, match="no rows of a recording"):
        analyses.expert_map(one[:0])
