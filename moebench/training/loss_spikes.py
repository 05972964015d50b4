"""Loss spikes: a definition by which they can be counted."""

import numpy as np
from jaxtyping import Float64

WINDOW, LEAST = 100, 20
DEVIATIONS = 7.0
OF_GUESSING = 0.1


def loss_spikes(losses: Float64[np.ndarray, "step"]) -> list[int]:
    """The steps, from 1, at which the loss leaps: where spikes begin.

    A step is in a spike if its loss lies 7 standard deviations or more above the mean of the 100 steps before it, as in
    OLMo 2's spike score (2501.00656), whose window is of 1,000 steps; here fewer than 100 will do at the beginning, 20
    at the least. It must also lie above the mean by a tenth of the first step's loss, that of guessing: of losses near
    zero a single image makes many deviations. Steps in a row are one spike.
    """
    inside = np.zeros(len(losses), bool)
    for step in range(LEAST, len(losses)):
        before = losses[max(0, step - WINDOW) : step]
        rise = losses[step] - before.mean()
        inside[step] = rise >= max(DEVIATIONS * before.std(), OF_GUESSING * losses[0])
    begins = inside & ~np.concatenate([[False], inside[:-1]])
    return [int(step) + 1 for step in np.flatnonzero(begins)]
