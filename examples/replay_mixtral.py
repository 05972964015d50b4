"""Record the router logits of a small Mixtral model, and count what other capacities would drop.

    python examples/replay_mixtral.py logits.npz
    moebench replay logits.npz --router 'tokens-choice[top_k=2,capacity_factor=[0.5,1,1.25,2]]' --router 'bpr[top_k=2]'

The weights are random, so that the numbers show the mechanics alone; a trained model is recorded in the same way.
"""

import sys

import numpy as np
import torch
from transformers import MixtralConfig, MixtralModel


def record(path: str, sequences: int = 8, tokens: int = 64) -> None:
    """Write an array [tokens, experts] for each layer, and the tokens of each sequence as routing groups."""
    torch.manual_seed(0)
    config = MixtralConfig(
        vocab_size=256,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        num_local_experts=8,
    )
    model = MixtralModel(config).eval()
    with torch.no_grad():
        found = model(torch.randint(256, (sequences, tokens)), output_router_logits=True)
    layers = {f"layer{number}": logits.float().numpy() for number, logits in enumerate(found.router_logits)}
    np.savez(path, **layers, groups=np.full(sequences, tokens))


if __name__ == "__main__":
    record(sys.argv[1])
