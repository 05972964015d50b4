"""Split tokens and experts over several devices.

Both axes of the mesh split images, and one of them splits experts.
"""

import jax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

DATA, EXPERT = "data", "expert"
"""Axes of a mesh. Both together split the images of a batch; the second splits the experts with their slots."""
IMAGES = (DATA, EXPERT)
"""Axes that split the images."""


def expert_axes(experts: int) -> str | None:
    """Return the axis that splits the experts; None for a single expert."""
    return EXPERT if experts > 1 else None


def over_experts(rows: Float[Array, "expert row dim"]) -> Float[Array, "expert row dim"]:
    """Send each expert's rows to the expert's devices; return the rows unchanged without a mesh.

    Rows in the order of their groups of images, which every device fills for its own images, travel by one all-to-all
    between the devices that share the experts. The mesh is that of the context in which the model is traced.
    """
    axis = expert_axes(rows.shape[0])
    return _laid_out(_laid_out(rows, PartitionSpec(None, IMAGES)), PartitionSpec(axis, DATA if axis else IMAGES))


def over_images(rows: Float[Array, "expert row dim"]) -> Float[Array, "expert row dim"]:
    """Send the experts' rows back to the devices of their images.

    Without a mesh, the rows are unchanged.
    """
    axis = expert_axes(rows.shape[0])
    return _laid_out(_laid_out(rows, PartitionSpec(axis, DATA if axis else IMAGES)), PartitionSpec(None, IMAGES))


def _laid_out(rows: Array, spec: PartitionSpec) -> Array:
    if jax.sharding.get_abstract_mesh().empty:
        return rows
    laid_out: Array = jax.lax.with_sharding_constraint(rows, spec)
    return laid_out
