"""Try a suite: resolve every cell, and run one cell of each router.

The cells of every profile are resolved; a run has toy size. A counting suite is small, so that it is checked whole.
"""

import contextlib
import io
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import jax
import numpy as np

from moebench.cells.count_published import counts
from moebench.cells.images import pair_source, source
from moebench.cells.queries import resolve
from moebench.cells.resolve import resolve_cell
from moebench.cells.run import run
from moebench.checking.claim_costs import unequal_costs
from moebench.checking.failure import Failure
from moebench.data import Dataset, Pixels, Split
from moebench.data.pairs import CaptionedImages, PairData, WordTokenizer
from moebench.errors import BadInput
from moebench.papers import agreement
from moebench.results import write_rows
from moebench.routers.plugins import in_words
from moebench.spec.cell_spec import CellSpec
from moebench.suites.grid import Cell
from moebench.suites.plan import identify
from moebench.suites.published_costs_file import CountingSuite
from moebench.suites.suite_file import Suite
from moebench.training.checkpoints import Checkpoints

_IDENTITY = {"suite": "check", "run_id": "check", "cell_id": "check", "fingerprint": "check", "attempt": 1}


@dataclass
class SuiteChecks:
    """Checks of suites; cells of equal kind are run once, in the first suite.

    A kind is a router with a scope, with or without settings in `test_time` and a text tower.
    """

    plugins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._ran: dict[tuple[object, ...], Failure | None] = {}

    def check(self, suite: Suite | CountingSuite) -> list[Failure]:
        """Return the failures of a suite."""
        if isinstance(suite, CountingSuite):
            frame = agreement.compare(suite.models, counts(suite.models), suite.tolerances, suite.known)
            return [Failure("print", f"outside the tolerance: {line}") for line in agreement.outside(frame)]
        failures = list(self._unresolved(suite)) or list(unequal_costs(suite))
        return failures or self._run(list(self._small_cells(suite)))

    def _unresolved(self, suite: Suite) -> Iterator[Failure]:
        """Yield a failure for each profile's first cell that cannot be built or occurs twice."""
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

    def _run(self, specs: list[CellSpec]) -> list[Failure]:
        """Run the cells of new kinds; return all failures, earlier ones too.

        The compiler works on two cells at a time.
        """
        kinds = [(spec.router, spec.scope, bool(spec.test_time), bool(spec.text_model)) for spec in specs]
        new = {kind: spec for kind, spec in zip(kinds, specs, strict=True) if kind not in self._ran}
        with contextlib.redirect_stdout(io.StringIO()), _hasty(), ThreadPoolExecutor(2) as pool:
            self._ran.update(zip(new, pool.map(_run, new.values()), strict=True))
        return [failure for kind in kinds if (failure := self._ran[kind]) is not None]


def _first_of_each_router(cells: Iterable[Cell]) -> list[Cell]:
    first: dict[str, Cell] = {}
    for one in cells:
        first.setdefault(one.spec.router, one)
    return list(first.values())


def small(spec: CellSpec) -> CellSpec:
    """Return the cell at the smallest width, for two steps with the fewest images.

    The fewest images are one group of the router.
    """
    found = resolve_cell(spec)
    changes = {
        "model": f"mu/{found.model.preset.patch}",
        "image_size": found.model.image_size,
        "moe_layers": "last-n:1",
        "steps": 2,
        "pretrain_steps": spec.pretrain_data and 2,
        "test_time": spec.test_time[:1],
        "eval_every": spec.eval_every and 1,
        "batch": found.model.group_images,
        "seeds": (0,),
        "timing_budget_s": 1e-3 if spec.scope == "layer" else 0.0,  # a layer alone is only timed
        "checkpoint_every_s": 0.0,
        "devices": "1x1",
    }
    return spec.model_copy(update=changes)


def _run(spec: CellSpec) -> Failure | None:
    """Run the cell in this process, with its row in a temporary folder."""
    label = resolve_cell(spec).label
    with tempfile.TemporaryDirectory(prefix="moebench-") as folder:
        checkpoints = Checkpoints(Path(folder, "checkpoints"), {}, spec.checkpoint_every_s, _no_one)
        try:
            (row,) = run(
                spec,
                checkpoints,
                partial(_noise, batch=spec.batch),
                read_pairs=partial(_noise_pairs, batch=spec.batch),
            )
            write_rows([_IDENTITY | row], Path(folder, "row.parquet"))
        except Exception as error:
            return Failure(label, f"run at toy size it raises {in_words(error)}")
    if row["status"] == "ok":
        return None
    return Failure(label, f"run at toy size it ends as {row['status']}: {row['status_reason']}")


def _noise(name: str, image_size: int | None, *, batch: int) -> Dataset:
    """Return noise in place of a data set's images, which may take hours to make.

    Args:
        name: name of the data set.
        image_size: side in pixels; None takes the data set's own size.
        batch: images of the test split; the training split has two more images of each class, so that one of each can
            be held out for validation.
    """
    kind = source(name).format(image_size)
    images = batch + 2 * kind.classes
    channels = kind.channels + kind.truth
    drawn = np.random.default_rng(0).integers(
        256, size=(images, kind.image_size, kind.image_size, channels), dtype=np.uint8
    )
    pixels = Pixels(drawn, (127.5,) * channels, (74.0,) * channels, hidden=int(kind.truth))
    train = Split(pixels, np.arange(images, dtype=np.int32) % kind.classes)
    return Dataset(name, kind.classes, train=train, test=train.subset(np.arange(batch)))


def _noise_pairs(name: str, image_size: int | None, *, batch: int) -> PairData:
    """Return noise with one caption each in place of image-text pairs.

    Args:
        name: name of the pairs.
        image_size: side in pixels; None takes the pairs' own size.
        batch: images for training, and as many for testing.
    """
    kind = pair_source(name).format(image_size)
    shape = (batch, kind.image_size, kind.image_size, kind.channels)
    drawn = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    pixels = Pixels(drawn, (127.5,) * kind.channels, (74.0,) * kind.channels)
    captions = tuple(f"image {number}" for number in range(batch))
    captioned = CaptionedImages(pixels, captions, np.arange(batch + 1))
    # As many ids as the model was resolved for; two of them are no words.
    tokenizer = WordTokenizer(["image", *(str(number) for number in range(kind.vocabulary - 3))])
    return PairData(name, captioned, captioned, tokenizer)


def _no_one(_: str) -> None:
    """Discard a line for the cell's log."""


@contextlib.contextmanager
def _hasty() -> Iterator[None]:
    """Compile programs inside the block with few optimisations, which take longer here than they save."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", before)
