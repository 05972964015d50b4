"""`moebench check FILE`: what it prints, and how it ends."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from registered_routers import undone

from moebench.cli import main

ROUTER = """
from flax import nnx
import jax.numpy as jnp
from moebench import routers

@routers.register("mine")
class Mine(routers.find("experts-choice")):
    def setup(self, dim, rngs):
        super().setup(dim, rngs)
        {setup}
"""
SUITE = """\
name: own
question: Does it hold?
profiles:
  cpu: {steps: 50, seeds: [0, 1], data: fractals-100, model: s/16}
  gpu: {model: s/2, steps: 5000}
cells:
  - {router: mine, experts: [2, 4], total_slots: tokens}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in; the routers that a test registers are gone after it."""
    monkeypatch.chdir(tmp_path)
    with undone():
        yield tmp_path


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["check", *arguments])
    printed = capsys.readouterr()
    # A slow machine prints its progress as well.
    lines = [line for line in printed.out.splitlines(keepends=True) if not line.startswith("resolving the cells")]
    return int(ended.value.code or 0), "".join(lines), printed.err


def test_a_router_that_fails_is_said_in_words_and_ends_with_1(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "mine.py").write_text(ROUTER.format(setup="self.unused = nnx.Param(jnp.ones(3))"))
    assert call(capsys, "mine.py") == (
        1,
        "router  mine                 failed\n  gradients: the parameter 'unused' gets no gradient in 10 steps\n",
        "moebench: 1 of 1 failed: router mine\n",
    )


def test_a_suite_with_a_plugin_is_resolved_and_run_at_toy_size(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOEBENCH_CACHE", str(here / "cache"))
    (here / "mine.py").write_text(ROUTER.format(setup="pass"))
    (here / "own.yaml").write_text(SUITE)
    assert call(capsys, "own.yaml", "--plugin", "mine.py") == (0, "suite   own                  ok\n", "")
    # Neither were results written, nor the suite's images made.
    assert not (here / "results").exists()
    assert not (here / "cache").exists()


def test_a_suite_whose_cells_cannot_be_built_names_profile_and_line(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "own.yaml").write_text(SUITE.replace("mine", "soft").replace("s/2", "s/3"))
    code, out, _ = call(capsys, "own.yaml")
    assert code == 1
    assert out.splitlines()[0] == "suite   own                  failed"
    assert "profile gpu: own.yaml:5: patches of 3 pixels do not tile images of 8 pixels" in out


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("mine.txt", "", "'mine.txt' is neither a .py file with routers nor a .yaml file with a suite."),
        ("gone.py", None, "there is no file gone.py."),
        ("gone.yaml", None, "there is no suite file gone.yaml."),
        ("mine.py", "x = 1", "registers no router"),
        ("mine.yaml", "name: 3", "mine.yaml:1: 'name' should be a text, not 3."),
    ],
)
def test_a_file_that_is_none_ends_with_2(
    here: Path, capsys: pytest.CaptureFixture[str], file: str, text: str | None, message: str
) -> None:
    if text is not None:
        (here / file).write_text(text)
    code, out, err = call(capsys, file)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
