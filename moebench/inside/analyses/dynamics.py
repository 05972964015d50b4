"""Follow the routing of a fixed set of tokens through training."""

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.inside.analyses.keys import KEYS, by_layer, is_soft, listed

_LAYER = tuple(name for name in KEYS if name != "step")


def dynamics(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the agreement of each recorded step's routing with the routing of the trained model.

    saturation = mean over tokens of |E_t ∩ E_T| / |E_T|, with E_t the token's experts at step t, before capacity, and
    E_T its experts at the last recorded step; tokens without experts at the last step are left out (OLMoE, 2409.02060).
    fluctuation = share of tokens whose first expert at step t differs from that of the last step (after 2106.05974). A
    soft router's token has one expert: the one of most weight in its output.

    Args:
        frame: rows of recordings with all their steps.

    Returns:
        KEYS, saturation, fluctuation.

    Raises:
        BadInput: the recording has the trained model alone.
    """
    return by_layer(frame, _of_layer, _LAYER)


def _of_layer(rows: pd.DataFrame) -> pd.DataFrame:
    steps = np.unique(rows["step"])
    if len(steps) < 2:
        raise BadInput(
            f"{rows['cell'].iloc[0]} was recorded at step {steps[0]} alone: `record_during_training: 8` beside "
            "`record_routing` records its routing during training too."
        )
    tokens = int(rows["token"].max()) + 1
    experts = int(rows["experts"].iloc[0])
    by_step = {step: _experts(rows[rows["step"] == step], tokens) for step in steps}
    final, final_first = by_step[steps[-1]]
    size = final.groupby(level=0).size()
    found = []
    for step in steps:
        chosen, first = by_step[step]
        # A pair of token and expert, written as one number.
        pairs = final.index.to_numpy() * experts + final.to_numpy()
        kept = np.isin(pairs, chosen.index.to_numpy() * experts + chosen.to_numpy())
        shares = pd.Series(kept, index=final.index).groupby(level=0).sum() / size
        changed = (first.reindex(final_first.index, fill_value=-1) != final_first).mean()
        found.append((step, float(shares.mean()), float(changed)))
    return pd.DataFrame(found, columns=["step", "saturation", "fluctuation"])


def _experts(rows: pd.DataFrame, tokens: int) -> "tuple[pd.Series[int], pd.Series[int]]":
    """Return each token's experts, and each token's first expert or -1.

    The index of both results is the token's number among all images.
    """
    rows = rows[rows["token"] >= 0]
    number = rows["image"].to_numpy(np.int64) * tokens + rows["token"].to_numpy()
    if is_soft(rows):
        weights = rows.assign(number=number, combine=rows["combine"].to_numpy(float))
        mass = listed(weights).groupby(["number", "expert"])["combine"].sum().reset_index()
        best = mass.sort_values("combine", ascending=False, kind="stable").drop_duplicates("number")
        first = best.set_index("number")["expert"].astype(np.int64).sort_index()
        return first, first
    expert = pd.Series(rows["expert"].to_numpy(np.int64), index=number)
    return expert[expert >= 0], expert[(rows["rank"] <= 0).to_numpy()].sort_index()
