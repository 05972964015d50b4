"""Count the models of a printed table, with the names and units of the table."""

import json
from collections.abc import Iterable

from moebench.cells.count import completed, resolved
from moebench.measuring import count_parameters, forward_flops, printed_train_flops, train_flops
from moebench.papers.printed import IMAGE_SIZE, PrintedModel
from moebench.spec.entry import build_spec

Counts = dict[str, float]


def counts(models: Iterable[PrintedModel]) -> list[Counts]:
    """Count each model in closed form.

    Args:
        models: rows of the printed table.

    Returns:
        `params`, `eval_gflop_per_image` and, for trained models, `train_exaflop` of each row.

    Raises:
        BadInput: a model that cannot be built.
    """
    known: dict[str, tuple[int, float, float]] = {}
    found = []
    for model in models:
        key = json.dumps(model.entry, sort_keys=True)
        if key not in known:
            known[key] = _count(model)
        params, forward, train = known[key]
        each = {"params": float(params), "eval_gflop_per_image": forward / 1e9}
        if model.images is not None:
            each["train_exaflop"] = train * model.images / 1e18
        found.append(each)
    return found


def _count(model: PrintedModel) -> tuple[int, float, float]:
    """Return parameters, FLOPs of inference, and FLOPs of training counted as printed, for one image."""
    cell = resolved(build_spec(completed(model.entry)), IMAGE_SIZE)
    forward, train = forward_flops(cell.model, cell.router), train_flops(cell.model, cell.router)
    return count_parameters(cell.model, cell.router).total, forward.total, printed_train_flops(forward, train)
