"""Collect the page's data of recorded routing: images, patches' experts, and matrices of experts."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from moebench.inside import analyses
from moebench.inside.analyses.capacity import ORDERS, order_of, slots_at
from moebench.inside.load import Recording
from moebench.reports.figures.clusters import clustered
from moebench.reports.figures.patches import expert_colors, first_images
from moebench.reports.labels import shortened

FACTORS = (0.125, 0.25, 0.5, 1.0, 1.25, 2.0)
"""Capacity factors that readers can choose."""
_FACTOR_NAMES = ("1/8", "1/4", "1/2", "1", "1.25", "2")
MOST_SOFT = 4
"""Number of experts that are listed for a token if every expert has a part in the token."""
MOST_CLASSES = 60
"""Columns of a matrix of experts and classes."""
Content = dict[str, Any]


def content(recordings: Sequence[Recording], images: int) -> Content:
    """Return all data of the page, for JSON.

    Args:
        recordings: recordings of equal images; one seed of each cell.
        images: number of images to show, of as many different classes as there are.

    Raises:
        BadInput: the recorded pictures are missing.
    """
    shown = first_images(recordings[0], images)
    pictures = recordings[0].pictures()
    return {
        "images": [_picture(pictures[image]) for image in shown],
        "recordings": [_recording(each, shown) for each in recordings],
        "factors": list(_FACTOR_NAMES),
    }


def _picture(pixels: np.ndarray) -> Content:
    """Return an image as red, green and blue bytes in base64."""
    colours = np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else pixels[..., :3]
    height, width, _ = colours.shape
    return {"height": height, "width": width, "rgb": base64.b64encode(colours.astype(np.uint8).tobytes()).decode()}


def _recording(recording: Recording, shown: Sequence[int]) -> Content:
    facts = recording.facts
    rows = recording.frame()
    by_image = rows.drop_duplicates("image").set_index("image")
    answers = by_image.loc[list(shown), ["label", "prediction"]].astype(int)
    return {
        "name": shortened(facts.cell, 60),
        "grid": facts.grid,
        "first": int(facts.class_token),
        "soft": facts.kind == "soft",
        "byTokens": facts.chosen_by == "tokens",
        "colours": ["#" + "".join(f"{round(255 * part):02x}" for part in rgb) for rgb in expert_colors(facts.experts)],
        "labels": answers["label"].tolist(),
        "predictions": answers["prediction"].tolist(),
        "slots": [_slots(recording, factor) for factor in FACTORS],
        "trainedSlots": None if facts.capacity_factor is None else _slots(recording, facts.capacity_factor),
        "layers": [_layer(recording, rows[rows["layer"] == layer], shown) for layer in facts.layers],
    }


def _slots(recording: Recording, factor: float) -> int:
    facts = recording.facts
    return slots_at(factor, facts.tokens * facts.group_images, facts.top_k, facts.experts)


def _layer(recording: Recording, rows: pd.DataFrame, shown: Sequence[int]) -> Content:
    choices = _soft_choices(rows) if recording.facts.kind == "soft" else _hard_choices(recording, rows)
    choices = choices[choices["image"].isin(shown)].sort_values(["image", "token", "rank"], kind="stable")
    place = {image: number for number, image in enumerate(shown)}
    found: Content = {
        "layer": int(rows["layer"].iloc[0]),
        "image": choices["image"].map(place).tolist(),
        "token": choices["token"].tolist(),
        "expert": choices["expert"].tolist(),
        "percent": (100 * choices["weight"].astype(float)).round().astype(int).tolist(),
        "dropped": choices["dropped"].astype(int).tolist(),
        "said": _information(rows),
        "classes": _classes(rows),
    }
    for order in ORDERS:
        if f"slots_{order}" in choices:
            found[order] = choices[f"slots_{order}"].tolist()
            found["order"] = order_of(rows)
    return found


def _hard_choices(recording: Recording, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the choices of every token, with the slots that each choice needs.

    Slots are given in each order of the tokens, and only if tokens choose.
    """
    named = rows[(rows["expert"] >= 0) & (rows["token"] >= 0)]
    named = named.assign(weight=named["gate"].astype(float).fillna(0.0))
    if recording.facts.chosen_by != "tokens":
        return named
    keys = ["image", "token", "rank", "expert"]
    for order in ORDERS:
        needed = analyses.choice_slots(rows, "tokens", order)[[*keys, "slots"]]
        named = named.merge(needed.rename(columns={"slots": f"slots_{order}"}), how="left", on=keys)
    return named


def _soft_choices(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the experts of most combine weight for every token.

    A token's weight is summed over an expert's slots.
    """
    named = rows[(rows["expert"] >= 0) & (rows["token"] >= 0)].astype({"combine": float})
    mass = named.groupby(["image", "token", "expert"], sort=False)["combine"].sum().reset_index(name="weight")
    mass = mass.sort_values("weight", ascending=False, kind="stable")
    mass = mass.assign(rank=mass.groupby(["image", "token"]).cumcount(), dropped=False)
    return mass[mass["rank"] < MOST_SOFT]


def _information(rows: pd.DataFrame) -> str:
    """Return a sentence on the information of a token's expert on class and position."""
    parts = []
    for of in ("class of the image", "position of the patch"):
        found = analyses.expert_information(rows, of.split()[0]).iloc[0]  # type: ignore[arg-type]
        low = "not more than by chance" if found["p_value"] > 0.05 else f"{found['null_mean']:.2f} by chance"
        parts.append(f"{found['information']:.2f} bits about the {of} ({low})")
    return f"The expert of a token tells {' and '.join(parts)}."


def _classes(rows: pd.DataFrame) -> Content:
    """Return the lift of each class at each expert.

    Rows and columns are ordered so that structure is visible.
    """
    table = analyses.class_counts(rows).pivot(index="expert", columns="label", values="lift").fillna(0.0)
    weights = rows.drop_duplicates("image")["label"].value_counts()
    table = table[[label for label in weights.index[:MOST_CLASSES] if label in table]]
    values = table.to_numpy(float)
    down, across = clustered(values), clustered(values.T)
    ordered = values[down][:, across]
    return {
        "experts": table.index.to_numpy()[down].tolist(),
        "labels": table.columns.to_numpy()[across].tolist(),
        # A lift of 0 is 0, of 1 is 50, and of 2 or more is 100.
        "lift": [[round(50 * min(lift, 2.0)) for lift in row] for row in ordered.tolist()],
    }
