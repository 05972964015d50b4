"""Compute which tokens are dropped at other capacities, from the choices of one recording.

The inputs of the layer stay those of the recording, although at another capacity earlier layers would return other
tokens. For the first MoE layer the result is exact.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from moebench.errors import BadInput, unknown
from moebench.inside.analyses.keys import by_layer, listed, require, run_places

ORDERS = ("array", "priority")
"""Orders in which tokens take slots: the order of the array; or highest gate first, as in Batch Prioritized Routing
(2106.05974).
"""
CHOSEN_BY = ("tokens", "experts", "mask")


def order_of(rows: pd.DataFrame) -> str:
    """Return the order, one of ORDERS, in which the tokens of recorded rows took slots."""
    return "priority" if (rows["priority"] >= 0).any() else "array"


def choice_slots(frame: pd.DataFrame, chosen_by: str = "tokens", order: str | None = None) -> pd.DataFrame:
    """Return for each choice the fewest slots with which its expert processes the token.

    A choice is processed if the choices before it at its expert are fewer than the expert's slots. If tokens choose,
    all first choices precede all second choices, and tokens of one rank follow `order` (2106.05974); otherwise choices
    follow their gates in descending order (2202.09368).

    Args:
        frame: rows of hard routers.
        chosen_by: as in the recordings' facts: tokens, experts or mask.
        order: one of ORDERS; None takes the recording's own order.

    Returns:
        KEYS, image, token, rank, expert, slots; a row for each choice in the order of the frame.

    Raises:
        BadInput: the router is soft, or does not make its choices one by one.
    """
    _check(frame, chosen_by, order)

    def of_layer(rows: pd.DataFrame) -> pd.DataFrame:
        named, slots = _slots(rows, chosen_by, order)
        return named[["image", "token", "rank", "expert"]].assign(slots=slots)

    return by_layer(frame, of_layer)


def _check(frame: pd.DataFrame, chosen_by: str, order: str | None) -> None:
    if chosen_by not in CHOSEN_BY:
        cell = frame["cell"].iloc[0]
        raise BadInput(f"{cell} has no capacity that could be changed: it gives each token fixed experts.")
    if order is not None and order not in ORDERS:
        raise unknown("order", order, ORDERS)


def slots_needed(frame: pd.DataFrame, chosen_by: str = "tokens", order: str | None = None) -> pd.DataFrame:
    """Return for each token the fewest slots per expert at which the token is processed.

    A token is processed if at least one expert processes the token.

    Args:
        frame: as in `choice_slots`.
        chosen_by: as in `choice_slots`.
        order: as in `choice_slots`.

    Returns:
        KEYS, image, token, slots: NaN if no expert was recorded for the token.

    Raises:
        BadInput: as `choice_slots`.
    """
    _check(frame, chosen_by, order)

    def of_layer(rows: pd.DataFrame) -> pd.DataFrame:
        _, slots = _slots(rows, chosen_by, order)
        known = rows[rows["token"] >= 0]
        number, tokens = pd.factorize(_token_numbers(known))
        fewest = np.full(len(tokens), np.inf)
        np.minimum.at(fewest, number[(known["expert"] >= 0).to_numpy()], slots)
        first = np.unique(number, return_index=True)[1]
        found = known[["image", "token"]].iloc[first].reset_index(drop=True)
        return found.assign(slots=np.where(np.isinf(fewest), np.nan, fewest))

    return by_layer(frame, of_layer)


def _slots(rows: pd.DataFrame, chosen_by: str, order: str | None) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the choices of one layer and the fewest slots at which each is processed."""
    require(rows, soft=False, what="capacity")
    named = listed(rows)
    place = _array_places(rows)[((rows["expert"] >= 0) & (rows["token"] >= 0)).to_numpy()]
    group, expert = named["group"].to_numpy(np.int64), named["expert"].to_numpy(np.int64)
    queue = group * (int(expert.max(initial=0)) + 1) + expert
    if chosen_by == "tokens":
        if (order or order_of(named)) == "priority":
            place = _priorities(named, place)
        rank = named["rank"].to_numpy(np.int64)
        # One integer for queue, rank and place: sorting it is several times faster than sorting three keys.
        keys = (queue * (int(rank.max(initial=0)) + 2) + rank + 1) * (int(place.max(initial=0)) + 1) + place
        sorted_rows = np.argsort(keys, kind="stable")
    else:
        sorted_rows = np.lexsort((place, -named["gate"].to_numpy(), queue))
    slots = np.empty(len(named), np.int64)
    slots[sorted_rows] = run_places(queue[sorted_rows]) + 1
    return named, slots


def _token_numbers(rows: pd.DataFrame) -> np.ndarray:
    """Return for each row the number of its token among those of all images."""
    image, token = rows["image"].to_numpy(np.int64), rows["token"].to_numpy(np.int64)
    numbers: np.ndarray = image * (int(token.max(initial=0)) + 1) + token
    return numbers


def _array_places(rows: pd.DataFrame) -> np.ndarray:
    """Return the place of each row's token among the tokens of its group."""
    tokens = int(rows["token"].max()) + 1
    places: np.ndarray = rows["place"].to_numpy(np.int64) * tokens + rows["token"].to_numpy()
    return places


def _priorities(named: pd.DataFrame, place: np.ndarray) -> np.ndarray:
    """Return the place of each row's token by the largest gates of its group.

    If places were recorded, the result is the recorded places.
    """
    if (named["priority"] >= 0).any():
        return named["priority"].to_numpy(np.int64)
    first = named["rank"].to_numpy() == 0
    group, gate = named["group"].to_numpy(), named["gate"].to_numpy()[first]
    order = np.lexsort((place[first], -gate, group[first]))
    places = np.empty(len(order), np.int64)
    places[order] = run_places(group[first][order])
    # Place of a token, by its group and its place in the array; every token with a choice has a first choice.
    lookup = np.zeros((int(group.max(initial=0)) + 1, int(place.max(initial=0)) + 1), np.int64)
    lookup[group[first], place[first]] = places
    found: np.ndarray = lookup[group, place]
    return found


def slots_at(factor: float, tokens: int, top_k: int, experts: int) -> int:
    """Return the slots of an expert for a group of tokens.

    The number is round(S·k·C/E), and at least 1, for S tokens, k choices of a token, capacity factor C and E experts.
    """
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
        frame: rows of hard routers with equal options.
        factors: capacity factors C, slots = round(S·k·C/E) for groups of S tokens.
        top_k: choices of each token, or the mean number of experts that take a token.
        chosen_by: as in the recordings' facts.
        order: one of ORDERS; None takes the recording's own order.
        recorded_factor: the capacity factor of the recording; at a larger factor, experts that choose tokens would take
            tokens that were not recorded.

    Returns:
        KEYS, capacity_factor, slots_per_expert, dropped.

    Raises:
        BadInput: as `slots_needed`; or experts choose their tokens and a factor is above the recorded one.
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
