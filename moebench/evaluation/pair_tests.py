"""The tests of two trained towers.

The tests are zero-shot classification, retrieval, binding, relations, and the loss on test pairs. Texts are embedded in
batches of one size and captions have one length, so that no text needs another program.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Float64, Int, Int32

from moebench.data import Pixels, Split
from moebench.data.pairs import Choices, PairData
from moebench.data.pairs.split import PairSplit
from moebench.evaluation.pass_over_split import evaluation_batch, filled_batches, in_own_order
from moebench.evaluation.retrieval import choice_accuracy, image_to_text_ranks, recalls, text_to_image_ranks
from moebench.evaluation.zero_shot import class_embeddings, zero_shot_accuracy
from moebench.routers import RoutingCounts
from moebench.training import TrainState, TwoTowersProgram, compile_unoptimized, compiled

Row = dict[str, Any]
Images = Float32[np.ndarray, "image height width channel"] | Pixels
MOST_IMAGES = 1000
"""Most test images for retrieval; of more images, this number is taken, evenly spaced."""


@dataclass(frozen=True)
class PairEvaluation:
    """Results of two towers on the tests of a set of pairs."""

    loss: float
    """Mean contrastive loss over batches of test pairs, in nats."""
    accuracy: float
    """Share of test images whose own caption scores highest in its batch."""
    columns: Row
    """Columns of zero-shot classification, retrieval, binding and relations, None if the data lacks a test."""
    routing: list[RoutingCounts]
    """Sums over the test images, for each MoE layer of the image tower."""
    calls: Float64[np.ndarray, "image"] | None
    """Expert calls for a token of each test image; None if all are equal."""
    wall_s: float


@dataclass(frozen=True)
class EmbeddedImages:
    """Embeddings of images in the images' order, and the routing of the images."""

    embeddings: Float32[np.ndarray, "image dim"]
    routing: list[RoutingCounts]
    calls: Float64[np.ndarray, "image"] | None


class PairTests:
    """The tests of one set of pairs for towers of one shape."""

    def __init__(
        self,
        program: TwoTowersProgram,
        pairs: PairData,
        test: PairSplit,
        cut: float,
        convert: Callable[[Images], Images],
    ) -> None:
        """Choose the pairs for retrieval, encode all texts, and compile the programs that embed.

        Args:
            program: program of the towers.
            pairs: the pairs, with their tests.
            test: the test pairs, in the channels of the image tower.
            cut: share of all captions that lose their last tokens.
            convert: returns images in the channels of the image tower.
        """
        self.program, self.pairs, self.test, self.cut = program, pairs, test, cut
        count = min(len(test), MOST_IMAGES)
        self.rows = np.linspace(0, len(test) - 1, count).round().astype(np.int64)
        self.zero_shot_images = None if pairs.zero_shot is None else convert(pairs.zero_shot.images)
        config, state = program.config, program.abstract_state
        groups = config.group_images * program.shards
        self.batch = evaluation_batch(len(test), max(program.batch, groups), groups)
        self.loss_batch = min(program.batch, len(test))
        self._images = program.with_host_batch(
            compiled(program.embed_images, state, program.abstract_images(self.batch))
        )
        self._texts = program.with_host_batch(
            compiled(program.embed_texts, state, program.abstract_captions(program.batch))
        )
        some = jax.ShapeDtypeStruct((self.loss_batch, config.preset.size.width), jnp.float32)
        self._loss = compile_unoptimized(program.pair_loss, state, some, some)

    def embedded(self, state: TrainState, split: PairSplit) -> PairSplit:
        """Return pairs with embeddings in place of images.

        The embeddings serve the training of a text tower alone.
        """
        return replace(split, images=self.images(state, split.images).embeddings)

    def evaluate(self, state: TrainState) -> PairEvaluation:
        """Run all tests on the towers of a state."""
        began = time.perf_counter()
        images = self.images(state, self.test.images)
        loss, accuracy = self._loss_of(state, images.embeddings)
        columns = self._zero_shot(state) | self._retrieval(state, images.embeddings)
        columns["captions_cut"] = self.cut
        for name, choices in (("binding", self.pairs.binding), ("relations", self.pairs.relations)):
            columns[f"{name}_accuracy"] = self._chosen(state, images.embeddings, choices)
        seconds = time.perf_counter() - began
        return PairEvaluation(loss, accuracy, columns, images.routing, images.calls, seconds)

    def held_out(self, state: TrainState) -> tuple[float, float]:
        """Return the loss and the accuracy within batches on test pairs, during a training."""
        return self._loss_of(state, self.images(state, self.test.images).embeddings)

    def images(self, state: TrainState, images: Images) -> EmbeddedImages:
        """Embed images; images that fill up the last batch count in the routing only."""
        split = Split(images, np.zeros(len(images), np.int32))
        reports = [self._images(state, part.images) for part, _ in filled_batches(split, self.batch)]
        routing = reports[0].routing
        for report in reports[1:]:
            routing = jax.tree.map(jnp.add, routing, report.routing)
        found = jax.device_get([(each.embeddings, each.calls) for each in reports])
        embeddings = in_own_order(np.concatenate([each[0] for each in found]), len(images))
        if found[0][1] is None:
            return EmbeddedImages(embeddings, routing, None)
        calls = in_own_order(np.concatenate([each[1] for each in found]), len(images))
        return EmbeddedImages(embeddings, routing, calls.astype(np.float64))

    def texts(self, state: TrainState, ids: Int32[np.ndarray, "text token"]) -> Float32[np.ndarray, "text dim"]:
        """Embed texts; the last batch is filled up with the first texts."""
        batch, count = self.program.batch, len(ids)
        rows = np.arange(-(-count // batch) * batch) % count
        found = [self._texts(state, ids[rows[start : start + batch]]) for start in range(0, count, batch)]
        return np.concatenate(jax.device_get(found))[:count]

    def _encoded(self, texts: Sequence[str]) -> Int32[np.ndarray, "text token"]:
        return self.pairs.tokenizer.encode(texts, self.program.text.length).ids

    def _loss_of(self, state: TrainState, images: Float32[np.ndarray, "image dim"]) -> tuple[float, float]:
        """Return mean loss and accuracy over whole batches in a fixed order.

        An incomplete last batch is left out.
        """
        texts, batch = self.texts(state, self.test.first_captions), self.loss_batch
        order = np.random.default_rng(0).permutation(len(images))
        parts = [order[start : start + batch] for start in range(0, len(images) - batch + 1, batch)]
        found = np.array([jax.device_get(self._loss(state, images[part], texts[part])) for part in parts])
        loss, accuracy = found.mean(0, dtype=np.float64)
        return float(loss), float(accuracy)

    def _zero_shot(self, state: TrainState) -> Row:
        zero_shot = self.pairs.zero_shot
        if zero_shot is None or self.zero_shot_images is None:
            return {}
        images = self.images(state, self.zero_shot_images).embeddings
        prompts = [prompt for label in range(len(zero_shot.phrases)) for prompt in zero_shot.prompts(label)]
        texts = self.texts(state, self._encoded(prompts)).reshape(len(zero_shot.phrases), -1, images.shape[-1])
        found = zero_shot_accuracy(images, class_embeddings(texts), zero_shot.labels, zero_shot.seen)
        return {
            "zero_shot_seen": found.seen,
            "zero_shot_unseen": found.unseen,
            "zero_shot_classes": len(zero_shot.phrases),
        }

    def _retrieval(self, state: TrainState, images: Float32[np.ndarray, "image dim"]) -> Row:
        chosen = self.test.subset(self.rows)
        scores = images[self.rows] @ self.texts(state, chosen.ids).T
        owners: Int[np.ndarray, caption] = np.repeat(np.arange(len(chosen)), np.diff(chosen.offsets))
        ranks = {
            "image_to_text": image_to_text_ranks(scores, owners),
            "text_to_image": text_to_image_ranks(scores, owners),
        }
        row: Row = {f"{way}_r{k}": share for way, each in ranks.items() for k, share in recalls(each).items()}
        return row | {"retrieval_images": len(chosen), "retrieval_captions": len(owners)}

    def _chosen(
        self, state: TrainState, images: Float32[np.ndarray, "image dim"], choices: Choices | None
    ) -> float | None:
        if choices is None or not len(choices):
            return None
        own = images[choices.rows]
        true, false = ((own * self.texts(state, self._encoded(each))).sum(1) for each in (choices.true, choices.false))
        return choice_accuracy(true, false)
