"""Record the routing of every token of some test images in a trained model."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from moebench.data import Pixels, Split
from moebench.evaluation.pass_over_split import evaluation_batch, filled_batches
from moebench.evaluation.traced_pass import Pass
from moebench.inside.columns import PERMUTED_EXPERTS, RANDOM_ROUTER
from moebench.inside.files import to_table, write_images, write_recording
from moebench.inside.rows import Columns, hard_rows, of_images, soft_rows
from moebench.inside.schema import Facts
from moebench.training import Program, TrainState

MOST_SLOTS = 256
"""Slots of a layer above which their parameters are not compared pair by pair."""

COMPILER_OPTIONS: dict[str, bool | str] = {"xla_backend_optimization_level": "1"}
"""Without optimisations the passes of one seed would lose twice the time that compiling saves (mu/4, 256 images)."""

Table = dict[str, list[Any]]


@dataclass(frozen=True)
class Recorded:
    """One pass over the recorded images."""

    columns: Columns
    """The columns of `ROUTING_SCHEMA` except those that are constant in a cell."""
    expert_pairs: Table
    """Similarity of experts, as in `Facts`."""

    @property
    def accuracy(self) -> float:
        """Accuracy on the recorded images."""
        _, first = np.unique(self.columns["image"], return_index=True)
        return float((self.columns["label"][first] == self.columns["prediction"][first]).mean())


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The cell and seed of a recording, as in `Facts`."""

    suite: str
    cell_id: str
    run_id: str
    attempt: int
    seed: int
    cell: str
    model: str
    data: str


class Recorder:
    """Recorder of trained models of one shape, on fixed images."""

    def __init__(self, program: Program, split: Split, images: int, batch: int) -> None:
        """Compile the pass over the images.

        Args:
            program: program of the model.
            split: the test split, of which the first images in the order of evaluation are recorded.
            images: number of recorded images, at most.
            batch: images at a time, at most.
        """
        config = program.config
        self.program, self.split, self.count = program, split, min(images, len(split))
        self.layers, self.group_images = config.moe_blocks, config.group_images
        self.batch = evaluation_batch(self.count, batch, self.group_images)
        self.traced = Pass(program)
        groups = self.batch // self.group_images
        self._in_order = np.tile(np.arange(self.group_images * config.tokens, dtype=np.int32), (groups, 1))
        images = program.abstract_images(self.batch)
        arguments = (program.abstract_state, images, *self._swaps(), np.asarray(True))
        lowered = jax.jit(self.traced).lower(*arguments)
        self._run: Callable[..., Any] = lowered.compile(compiler_options=COMPILER_OPTIONS)

    @property
    def images(self) -> Int[np.ndarray, "image"]:
        """Numbers of the recorded images in the test split."""
        return np.concatenate([numbers for _, numbers in self._batches()])

    @property
    def pixels(self) -> np.ndarray:
        """Recorded images for display, uint8[image, height, width, channel]."""
        images, chosen = self.split.images, self.images
        if isinstance(images, Pixels):
            return images.take(chosen)[..., : self.program.config.channels]
        values = np.asarray(images[chosen], np.float32)
        low, high = values.min(), values.max()
        shown: np.ndarray = (255 * (values - low) / max(high - low, 1e-9)).round().astype(np.uint8)
        return shown

    def record(self, state: TrainState, step: int) -> Recorded:
        """Record the model of a state.

        Args:
            state: state of the model.
            step: training steps that the state has taken.
        """
        parts: list[Columns] = []
        similarities = []
        for number, (images, numbers) in enumerate(self._batches()):
            results = self._call(state, images, self._swaps(), compare=True)
            predictions, layers, similarity = jax.device_get(results)
            for layer, arrays in zip(self.layers, layers, strict=True):
                rows = soft_rows(arrays) if self.traced.soft else hard_rows(arrays, self.traced.experts)
                placed = of_images(
                    rows,
                    layer=layer,
                    images=numbers,
                    labels=self.split.labels[numbers],
                    predictions=predictions,
                    first_group=number * self.batch // self.group_images,
                    group_images=self.group_images,
                    experts=self.traced.experts,
                )
                parts.append(placed)
            similarities.append(similarity)
        columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        columns["step"] = np.full(len(columns["token"]), step, np.int32)
        # A stable sort keeps the order of images, tokens and ranks within a layer.
        order = np.argsort(columns["layer"], kind="stable")
        columns = {name: values[order] for name, values in columns.items()}
        if not self._prioritised(columns):
            columns["priority"] = np.full(len(order), -1, np.int32)
        return Recorded(columns, self._expert_pairs(similarities))

    def swaps(self, state: TrainState, trained: float) -> Table:
        """Return the accuracy with another routing in one layer, as columns.

        "random router": the tokens of a group exchange their routings at random, so that experts keep their loads
        (after the random routers of 2106.05974, figure 28). "permuted experts": tokens that are routed to an expert are
        processed by the next expert.

        Args:
            state: state of the trained model.
            trained: accuracy on the recorded images with the model's own routing.
        """
        rows: list[tuple[Any, ...]] = []
        for layer in self.layers if self.traced.routes else ():
            rows.append((layer, RANDOM_ROUTER, self._accuracy(state, self._swaps(exchanged=layer)), trained))
            if layer in self.traced.compared:
                rows.append((layer, PERMUTED_EXPERTS, self._accuracy(state, self._swaps(shifted=layer)), trained))
        return _table(("layer", "swap", "accuracy", "trained_accuracy"), rows)

    def slot_pairs(self, state: TrainState) -> Table:
        """Return the cosine of each two slots' parameters in a soft router.

        Figure 28 of 2308.00951 shows these cosines.
        """
        rows: list[tuple[Any, ...]] = []
        model = self.program.model(state)
        for layer in self.layers:
            parameters = getattr(getattr(model.each_block()[layer], "mlp", None), "router", None)
            if parameters is None or not hasattr(parameters, "phi"):
                continue
            phi = np.asarray(parameters.phi[...], np.float64)
            slots = phi.reshape(phi.shape[0], -1)
            if slots.shape[1] > MOST_SLOTS:
                continue
            slots = slots / np.linalg.norm(slots, axis=0)
            rows += _pairs(layer, slots.T @ slots)
        return _table(("layer", "slot", "other", "cosine"), rows)

    def save(self, parts: Sequence[Recorded], state: TrainState, origin: Origin, folder: Path) -> Path:
        """Publish the recording of a seed.

        Args:
            parts: the recordings in the order of their steps, that of the trained model last.
            state: state of the trained model.
            origin: the cell and seed.
            folder: folder of the suite's recordings.
        """
        columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
        images, config = self.images, self.program.config
        facts = Facts(
            suite=origin.suite,
            cell_id=origin.cell_id,
            run_id=origin.run_id,
            seed=origin.seed,
            attempt=origin.attempt,
            cell=origin.cell,
            router=config.router,
            options=self.program.routers[0].options,
            model=origin.model,
            data=origin.data,
            image_size=config.image_size,
            grid=config.image_size // config.preset.patch,
            class_token=config.preset.class_token,
            classes=config.classes,
            tokens=config.tokens,
            experts=self.traced.experts,
            group_images=self.group_images,
            layers=tuple(self.layers),
            steps=tuple(int(part.columns["step"][0]) for part in parts),
            kind="soft" if self.traced.soft else "hard",
            chosen_by=self.traced.chosen_by,
            kept=self.traced.kept,
            images=write_images(self.pixels, images, self.split.labels[images], folder),
            expert_pairs=parts[-1].expert_pairs,
            slot_pairs=self.slot_pairs(state),
            swaps=self.swaps(state, parts[-1].accuracy),
        )
        return write_recording(to_table(columns, facts), folder, facts)

    def _batches(self) -> Iterator[tuple[np.ndarray, Int[np.ndarray, "image"]]]:
        """Yield batches of images, with the numbers of the recorded images.

        Recorded images come first in a batch.
        """
        numbered = Split(self.split.images, np.arange(len(self.split), dtype=np.int32))
        left = self.count
        for part, _ in filled_batches(numbered, self.batch):
            if left <= 0:
                return
            yield np.asarray(part.images), part.labels[: min(left, self.batch)]
            left -= self.batch

    def _swaps(self, exchanged: int | None = None, shifted: int | None = None) -> tuple[np.ndarray, ...]:
        """Return the arguments of a pass with an exchange in one layer.

        Either the layer's tokens exchange routings, or its experts exchange places.
        """
        exchange = np.stack([self._in_order] * len(self.layers))
        if exchanged is not None:
            generator = np.random.default_rng(exchanged)
            exchange[self.layers.index(exchanged)] = generator.permuted(self._in_order, axis=1)
        back = np.argsort(exchange, axis=-1).astype(np.int32)
        return exchange, back, np.array([layer == shifted for layer in self.layers], np.int32)

    def _call(
        self, state: TrainState, images: np.ndarray, swaps: tuple[np.ndarray, ...], *, compare: bool = False
    ) -> Any:
        (placed,) = self.program.device_put(images)
        return self._run(state, placed, *swaps, np.asarray(compare))

    def _accuracy(self, state: TrainState, swaps: tuple[np.ndarray, ...]) -> float:
        hits = 0
        for images, numbers in self._batches():
            predictions = np.asarray(self._call(state, images, swaps)[0])
            hits += int((predictions[: len(numbers)] == self.split.labels[numbers]).sum())
        return hits / self.count

    def _prioritised(self, columns: Columns) -> bool:
        """Return whether tokens take slots in an order other than that of the array."""
        tokens = self.program.config.tokens
        array_order = columns["place"].astype(np.int32) * tokens + columns["token"]
        return bool((columns["priority"] != array_order).any())

    def _expert_pairs(self, batches: Sequence[Sequence[Any]]) -> Table:
        rows: list[tuple[Any, ...]] = []
        for place, layer in enumerate(self.traced.compared):
            sums = {name: np.mean([batch[place][name] for batch in batches], axis=0) for name in ("cosine", "hsic")}
            own = np.sqrt(np.maximum(np.diag(sums["hsic"]), 1e-30))
            rows += _pairs(layer, sums["cosine"], sums["hsic"] / np.outer(own, own))
        return _table(("layer", "expert", "other", "cosine", "cka"), rows)


def _pairs(layer: int, *values: np.ndarray) -> list[tuple[Any, ...]]:
    """Return a row with values for each pair of members of a layer."""
    one, other = np.triu_indices(len(values[0]), 1)
    columns = [np.round(each[one, other].astype(float), 4).tolist() for each in values]
    return list(zip([layer] * len(one), one.tolist(), other.tolist(), *columns, strict=True))


def _table(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Table:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}
