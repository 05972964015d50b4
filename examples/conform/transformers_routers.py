"""Routers of four models in the package transformers, each as a function of the adapter.

    moebench conform examples/conform/transformers_routers.py:mixtral --as dropless
    moebench conform examples/conform/transformers_routers.py:olmoe --as dropless
    moebench conform examples/conform/transformers_routers.py:qwen3_moe --as dropless
    moebench conform examples/conform/transformers_routers.py:deepseek_v3 --as loss-free

Their experts are gated MLPs, which no paper's layer here has, so that the routers alone are compared: f(tokens) gives
the weight of each expert for each token.
"""

import torch
from transformers import DeepseekV3Config, MixtralConfig, OlmoeConfig, Qwen3MoeConfig
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter
from transformers.models.mixtral.modeling_mixtral import MixtralTopKRouter
from transformers.models.olmoe.modeling_olmoe import OlmoeTopKRouter
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeTopKRouter


def mixtral(weights):
    """Return Mixtral's router."""
    dim, experts = weights["kernel"].shape
    config = MixtralConfig(hidden_size=dim, num_local_experts=experts, num_experts_per_tok=weights["options"]["top_k"])
    return as_function(MixtralTopKRouter(config), weights)


def olmoe(weights):
    """Return OLMoE's router."""
    dim, experts = weights["kernel"].shape
    config = OlmoeConfig(hidden_size=dim, num_experts=experts, num_experts_per_tok=weights["options"]["top_k"])
    return as_function(OlmoeTopKRouter(config), weights)


def qwen3_moe(weights):
    """Return Qwen3-MoE's router, with the normalisation that its released models use."""
    dim, experts = weights["kernel"].shape
    config = Qwen3MoeConfig(
        hidden_size=dim, num_experts=experts, num_experts_per_tok=weights["options"]["top_k"], norm_topk_prob=True
    )
    return as_function(Qwen3MoeTopKRouter(config), weights)


def deepseek_v3(weights):
    """Return DeepSeek-V3's router, with one group of experts and no scaling of the weights."""
    dim, experts = weights["kernel"].shape
    config = DeepseekV3Config(
        hidden_size=dim,
        n_routed_experts=experts,
        num_experts_per_tok=weights["options"]["top_k"],
        n_group=1,
        topk_group=1,
        routed_scaling_factor=1.0,
        norm_topk_prob=True,
    )
    router = DeepseekV3TopkRouter(config)
    router.e_score_correction_bias.copy_(torch.from_numpy(weights["bias"]))
    return as_function(router, weights)


def as_function(router, weights):
    """Return a router with the given kernel as a function of NumPy tokens [group, token, dim]."""
    dim, experts = weights["kernel"].shape
    with torch.no_grad():
        router.weight.copy_(torch.from_numpy(weights["kernel"].T.copy()))

    def f(tokens):
        with torch.no_grad():
            _, scores, chosen = router(torch.from_numpy(tokens.reshape(-1, dim)))
        by_expert = torch.zeros(len(chosen), experts).scatter_(1, chosen, scores.float())
        return {"weights": by_expert.reshape(*tokens.shape[:2], experts).numpy()}

    return f
