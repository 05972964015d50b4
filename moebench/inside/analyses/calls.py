"""Count the expert calls that each image gets."""

import pandas as pd

from moebench.inside.analyses.keys import KEYS, by_layer, listed, require


def calls_by_image(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the mean expert calls of each image's tokens over all MoE layers (after 2106.05974).

    Args:
        frame: rows of hard routers.

    Returns:
        The columns KEYS without the layer, image, label, calls.

    Raises:
        BadInput: the router is soft, so that all images have equal cost.
    """
    return by_layer(frame, _of_recording, tuple(name for name in KEYS if name != "layer"))


def _of_recording(rows: pd.DataFrame) -> pd.DataFrame:
    require(rows, soft=False, what="expert calls of its own for each image")
    tokens = rows.drop_duplicates(["layer", "image", "token"]).groupby("image").size()
    named = listed(rows)
    processed = named[~named["dropped"]].groupby("image").size().reindex(tokens.index, fill_value=0)
    label = rows.drop_duplicates("image").set_index("image")["label"]
    return (processed / tokens).rename("calls").to_frame().join(label).reset_index()[["image", "label", "calls"]]
