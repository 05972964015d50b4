"""Describe the slots of soft routers: tokens in each slot, slots in each token's output."""

from typing import Literal

import numpy as np
import pandas as pd

from moebench.inside.analyses.keys import by_layer, require, run_places

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_SLOT = ["image", "expert", "slot"]


def slot_weights(frame: pd.DataFrame, image: int) -> pd.DataFrame:
    """Return the dispatch weights of the slots over one image (2308.00951, figure 25).

    Args:
        frame: rows of soft routers.
        image: number of the image in the test split.

    Returns:
        KEYS, expert, slot, token, dispatch, and relative: the weight times the number of tokens, 1 if the slot is the
        mean
        of the image's tokens.
    """

    def of_layer(rows: pd.DataFrame) -> pd.DataFrame:
        require(rows, soft=True, what="slots that hold mixtures")
        tokens = int(rows["token"].max()) + 1
        here = rows[(rows["image"] == image) & (rows["token"] >= 0) & (rows["slot"] >= 0)]
        dispatch = here["dispatch"].astype(float)
        return here[["expert", "slot", "token"]].assign(dispatch=dispatch, relative=dispatch * tokens)

    return by_layer(frame, of_layer)


def tokens_for_share(frame: pd.DataFrame, share: float = 0.9) -> pd.DataFrame:
    """Return the fewest tokens that carry a share of each slot's dispatch weight.

    The measure is that of 2308.00951, figure 9.

    Args:
        frame: rows of soft routers.
        share: share of a slot's weight.

    Returns:
        KEYS, image, expert, slot, tokens; NaN if the recording keeps less than the share of the slot's weight.
    """

    def of_layer(rows: pd.DataFrame) -> pd.DataFrame:
        weights = _sorted(rows, "dispatch", _SLOT)
        # A token is needed while the tokens before it carry less than the share; float16 sums miss 1 by rounding.
        needed = weights["before"] < share - 1e-3
        slots = weights.assign(needed=needed).groupby(_SLOT, sort=False)
        found = slots.agg(tokens=("needed", "sum"), carried=("dispatch", "sum")).astype(float)
        found.loc[found["carried"] < share - 2e-3, "tokens"] = np.nan
        return found.drop(columns="carried").reset_index()

    return by_layer(frame, of_layer)


def cumulative_weights(frame: pd.DataFrame, of: Literal["dispatch", "combine"]) -> pd.DataFrame:
    """Return cumulative sums of the weights, largest weights first (2308.00951, figures 26 and 27).

    Args:
        frame: rows of soft routers.
        of: dispatch, a slot's weights of the tokens; or combine, a token's weights of the slots.

    Returns:
        KEYS, count (of largest weights), mean and the quantiles q05, q25, q50, q75, q95 over slots and images, or over
        tokens and images.
    """

    def of_layer(rows: pd.DataFrame) -> pd.DataFrame:
        weights = _sorted(rows, of, _SLOT if of == "dispatch" else ["image", "token"])
        sums = weights["before"] + weights[of]
        by_count = sums.groupby(weights["place"].to_numpy() + 1)
        found = by_count.quantile(np.array(QUANTILES)).unstack()
        found.columns = pd.Index([f"q{100 * quantile:02.0f}" for quantile in QUANTILES])
        found.insert(0, "mean", by_count.mean())
        return found.rename_axis("count").reset_index()

    return by_layer(frame, of_layer)


def token_mass(frame: pd.DataFrame, of: Literal["token", "slot"]) -> pd.DataFrame:
    """Return each token's weight in all slots together, or each slot's weight in the tokens.

    The measures are those of 2308.00951.

    Args:
        frame: rows of soft routers.
        of: token, the sum of a token's dispatch weights, 1 on average if there are as many slots as tokens; slot, the
            mean over the tokens of the slot's combine weight.

    Returns:
        KEYS, image, and token, mass; or expert, slot, mass. Weights that the recording leaves out are included.
    """

    def of_layer(rows: pd.DataFrame) -> pd.DataFrame:
        require(rows, soft=True, what="slots that hold mixtures")
        tokens = int(rows["token"].max()) + 1
        if of == "token":
            whole = rows[rows["token"] >= 0].astype({"dispatch": float})
            return whole.groupby(["image", "token"])["dispatch"].sum().rename("mass").reset_index()
        whole = rows[rows["slot"] >= 0].astype({"combine": float})
        return (whole.groupby(_SLOT)["combine"].sum() / tokens).rename("mass").reset_index()

    return by_layer(frame, of_layer)


def _sorted(rows: pd.DataFrame, weight: str, keys: list[str]) -> pd.DataFrame:
    """Return the listed weights of each key in descending order.

    The columns `before` and `place` give the sum of the weights before each weight, and its place from 0.
    """
    require(rows, soft=True, what="slots that hold mixtures")
    named = rows.loc[(rows["token"] >= 0) & (rows["slot"] >= 0), [*dict.fromkeys((*keys, weight))]]
    named = named.astype({weight: float})
    order = np.lexsort((-named[weight].to_numpy(), *(named[key].to_numpy() for key in reversed(keys))))
    named = named.iloc[order]
    place = run_places(*(named[key].to_numpy() for key in keys))
    total = named[weight].cumsum().to_numpy() - named[weight].to_numpy()
    first = np.maximum.accumulate(np.where(place == 0, np.arange(len(place)), 0))
    return named.assign(place=place, before=total - total[first])
