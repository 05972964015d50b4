"""Map each patch to its expert."""

import pandas as pd

from moebench.inside.analyses.keys import by_layer, is_soft, listed


def expert_map(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each token with its experts before and after capacity (after 2106.05974).

    For a soft router the first choice is the expert whose slots have most weight in the token's output.

    Returns:
        KEYS, image, token, and: first, the first choice or -1; first_processed, the first choice that is not dropped
        or -1; experts and processed, the numbers of choices and of those that are not dropped; dropped, whether no
        expert processes the token.
    """
    return by_layer(frame, _of_layer)


def _of_layer(rows: pd.DataFrame) -> pd.DataFrame:
    tokens = rows.loc[rows["token"] >= 0, ["image", "token"]].drop_duplicates()
    if is_soft(rows):
        weights = listed(rows).astype({"combine": float})
        mass = weights.groupby(["image", "token", "expert"], sort=False)["combine"].sum().reset_index()
        first = mass.sort_values("combine", ascending=False, kind="stable").drop_duplicates(["image", "token"])
        found = tokens.merge(first[["image", "token", "expert"]], how="left", on=["image", "token"])
        found = found.rename(columns={"expert": "first"}).fillna({"first": -1}).astype({"first": "int16"})
        return found.assign(first_processed=found["first"], experts=-1, processed=-1, dropped=False)
    named = listed(rows).sort_values(["image", "token", "rank"], kind="stable")
    processed = named[~named["dropped"]]
    found = tokens.set_index(["image", "token"])
    for name, part in (("first", named), ("first_processed", processed)):
        found[name] = part.drop_duplicates(["image", "token"]).set_index(["image", "token"])["expert"]
    for name, part in (("experts", named), ("processed", processed)):
        found[name] = part.groupby(["image", "token"]).size()
    found = found.fillna({"first": -1, "first_processed": -1, "experts": 0, "processed": 0}).astype("int16")
    return found.assign(dropped=found["processed"] == 0).reset_index()
