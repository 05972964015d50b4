"""Lay the experts' inputs out on several devices: a mesh with an axis for images and one for experts."""

import jax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

DATA, EXPERT = "data", "expert"
"""Axes of a mesh: the first splits the images of a batch, the second the experts with their slots."""


def image_axes(experts: int) -> tuple[str, ...]:
    """Return the axes that split the images; a single expert leaves the second axis to the images."""
    return (DATA,) if experts > 1 else (DATA, EXPERT)


def expert_axes(experts: int) -> str | None:
    """Return the axis that splits the experts; None for a single expert."""
    return EXPERT if experts > 1 else None


def over_experts(rows: Float[Array, "expert row dim"]) -> Float[Array, "expert row dim"]:
    """Put each expert's rows on the expert's devices, split by image; return the rows unchanged without a mesh.

    The mesh is the context's in which the model is traced. Rows are in the order of their groups of images.
    """
    if jax.sharding.get_abstract_mesh().empty:
        return rows
    experts = rows.shape[0]
    spec = PartitionSpec(expert_axes(experts), image_axes(experts))
    laid_out: Array = jax.lax.with_sharding_constraint(rows, spec)
    return laid_out
