"""Scatter between timings, as the last timing self-test measured on this machine.

The scatter widens the intervals of this machine's cells.
"""

import platform
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import jax
from pydantic import BaseModel, Field

from moebench.data.cache import cache_folder
from moebench.errors import BadInput
from moebench.files import publishing
from moebench.measuring.timing.self_test import Reading, scatter
from moebench.spec.records import read_record


class _Found(BaseModel):
    """Result of the last timing self-test on a machine."""

    hostname: str
    device_kind: str
    scatter: Annotated[float, Field(ge=0, le=1)]


def remember_scatter(taken: Sequence[Reading]) -> Path | None:
    """Publish this machine's scatter between timings in the cache; return the file's path.

    Cells on this machine read the file. Too few readings publish nothing and return None. A cache that cannot be
    written also returns None: the result of the self-test does not depend on the cache.
    """
    found = scatter(taken)
    if found is None:
        return None
    record = _Found(hostname=platform.node(), device_kind=jax.devices()[0].device_kind, scatter=min(found, 1.0))
    with suppress(BadInput, OSError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        with publishing(_file()) as temporary:
            temporary.write_text(record.model_dump_json(), encoding="utf-8")
        return _file()
    return None


def known_scatter() -> float | None:
    """Return this machine's scatter from the last self-test; None if unknown.

    A self-test on another machine or another kind of device does not count.
    """
    if not _file().is_file():
        return None
    try:
        found = read_record(_file(), _Found, "record of the timing self-test")
    except BadInput:
        return None
    here = (platform.node(), jax.devices()[0].device_kind)
    return found.scatter if (found.hostname, found.device_kind) == here else None


def _file() -> Path:
    return cache_folder() / "timing-self-test" / f"{platform.node() or 'machine'}.json"
