"""Cells of two towers: a frozen image tower, both towers from scratch, what is tested, resumed and refused."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from moebench.cells import images
from moebench.cells.count import count
from moebench.cells.queries import prepare
from moebench.cells.resolve import resolve_cell
from moebench.cells.run import run
from moebench.data import Pixels
from moebench.data.pairs import CaptionedImages, Choices, PairData, load_pairs
from moebench.data.pairs.split import PairSplit, pair_dataset
from moebench.errors import BadInput
from moebench.evaluation.pair_tests import PairTests
from moebench.models.two_towers import TwoTowersConfig
from moebench.results import load, write_rows
from moebench.spec.cell_spec import CellSpec
from moebench.training import Progress, TwoTowersProgram
from moebench.training.checkpoints import Checkpoints

LIT: dict[str, Any] = {"pretrain_data": "scenes-256", "pretrain_steps": 2, "freeze": "image"}


def spec(**changes: Any) -> CellSpec:
    given = {"router": "soft", "options": {"experts": 2}, "model": "pico/8", "steps": 27, "batch": 16}
    text = {"text_model": "pico", "data": "scenes-256", "learning_rate": 5e-3, "timing_budget_s": 0.0}
    return CellSpec(**{**given, **text, **changes})


@pytest.fixture(scope="module")
def few() -> PairData:
    """The scenes with 40 test pairs and two zero-shot images of each class, for all cells of this module."""
    whole = load_pairs("scenes-256")
    assert whole.zero_shot is not None
    assert whole.binding is not None
    first = int(whole.test.offsets[40])
    test = CaptionedImages(part(whole.test.images, np.arange(40)), whole.test.captions[:first], whole.test.offsets[:41])
    rows = np.arange(0, len(whole.zero_shot.labels), 10)
    shown = part(whole.zero_shot.images, rows)
    zero_shot = replace(whole.zero_shot, images=shown, labels=whole.zero_shot.labels[rows])
    near = np.flatnonzero(whole.binding.rows < 40).tolist()
    true, false = ([each[place] for place in near] for each in (whole.binding.true, whole.binding.false))
    binding = Choices(whole.binding.rows[near], true, false)
    return replace(whole, test=test, zero_shot=zero_shot, binding=binding, relations=None)


def part(images: Pixels, rows: np.ndarray) -> Pixels:
    return replace(images, rows=rows if images.rows is None else images.rows[rows])


def ran(specification: CellSpec, checkpoints: Checkpoints, folder: Path, few: PairData) -> dict[str, Any]:
    return next(run(specification, checkpoints, models=folder / "models", read_pairs=lambda name, size: few))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contrastive")


@pytest.fixture(scope="module")
def lit(few: PairData, folder: Path) -> dict[str, Any]:
    """The row of a frozen image tower, whose training was killed after 25 steps and resumed."""

    class Killed(Checkpoints):
        def offer(self, part: str | None = None, progress: Progress | None = None) -> None:
            super().offer(part, progress)
            if part == "seed 0":
                raise KeyboardInterrupt

    specification = spec(**LIT, eval_every=20)
    with pytest.raises(KeyboardInterrupt):
        ran(specification, Killed(folder / "killed", {}, 1e-9, print), folder, few)
    return ran(specification, Checkpoints(folder / "killed", {}, 1e-9, print), folder, few)


@pytest.fixture(scope="module")
def unbroken(few: PairData, folder: Path, lit: dict[str, Any]) -> dict[str, Any]:
    return ran(spec(**LIT, eval_every=20), Checkpoints(folder / "whole", {}, 0, print), folder, few)


def test_a_frozen_tower_and_a_text_tower_give_one_row(lit: dict[str, Any], few: PairData, tmp_path: Path) -> None:
    assert (lit["status"], lit["freeze"], lit["text_model"], lit["contrastive_loss"]) == (
        *("ok", "image", "pico", "softmax"),
    )
    assert lit["train_loss"] < math.log(16)
    assert (lit["zero_shot_classes"], lit["retrieval_images"], lit["retrieval_captions"]) == (64, 40, 200)
    for name in ("zero_shot_seen", "zero_shot_unseen", "image_to_text_r1", "text_to_image_r1", "binding_accuracy"):
        assert 0 <= lit[name] <= 1
    assert lit["image_to_text_r1"] <= lit["image_to_text_r5"] <= lit["image_to_text_r10"]
    assert (lit["relations_accuracy"], lit["captions_cut"]) == (None, 0)
    assert "accuracy" not in lit
    assert len(lit["curve_eval_loss"]) == 2
    assert lit["curve_eval_loss"][-1] == pytest.approx(lit["eval_loss"])
    assert lit["dropped_tokens"] == 0
    assert lit["data_digest"] is None
    identity = {"suite": "s", "run_id": "r", "cell_id": "c", "attempt": 1, "fingerprint": "f"}
    write_rows([identity | lit], tmp_path / "s" / "r.parquet")
    assert load(tmp_path)["zero_shot_seen"].tolist() == [lit["zero_shot_seen"]]


def test_a_killed_cell_resumes_where_an_unbroken_one_would_be(lit: dict[str, Any], unbroken: dict[str, Any]) -> None:
    same = ("train_loss", "eval_loss", "zero_shot_seen", "image_to_text_r5", "curve_loss", "curve_eval_loss")
    assert [lit[name] for name in same] == [unbroken[name] for name in same]


def test_both_towers_are_counted_in_closed_form_and_from_the_program(lit: dict[str, Any]) -> None:
    cell = resolve_cell(spec(**LIT))
    found = count(cell)
    assert found.text_closed_form is not None
    assert found.text_forward is not None
    assert found.closed_form.total == pytest.approx(found.forward.total / 16)
    assert found.text_closed_form.total == pytest.approx(found.text_forward.total / 16)
    assert lit["flops_forward_per_text"] == pytest.approx(found.text_closed_form.total)
    assert lit["flops_forward_per_image"] == pytest.approx(found.closed_form.total)
    state = found.program.abstract_state
    of_image = sum(leaf.size for leaf in jax.tree.leaves(state.variables) if leaf.dtype == np.float32)
    assert lit["params"] == of_image + sum(leaf.size for leaf in jax.tree.leaves(state.parameters))
    # Forward, and backward for both factors of each product; the logits of 16 texts with 16 images of width 32 need no
    # gradient of the images.
    text = 3 * found.text_closed_form.total * 16
    assert lit["flops_train_step"] == pytest.approx(text + 2 * 2 * 16 * 16 * 32)


def test_texts_of_other_lengths_compile_nothing(few: PairData) -> None:
    cell = resolve_cell(spec(router="dense", options={}))
    assert isinstance(cell.model, TwoTowersConfig)
    program = TwoTowersProgram(cell.model, count(cell).program.schedule, 16)
    test = pair_dataset(few, 32).test
    assert isinstance(test, PairSplit)
    tests = PairTests(program, few, test, 0.0, lambda shown: shown)
    state = jax.jit(program.init)(np.int32(0))
    ids = few.tokenizer.encode(["circle", "a large red circle left of a small blue star " * 9], 32)
    assert ids.cut == 1
    tests.texts(state, ids.ids)
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compiled.append(event) if "backend_compile" in event else None
    )
    for texts in (["red"], ["red star"] * 3, ["a photo of one small solid yellow heart"] * 40):
        assert tests.texts(state, few.tokenizer.encode(texts, 32).ids).shape == (len(texts), 32)
    assert compiled == []
    jax.jit(lambda x: x * 3.25)(1.5)
    assert compiled != []  # the listener listens


def test_both_towers_learn_from_scratch_with_experts_in_both(few: PairData, folder: Path) -> None:
    specification = spec(contrastive_loss="sigmoid", text_router="soft[experts=2]", steps=2, save_model=True)
    row = ran(specification, Checkpoints(folder / "scratch", {}, 0, print), folder, few)
    assert (row["status"], row["text_router"], row["freeze"]) == ("ok", "soft[experts=2]", None)
    assert row["pretrain_data"] is None
    # Ten below zero for every pair: the loss starts near -log sigmoid(-10) of its own text.
    assert row["curve_loss"][0] == pytest.approx(10, abs=6)
    start = resolve_cell(spec(init_from=row["saved_model"], freeze="image"))
    assert isinstance(start.model, TwoTowersConfig)
    assert start.model.router_options["experts"] == 2
    # A cell that classifies takes the image tower and a head of its own.
    assert resolve_cell(spec(text_model=None, init_from=row["saved_model"])).model.classes == 51


@pytest.mark.parametrize(
    ("changes", "says", "key"),
    [
        ({"text_model": "mini"}, "unknown text tower 'mini': known are", "text_model"),
        ({"data": "digits"}, "digits has labels and no captions: give scenes-8192", "data"),
        ({"text_model": None, "freeze": "image"}, "freeze needs text_model, the size of a text tower", "freeze"),
        ({"text_model": None, "text_length": 16}, "text_length needs text_model", "text_length"),
        ({"freeze": "image"}, "freeze=image needs a trained image tower: add pretrain_data or init_from", "freeze"),
        ({**LIT, "augment": "crop"}, "freeze=image embeds each training image once", "augment"),
        ({"text_length": 1}, "text_length=1 leaves no room for words", "text_length"),
        ({"text_router": "sofd"}, "text_router: unknown router 'sofd': did you mean 'soft'", "text_router"),
        ({"text_router": "soft[expert=4]"}, "text_router: .*experts", "text_router"),
        (
            {"text_router": "bpr[experts=2]", "batch": 12},
            "routes groups of 8 captions, which do not divide a batch of 12",
            None,
        ),
        ({"text_router": "soft", "devices": "2x1"}, "text_router=soft is for one device", "text_router"),
        (
            {"test_time": ({"router": "uniform"},)},
            "test_time compares settings by their accuracy in classification",
            "test_time",
        ),
        ({"tune": {"learning_rate": (1e-3, 1e-2)}}, "tune compares tries by their loss in classification", "tune"),
        (
            {"record_routing": 8},
            "record_routing records routing beside the predictions of classification",
            "record_routing",
        ),
        ({"router": "oracle", "options": {}}, "no pairs of images and captions know", "router"),
        ({**LIT, "devices": "2x1"}, "a start from a trained model is for one device", "devices"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(changes: dict[str, Any], says: str, key: str | None) -> None:
    with pytest.raises(BadInput, match=says) as mistake:
        resolve_cell(spec(**changes))
    assert key is None or mistake.value.key == key


def test_a_frozen_tower_of_another_width_is_named(folder: Path, lit: dict[str, Any]) -> None:
    # Beside a model lies the file whose lock keeps two cells from training it at once.
    saved = next(path for path in (folder / "models").iterdir() if path.is_dir())
    with pytest.raises(BadInput, match=r"is soft\[.*\] on pico/8, and the cell's model is nano/8"):
        resolve_cell(spec(model="nano/8", init_from=str(saved), freeze="image"))


def test_pairs_are_prepared_before_cells_run(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []

    def refuses(name: str, size: int | None) -> PairData:
        loaded.append(name)
        raise BadInput("no captions can be read.", key="data")

    monkeypatch.setattr("moebench.cells.queries.pairs", refuses)
    assert prepare([spec().as_json()]) == [{"error": "no captions can be read.", "key": "data"}]
    assert loaded == ["scenes-256"]
    assert images.pair_source("scenes-256").name == "scenes-256"
