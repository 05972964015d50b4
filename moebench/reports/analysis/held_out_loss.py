"""Test losses during training, over FLOPs and time, and their crossings of dense.

A crossing is the point at which a cell and dense reach one loss.
"""

import numpy as np
import pandas as pd

from moebench.errors import BadInput
from moebench.reports.analysis.cells import Results, listed
from moebench.reports.analysis.ranking import SETTING, dense_baselines
from moebench.reports.quantities import limit_sign, written

COSTS = ("flops", "time")
_IDENTITY = ("cell", "cell_id", "label", "router", "experts", *SETTING)


def held_out_loss(results: Results) -> pd.DataFrame:
    """Return test losses during training, one row for each cell and evaluation.

    Returns:
        `cell` (the position among `results.cells`), `cell_id label router experts suite model data device_kind`,
        `step`; `flops`, those of the training up to the step; `time` up to the step, in steps of the dense twin, NaN
        for cells that were not timed; `loss`, the mean over seeds, and `loss_low loss_high`, the seeds' bounds.

    Raises:
        BadInput: no row has a test curve.
    """
    good = results.rows[results.rows["status"] == "ok"]
    points = [
        (place, step, loss)
        for place, steps, losses in zip(
            results.places(good), good["curve_eval_step"], good["curve_eval_loss"], strict=True
        )
        for step, loss in zip(listed(steps), listed(losses), strict=True)
    ]
    if not points:
        raise BadInput(
            "no test losses during training to show: no row of these results has any; the key eval_every records them."
        )
    table = pd.DataFrame(points, columns=["cell", "step", "loss"]).astype({"step": float, "loss": float})
    found = table.groupby(["cell", "step"])["loss"].agg(loss="mean", loss_low="min", loss_high="max").reset_index()
    cells = results.cells.assign(cell=range(len(results.cells))).set_index("cell")
    ratio = cells["train_step_vs_dense"].where(cells["router"] != "dense", 1.0)
    for name in _IDENTITY[1:]:
        found[name] = cells[name].reindex(found["cell"]).to_numpy()
    for name, per_step in zip(COSTS, (cells["flops_train_step"], ratio), strict=True):
        found[name] = found["step"] * per_step.reindex(found["cell"]).to_numpy()
    return found[[*_IDENTITY, "step", *COSTS, "loss", "loss_low", "loss_high"]]


def crossings(results: Results) -> pd.DataFrame:
    """Return the points at which each cell and its dense cell reach one test loss.

    The loss is the higher of the two final losses.

    Returns:
        One row for each cell with a compute multiplier: `cell router loss` and its setting; `flops` and `time`, at
        which the better of the two reaches the loss; `compute_multiplier time_multiplier` and their texts,
        `compute_multiplier_text time_multiplier_text`. `time` is NaN for cells that were not timed.
    """
    ends = held_out_loss(results).groupby("cell").last()
    rows = []
    for place, dense in dense_baselines(results.cells).items():
        cell = results.cells.iloc[place]
        if place == dense or place not in ends.index or np.isnan(cell["compute_multiplier"]):
            continue
        ours, theirs = ends.loc[place], ends.loc[dense]
        row = {"cell": place, **cell[["router", *SETTING]], "loss": max(ours["loss"], theirs["loss"])}
        for cost, name in zip(COSTS, ("compute_multiplier", "time_multiplier"), strict=True):
            worth = cell[name]
            at = theirs[cost] / worth if ours["loss"] <= theirs["loss"] else ours[cost] * worth
            sign = limit_sign(cell[f"{name}_ci_low"], cell[f"{name}_ci_high"])
            row |= {cost: at, name: worth, f"{name}_text": sign + written(worth, "ratio")}
        rows.append(row)
    names = [f"{name}{end}" for name in ("compute_multiplier", "time_multiplier") for end in ("", "_text")]
    return pd.DataFrame(rows, columns=["cell", "router", *SETTING, "loss", *COSTS, *names])
