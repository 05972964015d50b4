"""Auxiliary losses that keep experts in use, for every group, averaged over the groups."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from moebench.routers.cpu_kernels import top_k as largest


def squared_cv(amounts: Float[Array, "group expert"]) -> Float[Array, ""]:
    """Return the squared coefficient of variation over experts (population variance), averaged over groups."""
    return (amounts.var(-1) / amounts.mean(-1) ** 2).mean()


def importance_loss(gates: Float[Array, "group token expert"]) -> Float[Array, ""]:
    """Return CV² over experts of the gates' sums over tokens (2106.05974, eq. 6).

    The gates are without noise.
    """
    return squared_cv(gates.sum(-2))


def load_loss(
    logits: Float[Array, "group token expert"],
    noisy_logits: Float[Array, "group token expert"],
    noise_std: float,
    top_k: int,
) -> Float[Array, ""]:
    """Return CV² over experts of the expected load (2106.05974, eq. 7 to 9).

    The expected load is the expected number of tokens that choose the expert. A token chooses an expert with the
    probability that the expert's logit, with the noise drawn again, passes the token's k-th largest noisy logit.

    Args:
        logits: float[groups, tokens, experts] without noise.
        noisy_logits: the logits with the noise of this step.
        noise_std: standard deviation of the noise on a logit.
        top_k: experts that each token chooses, k.
    """
    threshold = largest(noisy_logits, top_k)[0][..., -1:]
    stays = jax.scipy.stats.norm.cdf((logits - threshold) / noise_std)
    return squared_cv(stays.sum(-2))


def gshard_loss(gates: Float[Array, "group token expert"], first_choice: Int[Array, "group token"]) -> Float[Array, ""]:
    """Return E · Σ_e f_e · P_e, which is 1 at balance.

    The loss is that of 2006.16668, algorithm 1, and 2101.03961, eq. 4. f is the share of tokens whose first choice is
    the expert, before capacity; P the mean gate.
    """
    experts = gates.shape[-1]
    share = jax.nn.one_hot(first_choice, experts, dtype=gates.dtype).mean(-2)
    return experts * (share * gates.mean(-2)).sum(-1).mean()


def z_loss(logits: Float[Array, "group token expert"]) -> Float[Array, ""]:
    """Return the mean over tokens of logsumexp(logits)² (2202.08906, eq. 5)."""
    return (jax.nn.logsumexp(logits, axis=-1) ** 2).mean()


def similarity_loss(
    gates: Float[Array, "group token expert"], taken: Bool[Array, "group token expert"]
) -> Float[Array, ""]:
    """Return Σ_ij W_ij · (PᵀP)_ij over the number of tokens (2503.16057, section 5).

    All groups count together. P are the gates. W weights each pair of experts by the number of tokens that took both,
    (MᵀM)_ij with M the tokens' choices, over a mean of MᵀM: of the diagonal for entries on the diagonal, of all other
    entries for the rest.
    """
    gates, chosen = gates.reshape(-1, gates.shape[-1]), taken.reshape(gates.shape[0] * gates.shape[1], -1)
    together = chosen.T.astype(gates.dtype) @ chosen.astype(gates.dtype)
    own = jnp.eye(gates.shape[-1], dtype=bool)
    alike, pairs = (
        together / jnp.maximum(jnp.where(part, together, 0).sum() / part.sum(), 1e-9) for part in (own, ~own)
    )
    return (jnp.where(own, alike, pairs) * (gates.T @ gates)).sum() / gates.shape[0]
