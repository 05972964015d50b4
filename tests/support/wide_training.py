"""Train tiny models on meshes and print what came of it, a line for each.

    python wide_training.py FOLDER ROUTERS MESHES        such as  /tmp/x dense,soft,two-towers 1x1,2x4

With - in place of the folder, the training step is compiled only.

A program of its own: how many devices a processor is split into is decided before JAX starts.
"""

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from tiny_models import captions, stripes, tiny, two_towers

from moebench.data import Split, batches
from moebench.evaluation.pass_over_split import evaluate
from moebench.models import VitConfig
from moebench.spec.cell_spec import CellSpec
from moebench.spec.entry import parse_cell
from moebench.training import (
    Program,
    Progress,
    Schedule,
    Training,
    TwoTowersProgram,
    WideProgram,
    WideTwoTowersProgram,
    compile_unoptimized,
    join_processes,
    mesh,
    train,
)
from moebench.training.checkpoints import Checkpoints

STEPS, BATCH = 8, 16
TWO_TOWERS = "two-towers"
SCHEDULE = Schedule(steps=STEPS, learning_rate=1e-2, weight_decay=0.1, warmup=0.1, clip_norm=1.0)


def configured(cell: str) -> VitConfig:
    """Return a model of four experts and groups of two images, or of what the router needs instead."""
    options = parse_cell(cell)
    router = options.pop("router")
    alone = router in ("dense", "mixture-of-depths")
    config = tiny(router) if alone else tiny(router, experts=4, **options)
    return replace(config, group_images=min(2, config.group_images))


def collectives(program: jax.stages.Compiled) -> dict[str, int]:
    """Return the number of collectives of a compiled program by kind, apart from sums over devices."""
    kinds = ("all-to-all", "all-gather", "collective-permute")
    text = program.as_text() or ""
    return {kind: found for kind in kinds if (found := len(re.findall(rf" {kind}(?:-start)?\(", text)))}


def trained(router: str, devices: str, folder: Path) -> dict[str, Any]:
    config = configured(router)
    over = mesh(CellSpec(router=router, devices=devices).mesh_shape)
    program = WideProgram(config, SCHEDULE, BATCH, over) if over else Program(config, SCHEDULE, BATCH)
    state, (images, labels) = program.abstract_state, program.abstract_batch(BATCH)
    weights = jax.ShapeDtypeStruct(labels.shape, jnp.float32, sharding=labels.sharding)
    init = compile_unoptimized(program.init, jax.eval_shape(lambda: jnp.zeros((), jnp.int32)))
    step = compile_unoptimized(program.train_step, state, images, labels)
    evaluation = compile_unoptimized(program.evaluate, state, images, labels, weights)
    start = Progress(init(np.asarray(0, np.int32)))
    training = train(program.with_host_batch(step), start, batches(stripes(48), BATCH, STEPS, 0))
    evaluated = evaluate(program.with_host_batch(evaluation), training.state, stripes(40), BATCH)
    leaves = jax.tree.leaves(training.state)
    return {
        "router": router,
        "devices": devices,
        "losses": [float(loss) for loss in training.losses],
        "eval_loss": evaluated.loss,
        "load": [float(load) for load in evaluated.routing[0].load],
        # Shape of what one device holds of the experts' kernels, and of what the optimiser has beside them.
        "held": sorted({shard(leaf) for leaf in leaves if leaf.shape[1:] == (8, 12)}),
        "collectives": collectives(step),
        "batch": shard(program.device_put(np.zeros((BATCH, 1), np.float32))[0]),
        # One is enough: nothing in a checkpoint knows of routers, and each takes seconds.
        "restored": restored(program, training, folder / devices) if router == "bpr" else None,
    }


def contrasted(devices: str) -> dict[str, Any]:
    """Two towers with experts in the image tower, whose pairs must meet the texts of all devices."""
    config, over = two_towers("soft"), mesh(CellSpec(router="soft", devices=devices).mesh_shape)
    program = WideTwoTowersProgram(config, SCHEDULE, BATCH, over) if over else TwoTowersProgram(config, SCHEDULE, BATCH)
    step = compile_unoptimized(program.train_step, program.abstract_state, *program.abstract_batch(BATCH))
    embed = compile_unoptimized(program.embed_texts, program.abstract_state, program.abstract_captions(BATCH))
    init = compile_unoptimized(program.init, jax.eval_shape(lambda: jnp.zeros((), jnp.int32)))
    start = Progress(init(np.asarray(0, np.int32)))
    pairs = (Split(each.images, captions(each.labels)) for each in batches(stripes(48), BATCH, STEPS, 0))
    training = train(program.with_host_batch(step), start, pairs)
    texts = program.with_host_batch(embed)(training.state, captions(stripes(BATCH).labels))
    return {
        "router": TWO_TOWERS,
        "devices": devices,
        "losses": [float(loss) for loss in training.losses],
        "texts": np.asarray(texts).ravel().tolist(),
        "held": sorted({shard(leaf) for leaf in jax.tree.leaves(training.state) if leaf.shape[1:] == (8, 12)}),
        "batch": shard(program.device_put(captions(stripes(BATCH).labels))[0]),
    }


def restored(program: Program, training: Training, folder: Path) -> bool:
    """Whether a checkpoint gives every array back as it was, and where it was."""
    Checkpoints(folder, {}, 1e-9, print).offer("seed 0", Progress(training.state))
    progress = Checkpoints(folder, {}, 1e-9, print).progress("seed 0", program.abstract_state)
    assert progress is not None
    return all(map(equal, jax.tree.leaves(progress.state), jax.tree.leaves(training.state)))


def equal(one: jax.Array, other: jax.Array) -> bool:
    return bool((one == other).all()) and one.sharding.is_equivalent_to(other.sharding, one.ndim)


def shard(array: jax.Array) -> str:
    return "x".join(map(str, array.addressable_shards[0].data.shape))


def compiled_only(router: str, devices: str) -> dict[str, Any]:
    over = mesh(CellSpec(router="dense", devices=devices).mesh_shape)
    assert over is not None
    program = WideProgram(configured(router), SCHEDULE, BATCH, over)
    step = compile_unoptimized(program.train_step, program.abstract_state, *program.abstract_batch(BATCH))
    return {"router": router, "devices": devices, "collectives": collectives(step)}


if __name__ == "__main__":
    join_processes(os.environ)
    folder = sys.argv[1]
    trainer = compiled_only if folder == "-" else lambda router, devices: trained(router, devices, Path(folder))
    for router in sys.argv[2].split(","):
        for devices in sys.argv[3].split(","):
            found = contrasted(devices) if router == TWO_TOWERS else trainer(router, devices)
            print(json.dumps(found), flush=True)
