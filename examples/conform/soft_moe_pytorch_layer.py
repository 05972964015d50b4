"""`SoftMoE` of the package soft-moe-pytorch: moebench conform examples/conform/soft_moe_pytorch_layer.py --as soft."""

import torch
from soft_moe_pytorch import SoftMoE


def build(weights):
    """Return the layer as a function of NumPy tokens [image, token, dim]."""
    dim, experts, slots = weights["phi"].shape
    hidden = weights["bias_in"].shape[1]
    layer = SoftMoE(dim, num_experts=experts, num_slots=slots, expert_mult=hidden / dim).eval()
    with torch.no_grad():
        layer.slot_embeds.copy_(torch.from_numpy(weights["phi"].transpose(1, 2, 0).copy()))
        # Both norms multiply by the root of the width; the gain of the slots takes that back and brings the scale.
        layer.slot_norm.gamma.fill_(float(weights["scale"]) / dim)
        for number, expert in enumerate(layer.experts.experts):
            expert[0].weight.copy_(torch.from_numpy(weights["kernel_in"][number].T.copy()))
            expert[0].bias.copy_(torch.from_numpy(weights["bias_in"][number]))
            expert[3].weight.copy_(torch.from_numpy(weights["kernel_out"][number].T.copy()))
            expert[3].bias.copy_(torch.from_numpy(weights["bias_out"][number]))

    def f(tokens):
        with torch.no_grad():
            return layer(torch.from_numpy(tokens)).numpy()

    return f
