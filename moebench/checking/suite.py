"""A suite: every cell of every profile resolved, and one cell of each router really run at toy size.

One that only counts is small as it is.
"""

import contextlib
import io
import json
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import jax
import pyarrow.parquet as pq

from moebench import cell, models
from moebench.checking.failure import Failure
from moebench.errors import BadInput
from moebench.published_costs import counts
from moebench.reports import agreement
from moebench.resolving import resolve, resolve_cell
from moebench.routers.plugins import in_words
from moebench.specification import CellSpec
from moebench.suites.counting_file import CountingSuite
from moebench.suites.grid import Cell
from moebench.suites.planning import identify
from moebench.suites.suite_file import Suite

_IDENTITY = {"suite": "check", "run_id": "check", "cell_id": "check", "fingerprint": "check", "attempt": 1}


@dataclass
class SuiteChecks:
    """Checks of suites, in which a cell that several of them share at toy size is run once."""

    plugins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._ran: dict[str, Failure | None] = {}

    def check(self, suite: Suite | CountingSuite) -> list[Failure]:
        """What does not hold."""
        if isinstance(suite, CountingSuite):
            frame = agreement.compare(suite.models, counts(suite.models), suite.tolerances, suite.known)
            return [Failure("print", f"outside the tolerance: {line}") for line in agreement.outside(frame)]
        failures = list(self._unresolved(suite))
        return failures or [found for one in self._small_cells(suite) if (found := self._run(one)) is not None]

    def _unresolved(self, suite: Suite) -> Iterator[Failure]:
        """The first cell of each profile that cannot be built, or is there twice."""
        for name, profile in suite.profiles.items():
            cells = [one.with_plugins(self.plugins) for one in profile.cells]
            try:
                identify(cells, resolve(one.spec.as_json() for one in cells))
            except BadInput as mistake:
                yield Failure(f"profile {name}", str(mistake).rstrip("."))

    def _small_cells(self, suite: Suite) -> Iterator[CellSpec]:
        profile = suite.profiles.get("cpu") or next(iter(suite.profiles.values()))
        for one in _first_of_each_router(profile.cells):
            yield small(one.with_plugins(self.plugins).spec)

    def _run(self, spec: CellSpec) -> Failure | None:
        key = json.dumps(spec.as_json(), sort_keys=True)
        if key not in self._ran:
            self._ran[key] = _run(spec)
        return self._ran[key]


def _first_of_each_router(cells: Iterable[Cell]) -> list[Cell]:
    first: dict[str, Cell] = {}
    for one in cells:
        first.setdefault(one.spec.router, one)
    return list(first.values())


def small(spec: CellSpec) -> CellSpec:
    """The cell at the smallest width, for two steps with as few images as its router routes together."""
    patch = models.preset(spec.model).patch
    changes = {
        "model": f"mu/{patch}",
        "moe_layers": "last-n:1",
        "steps": 2,
        "batch": resolve_cell(spec).model.group_images,
        "seeds": (0,),
        "timing_budget_s": 0.0,
        "checkpoint_every_s": 0.0,
        "devices": "1x1",
    }
    return spec.model_copy(update=changes)


def _run(spec: CellSpec) -> Failure | None:
    """Run the cell program here, on files of its own."""
    label = resolve_cell(spec).label
    printed = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="moebench-") as folder:
        asked, out = Path(folder, "spec.json"), Path(folder, "out.parquet")
        asked.write_text(json.dumps({"spec": spec.as_json(), "identity": _IDENTITY}), encoding="utf-8")
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), _hasty():
                code = cell.main([str(asked), str(out)])
        except Exception as error:
            return Failure(label, f"run at toy size it raises {in_words(error)}")
        if code:
            return Failure(
                label, f"run at toy size it fails: {printed.getvalue().strip().splitlines()[-1].rstrip('.')}"
            )
        rows = pq.ParquetFile(out).read(["status", "status_reason"]).to_pylist()
    bad = next((row for row in rows if row["status"] != "ok"), None)
    return bad and Failure(label, f"run at toy size it ends as {bad['status']}: {bad['status_reason']}")


@contextlib.contextmanager
def _hasty() -> Iterator[None]:
    """Compile what is compiled inside without most optimisations, which take longer here than they save."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
