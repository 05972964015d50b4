"""Work out which tokens are dropped at other capacities, from the choices of one recording.

The inputs of the layer stay those of the recording: at another capacity an earlier layer would hand on other tokens.
For the first MoE layer the result is exact.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from moebench.errors import BadInput, unknown
from moebench.inside.analyses.keys import KEYS, by_layer, listed, require, run_places

ORDERS = ("array", "priority")
"""Orders in which tokens take slots: as they stand in the array; of highest gate first, as in Batch Prioritized
Routing (2106.05974)."""
_RECORDED = ("suite", "cell_id", "seed", "step", "layer")
CHOSEN_BY = ("tokens", "experts", "mask")


def order_of(rows: pd.DataFrame) -> str:
    """Return the order, one of ORDERS, in which the tokens of recorded rows took slots."""
    return "priority" if (rows["priority"] >= 0).any() else "array"


def choice_slots(frame: pd.DataFrame, chosen_by: str = "tokens", order: str | None = None) -> pd.DataFrame:
    """Return for each choice the fewest slots of its expert at which the expert processes the token.

    A choice is processed if fewer choices than the expert has slots stand before it at its expert. If tokens choose,
    all first choices stand before any second choice, and tokens of one rank stand in `order` (2106.05974); else
    choices stand in the order of their gates (2202.09368).

    Args:
        frame: rows of hard routers.
        chosen_by: as in the recordings' facts: tokens, experts or mask.
        order: one of ORDERS; None takes the recording's own.

    Returns:
        KEYS, image, token, rank, expert, slots; a row for each choice in the order of the frame.

    Raises:
        BadInput: a soft router, or one whose choices are not made one by one.
    """
    if chosen_by not in CHOSEN_BY:
        cell = frame["cell"].iloc[0]
        raise BadInput(f"{cell} has no capacity that could be changed: it gives each token fixed experts.")
    if order is not None and order not in ORDERS:
        raise unknown("order", order, ORDERS)
    return by_layer(frame, lambda rows: _of_layer(rows, chosen_by, order))


def slots_needed(frame: pd.DataFrame, chosen_by: str = "tokens", order: str | None = None) -> pd.DataFrame:
    """Return for each token the fewest slots of each expert at which some expert processes the token.

    Args:
        frame: as in `choice_slots`.
        chosen_by: as in `choice_slots`.
        order: as in `choice_slots`.

    Returns:
        KEYS, image, token, slots: NaN if no expert was recorded for the token.

    Raises:
        BadInput: as `choice_slots`.
    """
    choices = choice_slots(frame, chosen_by, order)
    keys = [*_RECORDED, "image", "token"]
    fewest = choices.groupby(keys, sort=False, observed=True)["slots"].min()
    tokens = frame.loc[frame["token"] >= 0, [*KEYS, "image", "token"]].drop_duplicates(keys, ignore_index=True)
    # Names come as texts from the choices, as categories from a recording.
    tokens = tokens.astype({name: choices[name].dtype for name in KEYS})
    return tokens.join(fewest, on=keys)


def _of_layer(rows: pd.DataFrame, chosen_by: str, order: str | None) -> pd.DataFrame:
    require(rows, soft=False, what="capacity")
    named = listed(rows)
    place = _array_places(rows)[(rows["expert"] >= 0).to_numpy()]
    if chosen_by == "tokens":
        if (order or order_of(named)) == "priority":
            place = _priorities(named, place)
        queue = [place, named["rank"].to_numpy()]
    else:
        queue = [place, -named["gate"].to_numpy()]
    group, expert = named["group"].to_numpy(), named["expert"].to_numpy()
    sorted_rows = np.lexsort((*queue, expert, group))
    slots = np.empty(len(named), np.int64)
    slots[sorted_rows] = run_places(group[sorted_rows], expert[sorted_rows]) + 1
    return named[["image", "token", "rank", "expert"]].assign(slots=slots)


def _array_places(rows: pd.DataFrame) -> np.ndarray:
    """Place of each row's token among the tokens of its group."""
    tokens = int(rows["token"].max()) + 1
    places: np.ndarray = rows["place"].to_numpy(np.int64) * tokens + rows["token"].to_numpy()
    return places


def _priorities(named: pd.DataFrame, place: np.ndarray) -> np.ndarray:
    """Place of each row's token in the order of the largest gates of its group; the recorded one if there is one."""
    if (named["priority"] >= 0).any():
        return named["priority"].to_numpy(np.int64)
    first = named["rank"].to_numpy() == 0
    group, gate = named["group"].to_numpy()[first], named["gate"].to_numpy()[first]
    order = np.lexsort((place[first], -gate, group))
    places = np.empty(len(order), np.int64)
    places[order] = run_places(group[order])
    lookup = pd.Series(places, index=pd.MultiIndex.from_arrays([group, place[first]]))
    return lookup.reindex(pd.MultiIndex.from_arrays([named["group"].to_numpy(), place])).to_numpy(np.int64)


def slots_at(factor: float, tokens: int, top_k: int, experts: int) -> int:
    """Return the slots of an expert, round(S·k·C/E) and at least 1, for a group of S tokens."""
    return max(1, round(tokens * top_k * factor / experts))


def dropped_over_capacity(
    frame: pd.DataFrame,
    factors: Sequence[float],
    *,
    top_k: int,
    chosen_by: str = "tokens",
    order: str | None = None,
    recorded_factor: float | None = None,
) -> pd.DataFrame:
    """Return the share of tokens that no expert processes at each capacity factor, by `slots_needed`.

    Args:
        frame: rows of hard routers with the same options.
        factors: capacity factors C, slots = round(S·k·C/E) for groups of S tokens.
        top_k: choices of each token, or the mean number of experts that take a token.
        chosen_by: as in the recordings' facts.
        order: one of ORDERS; None takes the recording's own.
        recorded_factor: the capacity factor of the recording, beyond which experts that choose tokens would take
            tokens that were not recorded.

    Returns:
        KEYS, capacity_factor, slots_per_expert, dropped.

    Raises:
        BadInput: as from `slots_needed`, or experts choose their tokens and a factor is above the recorded one.
    """
    beyond = [factor for factor in factors if recorded_factor is not None and factor > recorded_factor]
    if chosen_by == "experts" and beyond:
        raise BadInput(
            f"{frame['cell'].iloc[0]} was recorded at C = {recorded_factor:g}: at C = {beyond[0]:g} its experts would "
            "take tokens that were not recorded; record the cell with that capacity_factor."
        )
    needed = slots_needed(frame, chosen_by, order)
    tokens = frame["place"].max() + 1, frame.loc[frame["token"] >= 0, "token"].max() + 1
    group_tokens, experts = int(tokens[0]) * int(tokens[1]), int(frame["experts"].iloc[0])

    def of_layer(rows: pd.DataFrame) -> pd.DataFrame:
        slots = [slots_at(factor, group_tokens, top_k, experts) for factor in factors]
        least = rows["slots"].fillna(np.inf).to_numpy()
        dropped = [float((least > count).mean()) for count in slots]
        return pd.DataFrame({"capacity_factor": list(factors), "slots_per_expert": slots, "dropped": dropped})

    return by_layer(needed, of_layer)
