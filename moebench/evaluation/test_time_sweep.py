"""Evaluate a trained model in other settings, without further training.

The results are accuracy, FLOPs, time and drops of each setting.

The model is cut at the first routing. All settings share the part before the cut, which is computed once. Blocks differ
in their parameters only, so that each setting has one set of programs for all its layers: route, compute the routed
half, count. Settings and seeds share equal programs, since most of a sweep's time would be spent compiling. The
settings take turns on each batch, so that their times can be compared.
"""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from moebench.data import Split
from moebench.evaluation.columns import calls, health, padding
from moebench.evaluation.pass_over_split import filled_batches, in_own_order
from moebench.evaluation.task_columns import needles_processed
from moebench.evaluation.test_time_settings import Setting
from moebench.measuring import operations
from moebench.models import VitConfig, make_block
from moebench.models.rngs import rngs
from moebench.training import Program, TrainState, calls_by_image, cross_entropy, processed_by_token

Row = dict[str, Any]
FROM_HEALTH = ("dropped_tokens", "dropped_assignments", "slot_utilisation")
QUICKER = {"xla_backend_optimization_level": "1"}
"""On CPUs, programs compile faster by a sixth at this level, and run equally fast."""


class _RoutedHalf(NamedTuple):
    """Programs of the routed half of a block in one setting."""

    route: Any
    """Returns the tokens by image and the arrays of their routing."""
    finish: Any
    """Returns the output of the block."""
    count: Any
    """Returns the counts of the routing, calls by image, and which tokens an expert processes."""


class Sweep:
    """The settings of one trained model, compiled for test batches of one size."""

    def __init__(self, settings: Sequence[Setting], program: Program, batch: int) -> None:
        """Compile all programs, in as many threads as there are processors.

        Args:
            settings: the setting of the training first.
            program: program of the trained model.
            batch: test images at a time; whole groups.
        """
        self.model, self.settings, self.program, self.batch = program.config, settings, program, batch
        self.first = self.model.moe_blocks[0]
        images, labels = program.abstract_batch(batch)
        weights = jax.ShapeDtypeStruct(labels.shape, jnp.float32)
        state = program.abstract_state
        x, truth = jax.eval_shape(self._front, state, images)
        routed = [_block(setting.model, self.first) for setting in self.settings]
        halves = [self._routed_half(graph, block, x, truth) for graph, block in routed]
        self.flops = [_flops(half) for half in halves]
        between = {
            "front": jax.jit(self._front).trace(state, images),
            "end": jax.jit(self._end).trace(state, x, labels, weights),
        }
        if len(self.model.moe_blocks) > 1:
            graph, block = routed[0]
            between["attend"] = jax.jit(self._attending(graph)).trace(block, x)
        dense = [number for number in self._later() if number not in self.model.moe_blocks]
        if dense:
            graph, block = _block(self.model, dense[0])
            between["pass on"] = jax.jit(self._passing(graph)).trace(block, x)
        made = iter(_compiled([program for half in halves for program in half] + list(between.values())))
        self.halves = [_RoutedHalf(next(made), next(made), next(made)) for _ in halves]
        self.between = dict(zip(between, made, strict=True))

    def evaluate(
        self, state: TrainState, split: Split, flops: float | None, needles: np.ndarray | None = None
    ) -> list[Row]:
        """Return the fields of the result table's `test_time` for each setting.

        Args:
            state: state of the trained model.
            split: the test split.
            flops: FLOPs of a forward pass for one image in the setting of the training; None if unknown.
            needles: bool[image, token], whether each token of the split is a needle; None if the task has no needles.
        """
        blocks = [nnx.split(block)[1] for block in self.program.model(state).each_block()]
        count = len(self.settings)
        totals: list[Any] = [None] * count
        by_image: list[list[Any]] = [[] for _ in range(count)]
        by_token: list[list[Any]] = [[] for _ in range(count)]
        seconds = []
        for number, (part, weights) in enumerate(filled_batches(split, self.batch)):
            images, *rest = self.program.device_put(part.images, part.labels, weights)
            front, shared_s = _timed(self.between["front"], state, images)
            if number == 0:  # the first run of a program is slow
                front, shared_s = _timed(self.between["front"], state, images)
                for place in range(count):
                    self._rest(place, state, blocks, *front, *rest)
            took = np.zeros(count)
            for turn in range(count):
                place = (number + turn) % count
                (sums, calls_of, processed), own_s = _timed(self._rest, place, state, blocks, *front, *rest)
                took[place] = shared_s + own_s
                totals[place] = sums if number == 0 else jax.tree.map(jnp.add, totals[place], sums)
                by_image[place].append(calls_of)
                by_token[place].append(processed if needles is not None else None)
            seconds.append(took / self.batch)
        times = np.array(seconds)
        ratios = times / times[:, :1]
        return [
            {
                **self.settings[place].columns,
                **self._numbers(place, totals[place], by_image[place], len(split), flops),
                "needles_processed": needles_processed(needles, _joined(by_token[place], len(split))),
                "infer_s_per_image": float(np.median(times[:, place])),
                "infer_vs_trained": float(np.median(ratios[:, place])),
            }
            for place in range(count)
        ]

    def _numbers(self, place: int, sums: Any, calls_of: Sequence[Any], images: int, flops: float | None) -> Row:
        """Return the numbers of one setting.

        The numbers follow from sums over all batches and from calls by image of each batch.
        """
        loss, correct, layers = sums
        called = calls_of[0] is not None
        by_image = np.concatenate(jax.device_get(calls_of))[:images].astype(np.float64) if called else None
        routing = health(layers)
        row: Row = {"accuracy": float(correct) / images, "eval_loss": float(loss) / images}
        row |= {name: routing[name] for name in FROM_HEALTH} | calls(by_image)
        here, of_experts = self.flops[place]
        of_layers = len(self.model.moe_blocks) / self.batch
        if flops is not None and np.isfinite(here):
            row["flops_forward_per_image"] = flops + of_layers * (here - self.flops[0][0])
            unused = padding(self.settings[place].model, of_layers * of_experts, by_image)
            row["flops_used_per_image"] = row["flops_forward_per_image"] - unused
        return row

    def _rest(
        self, place: int, state: TrainState, blocks: Sequence[Any], x: Any, truth: Any, labels: Any, weights: Any
    ) -> Any:
        """Return sums over the batch, and calls and tokens processed, after the cut.

        The part of the model after the cut runs. Loss, correct images and counts by layer are sums; calls by image and
        tokens processed are means over the layers.
        """
        counts, by_layer, processed = [], [], []
        for number in self._later():
            if number not in self.model.moe_blocks:
                x = self.between["pass on"](blocks[number], x)
                continue
            if number != self.first:
                x = self.between["attend"](blocks[number], x)
            half = self.halves[place]
            images, routing = half.route(blocks[number], x, truth)
            x = half.finish(blocks[number], x, images, routing)
            layer, by_image, by_token = half.count(routing)
            counts.append(layer)
            by_layer.append(by_image)
            processed.append(by_token)
        loss, correct = self.between["end"](state, x, labels, weights)
        means = (None if each[0] is None else jnp.stack(each).mean(0) for each in (by_layer, processed))
        return (loss, correct, counts), *means

    def _later(self) -> Iterator[int]:
        """Return the numbers of the blocks from the first block with experts on."""
        return iter(range(self.first, self.model.preset.size.layers))

    def _front(self, state: Any, images: Any) -> Any:
        model = self.program.model(state)
        x, truth = model.embedded(images), model.truth(images)
        blocks = model.each_block()
        for block in blocks[: self.first]:
            x, _ = block(x, self.model.tokens, None)
        return blocks[self.first].attend(x, self.model.tokens), truth

    def _end(self, state: Any, x: Any, labels: Any, weights: Any) -> Any:
        logits = self.program.model(state).read_out(x)
        return (weights * cross_entropy(logits, labels)).sum(), (weights * (logits.argmax(-1) == labels)).sum()

    def _attending(self, graph: Any) -> Any:
        return lambda block, x: nnx.merge(graph, block).attend(x, self.model.tokens)

    def _passing(self, graph: Any) -> Any:
        return lambda block, x: nnx.merge(graph, block)(x, self.model.tokens, None)[0]

    def _routed_half(self, graph: Any, block: Any, x: Any, truth: Any) -> "_RoutedHalf":
        """Trace the programs of a block.

        A routing passes between the programs as bare arrays, since the routing has static parts.
        """
        kind: Any = None

        def route(block: Any, x: Any, truth: Any) -> Any:
            nonlocal kind
            images, routing = nnx.merge(graph, block).route(x, self.model.tokens, truth)
            arrays, kind = jax.tree.flatten(routing.bare())
            return images, arrays

        def finish(block: Any, x: Any, images: Any, arrays: Any) -> Any:
            return nnx.merge(graph, block).finish(x, images, jax.tree.unflatten(kind, arrays))

        def count(arrays: Any) -> Any:
            routing = jax.tree.unflatten(kind, arrays)
            return (
                routing.counts(),
                calls_by_image([routing], self.batch),
                processed_by_token([routing], self.batch),
            )

        routing = jax.jit(route).trace(block, x, truth)
        images, arrays = routing.out_info
        return _RoutedHalf(routing, jax.jit(finish).trace(block, x, images, arrays), jax.jit(count).trace(arrays))


def _joined(parts: Sequence[Any], images: int) -> np.ndarray | None:
    """Return the values of all batches in the split's own order, or None.

    The result is None if the batches have no values.
    """
    return None if parts[0] is None else in_own_order(np.concatenate(jax.device_get(parts)), images)


def _block(model: VitConfig, number: int) -> tuple[Any, Any]:
    """Return the graph of a block and the shapes of its arrays."""
    graph, block = nnx.split(nnx.eval_shape(lambda: make_block(model, number, rngs=rngs(0))))
    return graph, block


def _flops(half: _RoutedHalf) -> tuple[float, float]:
    """Return the FLOPs of a block's routed half, and of the experts alone."""
    found = [operations(program.jaxpr) for program in (half.route, half.finish)]
    return sum(each.total for each in found), sum(each.parts.experts for each in found)


def _compiled(traced: Sequence[Any]) -> list[jax.stages.Compiled]:
    """Compile the programs, equal ones once.

    Programs are equal if their text and their arguments are equal: an argument that a program does not use is not in
    its text, but a compiled program accepts only the shapes of all its arguments.
    """
    lowered = [each.lower() for each in traced]
    texts = [f"{each.args_info}\n{each.as_text()}" for each in lowered]
    different = dict(zip(texts, lowered, strict=True))
    options = QUICKER if jax.default_backend() == "cpu" else None
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(lambda program: program.compile(compiler_options=options), different.values()))
    by_text = dict(zip(different, made, strict=True))
    return [by_text[text] for text in texts]


def _timed(function: Any, *arguments: Any) -> tuple[Any, float]:
    """Return the result of a call, and the seconds until it was computed."""
    began = time.perf_counter()
    result = jax.block_until_ready(function(*arguments))
    return result, time.perf_counter() - began
