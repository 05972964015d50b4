"""Turn the routing arrays of one layer and batch into the rows of a recording."""

import numpy as np

from moebench.inside.schema import NO_EXPERT

Columns = dict[str, np.ndarray]


def hard_rows(arrays: Columns, experts: int) -> Columns:
    """Return a row for each pair of a token and an expert.

    A token without any expert has one row.

    Args:
        arrays: expert, gate, weight and dropped [image, token, choice], confidence [image, token], and order
            [group, token of the group] if tokens take slots in an order.
        experts: number of experts; a choice of this number or above is none.
    """
    expert = arrays["expert"]
    images, tokens, _ = expert.shape
    named = expert < experts
    # A token without an expert gets a row in the place of its first choice.
    alone = ~named.any(-1)
    listed = named.copy()
    listed[..., 0] |= alone
    image, token, choice = np.nonzero(listed)
    rank = np.cumsum(named, axis=-1) - 1
    at = (image, token, choice)
    none = ~named[at]
    rows = _unlisted(len(image)) | {
        "row_image": image,
        "token": token.astype(np.int16),
        "expert": np.where(none, NO_EXPERT, expert[at]).astype(np.int16),
        "rank": np.where(none, -1, rank[at]).astype(np.int16),
        "gate": np.where(none, np.nan, arrays["gate"][at]).astype(np.float32),
        "combine": np.where(none, 0, arrays["weight"][at]).astype(np.float16),
        "dropped": arrays["dropped"][at] & ~none,
        "confidence": arrays["confidence"][image, token].astype(np.float16),
    }
    if "order" in arrays:
        place = np.argsort(arrays["order"], axis=-1).reshape(images, tokens)
        rows["priority"] = place[image, token].astype(np.int32)
    return rows


def soft_rows(arrays: Columns) -> Columns:
    """Return a row for each pair of a token and a slot.

    If arrays are cut short, rows are the largest pairs, and the sums of the other pairs by token and by slot.

    Args:
        arrays: confidence [image, token], dispatch and combine [image, token, expert, slot]; or, cut short, token,
            dispatch and combine [image, expert, slot, kept], and the rests by token [image, token] and by slot
            [image, expert, slot].
    """
    if "token" not in arrays:
        image, token, expert, slot = _indices(arrays["dispatch"])
        rows = _soft(image, token, expert, slot, arrays["dispatch"].reshape(-1), arrays["combine"].reshape(-1))
        rows["confidence"] = arrays["confidence"][image, token].astype(np.float16)
        return rows
    parts = [_indices(arrays[name]) for name in ("token", "token_dispatch_rest", "slot_dispatch_rest")]
    (image, expert, slot, _), (image_of_token, token), (image_of_slot, *slots) = parts
    flat = {name: array.reshape(-1) for name, array in arrays.items()}
    largest = _soft(image, flat["token"], expert, slot, flat["dispatch"], flat["combine"])
    no_slot = np.full(len(token), -1)
    rests = (flat["token_dispatch_rest"], flat["token_combine_rest"])
    by_token = _soft(image_of_token, token, no_slot, no_slot, *rests)
    by_token["confidence"] = flat["confidence"].astype(np.float16)
    rests = (flat["slot_dispatch_rest"], flat["slot_combine_rest"])
    by_slot = _soft(image_of_slot, np.full(len(slots[0]), -1), *slots, *rests)
    rows = {name: np.concatenate([part[name] for part in (largest, by_token, by_slot)]) for name in largest}
    order = np.argsort(rows["row_image"], kind="stable")
    return {name: values[order] for name, values in rows.items()}


def _indices(array: np.ndarray) -> list[np.ndarray]:
    """Return the indices of an array's elements along each dimension."""
    return [each.reshape(-1) for each in np.indices(array.shape)]


def _soft(image: np.ndarray, token: np.ndarray, expert: np.ndarray, slot: np.ndarray, *weights: np.ndarray) -> Columns:
    # Sums of the left-out weights are differences, which rounding can make negative.
    dispatch, combine = (np.maximum(each, 0) for each in weights)
    return _unlisted(len(image)) | {
        "row_image": image,
        "token": token.astype(np.int16),
        "expert": expert.astype(np.int16),
        "slot": slot.astype(np.int16),
        "dispatch": dispatch,
        "combine": combine,
    }


def _unlisted(count: int) -> Columns:
    """Return the routing columns of rows that name no expert."""
    return {
        "expert": np.full(count, NO_EXPERT, np.int16),
        "slot": np.full(count, -1, np.int16),
        "rank": np.full(count, -1, np.int16),
        "gate": np.full(count, np.nan, np.float32),
        "confidence": np.full(count, np.nan, np.float16),
        "dispatch": np.full(count, np.nan, np.float16),
        "combine": np.full(count, np.nan, np.float16),
        "dropped": np.zeros(count, bool),
        "priority": np.full(count, -1, np.int32),
    }


def of_images(
    rows: Columns,
    *,
    layer: int,
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    first_group: int,
    group_images: int,
    experts: int,
) -> Columns:
    """Return rows with the columns of their layer and image.

    Args:
        rows: rows with the column `row_image`, the image's place in its batch.
        layer: block number of the layer.
        images: numbers in the test split of the images that count; rows of later images in the batch are left out.
        labels: classes of these images.
        predictions: predicted classes of the batch.
        first_group: number of the batch's first group.
        group_images: images of a group.
        experts: number of experts that a row can name.
    """
    real = rows["row_image"] < len(images)
    rows = {name: values[real] for name, values in rows.items()}
    at = rows.pop("row_image")
    count = len(at)
    return {
        "layer": np.full(count, layer, np.int16),
        "image": images[at].astype(np.int32),
        "group": (first_group + at // group_images).astype(np.int32),
        "place": (at % group_images).astype(np.int16),
        "label": labels[at].astype(np.int32),
        "prediction": predictions[at].astype(np.int32),
        "experts": np.full(count, experts, np.int16),
        **rows,
    }
