"""Find loss spikes."""

import numpy as np
from jaxtyping import Float64

WINDOW, LEAST = 100, 20
DEVIATIONS = 7.0
OF_GUESSING = 0.1


def loss_spikes(losses: Float64[np.ndarray, "step"]) -> list[int]:
    """Return the steps, from 1, at which loss spikes begin.

    A step is in a spike if its loss lies 7 standard deviations or more above the mean of the 100 steps before, as in
    the spike score of OLMo 2 (2501.00656), whose window is 1,000 steps. At the beginning 20 steps suffice. The loss
    must also lie above the mean by a tenth of the first step's loss, which is that of guessing: near zero a single
    image moves the loss by many deviations. Consecutive steps are one spike.
    """
    inside = np.zeros(len(losses), bool)
    for step in range(LEAST, len(losses)):
        before = losses[max(0, step - WINDOW) : step]
        rise = losses[step] - before.mean()
        inside[step] = rise >= max(DEVIATIONS * before.std(), OF_GUESSING * losses[0])
    begins = inside & ~np.concatenate([[False], inside[:-1]])
    return [int(step) + 1 for step in np.flatnonzero(begins)]
