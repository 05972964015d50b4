"""Code in the documentation runs on the reference results, and YAML in it is a suite or a part of one."""

import os
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import yaml
from paths import DOCUMENTATION, REPOSITORY

from moebench.suites import find

SUITE = {
    "name": "my-suite",
    "question": "Is it so?",
    "profiles": {"cpu": {"model": "mu/4", "data": "digits", "steps": 1, "batch": 4, "seeds": [0]}},
    "cells": [{"router": "dense"}],
}
"""The rest of a suite of which a block shows a part."""
BLOCKS = [
    pytest.param(language, code, id=f"{page.relative_to(REPOSITORY)}-{number}")
    for page in DOCUMENTATION
    for number, (language, code) in enumerate(
        re.findall(r"^```(python|yaml)\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
    if "routers.register" not in code  # the example plugin, which has tests of its own
]


@pytest.mark.parametrize(("language", "code"), BLOCKS)
def test_blocks_of_code(language: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.symlink(REPOSITORY / "results" / "reference", "results")
    if language == "python":
        exec(compile(code, "documentation", "exec"), {})
        plt.close("all")
    else:
        part = yaml.safe_load(code)
        assert set(part) <= {"name", "question", "claims", "profiles", "cells", "figures"}
        Path("my-suite.yaml").write_text(yaml.safe_dump(SUITE | part), "utf-8")
        suite = find.find("my-suite.yaml")
        assert all(suite.profile(name).cells for name in suite.profiles)
