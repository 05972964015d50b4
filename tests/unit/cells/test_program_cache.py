"""Programs that cells share: kept in a private folder, never for the cell's own programs, made again if damaged."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache import compilation_cache

from moebench.cells.program_cache import CacheUse, program_folder

OWN = {"compile_cached": False, "dense_compile_cached": False}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of this test, in a process that has no cache of its own."""
    monkeypatch.setenv("MOEBENCH_CACHE", str(tmp_path / "cache"))
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    earlier = {name: jax.config.values[name] for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    found = program_folder()
    assert found is not None
    yield found
    for name, value in earlier.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def compiled(factor: float = 3.0) -> float:
    def program(x: Any) -> Any:
        return jnp.sin(x) * factor

    return float(jax.jit(program).lower(1.0).compile()(1.0))


def columns(compile_in_block: Callable[[], float] = compiled) -> dict[str, bool]:
    use = CacheUse()
    with use.sharing():
        compile_in_block()
    return use.columns()


def test_the_second_cell_takes_the_program_of_the_first(folder: Path) -> None:
    assert columns() == OWN
    assert len(list(folder.iterdir())) == 1
    assert columns() == {**OWN, "dense_compile_cached": True}
    assert columns(lambda: compiled(4.0)) == OWN
    # Outside of the block nothing is cached, and nothing is left of its settings.
    use = CacheUse()
    assert compiled() == pytest.approx(3 * 0.841471)
    assert use.columns() == OWN
    assert jax.config.values["jax_compilation_cache_dir"] is None


def test_a_cache_that_the_user_names_serves_the_cell_too(folder: Path, tmp_path: Path) -> None:
    named = tmp_path / "named"
    jax.config.update("jax_compilation_cache_dir", str(named))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    compilation_cache.reset_cache()
    assert columns() == OWN
    assert list(folder.iterdir()) == []
    assert len([*named.glob("*-cache")]) == 1
    use = CacheUse()
    compiled()
    assert use.columns() == {**OWN, "compile_cached": True}


@pytest.mark.filterwarnings("error")
def test_a_damaged_program_is_compiled_and_kept_again(folder: Path) -> None:
    columns()
    (kept,) = folder.iterdir()
    kept.write_bytes(kept.read_bytes()[:20])
    assert columns() == OWN
    assert columns() == OWN
    assert columns() == {**OWN, "dense_compile_cached": True}


def test_a_folder_that_others_can_write_is_not_used(folder: Path, tmp_path: Path) -> None:
    folder.chmod(0o770)
    assert program_folder() is None
    columns()
    assert list(folder.iterdir()) == []
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    assert program_folder() is None
    folder.unlink()
    folder.write_text("")
    assert program_folder() is None
    folder.unlink()
    made = program_folder()
    assert made == folder
    assert made.stat().st_mode & 0o777 == 0o700
