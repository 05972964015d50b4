"""Auxiliary losses that keep experts in use. Each is computed for every group and averaged over the groups."""

import jax
from jaxtyping import Array, Float, Int


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
    threshold = jax.lax.top_k(noisy_logits, top_k)[0][..., -1:]
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
