"""Lower bounds of a compiled program's time from the peaks of its device.

The bounds are a roofline, and no prediction.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from moebench.planning.devices import Device
from moebench.planning.facts import Collective, Facts

PRODUCTS, MEMORY, COLLECTIVES = "products", "memory", "collectives"


@dataclass(frozen=True)
class Bound:
    """Lower bounds in seconds for each part of the device.

    The bound of a part counts the other parts as infinitely fast.
    """

    products_s: float
    memory_s: float
    collectives_s: float

    @property
    def seconds(self) -> float:
        """The largest of the three, since products, memory and links can all work at once."""
        return max(self.products_s, self.memory_s, self.collectives_s)

    @property
    def binds(self) -> str:
        """The part whose bound is largest."""
        parts = {PRODUCTS: self.products_s, MEMORY: self.memory_s, COLLECTIVES: self.collectives_s}
        return max(parts, key=lambda part: parts[part])


def bound(facts: Facts, flops: float, device: Device, devices: int, precision: str) -> Bound | None:
    """Return the bound of a program; None for a device without a data sheet.

    A device runs its share of the products, and what it computes again or beside other devices.

    Args:
        facts: facts of the program on one device.
        flops: FLOPs of all devices together.
        device: the kind of device.
        devices: their number.
        precision: precision of the cell, `float32`, `mixed` or `bfloat16`.
    """
    if not device.flops:
        return None
    peak = device.flops["float32" if precision == "float32" else "bfloat16"]
    return Bound(
        products_s=max(flops / devices, facts.product_flops or 0.0) / peak,
        memory_s=facts.bound_bytes / device.memory_bandwidth,
        collectives_s=collectives_s(facts.collectives, device),
    )


def collectives_s(collectives: Sequence[Collective], device: Device) -> float:
    """Return the seconds in which a device receives the data of its collectives.

    The data come over the links of the host or over the network.
    """
    inside = sum(each.bytes - each.network_bytes for each in collectives)
    outside = sum(each.network_bytes for each in collectives)
    return max(max(0.0, inside) / device.link_bandwidth, outside / device.network_bandwidth)
