"""Measured peaks of a device, and what they allow a program."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp

SAMPLES = 5
_SIDES = {"cpu": 1024}
_LARGE_SIDE = 8192
"""Side of the square matrices: 1 TFLOP a product, for which every accelerator needs more than a millisecond."""
_COPIED_BYTES = {"cpu": 2**26}
_LARGE_COPY = 2**30


@dataclass(frozen=True)
class Peak:
    """The device's best measured rates."""

    flops_per_s: float
    """FLOPs a second of a large matrix product in the precision of the compute; a multiply-add is 2 FLOPs."""
    bytes_per_s: float
    """Bytes a second of a large copy, bytes read and bytes written."""

    def achievable(self, intensity: float) -> float:
        """Return the FLOPs a second that memory and arithmetic allow.

        Args:
            intensity: FLOPs for each byte moved.
        """
        return min(self.flops_per_s, intensity * self.bytes_per_s)


@cache
def measure_peak(precision: str) -> Peak:
    """Return the default device's peak, the best of a few samples.

    The peak is measured once for each process, in under a second.
    """
    platform = jax.default_backend()
    side = _SIDES.get(platform, _LARGE_SIDE)
    matrix = jnp.ones((side, side), precision)
    count = _COPIED_BYTES.get(platform, _LARGE_COPY) // 4
    product = jax.jit(lambda x: x @ x / side).lower(matrix).compile()
    # Adding one is a copy that no compiler removes. The result replaces its operand, so that no time goes into
    # allocation.
    copy = jax.jit(lambda x: x + 1, donate_argnums=0).lower(jax.ShapeDtypeStruct((count,), jnp.float32)).compile()
    return Peak(
        flops_per_s=2 * side**3 / _shortest(product, matrix),
        bytes_per_s=2 * 4 * count / _shortest(copy, jnp.zeros(count)),
    )


def _shortest(program: Callable[[jax.Array], jax.Array], operand: jax.Array) -> float:
    """Return the seconds of the shortest of a few calls.

    Each call takes the result of the call before.
    """
    seconds = []
    for _ in range(SAMPLES + 1):  # the first call warms up
        began = time.perf_counter()
        operand = jax.block_until_ready(program(operand))
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])
