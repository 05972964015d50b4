"""Load of expert-parallel devices under contiguous and under balanced placement of experts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from moebench.errors import BadInput


@dataclass(frozen=True)
class Placement:
    """Largest device load over the mean device load; 1 is perfect balance."""

    devices: int
    redundant: int
    contiguous: float
    """Expert e on device ⌊e·devices/experts⌋, without redundant experts."""
    balanced: float
    """Experts from the busiest on, each to the least loaded device with room."""


def place(load: Float64[np.ndarray, "expert"], devices: int, redundant: int = 0) -> Placement:
    """Compare two placements of one layer's experts on the devices of a group.

    Every device holds (experts + redundant) / devices experts. A redundant expert is one more copy of the expert
    whose copies are busiest; copies share the expert's load evenly.

    Args:
        load: tokens that each expert processes.
        devices: devices of the group.
        redundant: copies beside the experts themselves.

    Raises:
        BadInput: the devices do not divide the experts, or the experts with their copies.
    """
    experts = len(load)
    if devices < 1 or experts % devices:
        raise BadInput(f"{devices} devices do not divide {experts} experts.", key="devices")
    if redundant < 0 or (experts + redundant) % devices:
        nearest = redundant + -(experts + redundant) % devices
        raise BadInput(
            f"{experts} experts with {redundant} redundant ones do not fill {devices} devices evenly; {nearest} do.",
            key="redundant",
        )
    mean = load.sum() / devices
    if not mean:
        return Placement(devices, redundant, float("nan"), float("nan"))
    contiguous = load.reshape(devices, -1).sum(1).max() / mean
    copies = np.ones(experts, int)
    for _ in range(redundant):
        copies[np.argmax(load / copies)] += 1
    parts = np.repeat(load / copies, copies)
    held, room = np.zeros(devices), np.full(devices, len(parts) // devices)
    for part in np.sort(parts)[::-1]:
        device = int(np.argmin(np.where(room > 0, held, np.inf)))
        held[device] += part
        room[device] -= 1
    return Placement(devices, redundant, float(contiguous), float(held.max() / mean))
