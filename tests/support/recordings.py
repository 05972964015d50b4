"""Recordings of tiny models, and recordings written by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from tiny_models import SCHEDULE, tiny

from moebench.data import Split
from moebench.evaluation.recorder import COMPILER_OPTIONS, Origin, Recorder
from moebench.inside.files import to_table, write_images, write_recording
from moebench.inside.load import Recording
from moebench.inside.rows import hard_rows, of_images, soft_rows
from moebench.inside.schema import Facts
from moebench.training import Program, compile_unoptimized

ORIGIN = Origin(
    suite="tiny", cell_id="abc", run_id="r1", attempt=1, seed=0, cell="a router", model="tiny/2", data="stripes"
)
OPTIONS = {"dense": {}, "mixture-of-depths": {"capacity_factor": 0.5}}
"""Options of the routers that cannot have four experts."""
FACTS = Facts(
    suite="tiny",
    cell_id="abc",
    run_id="r1",
    seed=0,
    attempt=1,
    cell="bpr[experts=2]",
    router="bpr",
    options={"experts": 2, "top_k": 1, "capacity_factor": 1.0},
    model="tiny/2",
    data="stripes",
    image_size=4,
    grid=2,
    class_token=False,
    classes=3,
    tokens=4,
    experts=2,
    group_images=1,
    layers=(1,),
    steps=(30,),
    kind="hard",
    chosen_by="tokens",
    kept=None,
    images="",
    expert_pairs={"layer": [1], "expert": [0], "other": [1], "cosine": [0.25], "cka": [0.5]},
    slot_pairs={"layer": [], "slot": [], "other": [], "cosine": []},
    swaps={"layer": [1], "swap": ["random router"], "accuracy": [0.5], "trained_accuracy": [0.75]},
)


@cache
def recorder(router: str, images: int = 24, batch: int = 16, count: int = 60, **options: Any) -> tuple[Recorder, Any]:
    """A recorder of a tiny model on noise, and the model's state before training, with a head that is not zero.

    The same for the same arguments, because to compile one takes seconds; nothing that a test does changes either.

    Args:
        router: by its name.
        images: recorded, of `count`.
        batch: images at a time.
        count: images of the test split.
        options: of the router; by default four experts.
    """
    given = options or OPTIONS.get(router, {"experts": 4})
    program = Program(tiny(router, **given), SCHEDULE, batch)
    seed = np.zeros((), np.int32)
    state = compile_unoptimized(program.init, jax.eval_shape(lambda: jnp.asarray(seed)))(seed)
    with unoptimised():
        return Recorder(program, noise(count), images, batch), with_head(state)


@contextmanager
def unoptimised() -> Iterator[None]:
    """Recorders compile in a quarter of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(COMPILER_OPTIONS, "xla_backend_optimization_level", "0")
        yield


def noise(count: int) -> Split:
    """Images of noise of three classes, strong enough to outweigh the positions of their tokens."""
    generator = np.random.default_rng(5)
    images = 5 * generator.normal(size=(count, 4, 4, 1)).astype(np.float32)
    return Split(images, np.arange(count, dtype=np.int32) % 3)


def with_head(state: Any) -> Any:
    """The state with random weights in the head, which is zero before training."""

    def drawn(path: Any, array: Any) -> Any:
        name = jax.tree_util.keystr(path)
        return jax.random.normal(jax.random.key(7), array.shape) if "head" in name and array.ndim == 2 else array

    return replace(state, parameters=jax.tree_util.tree_map_with_path(drawn, state.parameters))


def recorded_frame(router: str, **options: Any) -> tuple[pd.DataFrame, Recorder]:
    """The rows of a tiny model, without the columns of the cell."""
    made, state = recorder(router, **options)
    return pd.DataFrame(made.record(state, 30).columns), made


def hard_frame(
    expert: Any, gate: Any = None, *, experts: int, dropped: Any = None, labels: Any = None, **columns: Any
) -> pd.DataFrame:
    """Rows of one layer by hand.

    Args:
        expert: [image, token, choice], from `experts` on for none.
        gate: of the same shape, 1 if None.
        experts: experts there are.
        dropped: of the same shape, none if None.
        labels: of the images, 0 if None.
        columns: values of further columns, the same in all rows.
    """
    expert = np.asarray(expert)
    images = len(expert)
    gate = np.ones(expert.shape) if gate is None else np.asarray(gate, float)
    dropped = np.zeros(expert.shape, bool) if dropped is None else np.asarray(dropped)
    arrays = {"expert": expert, "gate": gate, "weight": np.where(dropped, 0, gate), "dropped": dropped}
    arrays["confidence"] = gate.max(-1)
    return _frame(hard_rows(arrays, experts), images, labels, experts, columns)


def soft_frame(dispatch: Any, combine: Any, *, labels: Any = None, **columns: Any) -> pd.DataFrame:
    """Rows of one layer of a soft router by hand, weights [image, token, expert, slot]."""
    dispatch, combine = (np.asarray(each, np.float16) for each in (dispatch, combine))
    arrays = {"dispatch": dispatch, "combine": combine, "confidence": combine.sum(-1).max(-1)}
    return _frame(soft_rows(arrays), len(dispatch), labels, dispatch.shape[2], columns)


def _frame(rows: Any, images: int, labels: Any, experts: int, columns: Any) -> pd.DataFrame:
    labels = np.zeros(images, int) if labels is None else np.asarray(labels)
    placed = of_images(
        rows,
        layer=1,
        images=np.arange(images),
        labels=labels,
        predictions=labels,
        first_group=0,
        group_images=columns.pop("group_images", 1),
        experts=experts,
    )
    names = ("suite", "cell_id", "cell", "router")
    cell = dict.fromkeys(names, "x") | {"seed": 0, "step": 30} | columns
    return pd.DataFrame(placed).assign(**cell)


def written(folder: Path, frame: pd.DataFrame, **facts: Any) -> Recording:
    """A recording of rows on disk, with images of noise, in the folder of its suite's recordings."""
    numbers = np.unique(frame["image"])
    pixels = np.random.default_rng(0).integers(0, 256, (len(numbers), 4, 4, 1)).astype(np.uint8)
    digest = write_images(pixels, numbers, np.zeros(len(numbers), int), folder)
    about = replace(FACTS, **{"images": digest, **facts})
    columns = {name: frame[name].to_numpy() for name in frame}
    return Recording(write_recording(to_table(columns, about), folder, about), about)


def four_routers(folder: Path) -> list[Recording]:
    """bpr with two choices and two layers, Experts Choice that leaves a token alone, soft, and dense."""
    generator = np.random.default_rng(0)
    labels = np.arange(16) % 3
    parts = []
    for step in (1, 4):
        for layer in (1, 3):
            expert = np.argsort(generator.random((16, 4, 4)), axis=-1)[..., :2]
            gate = -np.sort(-generator.random((16, 4, 2)), axis=-1)
            names = {"group_images": 8, "step": step, "layer": layer}
            parts.append(hard_frame(expert, gate, experts=4, labels=labels, **names))
    bpr = {"router": "bpr", "cell": "bpr[experts=4,top_k=2]", "group_images": 8, "layers": (1, 3), "steps": (1, 4)}
    bpr |= {"options": {"experts": 4, "top_k": 2, "capacity_factor": 1.0}, "experts": 4, "cell_id": "b"}
    expert = np.array([[[0, 1], [1, 2], [0, 2], [2, 2]]] * 16)  # the last token of each image is nobody's
    frame = hard_frame(expert, np.full(expert.shape, 0.5), experts=2, labels=labels, step=4)
    chosen = {"router": "experts-choice", "cell": "experts-choice[experts=2]", "chosen_by": "experts", "steps": (4,)}
    chosen |= {"options": {"experts": 2, "top_k": 1, "capacity_factor": 1.0}, "cell_id": "e"}
    weights = generator.dirichlet(np.ones(4), (16, 4)).reshape(16, 4, 2, 2)
    dispatch = np.full((16, 4, 2, 2), 0.25)
    soft = {"router": "soft", "cell": "soft[experts=2]", "kind": "soft", "chosen_by": "nobody", "steps": (4,)}
    one = hard_frame(np.zeros((16, 4, 1), int), experts=1, labels=labels, step=4)
    dense = {"router": "dense", "cell": "dense", "chosen_by": "nobody", "experts": 1, "steps": (4,), "options": {}}
    return [
        written(folder, pd.concat(parts), **bpr),
        written(folder, frame, **chosen),
        written(folder, soft_frame(dispatch, weights, labels=labels, step=4), cell_id="s", **soft),
        written(folder, one, cell_id="d", **dense),
    ]
