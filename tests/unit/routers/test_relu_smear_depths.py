"""What does not fit dispatch and combine: SMEAR merges parameters, mixture of depths goes past whole blocks."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from routers_by_hand import FOUR_TOKENS, health, quickly, slots_of, tokens_of, transparent, weights_of
from tiny_models import tiny

from moebench.errors import BadInput
from moebench.models import Experts, Vit
from moebench.models.blocks import RoutedBlock


def mlps(experts: int) -> Experts:
    return Experts(experts, 2, 3, dtype=jnp.dtype("float32"), rngs=nnx.Rngs(0))


def test_smear_runs_one_mlp_of_mean_parameters_for_each_group() -> None:
    tokens = jnp.concatenate([tokens_of(FOUR_TOKENS), tokens_of([[0.5, 0.5]] * 4)])
    routing = transparent("smear", 2)(tokens)
    experts = mlps(2)
    outputs = quickly(lambda: routing.apply(tokens, experts))()
    # The pooled token's logits are the means of the tokens' log gates: geometric means, in the first group (0.9 · 0.6 ·
    # 0.8 · 0.3)^¼ = 0.6 and (0.1 · 0.4 · 0.2 · 0.7)^¼ = 0.273557, and over their sum 0.686848 and 0.313152. The mean of
    # the tokens' gates would be 0.65 and 0.35.
    for group, shares in enumerate(([0.686848, 0.313152], [0.5, 0.5])):
        merged = mlps(1)
        for name in ("kernel_in", "bias_in", "kernel_out", "bias_out"):
            both = getattr(experts, name)[...]
            getattr(merged, name)[...] = (shares[0] * both[0] + shares[1] * both[1])[None]
        np.testing.assert_allclose(outputs[group], quickly(merged)(tokens[group][None])[0], rtol=1e-4, atol=1e-6)


def test_the_health_of_a_merger() -> None:
    metrics = health(transparent("smear", 2)(tokens_of(FOUR_TOKENS)))
    np.testing.assert_allclose(metrics["expert_load"], [0.686848, 0.313152], rtol=1e-5)
    # Half the difference over the mean: 0.186848 / 0.5.
    assert metrics["load_cv"] == pytest.approx(0.373696, rel=1e-5)
    # One entropy for all tokens: −0.686848 · log 0.686848 − 0.313152 · log 0.313152 = 0.621600, over log 2.
    assert metrics["router_entropy"] == pytest.approx(0.621600 / np.log(2), rel=1e-5)
    assert metrics["dropped_tokens"] == 0
    assert metrics["slot_utilisation"] == 1
    # Rows for 4 tokens, and the sum of 2 experts, which costs as much as 2 rows. One pooled token is routed.
    assert transparent("smear", 2).flops(4, 2).expert_rows == 6
    assert transparent("smear", 2).flops(4, 2).router == 2 * 2 * 2


def test_depths_take_the_tokens_of_largest_weight() -> None:
    router = transparent("mixture-of-depths", 1, capacity_factor=0.5)
    routing = router(jnp.asarray([[[1.0], [-2.0], [3.0], [2.0]]]))
    assert slots_of(routing) == [[2, 3]]
    np.testing.assert_allclose(weights_of(routing)[:, 0], [0, 0, 3, 2])
    assert health(routing)["dropped_tokens"] == 0.5
    assert transparent("mixture-of-depths", 1).slots(64, training=True) == 8


def test_tokens_go_through_the_block_among_themselves_or_past_it() -> None:
    block = RoutedBlock(tiny("mixture-of-depths", capacity_factor=0.5), dtype=jnp.dtype("float32"), rngs=nnx.Rngs(0))
    block.router.kernel = nnx.Param(jnp.eye(8, 1))
    # In place of attention and MLP: every token gets the sum of the tokens of its image that are there.
    block.block = lambda rows, tokens, _: (
        rows + jnp.repeat(rows.reshape(-1, tokens, 8).sum(1), tokens, axis=0),
        None,
    )
    # The first number of a token is its weight. Images of four tokens, two of which go through: 3 and 2, 5 and 4.
    weights = np.array([[1.0, 3.0, -2.0, 2.0], [4.0, 0.0, 5.0, 3.0]])
    rows = np.zeros((8, 8), np.float32)
    rows[:, 0] = weights.ravel()
    outputs, _ = block(jnp.asarray(rows), 4, None)
    # The others stay as they are; those get weight · (3 + 2), and weight · (5 + 4), added.
    expected = [1, 3 + 3 * 5, -2, 2 + 2 * 5, 4 + 4 * 9, 0, 5 + 5 * 9, 3]
    np.testing.assert_allclose(outputs[:, 0], expected)


def test_a_model_has_routed_blocks_where_it_has_experts() -> None:
    model = nnx.eval_shape(lambda: Vit(tiny("mixture-of-depths"), rngs=nnx.Rngs(0)))
    assert [isinstance(block, RoutedBlock) for block in model.blocks] == [False, True]


def test_blocks_are_for_single_images() -> None:
    config = tiny("mixture-of-depths")
    with pytest.raises(BadInput, match="whose attention is within one image: group_images must be 1, got 4"):
        Vit(type(config)(**{**vars(config), "group_images": 4}), rngs=nnx.Rngs(0))


def test_depths_have_one_expert_and_no_more_slots_than_tokens() -> None:
    with pytest.raises(BadInput, match="experts must be 1: the block is the only expert, got 2"):
        transparent("mixture-of-depths", 2)
    with pytest.raises(BadInput, match="8 slots are more than the 4 tokens of an image"):
        transparent("mixture-of-depths", 1, capacity_factor=2.0)(jnp.zeros((1, 4, 1)))
