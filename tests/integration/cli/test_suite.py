"""`moebench suite` and `moebench run`, with a cell program that needs no jax."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from paths import SUPPORT

from moebench.cli import main
from moebench.results import RunStatus

SUITE = """\
name: small
question: Do more experts help?
figures: []
profiles:
  cpu: {steps: 3, seeds: [0, 1]}
  tiny: {steps: 1, seeds: [0]}
cells:
  - {router: dense}
  - {router: [soft, bpr], experts: [2, 4]}
"""

Called = tuple[int, str, str]


class Here:
    """A folder with a suite file, and the command line called in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.write(SUITE)

    def write(self, suite: str) -> None:
        (self.folder / "small.yaml").write_text(suite)

    def call(self, *arguments: str) -> Called:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        printed = self.capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    monkeypatch.setattr("moebench.executors.local.CELL_PROGRAM", "fake_cell")
    monkeypatch.chdir(tmp_path)
    return Here(tmp_path, capsys)


def test_a_suite_runs_reports_and_has_nothing_left_to_do(here: Here) -> None:
    here.write(SUITE.replace("figures: []", "figures: [pareto, scaling]"))
    code, out, err = here.call("suite", "small.yaml", "--jobs", "1")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "small  Do more experts help?"
    assert lines[1] == "fake, profile cpu: 5 cells of 2 seeds, 5 to run; results in results/small"
    assert lines[2].startswith("[1/5] dense: accuracy 90.5 %, ")
    assert lines[6].startswith("[5/5] bpr[experts=4]: accuracy 90.5 %, ")
    assert "\x1b" not in out  # no control codes in a pipe
    report = here.folder / "results" / "_files" / "small" / "report"
    made = ["dashboard.html", *(f"{name}.{form}" for name in ("pareto", "scaling") for form in ("pdf", "png", "svg"))]
    assert sorted(path.name for path in report.glob("[!.]*")) == made
    for name in ("pareto", "scaling"):
        assert f"figure     results/_files/small/report/{name}.png, .svg, .pdf" in lines
    assert "dashboard  results/_files/small/report/dashboard.html" in lines
    assert len(pd.read_parquet("results/small")) == 10

    before = {path: path.stat().st_mtime_ns for path in report.iterdir()}
    code, again, _ = here.call("suite", "small.yaml")
    assert code == 0
    assert "5 cells of 2 seeds, 5 done before, 0 to run" in again
    # The table, the sentence and the paths are there again, and nothing was drawn anew.
    assert again.splitlines()[2:] == lines[7:]
    assert {path: path.stat().st_mtime_ns for path in report.iterdir()} == before


def test_tries_of_tuning_are_counted_before_they_run(here: Here) -> None:
    here.write(SUITE + "tune: {learning_rate: [1e-3, 3e-3, 1e-2]}\n")
    code, out, _ = here.call("suite", "small.yaml", "--dry-run")
    assert code == 0
    assert "5 cells of 2 seeds, 5 to run after 15 tries of tune; results" in out


def test_a_failed_cell_is_named_and_ends_with_1(here: Here) -> None:
    here.write(SUITE + "  - {router: soft, experts: 8, behave: crash}\n")
    code, out, err = here.call("suite", "small.yaml", "--jobs", "1")
    assert code == 1
    assert "[6/6] soft[experts=8,behave=crash]: crashed: exit code 1: ValueError: planted crash" in out
    assert "dashboard" in out
    assert err.startswith("moebench: 1 cell failed; --retry-failed runs it again:\n  soft[experts=8,behave=crash]")
    code, out, err = here.call("suite", "small.yaml")
    assert code == 1
    assert "0 to run" in out
    assert "crashed" in err
    code, out, _ = here.call("suite", "small.yaml", "--retry-failed", "--dry-run")
    assert code == 0
    assert "1 to run" in out
    assert "again after crashed" in out


def test_profile_filter_and_seeds(here: Here) -> None:
    _, out, _ = here.call("suite", "small.yaml", "--profile", "tiny", "--filter", "router=soft", "--dry-run")
    assert "profile tiny: 2 cells, 2 to run" in out
    assert [line.split()[:4] for line in out.splitlines()[2:]] == [
        ["would", "run", "soft[experts=2]", "new"],
        ["would", "run", "soft[experts=4]", "new"],
    ]
    arguments = ("--filter", "router=soft,bpr", "--filter", "experts=2", "--seeds", "5,6,7")
    code, out, _ = here.call("suite", "small.yaml", *arguments)
    assert code == 0
    frame = pd.read_parquet("results/small")
    assert sorted(zip(frame["router"], frame["experts"], frame["seed"], strict=True)) == [
        (router, 2, seed) for router in ("bpr", "soft") for seed in (5, 6, 7)
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["suite", "scaling-expert"], "unknown suite 'scaling-expert': did you mean 'scaling-experts'?"),
        (["suite", "none.yaml"], "there is no suite file none.yaml."),
        (["suite", "small.yaml", "--profile", "cpus"], "unknown profile 'cpus' of suite 'small': did you mean 'cpu'?"),
        (["suite", "small.yaml", "--filter", "rooter=soft"], "unknown key 'rooter' of --filter"),
        (["suite", "small.yaml", "--filter", "router=sofd"], "did you mean 'soft'?"),
        (["suite", "small.yaml", "--seeds", "0,x"], "a seed is a whole number"),
        (["suite", "small.yaml", "--executor", "slrum"], "unknown executor 'slrum': did you mean 'slurm'?"),
        (["suite", "small.yaml", "--jobs", "3"], "--jobs 3 is more than this machine can time"),
        (["suite", "small.yaml", "--jobs", "3", "--dry-run"], "--jobs 3 is more than this machine can time"),
        (["run", "soft", "--memory-limit-gib", "0"], "'memory_limit_gib' should be a number greater than 0, not 0.0."),
        (["run", "sofd"], "unknown router 'sofd': did you mean 'soft'?"),
        (["run", "soft["], "'soft[' is no cell"),
        (["list", "router"], "unknown kind of list 'router': did you mean 'routers'?"),
        (["show", "scaling-expertz"], "unknown name 'scaling-expertz': did you mean 'scaling-experts'?"),
        (["plot", "paretto"], "unknown figure 'paretto': did you mean 'pareto'?"),
        (["plot", "pareto", "--x", "flops_forward"], "unknown column 'flops_forward'"),
        (["plot", "health", "--x", "params"], "x of the figure 'health' is fixed"),
        (["plot", "pareto"], "no results in results: there is no such folder"),
        (["dashboard"], "no results in results: there is no such folder"),
        (["results", "ls", "--results", "gone"], "no results in gone"),
    ],
)
def test_bad_input_is_one_sentence_and_ends_with_2(here: Here, arguments: list[str], message: str) -> None:
    code, _, err = here.call(*arguments)
    assert code == 2
    assert err.startswith("moebench: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("  - {router: sofd}\n", "small.yaml:10: unknown router 'sofd': did you mean 'soft'?"),
        ("  - {router: soft, expert: 2}\n", "small.yaml:10: unknown option 'expert' of router 'soft'"),
        ("figure: [pareto]\n", "small.yaml:10: unknown key 'figure': did you mean 'figures'?"),
    ],
)
def test_a_wrong_suite_names_file_and_line(here: Here, wrong: str, message: str) -> None:
    here.write(SUITE + wrong)
    code, _, err = here.call("suite", "small.yaml")
    assert code == 2
    assert message in err


def test_a_results_folder_that_is_a_file_is_said(here: Here) -> None:
    (here.folder / "results").write_text("mine")
    code, _, err = here.call("suite", "small.yaml")
    assert code == 2
    assert "cannot make the folder results/_files/small" in err
    assert (here.folder / "results").read_text() == "mine"


def test_a_file_that_is_no_parquet_file_is_named_and_hides_nothing(here: Here) -> None:
    here.call("suite", "small.yaml", "--profile", "tiny")
    (here.folder / "results" / "small" / "broken.parquet").write_text("no")
    code, out, err = here.call("suite", "small.yaml", "--profile", "tiny")
    assert code == 0
    assert "5 done before, 0 to run" in out
    assert "results/small/broken.parquet is no readable Parquet file" in err


def test_one_cell_without_a_suite(here: Here) -> None:
    code, out, _ = here.call("run", "soft[experts=4]", "--steps", "2", "--seeds", "0,1,2")
    assert code == 0
    assert "soft[experts=4] in mu/2: digits, 2 steps of 64 images, seeds 0, 1, 2\n" in out
    assert "accuracy 91.0 %" in out  # the mean of 0.90, 0.91 and 0.92
    assert "Forward FLOPs per image" in out
    assert "Compile time" not in out  # the fake cell measures none
    frame = pd.read_parquet("results/run")
    assert frame[["router", "experts", "steps"]].drop_duplicates().to_numpy().tolist() == [["soft", 4, 2]]
    code, out, _ = here.call("run", "soft[experts=4]", "--steps", "2", "--seeds", "0,1,2")
    assert "1 done before, 0 to run" in out


def test_plot_and_dashboard_from_results(here: Here) -> None:
    here.call("suite", "small.yaml", "--profile", "tiny")
    code, out, _ = here.call("plot", "pareto", "--x", "train_step_s", "--out", "mine.svg")
    assert (code, out.split()) == (0, ["mine.svg"])
    assert (here.folder / "mine.svg").read_text().startswith("<?xml")
    code, out, _ = here.call("dashboard", "--suite", "small", "--out", "page.html")
    assert (code, out.split()) == (0, ["page.html"])
    here.call("run", "dense")
    code, _, err = here.call("plot", "scaling")
    assert code == 2
    assert "results has several suites; give --suite: run, small." in err
    code, _, err = here.call("plot", "scaling", "--suite", "smal")
    assert code == 2
    assert "did you mean 'small'?" in err


def test_results_are_listed_checked_merged_and_exported(here: Here) -> None:
    here.call("suite", "small.yaml", "--profile", "tiny")
    _, out, _ = here.call("results", "ls")
    assert "5 ok" in out
    assert here.call("results", "verify")[:2] == (0, "results is sound\n")
    assert here.call("results", "compact")[0] == 0
    assert here.call("results", "merge", "results", "--into", "other")[0] == 0
    assert len(pd.read_parquet("other/small")) == 5
    _, out, _ = here.call("results", "export", "all.csv")
    assert out == "all.csv\n"
    assert len(pd.read_csv("all.csv")) == 5
    (here.folder / "results" / "small" / "broken.parquet").write_text("no")
    code, _, err = here.call("results", "verify")
    assert code == 1
    assert "broken.parquet" in err


def test_a_dead_driver_is_told_from_a_living_one(here: Here) -> None:
    RunStatus("small", "r1", 4, ended={"ok": 1, "oom": 1}, pid_began=1.0).publish(here.folder / "results")
    _, out, _ = here.call("results", "ls")
    assert out.splitlines() == [
        "small r1: 2 of 4 cells ended (1 ok, 1 oom); its driver is dead, the same command goes on",
        "",
    ]


def test_a_copy_of_a_shipped_suite_says_that_it_shares_its_results(here: Here) -> None:
    here.write(SUITE.replace("name: small", "name: scaling-experts"))
    code, _, err = here.call("suite", "small.yaml", "--dry-run")
    assert code == 0
    assert "small.yaml has the name of the shipped suite 'scaling-experts', and shares results" in err


def test_lists(here: Here) -> None:
    _, out, _ = here.call("list", "suites")
    assert re.search("^scaling-experts +Does quality keep rising", out, re.MULTILINE)
    _, out, _ = here.call("list", "columns")
    assert "flops_forward_per_image" in out
    assert "[FLOPs]" in out
    _, out, _ = here.call("show", "scaling-experts")
    assert "# Asks" in out
    _, out, _ = here.call("show", "train_step_s")
    assert "unit s" in out
    _, out, _ = here.call("env")
    assert "platform" in out
    assert "fake" in out


def test_ctrl_c_keeps_what_is_finished(here: Here) -> None:
    here.write(SUITE + "  - {router: soft, experts: 8, behave: hang}\n")
    program = (
        "import sys, moebench.executors.local as local\n"
        "local.CELL_PROGRAM = 'fake_cell'\n"
        "from moebench.cli import main\n"
        "main(sys.argv[1:])"
    )
    driver = subprocess.Popen(
        [sys.executable, "-c", program, "suite", "small.yaml", "--seeds", "0", "--jobs", "1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    logs = here.folder / "results" / "_files" / "small" / "logs"
    until = time.monotonic() + 60
    while not any("pids" in log.read_text() for log in logs.glob("*/*.log")):
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.05)
    _, out, _ = here.call("results", "ls")  # from a second terminal
    assert re.match(
        r"small \S+: 5 of 6 cells ended \(5 ok\); running soft\[experts=8,behave=hang\] for [\d.]+ s; "
        rf"about [\d.]+ s left; process {driver.pid} on ",
        out,
    )
    driver.send_signal(signal.SIGINT)
    out, err = driver.communicate(timeout=30)
    assert driver.returncode == 130
    assert "[5/6] bpr[experts=4]" in out
    assert "interrupted: 5 of 6 cells are finished and kept; the same command goes on." in err
    assert len(pd.read_parquet("results/small")) == 5
    _, out, _ = here.call("suite", "small.yaml", "--seeds", "0", "--dry-run")
    assert "5 done before, 1 to run" in out
