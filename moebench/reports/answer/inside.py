"""Summarise recordings of routing in a sentence: experts of tokens, dropped tokens, contents of slots."""

from collections.abc import Sequence

import pandas as pd

from moebench.inside import analyses
from moebench.inside.analyses.capacity import slots_at
from moebench.inside.load import Recording
from moebench.reports.quantities import written

SHOWN_FACTOR = 0.25
"""Capacity factor at which orders of tokens are compared, small enough that the order matters."""
_BLOB, _MEAN = 1 / 3, 2 / 3
"""Shares of an image's tokens: slots that need fewer tokens are blobs, slots that need more are close to the mean."""
_ONE_SIDED = 0.1
"""Difference between the dropped shares of two halves above which an order is said to drop one half."""
_SIGNIFICANT = 0.05


def on_routing(recordings: Sequence[Recording]) -> str:
    """Return the share of patches without an expert in each recording's last MoE layer."""
    left, served = [], []
    for each in _hard(recordings):
        rows = each.frame(layers=each.facts.layers[-1:])
        share = float(analyses.expert_map(rows)["dropped"].mean())
        name = each.facts.router
        if share:
            size = written(share, "share")
            left.append(f"{name} leaves {size} to no expert" if _experts_choose(each) else f"{name} drops {size}")
        else:
            served.append(name)
    parts = []
    if left:
        parts.append(f"Of all patches, {_listed(left)}")
    if served:
        parts.append(f"{'no patch is' if left else 'No patch is'} without an expert under {_listed(served)}")
    return "; ".join(parts) + "." if parts else "Soft routers give every patch a part in every slot; none is dropped."


def on_dropped(recordings: Sequence[Recording]) -> str:
    """Return which patches are dropped at a small capacity by array order and by priority."""
    choosing = [each for each in _hard(recordings) if each.facts.chosen_by == "tokens" and each.facts.router != "hash"]
    parts = []
    if choosing:
        first = next((each for each in choosing if each.facts.router == "bpr"), choosing[0])
        parts.append(f"At C = 1/4 {_on_orders(first)}")
    for each in _hard(recordings):
        if _experts_choose(each):
            rows = each.frame(layers=each.facts.layers[-1:])
            share = float(analyses.expert_map(rows)["dropped"].mean())
            factor = each.facts.capacity_factor
            at = f" at C = {factor:g}" if factor else ""
            parts.append(f"{each.facts.router} leaves {written(share, 'share')} of the patches to no expert{at}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else "No recorded router has a capacity that could drop patches."


def halves_dropped(recording: Recording, order: str) -> tuple[float, float]:
    """Return the dropped shares of both halves of each group's tokens at C = 1/4.

    The share of the first half precedes the share of the second half.

    Args:
        recording: recording of a router whose tokens choose, in its last MoE layer.
        order: `array` or `priority`. The halves are of the array in either order; a group of one image has the upper
            and the lower half of the image.
    """
    facts = recording.facts
    rows = recording.frame(layers=facts.layers[-1:])
    needed = analyses.slots_needed(rows, facts.chosen_by, order)
    slots = slots_at(SHOWN_FACTOR, facts.tokens * facts.group_images, facts.top_k, facts.experts)
    places = rows.drop_duplicates("image").set_index("image")["place"]
    queue = needed["image"].map(places).astype(int) * facts.tokens + needed["token"]
    dropped = ~(needed["slots"] <= slots)
    late = queue * 2 >= (int(places.max()) + 1) * facts.tokens
    return float(dropped[~late].mean()), float(dropped[late].mean())


def on_slots(recordings: Sequence[Recording]) -> str:
    """Return whether the slots of the first soft router are blobs or image means.

    The text is empty without a soft router.
    """
    soft = next((each for each in recordings if each.facts.kind == "soft"), None)
    if soft is None:
        return ""
    needed = analyses.tokens_for_share(soft.frame(layers=soft.facts.layers[-1:]))["tokens"]
    return f"Under {soft.facts.router} {slots_verdict(needed, soft.facts.tokens)}."


def slots_verdict(needed: "pd.Series[float]", tokens: int) -> str:
    """Return whether slots are blobs or near the mean of their image.

    The text has no full stop.

    Args:
        needed: tokens that carry 90 % of each slot.
        tokens: tokens of an image.
    """
    if needed.isna().mean() > 0.5:
        return "most slots spread over more tokens than the recording keeps"
    median = float(needed.median())
    share = median / tokens
    if share < _BLOB:
        what = "slots are blobs of few tokens"
    elif share > _MEAN:
        what = "slots are near-uniform means of their image"
    else:
        what = "slots are between blobs and means of their image"
    return f"{what}: {median:g} of {tokens} tokens carry 90 % of a slot in the median"


def on_specialisation(recordings: Sequence[Recording]) -> str:
    """Return the routers with most expert information on class and position, and routers at chance."""
    parts = []
    for of, about in zip(analyses.OF, ("the class of the image", "the position of the patch"), strict=True):
        found = {}
        chance = []
        for each in recordings:
            if each.facts.experts < 2:
                continue
            rows = each.frame(layers=each.facts.layers[-1:])
            information = analyses.expert_information(rows, of).iloc[0]
            if information["p_value"] <= _SIGNIFICANT:
                found[each.facts.router] = float(information["information"])
            else:
                chance.append(each.facts.router)
        if found:
            most = max(found, key=lambda router: found[router])
            text = f"most about {about} under {most} ({found[most]:.2f} bits)"
            parts.append(text + (f", no more than chance under {_listed(chance)}" if chance else ""))
        else:
            parts.append(f"no more than chance about {about}")
    return f"The expert of a token tells {'; '.join(parts)}."


def _on_orders(recording: Recording) -> str:
    """Return which half of the array each order drops."""
    (early, late), priority = halves_dropped(recording, "array"), halves_dropped(recording, "priority")
    if recording.facts.group_images == 1:
        where, halves = "the bottom of the image", ("lower", "upper")
    else:
        where, halves = "the last images of a group", ("later", "earlier")
    both = " and ".join(written(share, "share") for share in priority[::-1])
    array = f"{written(late, 'share')} of the {halves[0]} half, {written(early, 'share')} of the {halves[1]}"
    what = f"drops {where}: {array}" if late - early > _ONE_SIDED else f"drops both halves alike: {array}"
    return f"array order {what}; by priority {both}"


def _experts_choose(recording: Recording) -> bool:
    return recording.facts.chosen_by == "experts"


def _hard(recordings: Sequence[Recording]) -> list[Recording]:
    return [each for each in recordings if each.facts.kind == "hard" and each.facts.router != "dense"]


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
