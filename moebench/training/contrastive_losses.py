"""The two contrastive losses of image and text embeddings: softmax in both directions, and sigmoid.

Row i of the images and row i of the texts are a pair; every other text of the batch is a negative of image i. Under a
mesh the rows are split over devices, and each loss is that of the whole batch: the product of all rows gathers them.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from moebench.spec.cell_spec import ContrastiveLoss


def logits(
    images: Float[Array, "pair dim"],
    texts: Float[Array, "pair dim"],
    scale: Float[Array, ""],
    bias: Float[Array, ""] | None = None,
) -> Float[Array, "pair pair"]:
    """Return scaled cosines of all images (rows) with all texts (columns), in float32.

    Args:
        images: embeddings of length 1.
        texts: embeddings of length 1.
        scale: factor of the cosines.
        bias: added to the scaled cosines; None adds nothing.
    """
    products = jnp.matmul(images, texts.T, preferred_element_type=jnp.float32)
    return scale * products if bias is None else scale * products + bias


def softmax_loss(scores: Float[Array, "pair pair"]) -> Float[Array, "pair"]:
    """Return the loss of each pair in nats, from its row and column.

    The loss is half the cross-entropy of the row plus half the cross-entropy of the column. The mean over pairs is the
    loss of a batch (2103.00020, figure 3).

    Args:
        scores: logits of images (rows) with texts (columns).
    """
    text_of_image = jnp.diagonal(jax.nn.log_softmax(scores, axis=1))
    image_of_text = jnp.diagonal(jax.nn.log_softmax(scores, axis=0))
    losses: Array = -(text_of_image + image_of_text) / 2
    return losses


def sigmoid_loss(scores: Float[Array, "pair pair"]) -> Float[Array, "pair"]:
    """Return the loss of each image in nats, from all texts.

    The loss is the sum over texts of -log sigmoid(±score). The sign is + for the image's own text and - for all others.
    The mean over images is the loss of a batch (2303.15343, algorithm 1).

    Args:
        scores: logits of images (rows) with texts (columns).
    """
    signs = 2 * jnp.eye(scores.shape[0]) - 1
    losses: Array = -jax.nn.log_sigmoid(signs * scores).sum(1)
    return losses


def contrastive_loss(kind: ContrastiveLoss, scores: Float[Array, "pair pair"]) -> Float[Array, "pair"]:
    """Return the loss of each pair, whose mean is the loss of the batch.

    Args:
        kind: name of the loss.
        scores: logits of images (rows) with texts (columns).
    """
    return softmax_loss(scores) if kind == "softmax" else sigmoid_loss(scores)
