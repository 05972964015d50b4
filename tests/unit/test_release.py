"""What a release promises is stated once, and the places that repeat it agree."""

import re
import tomllib
from typing import Any

import pytest
import yaml
from paths import REPOSITORY

CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def supported(of: str) -> str:
    """What the table of support says."""
    policy = (REPOSITORY / "docs" / "policy.md").read_text("utf-8")
    row = re.search(rf"^\| {of} \| (.*?) \|", policy, re.MULTILINE)
    assert row, f"no row of {of}"
    return row[1]


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((REPOSITORY / ".github" / "workflows" / name).read_text("utf-8"))
    return found


def test_extras_without_which_tests_are_skipped_are_installed_before_a_change_lands() -> None:
    tests = "".join(path.read_text("utf-8") for path in (REPOSITORY / "tests").rglob("test_*.py"))
    needed = set(re.findall(r"importorskip\(.*reason=\".*moebench\[(\w+)\]", tests))
    assert {"crosscheck", "ray", "text"} <= needed
    script = (REPOSITORY / ".ci" / "run").read_text("utf-8")
    (extras,) = re.findall(r"-e '\.\[([\w,]+)\]'", script)
    assert "pip install --quiet 'torch==" in script  # of all its versions, one that installs in a minute
    assert needed - {"crosscheck"} <= set(extras.split(","))


def test_every_python_that_is_promised_is_tested(project: dict[str, Any]) -> None:
    lowest, highest = supported("Python").split(" to ")
    promised = [f"3.{minor}" for minor in range(int(lowest[2:]), int(highest[2:]) + 1)]
    classifiers = "\n".join(project["classifiers"])
    assert re.findall(r"Python :: (3\.\d+)", classifiers) == promised
    assert project["requires-python"] == f">={lowest}"
    jobs = workflow("ci.yml")["jobs"]
    assert jobs["test"]["strategy"]["matrix"]["python"] == promised
    assert jobs["minimums"]["steps"][1]["with"]["python-version"] == lowest
    assert jobs["minimums"]["steps"][-1]["run"] == "bash .ci/minimums"
    assert f"Python {lowest} to {highest}" in (REPOSITORY / "README.md").read_text("utf-8")


def test_every_system_and_jax_that_is_promised_is_tested(project: dict[str, Any]) -> None:
    classifiers = [each for each in project["classifiers"] if each.startswith("Operating System")]
    assert classifiers == ["Operating System :: POSIX :: Linux"]
    assert supported("Linux") == "yes"
    assert workflow("ci.yml")["jobs"]["test"]["runs-on"] == "ubuntu-latest"
    (jax,) = [each for each in project["dependencies"] if each.startswith("jax>")]
    assert supported("jax") == f"{jax.removeprefix('jax>=')} and later"


def test_one_version_is_stated_everywhere(project: dict[str, Any]) -> None:
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == project["version"]
    changelog = (REPOSITORY / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (\S+)", changelog, re.MULTILINE)
    assert headings[0] in ("Unreleased", project["version"])
    assert project["version"] in headings[:2]
    assert set(re.findall(r"^### (.*)$", changelog, re.MULTILINE)) <= CHANGES
    assert re.findall(r"identifiers", str(citation["references"]))
    assert "2308.00951" in str(citation["references"])
    assert "2106.05974" in str(citation["references"])


def test_a_tag_builds_what_continuous_integration_checks() -> None:
    release = workflow("release.yml")
    assert release[True] == {"push": {"tags": ["v*"]}}  # YAML 1.1 reads the key "on" as a truth value
    runs = [step["run"] for step in release["jobs"]["build"]["steps"] if "run" in step]
    assert runs == ['bash .ci/release dist "$GITHUB_REF_NAME"']
    assert "bash .ci/release " in (REPOSITORY / ".ci" / "run").read_text("utf-8")


def test_no_file_of_a_killed_process_is_shipped() -> None:
    assert not list((REPOSITORY / "moebench").rglob(".*.tmp"))


def test_every_page_stands_once_in_the_navigation_of_the_site() -> None:
    text = (REPOSITORY / "mkdocs.yml").read_text("utf-8")
    listed = re.findall(r"[\w/-]+\.md", text.partition("\nnav:")[2])
    assert len(listed) == len(set(listed))
    written = {path.relative_to(REPOSITORY / "docs").as_posix() for path in (REPOSITORY / "docs").rglob("*.md")}
    assert written - {"simulations.md"} <= set(listed)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "examples/README.md", "benchmarks/README.md"])
def test_links_of_pages_outside_of_the_site_resolve(page: str) -> None:
    path = REPOSITORY / page
    links = re.findall(r"\]\(([^)#]+)[^)]*\)|src=\"([^\"]+)\"", path.read_text("utf-8"))
    targets = [first or second for first, second in links]
    assert [each for each in targets if ":" not in each and not (path.parent / each).exists()] == []
