"""Auxiliary losses that keep experts in use. Each is computed for every group and averaged over the groups."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from moebench.routers.cpu_kernels import top_k as largest


def squared_cv(amounts: Float[Array, "group expert"]) -> Float[Array, ""]:
    """Squared coefficient of variation over experts (population variance), averaged over groups."""
    return (amounts.var(-1) / amounts.mean(-1) ** 2).mean()


def importance_loss(gates: Float[Array, "group token expert"]) -> Float[Array, ""]:
    """CV² over experts of the gates' sum over tokens; the gates are those without noise (2106.05974, eq. 6)."""
    return squared_cv(gates.sum(-2))


def load_loss(
    logits: Float[Array, "group token expert"],
    noisy_logits: Float[Array, "group token expert"],
    noise_std: float,
    top_k: int,
) -> Float[Array, ""]:
    """CV² over experts of the expected number of tokens that choose each (2106.05974, eq. 7 to 9).

    A token's probability to choose an expert is that of its logit, with the noise drawn again, to pass the
    token's k-th largest noisy logit.
    """
    threshold = largest(noisy_logits, top_k)[0][..., -1:]
    stays = jax.scipy.stats.norm.cdf((logits - threshold) / noise_std)
    return squared_cv(stays.sum(-2))


def gshard_loss(gates: Float[Array, "group token expert"], first_choice: Int[Array, "group token"]) -> Float[Array, ""]:
    """E · Σ_e f_e · P_e, which is 1 at balance (2006.16668, algorithm 1; 2101.03961, eq. 4).

    f is the share of tokens whose first choice is the expert, before capacity; P the mean gate.
    """
    experts = gates.shape[-1]
    share = jax.nn.one_hot(first_choice, experts, dtype=gates.dtype).mean(-2)
    return experts * (share * gates.mean(-2)).sum(-1).mean()


def z_loss(logits: Float[Array, "group token expert"]) -> Float[Array, ""]:
    """Mean over tokens of logsumexp(logits)² (2202.08906, eq. 5)."""
    return (jax.nn.logsumexp(logits, axis=-1) ** 2).mean()


def similarity_loss(
    gates: Float[Array, "group token expert"], taken: Bool[Array, "group token expert"]
) -> Float[Array, ""]:
    """Σ_ij W_ij · (PᵀP)_ij over the number of tokens, all groups together (2503.16057, section 5).

    P are the gates. W weighs each pair of experts by how often both were taken by a token, (MᵀM)_ij with M the tokens'
    choices, over the mean of that: on the diagonal the mean of the diagonal, elsewhere of all others.
    """
    gates, chosen = gates.reshape(-1, gates.shape[-1]), taken.reshape(gates.shape[0] * gates.shape[1], -1)
    together = chosen.T.astype(gates.dtype) @ chosen.astype(gates.dtype)
    own = jnp.eye(gates.shape[-1], dtype=bool)
    alike, pairs = (
        together / jnp.maximum(jnp.where(part, together, 0).sum() / part.sum(), 1e-9) for part in (own, ~own)
    )
    return (jnp.where(own, alike, pairs) * (gates.T @ gates)).sum() / gates.shape[0]
