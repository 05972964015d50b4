"""Keys of a cell: what each field declares, and the lists derived from the fields."""

from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from moebench.errors import BadInput
from moebench.spec.cell_spec import CellSpec, Scope, is_place

IN_TRAINING_ONLY = (
    *("data", "augment", "steps", "learning_rate", "weight_decay", "warmup", "clip_norm"),
    *("moe_layers", "position_init", "devices", "remat"),
    *("test_time", "pretrain_data", "pretrain_steps", "pretrain_image_size", "init_from", "save_model"),
    *("checkpoint_every_s", "eval_every", "record_routing", "record_during_training", "record_seeds", "tune"),
    *("text_model", "text_router", "text_length", "contrastive_loss", "freeze"),
)


@pytest.mark.parametrize(("name", "field"), CellSpec.model_fields.items())
def test_every_field_says_what_it_means(name: str, field: FieldInfo) -> None:
    assert field.description
    assert field.description.endswith(".")
    assert field.default_factory is not None or field.is_required() == (name == "router")


def test_keys_that_change_nothing_in_a_layer_measured_alone() -> None:
    assert set(CellSpec.outside(Scope.LAYER)) == set(IN_TRAINING_ONLY)


def test_pretraining_neither_times_nor_checkpoints_nor_evaluates_for_itself() -> None:
    assert CellSpec.outside(Scope.PRETRAINING) == {
        "pretrain_data": None,
        "pretrain_steps": None,
        "pretrain_image_size": None,
        "init_from": None,
        "save_model": False,
        "test_time": (),
        "timing_budget_s": 0.0,
        "checkpoint_every_s": 0.0,
        "tune": {},
        "eval_every": None,
        "record_routing": None,
        "record_during_training": None,
        "record_seeds": None,
        "text_model": None,
        "text_router": None,
        "text_length": 32,
        "contrastive_loss": "softmax",
        "freeze": None,
    }


def test_the_identity_of_a_plain_cell_knows_no_later_key() -> None:
    plain = CellSpec(router="soft", options={"experts": 4})
    assert plain.identity() == {
        "router": "soft",
        "options": {"experts": 4},
        "model": "mu/2",
        "data": "digits",
        "image_size": None,
        "augment": None,
        "steps": 250,
        "batch": 64,
        "group_images": None,
        "moe_layers": None,
        "precision": "float32",
        "learning_rate": 2e-3,
        "weight_decay": 0.05,
        "warmup": 0.1,
        "clip_norm": 1.0,
        "timing_budget_s": 3.0,
        "devices": "1x1",
    }


def test_an_identity_has_a_later_key_with_another_value() -> None:
    spec = CellSpec(router="soft", pretrain_data="fractals-10", test_time=({"top_k": 2},), save_model=True)
    later = {key: value for key, value in spec.identity().items() if key not in CellSpec(router="soft").identity()}
    assert later == {"pretrain_data": "fractals-10", "test_time": [{"top_k": 2}], "save_model": True}


@pytest.mark.parametrize(
    "changed",
    [
        {"seeds": (3,)},
        {"plugins": ("/tmp/mine.py",)},
        {"checkpoint_every_s": 1.0},
        {"total_slots": 16},  # worked into the options of the router that is built
    ],
)
def test_an_identity_leaves_out_what_makes_no_other_cell(changed: dict[str, object]) -> None:
    spec = CellSpec(router="soft")
    assert spec.model_copy(update=changed).identity() == spec.identity()


@pytest.mark.parametrize("key", IN_TRAINING_ONLY)
def test_the_identity_of_a_layer_has_no_key_of_training(key: str) -> None:
    layer = CellSpec(router="soft", scope="layer", pretrain_data="digits", init_from="/tmp/kept", save_model=True)
    assert key not in layer.identity()
    assert layer.identity()["scope"] == "layer"


def test_paths_are_absolute_and_names_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    spec = CellSpec(router="soft", data="./photos", pretrain_data="hf:some/set", init_from="kept")
    assert (spec.data, spec.pretrain_data) == (str(tmp_path / "photos"), "hf:some/set")
    assert spec.init_from == str(tmp_path / "kept")
    assert CellSpec(router="soft", data="digits", init_from=None).data == "digits"
    assert [is_place(name) for name in ("digits", "a/b", "~me", "hf:x")] == [False, True, True, True]


def test_devices_are_two_positive_numbers() -> None:
    assert CellSpec(router="soft", devices="2x4").mesh_shape == (2, 4)
    for devices in ("2", "0x2", "2x", "axb", "2x2x2", "-1x2"):
        with pytest.raises(BadInput, match="write DATAxEXPERT"):
            _ = CellSpec(router="soft", devices=devices).mesh_shape
