"""Starting from trained models: what is kept, what is taken over, what a few shots show, and what is refused."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from moebench.cells.compile import TrainPrograms, program_for
from moebench.cells.fingerprint import VERSIONS
from moebench.cells.images import dataset
from moebench.cells.queries import prepare
from moebench.cells.resolve import resolve_cell
from moebench.cells.resolved_cell import ResolvedCell
from moebench.cells.run import run
from moebench.cells.transfer import Initializer, describe, transferred
from moebench.cells.turns import Turns
from moebench.errors import BadInput
from moebench.evaluation import few_shot
from moebench.measuring.time_accounts import Accounts
from moebench.results import at_test_time, load, suite_names, write_rows
from moebench.spec.cell_spec import CellSpec
from moebench.spec.entry import build_spec
from moebench.training import TrainState, compile_unoptimized, image_arrays, saved_models
from moebench.training.checkpoints import Checkpoints
from moebench.training.program import StepReport
from moebench.training.saved_models import SavedModel

ALONE = Turns(None, Accounts())
UPSTREAM: dict[str, Any] = {"pretrain_data": "digits", "pretrain_steps": 3}


def spec(**changes: Any) -> CellSpec:
    given = {"router": "soft", "options": {"experts": 2}, "model": "mu/4", "steps": 2, "batch": 8}
    return CellSpec(**{**given, "timing_budget_s": 0.0, "seeds": (0, 1), **changes})


def in_folder(models: Path) -> list[str]:
    """Return the names in a folder of models, but for those of locks."""
    return [path.name for path in models.iterdir() if path.suffix != ".lock"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("transfer")


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, Any]]:
    specification = spec(save_model=True, test_time=({"router": "soft-uniform"},), **UPSTREAM)
    return list(run(specification, Checkpoints(folder / "ck", {}, 0, print)))


@pytest.fixture(scope="module")
def fresh() -> TrainState:
    cell = resolve_cell(spec())
    program = program_for(cell.model, cell.spec)
    state: TrainState = compile_unoptimized(program.init, jax.ShapeDtypeStruct((), jnp.int32))(np.int32(1))
    return state


def test_a_cell_starts_from_what_it_trained_upstream(rows: list[dict[str, Any]], folder: Path) -> None:
    for row in rows:
        assert (row["status"], row["pretrain_data"], row["pretrain_steps"], row["steps"]) == ("ok", "digits", 3, 2)
        assert 0 < row["few_shot_1"] <= 1
        assert row["few_shot_10"] > 0.5  # ten of each digit tell more than guessing, whatever the features
        assert row["pretrain_s"] > 0
        assert row["few_shot_s"] > 0
    # Two upstream models and two of the cell's own, none of them half written.
    models = in_folder(folder / "_models")
    assert len(models) == 4
    assert {Path(row["saved_model"]).name for row in rows} < set(models)
    assert not any(name.startswith(".") for name in models)
    assert suite_names(folder) == []


def test_a_row_with_all_that_was_asked_of_its_model_is_written(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    identity = {"suite": "s", "run_id": "r", "cell_id": "c", "attempt": 1, "fingerprint": "f"}
    write_rows([identity | row for row in rows], tmp_path / "s" / "r.parquet")
    frame = load(tmp_path)
    assert frame["saved_model"].tolist() == [row["saved_model"] for row in rows]
    flat = at_test_time(frame)
    assert flat["test_router"].tolist() == ["soft", "soft-uniform"] * 2
    # The first setting is that of the training: what evaluation says as well, to rounding.
    assert flat["test_eval_loss"].tolist()[::2] == pytest.approx(frame["eval_loss"].tolist(), rel=1e-5)
    assert flat["test_flops_forward_per_image"].tolist()[0] == frame["flops_forward_per_image"].tolist()[0]


def test_another_cell_takes_the_upstream_model_that_is_there(
    rows: list[dict[str, Any]],
    folder: Path,
    fresh: TrainState,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cell = resolve_cell(spec(**UPSTREAM))
    monkeypatch.setattr("moebench.cells.transfer.train_or_resume", None)  # nothing is trained
    origin = Initializer(cell, folder / "_models", lambda name, size: pytest.fail("images were read"), ALONE, print)
    state = origin.initial_state(fresh, 1)
    assert "seed 1: starting from" in capsys.readouterr().out
    before, after = (jax.tree.leaves(each.parameters["blocks"]) for each in (fresh, state))
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    assert int(state.step) == 0


def test_a_training_upstream_that_is_killed_goes_on(
    tmp_path: Path, fresh: TrainState, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    # 26 steps, of which the first 25 are looked at, and kept.
    cell = resolve_cell(spec(pretrain_data="digits", pretrain_steps=26, checkpoint_every_s=1e-9))
    origin = Initializer(cell, tmp_path / "_models", dataset, ALONE, print)

    class Still(TrainPrograms):
        """Steps that change nothing, and need no compiling."""

        program = program_for(cell.model, cell.spec)

        def __init__(self) -> None:
            pass

        def fresh(self, seed: int, schedule: Any = None) -> TrainState:
            return fresh

        @property
        def host_train_step(self) -> Any:
            one = jnp.ones(())
            return lambda state, *_: (state, StepReport(one, one, one))

    monkeypatch.setattr(Initializer, "_programs", Still())
    with monkeypatch.context() as patched:
        patched.setattr(saved_models, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            origin.initial_state(fresh, 0)
    assert [name[0] for name in in_folder(tmp_path / "_models")] == ["."]
    origin.initial_state(fresh, 0)
    assert "pre-training of seed 0: resuming from the checkpoint after step 25" in capsys.readouterr().out
    # What was under way is gone, and the model is there.
    assert [name[0] == "." for name in in_folder(tmp_path / "_models")] == [False]


def test_a_kept_model_gives_its_arrays_back_and_starts_cells(rows: list[dict[str, Any]]) -> None:
    path = rows[0]["saved_model"]
    kept = saved_models.find(path)
    assert kept.about["data"] == "digits"
    assert all(list(array.shape) == kept.about["arrays"][name][1] for name, array in kept.arrays().items())
    # Options that are left out are the kept model's.
    cell = resolve_cell(spec(init_from=path, options={}))
    assert cell.router.options["experts"] == 2
    assert cell.inputs["pretrain_data"] == path


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"router": "bpr"}, r"soft\[experts=2.*\] on mu/4 and has nothing for .*router.kernel, where bpr"),
        (
            {"options": {"experts": 4}},
            r"has \[2, 256\] for .*bias_in, where soft\[experts=4\] on mu/4 needs \[4, ",
        ),
        ({"model": "mu/2"}, r"is soft\[.*\] on mu/4, and the cell's model is mu/2"),
        ({"total_slots": 4}, "leave total_slots=4 out"),
        ({"pretrain_data": "digits"}, "both give the initial parameters"),
        ({"devices": "2x1"}, "is for one device: leave devices=2x1 out"),
    ],
)
def test_a_cell_that_does_not_fit_names_the_numbers(
    changes: dict[str, Any], says: str, rows: list[dict[str, Any]]
) -> None:
    with pytest.raises(BadInput, match=says):
        resolve_cell(spec(init_from=rows[0]["saved_model"], **changes))


def test_what_is_no_kept_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"there is no saved model in .*: it has no model.json"):
        resolve_cell(spec(init_from=str(tmp_path)))
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(BadInput, match="is damaged: the key 'model' is missing"):
        saved_models.find(tmp_path)
    about = {"model": "m", "router": "r", "options": {}, "channels": 1, "data": "d", "classes": 2}
    saved_models.save(tmp_path / "one", about, {"a": jnp.ones(3)})
    kept = saved_models.find(tmp_path / "one")
    assert kept.arrays()["a"].tolist() == [1, 1, 1]
    next(path for path in (tmp_path / "one" / "arrays").rglob("*") if path.is_file()).write_bytes(b"spoiled")
    with pytest.raises(BadInput, match="is damaged"):
        kept.arrays()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInput, match="the trained model cannot be saved in"):
        saved_models.save(tmp_path / "file" / "two", {}, {"a": jnp.ones(3)})


@pytest.mark.parametrize(("key", "value"), [("pretrain_steps", 3), ("pretrain_image_size", 8)])
def test_upstream_keys_need_upstream(key: str, value: int) -> None:
    with pytest.raises(BadInput, match=f"{key} needs pretrain_data"):
        resolve_cell(spec(**{key: value}))


def test_slots_are_those_of_upstream_whatever_the_resolution() -> None:
    # 32 × 32 pixels in patches of 4 are 64 tokens, of which digits have 4.
    cell = resolve_cell(spec(total_slots="tokens", pretrain_data="fractals-10", pretrain_image_size=32))
    assert cell.pretraining is not None
    assert (cell.pretraining.model.tokens, cell.model.tokens) == (64, 4)
    assert cell.router.options["slots_per_expert"] == cell.pretraining.router.options["slots_per_expert"] == 32
    with pytest.raises(BadInput, match="patches of 5 pixels do not tile images of 64 pixels"):
        resolve_cell(spec(model="mu/5", pretrain_data="fractals-10"))


def test_the_head_is_fresh_for_other_data_and_positions_are_interpolated(fresh: TrainState) -> None:
    cell = resolve_cell(spec())
    about = saved_models.recorded(describe(cell, 0), image_arrays(cell.model, fresh))
    arrays = {name: np.full(shape, 7.0, np.float32) for name, (_, shape) in about["arrays"].items()}
    same = transferred(SavedModel(Path("x"), about), arrays, fresh, cell)
    assert all((leaf == 7).all() for leaf in jax.tree.leaves(same.parameters))
    # Other data of as many classes: the head starts from zeros, all else is taken over.
    other = transferred(SavedModel(Path("x"), about | {"data": "others"}), arrays, fresh, cell)
    assert float(jnp.abs(other.parameters["head"]["kernel"][...]).max()) == 0
    assert float(other.parameters["norm"]["scale"][...].min()) == 7
    # 16 positions become the 4 of the model.
    large = about | {"arrays": about["arrays"] | {"parameters.positions": ["float32", [16, 64]]}}
    arrays["parameters.positions"] = np.full((16, 64), 3.0, np.float32)
    moved = transferred(SavedModel(Path("x"), large), arrays, fresh, cell)
    assert moved.parameters["positions"][...].tolist() == np.full((4, 64), 3.0).tolist()


def test_a_probe_is_a_regularised_regression() -> None:
    # Features 0, 0, 3 of classes 0, 0, 1: mean 1, mean square 2, so -1/√2, -1/√2, 2/√2. Targets of class 1: -1, -1, 1,
    # on average -1/3. Weight (2/3·√2 + 4/3·√2) / (3 + 1) = 1/√2, so that the score of x is (x - 1)/2 - 1/3, and class 1
    # wins above 5/3; without the regulariser it would above 3/2.
    train, labels = np.array([[0.0], [0.0], [3.0]]), np.array([0, 0, 1])
    test = np.array([[1.6], [1.7]])
    assert few_shot.accuracy(train, labels, test, np.array([0, 1]), 2) == 1.0
    assert few_shot.accuracy(train, labels, test, np.array([1, 1]), 2) == 0.5
    # Features without any spread tell nothing, and nothing breaks.
    assert few_shot.accuracy(np.ones((2, 3)), np.array([0, 1]), np.ones((2, 3)), np.array([0, 1]), 2) == 0.5


def test_shots_of_fewer_are_among_those_of_more() -> None:
    labels = np.array([0, 1, 0, 1, 0, 2])
    some = few_shot.drawn_shots(labels, 2, np.random.default_rng(0))
    assert {label: len(places) for label, places in some.items()} == {0: 2, 1: 2, 2: 1}
    assert all((labels[places] == label).all() for label, places in some.items())
    fewer = few_shot.drawn_shots(labels, 1, np.random.default_rng(0))
    assert all(some[label][0] == fewer[label][0] for label in some)


def test_another_model_at_the_same_place_is_another_start(tmp_path: Path, fresh: TrainState) -> None:
    place, trained = tmp_path / "kept", resolve_cell(spec(group_images=2))
    device = {"device_kind": "cpu", "cpu": "x", "jax_settings": "{}", **dict.fromkeys(VERSIONS, "1")}

    def started(value: float) -> ResolvedCell:
        shutil.rmtree(place, ignore_errors=True)
        arrays = jax.tree.map(lambda leaf: jnp.full_like(leaf, value), image_arrays(trained.model, fresh))
        saved_models.save(place, describe(trained, 0), arrays)
        return resolve_cell(spec(init_from=str(place), options={}))

    first, again, other = (started(value).identity(device) for value in (1.0, 1.0, 2.0))
    assert first["cell_id"] == again["cell_id"] == other["cell_id"]
    assert first["fingerprint"] != other["fingerprint"]
    # What is left out is the kept model's own, its groups as well.
    assert started(1.0).model.group_images == 2


def test_paths_mean_the_same_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = build_spec({"router": "soft", "experts": 2, "init_from": "kept", "pretrain_data": "./photos"})
    assert (kept.init_from, kept.pretrain_data) == (str(tmp_path / "kept"), str(tmp_path / "photos"))


def test_images_upstream_are_made_before_cells_run(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[str, int | None]] = []

    def load(name: str, size: int | None = None) -> SimpleNamespace:
        loaded.append((name, size))
        return SimpleNamespace(notes=("mind this",) if name == "digits" else ())

    monkeypatch.setattr("moebench.cells.queries.dataset", load)
    specification = spec(pretrain_data="fractals-10", pretrain_image_size=32)
    assert prepare([specification.as_json()]) == [{"notes": ["digits: mind this"]}]
    assert loaded == [("digits", None), ("fractals-10", 32)]
