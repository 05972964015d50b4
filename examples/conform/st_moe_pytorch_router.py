"""`TopNGating` of the package st-moe-pytorch: moebench conform examples/conform/st_moe_pytorch_router.py --as gshard.

Its experts are gated MLPs, which no paper's layer here has, so that the router alone is compared: f(tokens) gives the
weight of each expert for each token. Further choices are dropped at random below a threshold, in evaluation as well;
a threshold of 0 keeps them.
"""

import torch
from st_moe_pytorch.st_moe_pytorch import TopNGating


def build(weights):
    """Return the router as a function of NumPy tokens [group, token, dim]."""
    dim, experts = weights["kernel"].shape
    gate = TopNGating(
        dim, experts, top_n=2, threshold_eval=0.0, capacity_factor_eval=weights["options"]["capacity_factor"]
    ).eval()
    with torch.no_grad():
        gate.to_gates.weight.copy_(torch.from_numpy(weights["kernel"].T.copy()))

    def f(tokens):
        with torch.no_grad():
            combine = gate(torch.from_numpy(tokens))[1]
        return {"weights": combine.sum(-1).numpy()}

    return f
