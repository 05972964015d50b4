"""How near a program comes to what its device can do: measured peaks, arithmetic intensity, share of the peak."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp

SAMPLES = 5
_SIDES = {"cpu": 1024}
_LARGE_SIDE = 8192
"""Side of the square matrices: 1 TFLOP a product, which no accelerator does in less than a millisecond."""
_COPIED_BYTES = {"cpu": 2**26}
_LARGE_COPY = 2**30


@dataclass(frozen=True)
class Peak:
    """What the device was seen to do at its best."""

    flops_per_s: float
    """A large matrix product in the precision of the compute; a multiply-add is 2 FLOPs."""
    bytes_per_s: float
    """A large copy, bytes read and bytes written."""

    def achievable(self, intensity: float) -> float:
        """FLOPs a second that memory and arithmetic together allow at so many FLOPs for each byte moved."""
        return min(self.flops_per_s, intensity * self.bytes_per_s)


@cache
def measure_peak(precision: str) -> Peak:
    """The default device's peak, the best of a few samples; less than a second, once for each process."""
    platform = jax.default_backend()
    side = _SIDES.get(platform, _LARGE_SIDE)
    matrix = jnp.ones((side, side), precision)
    count = _COPIED_BYTES.get(platform, _LARGE_COPY) // 4
    product = jax.jit(lambda x: x @ x / side).lower(matrix).compile()
    # Adding one is a copy that no compiler leaves out; into its own buffer, so that no time goes into getting memory.
    copy = jax.jit(lambda x: x + 1, donate_argnums=0).lower(jax.ShapeDtypeStruct((count,), jnp.float32)).compile()
    return Peak(
        flops_per_s=2 * side**3 / _shortest(product, matrix),
        bytes_per_s=2 * 4 * count / _shortest(copy, jnp.zeros(count)),
    )


def _shortest(program: Callable[[jax.Array], jax.Array], operand: jax.Array) -> float:
    """Seconds of the shortest of a few calls, each with the result of the one before."""
    seconds = []
    for _ in range(SAMPLES + 1):  # the first one warms up
        began = time.perf_counter()
        operand = jax.block_until_ready(program(operand))
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def moved_bytes(program: jax.stages.Compiled) -> float | None:
    """Bytes that a program reads and writes as its compiler counts them; None where it does not say."""
    moved = (program.cost_analysis() or {}).get("bytes accessed", -1.0)
    return float(moved) if moved > 0 else None
