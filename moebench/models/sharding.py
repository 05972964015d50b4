"""How the experts' inputs lie on several devices: a mesh with an axis for the images and one for the experts."""

import jax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

DATA, EXPERT = "data", "expert"
"""Axes of a mesh: over the first the images of a batch are split, over the second the experts with their slots."""


def image_axes(experts: int) -> tuple[str, ...]:
    """Axes that split the images; a single expert leaves no other use for the second one."""
    return (DATA,) if experts > 1 else (DATA, EXPERT)


def expert_axes(experts: int) -> str | None:
    """Axis that splits the experts, if there are several."""
    return EXPERT if experts > 1 else None


def over_experts(rows: Float[Array, "expert row dim"]) -> Float[Array, "expert row dim"]:
    """Put each expert's rows where the expert is, those of different images apart; the same array without a mesh.

    The mesh is the one in whose context the model is traced. Rows stand in the order of their groups of images.
    """
    if jax.sharding.get_abstract_mesh().empty:
        return rows
    experts = rows.shape[0]
    spec = PartitionSpec(expert_axes(experts), image_axes(experts))
    laid_out: Array = jax.lax.with_sharding_constraint(rows, spec)
    return laid_out
