"""Code in the documentation runs on the reference results, and YAML in it is a suite or a part of one."""

import os
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import yaml
from paths import DOCUMENTATION, REPOSITORY

from moebench.suites import find

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
    elif "cells:" in code:
        Path("my-suite.yaml").write_text(code, "utf-8")
        assert find.find("my-suite.yaml").profile("cpu").cells
    else:
        assert set(yaml.safe_load(code)) == {"profiles"}
