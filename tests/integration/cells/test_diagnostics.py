"""Diagnostic tasks through whole cells: what the oracle reaches, who is refused, and how broken routers are exposed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from registered_routers import undone

from moebench import data, routers
from moebench.cells import run
from moebench.cells.log import say
from moebench.cells.recording import Place
from moebench.cells.resolve import resolve_cell
from moebench.data.tasks import source
from moebench.errors import BadInput
from moebench.spec.cell_spec import CellSpec
from moebench.training.checkpoints import Checkpoints

IDENTITY = {"suite": "s", "run_id": "r", "cell_id": "c", "attempt": 1, "fingerprint": "f"}
DOMAINS, NEEDLES, LOOKUP = "domains-4", "needles-2", "lookup-256"


class Blind(routers.TokensChoice):
    """Ignores its input: the expert follows from the place of a token."""

    def logits(self, tokens: Any) -> Any:
        """Return a one-hot row for each place."""
        place = jax.nn.one_hot(jnp.arange(tokens.shape[1]) % self.experts, self.experts)
        return jnp.broadcast_to(4 * place, (*tokens.shape[:2], self.experts)) + 0 * super().logits(tokens)


class Careless(routers.BatchPrioritized):
    """Drops at random: tokens take slots in an order that has nothing to do with them."""

    def order(self, chosen: Any) -> Any:
        """Return one random order for each group."""
        keys = jax.random.split(jax.random.key(0), chosen.shape[0])
        return jax.vmap(lambda key: jax.random.permutation(key, chosen.shape[1]))(keys)


class Numb(routers.TokensChoice):
    """Has gates without gradient: neither the gate nor the tokens learn where to go, and losses change nothing."""

    def logits(self, tokens: Any) -> Any:
        """Return the logits as constants."""
        return jax.lax.stop_gradient(super().logits(tokens))


@pytest.fixture(scope="module", autouse=True)
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Register the broken routers, and draw few images into a cache that no other test reads."""
    with undone(), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MOEBENCH_CACHE", str(tmp_path_factory.mktemp("few")))
        draw(patch, train=512)
        for name, router in (("blind", Blind), ("careless", Careless), ("numb", Numb)):
            routers.register(name)(router)
        yield


def draw(patch: pytest.MonkeyPatch, train: int) -> None:
    """Draw so many training images of a task, and 512 for testing."""
    for name in ("domains", "needles", "skewed"):
        patch.setitem(source.KINDS, name, replace(source.KINDS[name], train=train, test=512))


def read(name: str, image_size: int | None) -> data.Dataset:
    return data.load(name, image_size, lambda line: None)


def row(folder: Path, router: str, task: str, **given: Any) -> dict[str, Any]:
    keys = (*CellSpec.keys(), "seeds")
    changes = {key: value for key, value in given.items() if key in keys}
    options = {key: value for key, value in given.items() if key not in keys}
    spec = CellSpec(
        router=router,
        data=task,
        options={"experts": 4, **options},
        **{
            "model": "pico/8",
            "mlp_ratio": 0.25,
            "batch": 64,
            "group_images": 64,
            "learning_rate": 1e-2,
            "steps": 1,
            "timing_budget_s": 0.0,
            **changes,
        },
    )
    checkpoints = Checkpoints(folder / router / "_checkpoints", {}, 0, say)
    (found,) = run.run(spec, checkpoints, read, recordings=Place(folder / router / "_routing", IDENTITY))
    return found


def test_a_router_that_ignores_its_input_knows_no_domain(tmp_path: Path) -> None:
    blind, oracle = (row(tmp_path, name, DOMAINS, record_routing=512) for name in ("blind", "oracle"))
    assert abs(blind["domain_information"]) < 0.02
    # Two bits, less what 512 images of random domains would tell by chance: about 9 / (2 · 512 · ln 2).
    assert oracle["domain_information"] == pytest.approx(2, abs=0.05)


def test_a_router_that_drops_at_random_keeps_needles_by_chance(tmp_path: Path) -> None:
    # One expert, so that all tokens stand in one queue: at C = 1/8 a group of 64 images has 128 slots for 1,024 tokens.
    options: dict[str, Any] = {"experts": 1, "test_time": ({"eval_capacity_factor": 0.125},)}
    trained, scarce = row(tmp_path, "careless", NEEDLES, **options)["test_time"]
    assert trained["needles_processed"] == 1
    assert scarce["needles_processed"] == pytest.approx(0.125, abs=0.04)


def test_a_router_whose_gates_have_no_gradient_memorises_less(tmp_path: Path) -> None:
    options: dict[str, Any] = {"steps": 120, "capacity_factor": 2.0}
    numb, whole = (row(tmp_path, name, LOOKUP, **options)["memorised_bits"] for name in ("numb", "tokens-choice"))
    assert whole > numb + 30  # of 1,024; 57 to 71 in three seeds


@pytest.mark.slow
@pytest.mark.parametrize("task", ["domains-16", "lookup-1024", "skewed-16"])
def test_oracle_and_random_router_are_never_swapped(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(monkeypatch, train=12_800)
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path / "images"))
    options: dict[str, Any] = {"experts": 16, "capacity_factor": 2.0, "model": "pico/4", "steps": 200}
    for seed in range(2):
        oracle, random = (row(tmp_path, name, task, seeds=(seed,), **options) for name in ("oracle", "random"))
        assert oracle["accuracy"] > random["accuracy"]
        assert oracle["accuracy"] > 1 / 16 + 0.4


def test_the_oracle_is_refused_where_nobody_knows_the_truth() -> None:
    with pytest.raises(BadInput, match="which data set digits does not know") as mistake:
        resolve_cell(CellSpec(router="oracle", options={"experts": 2}))
    assert mistake.value.key == "data"
    with pytest.raises(BadInput, match="leave pretrain_data out") as mistake:
        resolve_cell(CellSpec(router="oracle", options={"experts": 2}, data=DOMAINS, pretrain_data=DOMAINS))
    assert mistake.value.key == "pretrain_data"
