"""Make the data behind figures and charts of single seeds: training curves, expert loads."""

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports.analysis.cells import Results, listed
from moebench.reports.analysis.chart_data import IDENTITY

LOAD_BINS = 32


def curves(results: Results) -> pd.DataFrame:
    """Return training curves, one row for each cell and recorded step.

    Values are the mean, the lowest and the highest of the seeds.

    Columns: those of `pareto` up to `device_kind`, `step`, `loss loss_low loss_high`, `accuracy accuracy_low
    accuracy_high`.

    Raises:
        BadInput: no row has a curve.
    """
    table = _labelled(results)
    rows = []
    for row in table.to_dict("records"):
        steps, losses, accuracies = (listed(row[f"curve_{name}"]) for name in ("step", "loss", "accuracy"))
        identity = [row[name] for name in IDENTITY]
        missing = [np.nan] * len(steps)
        for step, loss, accuracy in zip(steps, losses or missing, accuracies or missing, strict=False):
            rows.append((*identity, step, loss, accuracy))
    if not rows:
        raise BadInput("no training curves to show: no row of these results holds one.")
    points = pd.DataFrame(rows, columns=[*IDENTITY, "step", "loss", "accuracy"])
    points = points.astype({"step": float, "loss": float, "accuracy": float})
    groups = points.groupby([*IDENTITY, "step"], sort=False, dropna=False)
    return groups.agg(
        loss=("loss", "mean"),
        loss_low=("loss", "min"),
        loss_high=("loss", "max"),
        accuracy=("accuracy", "mean"),
        accuracy_low=("accuracy", "min"),
        accuracy_high=("accuracy", "max"),
    ).reset_index()


def load(results: Results, column: str = "expert_load") -> pd.DataFrame:
    """Return the loads of experts, one row for each cell, layer and rank of load.

    An expert's number has no meaning across seeds, so that the experts of a layer are first sorted by load, and the
    seeds averaged then. More than 32 experts become 32 ranks, each the mean of its neighbours.

    Columns: those of `pareto` up to `device_kind`, `layer` (the number of its block), `place` (1 is the expert of most
    load), and `load` relative to an even share (1 is even).

    Args:
        results: the rows and cells.
        column: `expert_load` or `expert_load_requested`.

    Raises:
        BadInput: no row has a load.
    """
    table = _labelled(results)
    table = table[table["router"] != "dense"]
    rows = []
    for _, group in table.groupby("cell", sort=False):
        loads = [array for array in map(_layers_by_experts, group[column]) if array is not None]
        if not loads or len({array.shape for array in loads}) > 1:
            continue
        ordered = np.sort(np.stack(loads), axis=-1)[:, :, ::-1]
        means = ordered.mean(axis=-1, keepdims=True)
        even = np.divide(ordered, means, out=np.full_like(ordered, np.nan), where=means > 0).mean(axis=0)
        identity = group.iloc[0][list(IDENTITY)].tolist()
        for layer, places in zip(_blocks(group["moe_layers"].iloc[0], len(even)), even, strict=True):
            bins = np.array_split(places, min(LOAD_BINS, len(places)))
            rows += [(*identity, layer, place, chunk.mean()) for place, chunk in enumerate(bins, start=1)]
    if not rows:
        raise BadInput("no expert loads to show: no row of these results holds one.")
    return pd.DataFrame(rows, columns=[*IDENTITY, "layer", "place", "load"])


def _labelled(results: Results) -> pd.DataFrame:
    """Return completed seeds' rows, in the order and with the labels of the cells."""
    rows = results.rows[results.rows["status"].isin(["ok", "diverged"])]
    places = np.array(results.places(rows), dtype=int)
    labelled = rows.assign(label=results.cells["label"].to_numpy()[places], cell=places)
    return labelled.sort_values("cell", kind="stable")


def _blocks(moe_layers: object, count: int) -> list[int]:
    """Return the blocks with experts from a text such as `2,3`.

    If the text does not name `count` blocks, the result is 0, 1, ….
    """
    names = str(moe_layers).split(",")
    blocks = [int(name) for name in names if name.strip().isdecimal()]
    return blocks if len(blocks) == count else list(range(count))


def _layers_by_experts(nested: object) -> np.ndarray | None:
    """Return a nested list as float[layers, experts].

    The result is None if the list is missing, ragged or empty.
    """
    layers = [np.asarray(listed(layer), dtype=float) for layer in listed(nested)]
    if not layers or len({len(layer) for layer in layers}) > 1 or not len(layers[0]):
        return None
    return np.stack(layers)
