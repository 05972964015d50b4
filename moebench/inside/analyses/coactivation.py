"""Count how often two experts process the same token."""

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from moebench.inside.analyses.keys import by_layer, codes, listed, require


def coactivation(frame: pd.DataFrame, *, processed: bool = False) -> pd.DataFrame:
    """Return how often the tokens of one expert belong to another expert too (OLMoE, 2409.02060).

    All pairs of a token's experts count, not only those of adjacent ranks: share = N_ab / N_a, where N_a tokens have
    expert a and N_ab tokens have both.

    Args:
        frame: rows of hard routers.
        processed: whether dropped choices are left out.

    Returns:
        KEYS, expert, other, tokens (N_ab), share, and expected: the share if experts were drawn independently, each
        token's other experts in proportion to the experts' loads.

    Raises:
        BadInput: the router is soft, or each token has one expert.
    """
    return by_layer(frame, lambda rows: _of_layer(rows, processed))


def _of_layer(rows: pd.DataFrame, processed: bool) -> pd.DataFrame:
    require(rows, soft=False, what="pairs of experts that serve the same token")
    named = listed(rows)
    if processed:
        named = named[~named["dropped"]]
    experts = int(rows["experts"].iloc[0])
    tokens, token = codes(named["image"].astype(np.int64) * (int(rows["token"].max()) + 1) + named["token"])
    places = (token, named["expert"].to_numpy())
    incidence = csr_array((np.ones(len(named), np.int64), places), shape=(len(tokens), experts))
    both = (incidence.T @ incidence).toarray()
    own = np.diag(both).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):  # an expert without tokens has no share
        share = both / own[:, None]
        others = (incidence.sum(1)[token] - 1).astype(float)
        # Mean number of other experts of a token of each expert, shared out by the loads of the others.
        companions = np.bincount(places[1], others, minlength=experts) / own
        expected = companions[:, None] * own[None] / (own.sum() - own[:, None])
    expert, other = np.indices(both.shape)
    apart = expert != other
    flat = {"expert": expert, "other": other, "tokens": both, "share": share, "expected": expected}
    return pd.DataFrame({name: array[apart] for name, array in flat.items()})
