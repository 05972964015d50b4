"""Users' images in the identity of a cell: by content, wherever they lie."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_images import folder, png

from moebench.cells import images
from moebench.cells.resolve import resolve_cell
from moebench.measuring import environment
from moebench.spec.cell_spec import CellSpec


@pytest.fixture(autouse=True)
def forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sources are kept for a process, which here reads changed files."""
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path / "cache"))
    images.source.cache_clear()
    yield
    images.source.cache_clear()


def identity(**keys: str | int) -> dict[str, str]:
    return resolve_cell(CellSpec(router="dense", image_size=8, **keys)).identity(environment())  # type: ignore[arg-type]


def photos(root: Path) -> str:
    return str(folder(root, {"a": [1, 2], "b": [3, 4]}))


def test_copies_of_images_make_one_cell_and_changed_images_another(tmp_path: Path) -> None:
    place, copy = photos(tmp_path / "mine"), str(tmp_path / "copy")
    shutil.copytree(place, copy, copy_function=shutil.copy)
    first = identity(data=place)
    assert identity(data=copy) == first
    (Path(copy) / "a" / "001.png").write_bytes(png(9))
    images.source.cache_clear()
    changed = identity(data=copy)
    assert changed["cell_id"] != first["cell_id"]
    assert changed["fingerprint"] != first["fingerprint"]


def test_copies_of_images_to_pretrain_on_make_one_cell(tmp_path: Path) -> None:
    place, copy = photos(tmp_path / "mine"), str(tmp_path / "copy")
    shutil.copytree(place, copy)
    assert identity(pretrain_data=place, pretrain_image_size=8) == identity(pretrain_data=copy, pretrain_image_size=8)
    assert identity(pretrain_data=place, pretrain_image_size=8) != identity()


def test_the_digest_of_images_is_a_column(tmp_path: Path) -> None:
    place = photos(tmp_path / "mine")
    own = resolve_cell(CellSpec(router="dense", data=place, image_size=8)).inputs
    assert (own["data"], own["data_digest"]) == (place, images.source(place).identity())
    assert resolve_cell(CellSpec(router="dense")).inputs["data_digest"] is None
    layer = resolve_cell(CellSpec(router="dense", data=place, scope="layer")).inputs
    assert (layer["data"], layer["data_digest"]) == ("random tokens", None)
