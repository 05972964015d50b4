"""Record router logits as a file that `moebench replay` reads; here they are drawn, yours come from a model.

python examples/replay_logits.py logits.npz
moebench replay logits.npz --router 'bpr[top_k=2,capacity_factor=[0.5,1]]' --router 'experts-choice[top_k=2]'
"""

import sys

import numpy as np


def record(path):
    """Write one array [tokens, experts] for each layer."""
    rng = np.random.default_rng(0)
    popular = np.array([1.5, 0.5, 0, 0, 0, 0, -0.5, -1])  # some experts are chosen more often
    layers = {f"layer{number}": rng.normal(size=(512, 8)) + popular for number in (0, 1)}
    # Sizes of the routing groups: here the 64 tokens of an image are routed together.
    np.savez(path, **layers, groups=np.full(8, 64))


if __name__ == "__main__":
    record(sys.argv[1])
