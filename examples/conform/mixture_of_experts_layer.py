"""`MoE` of the package mixture-of-experts: moebench conform examples/conform/mixture_of_experts_layer.py --as gshard.

Its second choice is dropped at random by default, in evaluation as well; `second_policy_eval="all"` keeps it.
"""

import torch
from mixture_of_experts import MoE


def build(weights):
    """Return the layer as a function of NumPy tokens [group, token, dim]."""
    experts, dim, hidden = weights["kernel_in"].shape
    layer = MoE(
        dim,
        num_experts=experts,
        hidden_dim=hidden,
        second_policy_eval="all",
        capacity_factor_eval=weights["options"]["capacity_factor"],
        activation=torch.nn.GELU,
    ).eval()
    with torch.no_grad():
        layer.gate.w_gating.copy_(torch.from_numpy(weights["kernel"]))
        layer.experts.w1.copy_(torch.from_numpy(weights["kernel_in"]))
        layer.experts.w2.copy_(torch.from_numpy(weights["kernel_out"]))

    def f(tokens):
        with torch.no_grad():
            return layer(torch.from_numpy(tokens))[0].numpy()

    return f
