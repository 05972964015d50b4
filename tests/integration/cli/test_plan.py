"""`moebench plan`: what cells take on a device, side by side, as JSON, and what it says of mistakes."""

import importlib.metadata
import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from planning_facts import facts

from moebench.cli import main
from moebench.planning import target
from moebench.planning.case import Case, Compiled

CELL = ("plan", "pico/8", "soft[experts=2]", "--on", "cpu", "--batch", "8", "--devices", "1x2")


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == code


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOEBENCH_CACHE", str(cache))
    # How a batch is searched is tested elsewhere; here every try would compile a program.
    monkeypatch.setattr("moebench.planning.plan._MOST_TRIES", 0)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every program take as many bytes as its batch has images, and nothing be compiled."""

    class NoCompiler(nullcontext[Any]):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(self.compile)

        def compile(self, case: Case, what: str) -> Compiled:
            batch = case.spec.batch
            return Compiled(facts=facts(peak_bytes=batch, kernels={"copy": 7.0}), flops=989e12 * batch)

    monkeypatch.setattr("moebench.planning.jobs.Compiler", NoCompiler)
    monkeypatch.setattr("moebench.planning.target.check_compiler", lambda device: "a compiler")


def test_a_cell_is_compiled_once(capsys: pytest.CaptureFixture[str]) -> None:
    run(*CELL)
    printed = capsys.readouterr().out
    assert printed.count("compiling") == 2
    assert "pico/8, batch 8, mixed, compiled for 2 × cpu (mesh 1x2) by jaxlib" in printed
    assert "predicts no time" not in printed  # there is no data sheet
    run(*CELL, "--json")
    captured = capsys.readouterr()
    assert captured.err == ""  # nothing is compiled again
    (soft,) = json.loads(captured.out)["cells"]
    assert (soft["router"], soft["batch"], soft["train"]["fits"]) == ("soft[experts=2]", 8, "yes")
    # Parameters and two moments in float32; one of two experts on each device.
    assert 3 * 4 * soft["params"] / 2 < soft["train"]["alias_bytes"] < 3 * 4 * soft["params"]
    assert soft["train"]["collectives"]
    for each in soft["train"]["collectives"]:
        assert (each["group"], each["crosses_hosts"]) == (2, False)
        assert each["bytes"] > 0
    assert soft["train"]["flops"] > 2 * soft["infer"]["flops"]
    assert soft["infer"]["bound"] is None


def test_a_failed_compilation_is_a_row_and_the_others_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    run(*CELL, "--time-limit-s", "0.01", "--fresh", code=1)
    printed = capsys.readouterr().out
    for program in ("training step", "inference"):
        reason = "timeout: the compiler was stopped at its time limit of 0.01 s"
        assert f"soft[experts=2], {program}: {reason}" in printed


@pytest.mark.usefixtures("made_up")
def test_routers_stand_side_by_side(capsys: pytest.CaptureFixture[str]) -> None:
    run("plan", "s/16", "dense", "soft[experts=2]", "--on", "h200")
    lines = capsys.readouterr().out.splitlines()
    (heading,) = [line for line in lines if line.startswith("training step")]
    assert heading.split()[2:] == ["dense", "soft[experts=2]"]
    rows = {line[:22].strip(): line[22:].split() for line in lines if line.startswith(("  copy", "time is", "peak"))}
    assert rows["copy"] == ["7", "7"]
    assert rows["time is at least"] == ["128", "s", "(products)"] * 2
    assert rows["peak bytes of a device"] == ["128", "B"] * 2


@pytest.mark.usefixtures("made_up")
def test_a_suite_has_a_row_for_each_cell_and_a_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "120")  # a narrower terminal has a block for each cell
    suite = tmp_path / "two.yaml"
    suite.write_text(
        "name: two\nquestion: Which?\n"
        "profiles:\n  gpu: {model: pico/8, data: fractals-16, batch: 8, steps: 45, seeds: [0, 1], precision: mixed}\n"
        "cells:\n  - {router: dense}\n  - {router: soft, experts: 2}\n",
        encoding="utf-8",
    )
    run("plan", str(suite), "--on", "h200")
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines() if " pico/8 " in line]
    # 90 steps of 8 s are 0.2 hours.
    assert [[row[0], *row[2:5], *row[-2:]] for row in rows] == [
        ["dense", "yes", "8.00", "B", "90", "0.2"],
        ["soft[experts=2]", "yes", "8.00", "B", "90", "0.2"],
    ]
    assert "Training of all seeds takes at least 0.4 hours of one h200." in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("s/16", "dense", "--on", "h20"), "unknown device 'h20': did you mean 'h200'?"),
        (("s/16", "soft[experts=8]", "--on", "cpu", "--devices", "1x3", "--batch", "24"), "do not divide 8 experts"),
        (("s/16", "dense", "--on", "cpu", "--devices", "2x2", "--batch", "10"), "do not divide a batch of 10"),
        (("s/16", "soft", "--on", "cpu", "--precision", "fp8"), "'precision' should be"),
        (("scaling-exprts", "--on", "cpu"), "unknown suite 'scaling-exprts': did you mean 'scaling-experts'?"),
        (("published-costs", "--on", "cpu"), "runs no cells"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("plan", *arguments, code=2)
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(("device", "extra"), [("h200", "plan-gpu"), ("v5e", "plan-tpu")])
def test_a_missing_compiler_is_named_with_its_extra(
    device: str, extra: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(target, "_is_there", lambda module: False)
    monkeypatch.setattr(target, "_version", lambda package: None)
    run("plan", "s/16", "dense", "--on", device, code=2)
    assert f"pip install 'moebench[{extra}]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("device", "found", "sentence"),
    [
        ("h200", "0.9.0", "jax-cuda13-plugin 0.9.0 and jax {jax} are of different versions"),
        ("v5e", "0.0.9", "libtpu 0.0.9 is not the version for jax {jax}"),
    ],
)
def test_plugins_of_other_versions(
    device: str, found: str, sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(target, "_is_there", lambda module: True)
    monkeypatch.setattr(target, "_version", lambda package: found)
    run("plan", "s/16", "dense", "--on", device, code=2)
    assert sentence.format(jax=importlib.metadata.version("jax")) in capsys.readouterr().err
