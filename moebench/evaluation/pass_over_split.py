"""One pass of a trained model over every image of a split."""

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float16, Float32, Float64, Int

from moebench.data import Pixels, Split
from moebench.data.pairs.split import PairSplit
from moebench.routers import RoutingCounts
from moebench.training import EvalReport, TrainState

_HASHED_AT_A_TIME = 1024


@dataclass(frozen=True)
class Evaluation:
    """Result of a pass over a split.

    Arrays by image are in the split's own order.
    """

    accuracy: float
    loss: float
    """Mean cross-entropy in nats."""
    image_correct: Bool[np.ndarray, "image"]
    """Whether the label of the image got the highest logit."""
    image_log_likelihood: Float16[np.ndarray, "image"]
    """Log probability of the image's label, in nats."""
    routing: list[RoutingCounts]
    """Sums over the whole pass, for each MoE layer."""
    wall_s: float
    calls: Float64[np.ndarray, "image"] | None = None
    """Expert calls for a token of each image, mean over its tokens and the MoE layers; None if all are equal."""
    processed: Float32[np.ndarray, "image token"] | None = None
    """Share of the MoE layers in which an expert processes each token; None if slots contain mixtures."""


def evaluation_batch(images: int, batch: int, group_images: int) -> int:
    """Return the largest batch of whole groups that splits the images into equal parts.

    Args:
        images: number of images, rounded up to whole groups.
        batch: the largest batch; the result is at least one group.
        group_images: images routed together.
    """
    groups = -(-images // group_images)
    most = max(1, batch // group_images)
    return group_images * max(n for n in range(1, most + 1) if groups % n == 0)


def evaluate(step: Callable[..., EvalReport], state: TrainState, split: Split, batch: int) -> Evaluation:
    """Evaluate every image of a split once.

    An incomplete last batch is filled with images from the beginning. The images that fill the batch do not count in
    accuracy and loss. They do count in the routing, since they compete with the other images for slots.

    Args:
        step: the compiled evaluation.
        state: state of the trained model.
        split: images with their labels.
        batch: images of a batch, as compiled.
    """
    began = time.perf_counter()
    count = len(split)
    total: EvalReport | None = None
    by_image = []
    for part, weights in filled_batches(split, batch):
        report = step(state, part.images, part.labels, weights)
        by_image.append((report.image_loss, report.image_correct, report.calls, report.processed))
        report = replace(report, image_loss=None, image_correct=None, calls=None, processed=None)
        total = report if total is None else jax.tree.map(jnp.add, total, report)
    assert total is not None
    losses, correct, calls, processed = (
        None if parts[0] is None else in_own_order(np.concatenate(parts), count)
        for parts in zip(*jax.device_get(by_image), strict=True)
    )
    assert losses is not None
    assert correct is not None
    return Evaluation(
        accuracy=float(total.correct) / count,
        loss=float(total.loss) / count,
        image_correct=correct.astype(bool),
        image_log_likelihood=-losses.astype(np.float16),
        routing=total.routing,
        calls=None if calls is None else calls.astype(np.float64),
        processed=processed,
        wall_s=time.perf_counter() - began,
    )


def filled_batches(split: Split, batch: int) -> Iterator[tuple[Split, Float32[np.ndarray, "image"]]]:
    """Yield the images of a split in mixed order, with the weight of each image.

    The order is equal for every pass over a split of that size. The last batch is filled up with the first images,
    whose weight is then 0; all other weights are 1.

    Many data sets store the images of a class together. In a group of one class more tokens choose the same experts
    than in training, whose batches are mixed, so that routers of groups would drop more tokens than in training.

    Args:
        split: images with their labels.
        batch: images of a batch.
    """
    count = len(split)
    order = _mixed(count)
    for start in range(0, count, batch):
        places = np.arange(start, start + batch)
        part = order[places % count]
        yield Split(split.images[part], split.labels[part]), (places < count).astype(np.float32)


def in_own_order(by_image: np.ndarray, count: int) -> np.ndarray:
    """Return values in the split's own order, from their order in `filled_batches`.

    Args:
        by_image: one value or row for each image of the batches, those that fill the last batch included.
        count: images of the split.
    """
    found = np.empty_like(by_image[:count])
    found[_mixed(count)] = by_image[:count]
    return found


def _mixed(count: int) -> Int[np.ndarray, "image"]:
    return np.random.default_rng(0).permutation(count)


def split_digest(split: Split) -> str:
    """Return sixteen hexadecimal digits that identify the content of a split.

    The content is the images and their labels or captions, in their order.
    """
    images = split.images
    kind = images.stored.dtype if isinstance(images, Pixels) else images.dtype
    found = hashlib.sha256(f"{kind}{list(images.shape)}".encode())
    for start in range(0, len(images), _HASHED_AT_A_TIME):  # the images may be a mapped file larger than memory
        rows = slice(start, start + _HASHED_AT_A_TIME)
        found.update((images.take(rows) if isinstance(images, Pixels) else images[rows]).tobytes())
    found.update(split.labels.tobytes())
    if isinstance(split, PairSplit):
        found.update(split.ids.tobytes() + split.offsets.tobytes())
    return found.hexdigest()[:16]
