"""A Soft MoE layer in PyTorch, and its check: moebench conform examples/pytorch_soft_moe.py --as soft.

The layer is what you have; `build` is what moebench needs to compare it with the paper's rule.
"""

import torch
from torch import nn
from torch.nn.functional import gelu, softmax


class SoftMoe(nn.Module):
    """Soft MoE (2308.00951): slots are mixtures of the tokens, outputs are mixtures of the slots."""

    def __init__(self, dim, experts, slots, hidden):
        super().__init__()
        self.phi = nn.Parameter(torch.randn(dim, experts, slots) * dim**-0.5)
        self.scale = nn.Parameter(torch.ones(()))
        self.kernel_in = nn.Parameter(torch.randn(experts, dim, hidden) * dim**-0.5)
        self.bias_in = nn.Parameter(torch.zeros(experts, hidden))
        self.kernel_out = nn.Parameter(torch.randn(experts, hidden, dim) * hidden**-0.5)
        self.bias_out = nn.Parameter(torch.zeros(experts, dim))

    def forward(self, tokens):  # [image, token, dim]
        unit = tokens * torch.rsqrt((tokens**2).sum(-1, keepdim=True) + 1e-6)
        phi = self.scale * self.phi * torch.rsqrt((self.phi**2).sum(0, keepdim=True) + 1e-6)
        logits = torch.einsum("nsd,dep->nsep", unit, phi)
        dispatch = softmax(logits, 1)
        combine = softmax(logits.flatten(2), -1).view_as(logits)
        slots = torch.einsum("nsep,nsd->nepd", dispatch, tokens)  # the tokens themselves, not the normalised ones
        hidden = gelu(torch.einsum("nepd,edh->neph", slots, self.kernel_in) + self.bias_in[:, None], approximate="tanh")
        outputs = torch.einsum("neph,ehd->nepd", hidden, self.kernel_out) + self.bias_out[:, None]
        return torch.einsum("nsep,nepd->nsd", combine, outputs)


def build(weights):
    """Return the layer with these weights as a function of NumPy arrays."""
    dim, experts, slots = weights["phi"].shape
    layer = SoftMoe(dim, experts, slots, weights["bias_in"].shape[1])
    layer.load_state_dict({name: torch.as_tensor(weights[name]) for name in layer.state_dict()})

    def f(tokens):
        with torch.no_grad():
            return layer(torch.from_numpy(tokens)).numpy()

    return f
