"""The examples do what they say: each is run as its head tells, on reference results or with a fake cell program."""

import runpy
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import matplotlib.pyplot as plt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from example_scripts import SUITE, commands, run
from paths import EXAMPLES, REPOSITORY
from typer.testing import CliRunner

from moebench import routers
from moebench.cli import app
from moebench.conform import diagnose, load_adapter
from moebench.routers import registry
from moebench.suites import find

REFERENCE = REPOSITORY / "results" / "reference"


def test_results_are_read_by_pandas_polars_and_duckdb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results").symlink_to(REFERENCE)
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "read_results.py"))
    plt.close("all")
    assert capsys.readouterr().out.count("tokens-choice") >= 3  # in what each of the three prints


def test_the_suite_plans_the_cells_that_it_names() -> None:
    suite = find.find(str(EXAMPLES / "my_suite.yaml"))
    # dense, and two routers at two capacities
    assert len(suite.profile("cpu").cells) == len(suite.profile("gpu").cells) == 5
    assert (EXAMPLES / "ci_gate" / "workflow.yml").read_text().count("bash gate.sh my_suite.yaml baseline") == 1


def test_the_package_brings_its_router(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = EXAMPLES / "router_package"
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    # What an installer writes beside the package, which is used where it stands.
    metadata = tmp_path / "moebench_tempered-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
    lines = [f"{name} = {module}" for name, module in project["entry-points"][registry.ENTRY_POINTS].items()]
    (metadata / "entry_points.txt").write_text("\n".join([f"[{registry.ENTRY_POINTS}]", *lines, ""]))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.syspath_prepend(str(folder / "src"))
    assert [each.value for each in entry_points(group=registry.ENTRY_POINTS)].count("moebench_tempered") == 1
    registry.broken_packages.cache_clear()
    try:
        assert "packaged-tempered-choice" in routers.names()
        assert registry.broken_packages() == ()
        runpy.run_path(str(folder / "tests" / "test_router.py"))["test_a_low_temperature_sharpens_the_gates"]()
    finally:
        registry.unregister("moebench_tempered")
        registry.broken_packages.cache_clear()


def test_a_cluster_runs_a_suite_and_the_gate_fails_for_a_change_that_is_worse(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(SUITE)
    # Without Slurm on this machine; the script's other executor is what its test in `executors` runs.
    here = {**commands(tmp_path), "EXECUTOR": "local", "JOBS": "1"}
    placed = run("cluster/slurm.sh", "tiny.yaml", "results", where=tmp_path, environment=here)
    assert placed.returncode == 0, placed.stdout + placed.stderr
    (rows,) = (tmp_path / "results" / "tiny").glob("*.parquet")
    assert '--executor "${EXECUTOR:-slurm}"' in (EXAMPLES / "cluster" / "slurm.sh").read_text()

    # A baseline of five points more, so that the rows are worse than it.
    table = pq.read_table(rows)
    place = table.schema.get_field_index("accuracy")
    better = pc.add(table["accuracy"], pa.scalar(0.05))
    (tmp_path / "better" / "tiny").mkdir(parents=True)
    pq.write_table(table.set_column(place, table.schema.field(place), better), tmp_path / "better" / "tiny" / rows.name)
    only_accuracy = ("--fail-if-worse", "1%")  # the fake cell program measures no times
    gate = run("ci_gate/gate.sh", "tiny.yaml", "better", *only_accuracy, where=tmp_path, environment=here)
    assert gate.returncode == 1, gate.stdout + gate.stderr
    assert "--fail-if-worse 1%: failed" in gate.stdout


def test_the_layer_in_pytorch_is_the_papers() -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    found = diagnose(load_adapter(str(EXAMPLES / "pytorch_soft_moe.py")), "soft")
    assert found.conforms


def test_recorded_logits_are_replayed(tmp_path: Path) -> None:
    runpy.run_path(str(EXAMPLES / "replay_logits.py"))["record"](tmp_path / "logits.npz")
    rules = ["--router", "bpr[top_k=2,capacity_factor=[0.5,1]]", "--router", "experts-choice[top_k=2]"]
    replayed = CliRunner().invoke(app, ["replay", str(tmp_path / "logits.npz"), *rules])
    assert replayed.exit_code == 0, replayed.output
    assert replayed.output.count("bpr") >= 2


def test_workflows_are_workflows() -> None:
    gate = yaml.safe_load((EXAMPLES / "ci_gate" / "workflow.yml").read_text())
    assert [step["run"] for step in gate["jobs"]["gate"]["steps"] if "run" in step][-1].startswith("bash gate.sh")
