"""Queries that the cell program answers for a driver without JAX: environment, resolve, prepare."""

import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from moebench.cells.images import dataset, pairs
from moebench.cells.resolve import resolve_cell
from moebench.data.dataset import Dataset
from moebench.data.holdout import hold_out_validation
from moebench.errors import BadInput
from moebench.measuring import environment
from moebench.measuring.environment import pin_jax_settings
from moebench.spec.cell_spec import CellSpec
from moebench.spec.tuning import TUNE

__all__ = ["environment", "prepare", "resolve"]


_SAY_EVERY_S = 1.0


def resolve(specs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Resolve specifications; print once a second how many are done.

    Returns:
        For each specification either `cell_id`, `fingerprint`, `label`, `inputs` and `ready`, which is false if images
        have to be made first; or `error`, one sentence, and `key`, the key at fault or None.
    """
    pin_jax_settings()
    device = environment()
    specs, found, reported_at = list(specs), [], time.monotonic()
    for spec in specs:
        found.append(_resolved(spec, device))
        if time.monotonic() - reported_at >= _SAY_EVERY_S:
            reported_at = time.monotonic()
            print(f"resolving the cells: {len(found):,} of {len(specs):,}", flush=True)
    return found


def _resolved(spec: Mapping[str, Any], device: Mapping[str, Any]) -> dict[str, Any]:
    try:
        cell = resolve_cell(CellSpec.model_validate_json(json.dumps(spec)))
    except BadInput as mistake:
        return {"error": str(mistake), "key": mistake.key}
    return {**cell.identity(device), "label": cell.label, "inputs": cell.inputs, "ready": cell.is_ready}


def prepare(specs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Make the images of specifications and store them for the cells.

    A check finds validation splits that cannot be held out.

    Returns:
        For each specification `error` and `key` as from `resolve`; an empty entry if nothing is wrong.
    """
    pin_jax_settings()
    return [_prepared(spec) for spec in specs]


def _prepared(spec: Mapping[str, Any]) -> dict[str, Any]:
    notes: list[str] = []
    for key, size in (("data", "image_size"), ("pretrain_data", "pretrain_image_size")):
        if spec.get(key) is None:
            continue
        try:
            contrastive = key == "data" and spec.get("text_model") is not None
            images = pairs(spec[key], spec.get(size)) if contrastive else dataset(spec[key], spec.get(size))
        except BadInput as mistake:
            return {"error": str(mistake), "key": mistake.key if key == "data" else key}
        notes += (f"{spec[key]}: {note}" for note in images.notes)
        if spec.get(TUNE) and key == "data" and isinstance(images, Dataset):
            try:
                hold_out_validation(images)
            except BadInput as mistake:
                return {"error": f"{TUNE}: {mistake}", "key": TUNE}
    return {"notes": notes}
