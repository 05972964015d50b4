"""Images that code draws are kept under a name that changes with that code."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from moebench.code import digests
from moebench.data.dataset import Format
from moebench.data.drawn import Drawing, Parts


def _parts(label: int) -> Parts:
    for split in ("train", "test"):
        yield split, np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4, 1), np.full(3, label)


def drawing(label: int = 0) -> Drawing:
    """Return three images for training and three for testing."""
    return Drawing("greys-3", Format(4, 1, 3), {"train": 3, "test": 3}, "moebench.data.tasks", partial(_parts, label))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep images in a folder of the test."""
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path))


def test_images_are_drawn_once() -> None:
    lines: list[str] = []
    assert not drawing().is_ready()
    drawing().load(lines.append)
    assert drawing().is_ready()
    assert lines[0] == "drawing greys-3 at 4 pixels, once for this machine"
    assert [*drawing(1).load(pytest.fail).train.labels] == [0, 0, 0]


@pytest.mark.parametrize("changed", ["code", "numpy"])
def test_other_code_draws_other_images(changed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing().load(lambda line: None)
    if changed == "numpy":
        monkeypatch.setattr(np, "__version__", "9.0")
    else:
        monkeypatch.setattr("moebench.data.drawn.package_digest", lambda package: f"other {package}")
    assert not drawing().is_ready()
    assert [*drawing(1).load(lambda line: None).train.labels] == [1, 1, 1]


def test_a_package_is_told_by_what_runs_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "drawing_room"
    package.mkdir()

    def found(text: str) -> str:
        (package / "__init__.py").write_text("")
        (package / "pens.py").write_text(text)
        return digests.package_digest.__wrapped__("drawing_room")

    first = found("WIDTH = 2\n")
    assert found('"""Pens."""\n\nWIDTH = 2  # pixels\n') == first
    assert found("WIDTH = 3\n") != first
