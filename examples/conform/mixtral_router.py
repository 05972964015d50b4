"""Mixtral's router in the package transformers: moebench conform examples/conform/mixtral_router.py --as dropless."""

import torch
from transformers import MixtralConfig
from transformers.models.mixtral.modeling_mixtral import MixtralTopKRouter


def build(weights):
    """Return the router as a function of NumPy tokens [group, token, dim]."""
    dim, experts = weights["kernel"].shape
    top_k = weights["options"]["top_k"]
    router = MixtralTopKRouter(MixtralConfig(hidden_size=dim, num_local_experts=experts, num_experts_per_tok=top_k))
    with torch.no_grad():
        router.weight.copy_(torch.from_numpy(weights["kernel"].T.copy()))

    def f(tokens):
        with torch.no_grad():
            _, scores, chosen = router(torch.from_numpy(tokens.reshape(-1, dim)))
        by_expert = torch.zeros(len(chosen), experts).scatter_(1, chosen, scores.float())
        return {"weights": by_expert.reshape(*tokens.shape[:2], experts).numpy()}

    return f
