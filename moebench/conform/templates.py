"""Adapters to start from, one for each framework: files that a user fills in."""

from moebench.errors import unknown

_ABOUT = '''"""Adapter for `moebench conform`: build(weights) returns f(tokens), NumPy arrays in and out.

weights holds NumPy arrays in float32:
    phi [dim, experts, slots] and scale []                       Soft MoE
    kernel [dim, experts], for loss-free also bias [experts]     the sparse strategies
    kernel_in [experts, dim, hidden], bias_in [experts, hidden], kernel_out [experts, hidden, dim],
    bias_out [experts, dim]                                      the experts' MLPs
    options {"top_k": …, "capacity_factor": …}                   the sparse strategies
tokens have shape [groups, tokens, dim]; each group is routed on its own.
f may also return {"outputs": …, "losses": {"importance": …, "balance": …, "z": …}}, or, of a router alone,
{"weights": float[groups, tokens, experts]}. A function gradients(weights, tokens, cotangent) beside build may return
the gradients of sum(outputs · cotangent) by name: {"tokens": …, "kernel": …, "kernel_in": …}.
"""
'''
_TORCH = (
    _ABOUT
    + """
import torch

from my_package import SoftMoELayer  # your layer


def build(weights):
    dim, experts, slots = weights["phi"].shape
    layer = SoftMoELayer(dim=dim, num_experts=experts, slots_per_expert=slots).eval()
    with torch.no_grad():
        layer.phi.copy_(torch.from_numpy(weights["phi"]))
        layer.scale.copy_(torch.from_numpy(weights["scale"]))
        for number, expert in enumerate(layer.experts):
            expert[0].weight.copy_(torch.from_numpy(weights["kernel_in"][number].T))
            expert[0].bias.copy_(torch.from_numpy(weights["bias_in"][number]))
            expert[2].weight.copy_(torch.from_numpy(weights["kernel_out"][number].T))
            expert[2].bias.copy_(torch.from_numpy(weights["bias_out"][number]))

    def f(tokens):
        with torch.no_grad():
            return layer(torch.from_numpy(tokens)).numpy()

    return f
"""
)
_JAX = (
    _ABOUT
    + """
import jax.numpy as jnp
import numpy as np

from my_package import soft_moe  # your layer


def build(weights):
    params = {name: jnp.asarray(value) for name, value in weights.items() if name != "options"}
    return lambda tokens: np.asarray(soft_moe(params, jnp.asarray(tokens)))
"""
)
_KERAS = (
    _ABOUT
    + """
import keras
import numpy as np

from my_package import SoftMoELayer  # your layer


def build(weights):
    dim, experts, slots = weights["phi"].shape
    layer = SoftMoELayer(experts=experts, slots=slots)
    layer.build((None, None, dim))
    layer.set_weights([weights[name] for name in ("phi", "scale", "kernel_in", "bias_in", "kernel_out", "bias_out")])
    return lambda tokens: np.asarray(keras.ops.convert_to_numpy(layer(tokens)))
"""
)
TEMPLATES = {"torch": _TORCH, "jax": _JAX, "keras": _KERAS}


def template(framework: str) -> str:
    """Return the text of an adapter to start from.

    Raises:
        BadInput: the framework is unknown.
    """
    if framework not in TEMPLATES:
        raise unknown("framework", framework, TEMPLATES, of="--template")
    return TEMPLATES[framework]
