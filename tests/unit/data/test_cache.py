"""The cache of images: made once, by one of those who want them, and never half."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from moebench.data import Format
from moebench.data import cache as storing
from moebench.data.cache import Writer, cache_folder, kept
from moebench.data.threads import mapped
from moebench.errors import BadInput


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def maker(say: Callable[[str], None] = lambda line: None) -> Callable[[Path], None]:
    """Two training images of 1 × 1 pixel and two channels, and one for testing."""

    def make(folder: Path) -> None:
        with Writer(folder, {"train": 2, "test": 1}, Format(1, 2, 3), say) as writer:
            writer.add("train", np.array([[[[10, 0]]], [[[30, 0]]]], np.uint8), np.array([2, 0]))
            writer.add("test", np.array([[[[50, 7]]]], np.uint8), np.array([1]))
            writer.finish()

    return make


def silent(line: str) -> None:
    """Says nothing."""


def test_what_was_written_is_read_and_scaled_by_the_training_split() -> None:
    found = kept("mine", "key", maker(), silent)
    # Of 10 and 30 the mean is 20 and the deviation 10, so 50 comes out as 3. The other channel has one value.
    assert (found.train.images.mean, found.train.images.std) == ((20.0, 0.0), (10.0, 0.0))
    assert found.test.images[:].tolist() == [[[[3.0, 7.0]]]]
    assert (found.train.labels.tolist(), found.test.labels.tolist(), found.classes) == ([2, 0], [1], 3)


def test_of_two_who_start_at_once_one_makes_the_images_and_both_have_them(cache: Path) -> None:
    made, began, waits = [], threading.Event(), threading.Event()

    def slow(folder: Path) -> None:
        began.set()
        made.append(folder)
        assert waits.wait(10)
        maker()(folder)

    def say(line: str) -> None:
        assert line.startswith("waiting for another process that makes ")
        waits.set()

    found = []
    first = threading.Thread(target=lambda: found.append(kept("mine", "key", slow, silent)))
    first.start()
    began.wait()
    found.append(kept("mine", "key", slow, say))
    first.join()
    assert len(made) == 1
    assert [len(each.train) for each in found] == [2, 2]
    assert sorted(path.name for path in cache.iterdir()) == [".key.lock", "key"]


def test_what_a_killed_process_left_is_cleared_away(cache: Path) -> None:
    left = cache / ".key.0123456789ab.tmp"
    left.mkdir(parents=True)
    (left / "train-images.npy").write_bytes(b"half")
    kept("mine", "key", maker(), silent)
    assert not left.exists()


@pytest.mark.parametrize("damage", ["train-images.npy", "about.json"])
def test_a_damaged_copy_is_made_again(cache: Path, damage: str) -> None:
    kept("mine", "key", maker(), silent)
    path = cache / "key" / damage
    path.write_bytes(path.read_bytes()[:-1])
    assert len(kept("mine", "key", maker(), silent).train) == 2
    assert len(kept("mine", "key", lambda folder: None, silent).train) == 2


def test_a_failed_making_leaves_nothing(cache: Path) -> None:
    def broken(folder: Path) -> None:
        maker()(folder)
        raise BadInput("no")

    with pytest.raises(BadInput, match="no"):
        kept("mine", "key", broken, silent)
    assert [path.name for path in cache.iterdir()] == [".key.lock"]


def test_a_folder_that_cannot_be_written_is_said(cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(BadInput, match=r"cannot keep images in .*cache: .*; MOEBENCH_CACHE names another folder"):
        kept("mine", "key", maker(), silent)


def test_a_disk_without_room_is_said_before_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing.shutil, "disk_usage", lambda folder: SimpleNamespace(free=5))
    with pytest.raises(BadInput, match=r"3 images of 1 pixels take 0.0 GB, and .* has 0.0 GB free"):
        kept("mine", "key", maker(), silent)


def test_progress_is_said_with_an_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "_SAY_EVERY_S", 0.0)
    said: list[str] = []
    kept("mine", "key", maker(said.append), silent)
    assert said[0].startswith("2 of 3 images, ")
    assert said[0].endswith(" s left")
    assert said[-1].startswith("3 images in ")


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_folder().name == "cache"
    monkeypatch.delenv("MOEBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/moebench")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, says the specification
    assert cache_folder() == Path.home() / ".cache" / "moebench"


def test_mapped_keeps_the_order_and_passes_mistakes_on() -> None:
    assert list(mapped(lambda x: x * x, range(50))) == [x * x for x in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(mapped(lambda x: 1 // x, [1, 0, 1]))
