"""MoE layers in plain jax.numpy, written from the papers, as a reference for results and for speed."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Parameters = dict[str, Any]


def mlps(parameters: Parameters, slots: Float[Array, "expert row dim"]) -> Float[Array, "expert row dim"]:
    """Return the outputs of each expert's MLP for its own rows."""
    hidden = jnp.einsum("erd,edh->erh", slots, parameters["kernel_in"]) + parameters["bias_in"][:, None]
    products = jnp.einsum("erh,ehd->erd", jax.nn.gelu(hidden), parameters["kernel_out"])
    outputs: Array = products + parameters["bias_out"][:, None]
    return outputs


def moe(
    parameters: Parameters,
    tokens: Float[Array, "image token dim"],
    dispatch: Float[Array, "image token expert slot"],
    combine: Float[Array, "image token expert slot"],
) -> Float[Array, "image token dim"]:
    """Return the layer's outputs for dispatch and combine weights, by products as in 2006.16668, algorithm 2."""
    slots = jnp.einsum("gsec,gsd->egcd", dispatch, tokens)
    outputs = mlps(parameters, slots.reshape(slots.shape[0], -1, slots.shape[-1])).reshape(slots.shape)
    return jnp.einsum("gsec,egcd->gsd", combine, outputs)


def soft(parameters: Parameters, tokens: Float[Array, "image token dim"]) -> Float[Array, "image token dim"]:
    """Return the outputs of Soft MoE (2308.00951, algorithm 1 and section 2.3)."""
    phi = parameters["phi"]
    unit_tokens = tokens / jnp.linalg.norm(tokens, axis=-1, keepdims=True)
    unit_phi = parameters["scale"] * phi / jnp.linalg.norm(phi, axis=0, keepdims=True)
    logits = jnp.einsum("gsd,dec->gsec", unit_tokens, unit_phi)
    combine = jax.nn.softmax(logits.reshape(*tokens.shape[:2], -1), axis=-1).reshape(logits.shape)
    return moe(parameters, tokens, jax.nn.softmax(logits, axis=1), combine)


def experts_choice(parameters: Parameters, tokens: Float[Array, "image token dim"]) -> Float[Array, "image token dim"]:
    """Return the outputs of Experts Choice with as many slots as tokens (2202.09368, section 3.2)."""
    gates = jax.nn.softmax(tokens @ parameters["kernel"], axis=-1)
    slots = max(1, round(tokens.shape[1] / gates.shape[-1]))
    gate, chosen = jax.lax.top_k(gates.swapaxes(1, 2), slots)
    dispatch = jnp.einsum("gecs->gsec", jax.nn.one_hot(chosen, tokens.shape[1]))
    return moe(parameters, tokens, dispatch, dispatch * gate[:, None])


def tokens_choice(
    parameters: Parameters, tokens: Float[Array, "image token dim"], top_k: int, prioritized: bool
) -> Float[Array, "image token dim"]:
    """Return the outputs of Tokens Choice at capacity factor 1 (2106.05974, algorithms 1 and 2).

    Args:
        parameters: of router and experts.
        tokens: float[images, tokens, dim]; each image is a group.
        top_k: experts of a token.
        prioritized: whether tokens with larger gates take slots first.
    """
    gates = jax.nn.softmax(tokens @ parameters["kernel"], axis=-1)
    experts, count = gates.shape[-1], tokens.shape[1]
    slots = max(1, math.floor(count * top_k / experts + 0.5))
    gate, chosen = jax.lax.top_k(gates, top_k)
    order = jnp.argsort(-gate[..., 0], axis=1, stable=True) if prioritized else jnp.arange(count)[None]
    rank = jnp.argsort(jnp.broadcast_to(order, chosen.shape[:2]), axis=1)
    dispatch, taken = jnp.zeros((*gates.shape, slots)), jnp.zeros((tokens.shape[0], 1, experts))
    for choice in range(top_k):
        wanted = jax.nn.one_hot(chosen[..., choice], experts)
        queue = jnp.take_along_axis(wanted, jnp.broadcast_to(order, chosen.shape[:2])[..., None], axis=1)
        place = jnp.take_along_axis(jnp.cumsum(queue, axis=1) + taken, rank[..., None], axis=1) - 1
        dispatch += wanted[..., None] * jax.nn.one_hot(place.astype(int), slots)
        taken += wanted.sum(1, keepdims=True)
    return moe(parameters, tokens, dispatch, dispatch * gates[..., None])
