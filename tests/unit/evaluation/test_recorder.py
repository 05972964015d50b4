"""What is recorded of a model is what its evaluation counts, for every router."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from recordings import ORIGIN, recorded_frame, recorder
from routers_by_hand import quickly

from moebench import routers
from moebench.evaluation import traced_pass
from moebench.evaluation.pass_over_split import evaluate
from moebench.inside.files import read_facts
from moebench.inside.load import Recording
from moebench.training import compile_unoptimized

OF_EACH_KIND = ("dense", "soft", "bpr", "experts-choice", "relu", "smear", "zero-experts", "mixture-of-depths", "hash")
"""A router of each way of choosing and of each kind of routing; the others take minutes more."""
ROUTERS = [name if name in OF_EACH_KIND else pytest.param(name, marks=pytest.mark.slow) for name in routers.names()]


@pytest.mark.parametrize("router", ROUTERS)
def test_rows_agree_with_the_counts_of_the_evaluation(router: str) -> None:
    # Whole groups of eight, so that the evaluation repeats no image.
    made, state = recorder(router, 48, count=48)
    program = made.program
    arguments = (state, *program.abstract_batch(made.batch), jax.ShapeDtypeStruct((made.batch,), jnp.float32))
    evaluation = evaluate(compile_unoptimized(program.evaluate, *arguments), state, made.split, made.batch)
    frame = pd.DataFrame(made.record(state, 30).columns)
    metrics = {name: np.asarray(value) for name, value in evaluation.routing[0].metrics().items()}
    by_image = frame.groupby("image")[["label", "prediction"]].first()
    assert (by_image["label"] == by_image["prediction"]).mean() == pytest.approx(evaluation.accuracy)
    assert (by_image["label"].to_numpy() == made.split.labels[by_image.index]).all()
    tokens = frame.groupby(["image", "token"])
    assert tokens.ngroups == 48 * 4
    if made.traced.soft:
        combine = frame.astype({"combine": float}).groupby("expert")["combine"].sum()
        np.testing.assert_allclose(combine / (48 * 4), metrics["expert_load"], atol=1e-3)
        np.testing.assert_allclose(tokens["combine"].sum(), 1, atol=4e-3)
        return
    named = frame[frame["expert"] >= 0]
    processed = named[~named["dropped"]]
    dropped = 1 - processed.groupby(["image", "token"]).ngroups / tokens.ngroups
    assert dropped == pytest.approx(float(metrics["dropped_tokens"]), abs=1e-6)
    if not np.isnan(metrics["dropped_assignments"]) and made.traced.chosen_by != "nobody":
        assert named["dropped"].mean() == pytest.approx(float(metrics["dropped_assignments"]), abs=1e-6)
    if router == "smear":  # every expert has a part in every token
        loads = named.astype({"combine": float}).groupby("expert")["combine"].sum() / tokens.ngroups
    else:
        loads = processed["expert"].value_counts().reindex(range(len(metrics["expert_load"])), fill_value=0)
        loads = loads / tokens.ngroups
    np.testing.assert_allclose(loads.sort_index(), metrics["expert_load"], atol=2e-3)


@pytest.mark.parametrize("router", ["gshard", "experts-choice", "zero-experts"])
def test_combine_weights_are_those_of_the_dense_view(router: str) -> None:
    made, state = recorder(router, 16)
    frame = pd.DataFrame(made.record(state, 30).columns)
    images = made.split.images[made.images]
    (routing,) = jax.jit(lambda: made.program.model(state)(jnp.asarray(images))[1])()
    mlps = routing.combine_weights.shape[2]
    dense = np.asarray(routing.combine_weights).sum(-1).reshape(16, 4, mlps)
    found = np.zeros(dense.shape)
    place = {image: number for number, image in enumerate(made.images.tolist())}
    rows = frame[(frame["expert"] >= 0) & (frame["expert"] < mlps)]
    found[rows["image"].map(place), rows["token"], rows["expert"]] = rows["combine"]
    np.testing.assert_allclose(found, dense, atol=1e-3)


def test_priority_is_the_order_of_the_largest_gates_in_the_group() -> None:
    frame, _ = recorded_frame("bpr", experts=4, top_k=2)
    first = frame[frame["rank"] == 0]
    for _, group in first.groupby("group"):
        by_gate = group.sort_values("gate", ascending=False, kind="stable")
        assert by_gate["priority"].is_monotonic_increasing
        assert sorted(group["priority"]) == list(range(8 * 4))
    assert (recorded_frame("tokens-choice", experts=4)[0]["priority"] == -1).all()


def test_the_same_images_whatever_the_router_and_the_batch() -> None:
    found = [recorder(router, 20, batch)[0].images for router, batch in (("soft", 16), ("bpr", 8), ("dense", 32))]
    assert len(found[0]) == 20
    assert all((each == found[0]).all() for each in found)
    assert (found[0] == np.random.default_rng(0).permutation(60)[:20]).all()


def test_no_more_images_are_recorded_than_there_are() -> None:
    made, state = recorder("bpr", 1000)
    assert sorted(made.images) == list(range(60))
    assert pd.DataFrame(made.record(state, 1).columns)["image"].nunique() == 60


def test_large_soft_layers_keep_their_largest_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = recorded_frame("soft", experts=2, slots_per_expert=2)
    monkeypatch.setattr(traced_pass, "ALL_PAIRS", 1)
    monkeypatch.setattr(traced_pass, "KEPT_OF_SLOT", 2)
    made, state = recorder.__wrapped__("soft", experts=2, slots_per_expert=2)  # compiled with these bounds
    cut = pd.DataFrame(made.record(state, 30).columns)
    assert made.traced.kept == 2
    keys = ["image", "expert", "slot"]
    largest = whole.astype({"dispatch": float}).sort_values("dispatch", ascending=False, kind="stable")
    largest = largest.groupby(keys).head(2).set_index([*keys, "token"]).sort_index()
    listed = cut[(cut["token"] >= 0) & (cut["expert"] >= 0)].astype({"dispatch": float})
    listed = listed.set_index([*keys, "token"]).sort_index()
    assert listed.index.equals(largest.index)
    np.testing.assert_allclose(listed["dispatch"], largest["dispatch"])
    np.testing.assert_allclose(listed["combine"], largest["combine"])
    for by, frame in (("token", cut[cut["token"] >= 0]), ("slot", cut[cut["slot"] >= 0])):
        for weight in ("dispatch", "combine"):
            sums = frame.astype({weight: float}).groupby(["image", by, *(["expert"] if by == "slot" else [])])
            every = whole.astype({weight: float}).groupby(["image", by, *(["expert"] if by == "slot" else [])])
            np.testing.assert_allclose(sums[weight].sum(), every[weight].sum(), atol=3e-3)
    largest_gate = cut.dropna(subset="confidence").set_index(["image", "token"])["confidence"]
    assert len(largest_gate) == 24 * 4


def test_similarity_of_experts_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    made, state = recorder("tokens-choice", 16, experts=3)
    pairs = pd.DataFrame(made.record(state, 30).expert_pairs)
    model = made.program.model(state)
    (layer,) = [block.mlp for block in model.blocks if hasattr(block.mlp, "experts")]
    block = model.blocks[1]

    @quickly
    def outputs_of(images: jax.Array) -> jax.Array:
        x, _ = model.blocks[0](model.embedded(images), 4, None)
        tokens, _ = block.route(block.attend(x, 4), 4)
        rows = tokens.reshape(-1, tokens.shape[-1])
        every: jax.Array = layer.experts(jnp.broadcast_to(rows, (3, *rows.shape)))
        return every

    outputs = np.asarray(outputs_of(made.split.images[made.images]), np.float64)
    for pair in pairs.itertuples():
        one, other = outputs[pair.expert], outputs[pair.other]
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        assert pair.cosine == pytest.approx(((one * other).sum(1) / lengths).mean(), abs=2e-3)
        one, other = one - one.mean(0), other - other.mean(0)
        cka = np.linalg.norm(one.T @ other) ** 2 / (np.linalg.norm(one.T @ one) * np.linalg.norm(other.T @ other))
        assert pair.cka == pytest.approx(cka, abs=2e-3)


def test_equal_experts_are_alike_and_interchangeable() -> None:
    made, state = recorder("tokens-choice", 16, experts=3)

    def alike(path: Any, array: Any) -> Any:
        return jnp.broadcast_to(array[:1], array.shape) if "experts" in jax.tree_util.keystr(path) else array

    state = replace(state, parameters=jax.tree_util.tree_map_with_path(alike, state.parameters))
    recorded = made.record(state, 30)
    pairs = pd.DataFrame(recorded.expert_pairs)
    np.testing.assert_allclose(pairs[["cosine", "cka"]], 1, atol=1e-3)
    swaps = pd.DataFrame(made.swaps(state, recorded.accuracy)).set_index("swap")
    assert swaps.loc["permuted experts", "accuracy"] == swaps.loc["permuted experts", "trained_accuracy"]


def test_permuted_experts_are_those_of_the_next_number() -> None:
    made, state = recorder("tokens-choice", 16, experts=3)
    images = made.split.images[made.images]
    shifted = made._call(state, images, made._swaps(shifted=1))

    def rolled(path: Any, array: Any) -> Any:
        return jnp.roll(array, 1, axis=0) if "experts" in jax.tree_util.keystr(path) else array

    other = replace(state, parameters=jax.tree_util.tree_map_with_path(rolled, state.parameters))
    logits = quickly(made.program.infer)(other, images)
    assert (np.asarray(shifted[0]) == np.asarray(logits.argmax(-1))).all()
    assert (np.asarray(shifted[0]) != np.asarray(made._call(state, images, made._swaps())[0])).any()


def test_a_random_router_gives_each_token_the_routing_of_another() -> None:
    """Identity sends the first token of an image to expert 0, the last to 3; exchanged, others meet these experts."""
    made, state = recorder("identity", 16, experts=4)
    images = jnp.asarray(made.split.images[made.images])
    exchanged, trained = (np.asarray(made._call(state, images, made._swaps(each))[0]) for each in (1, None))
    assert (exchanged != trained).any()
    # Uniform routes all tokens alike, so that there is nothing to exchange.
    made, state = recorder("uniform", 16, experts=4)
    exchanged, trained = (np.asarray(made._call(state, images, made._swaps(each))[0]) for each in (1, None))
    assert (exchanged == trained).all()


def test_the_exchange_is_undone_behind_the_layer() -> None:
    """If experts are all alike and weights all 1, the routing of another token changes nothing."""
    made, state = recorder("identity", 16, experts=4)

    def alike(path: Any, array: Any) -> Any:
        return jnp.broadcast_to(array[:1], array.shape) if "experts" in jax.tree_util.keystr(path) else array

    state = replace(state, parameters=jax.tree_util.tree_map_with_path(alike, state.parameters))
    images = jnp.asarray(made.split.images[made.images])
    exchanged, trained = (np.asarray(made._call(state, images, made._swaps(each))[0]) for each in (1, None))
    assert (exchanged == trained).all()


def test_the_dense_layer_has_no_routing_to_exchange() -> None:
    made, state = recorder("dense")
    assert made.swaps(state, 0.5) == {"layer": [], "swap": [], "accuracy": [], "trained_accuracy": []}


def test_slots_are_compared_by_their_parameters() -> None:
    made, state = recorder("soft", experts=2, slots_per_expert=2)
    pairs = pd.DataFrame(made.slot_pairs(state))
    router = next(iter(made.program.model(state).blocks[1].mlp.router.phi[...].reshape(8, 4).T[None]))
    first, second = np.asarray(router[0]), np.asarray(router[1])
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert pairs.loc[0, "cosine"] == pytest.approx(float(cosine), abs=1e-4)
    assert len(pairs) == 6


def test_a_saved_recording_is_read_back(tmp_path: Any) -> None:
    made, state = recorder("bpr", 16, experts=4, top_k=2)
    early, late = made.record(state, 3), made.record(state, 30)
    path = made.save([early, late], state, ORIGIN, tmp_path / "_routing")
    facts = read_facts(path)
    assert (facts.router, facts.experts, facts.top_k, facts.capacity_factor) == ("bpr", 4, 2, 1.0)
    assert (facts.layers, facts.steps, facts.grid, facts.tokens) == ((1,), (3, 30), 2, 4)
    assert facts.options["priority"] == "max"
    recording = Recording(path, facts)
    frame = recording.frame()
    for name, values in late.columns.items():
        np.testing.assert_array_equal(frame[name].to_numpy(), values, err_msg=name)
    assert len(recording.frame(all_steps=True)) == 2 * len(frame)
    assert recording.swaps["swap"].tolist() == ["random router", "permuted experts"]
    pictures = recording.pictures()
    assert sorted(pictures) == sorted(made.images)
    images = made.split.images[made.images]
    span = images.max() - images.min()
    shown = np.stack([pictures[image] for image in made.images.tolist()]) / 255 * span + images.min()
    np.testing.assert_allclose(shown, images, atol=span / 255)
