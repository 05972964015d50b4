"""Find shipped suites by name, and a user's suites by the path of the file."""

import os
from pathlib import Path

from moebench.errors import BadInput, unknown
from moebench.spec import yaml_source
from moebench.suites import published_costs_file, suite_file
from moebench.suites.published_costs_file import CountingSuite
from moebench.suites.suite_file import Suite


def shipped() -> dict[str, Path]:
    """Return name and file of each shipped suite.

    In a wheel the suites are beside this module, else in the checkout's suites/.
    """
    package = Path(__file__).parents[1]
    folders = [package / "suites" / "shipped"]
    if (package.parent / "pyproject.toml").is_file():
        folders.append(package.parent / "suites")
    files = next((found for folder in folders if (found := sorted(folder.glob("*.yaml")))), [])
    return {file.stem: file for file in files}


def find(name: str) -> Suite | CountingSuite:
    """Return the suite with a name, or in the file at a path.

    Raises:
        BadInput: the name is unknown (the message gives the nearest name), or the file is missing or no valid suite.
    """
    if name.endswith((".yaml", ".yml")) or os.sep in name:
        path = Path(name)
        if not path.is_file():
            raise BadInput(f"there is no suite file {path}.")
        return _load(path)
    known = shipped()
    if name not in known:
        raise unknown("suite", name, known)
    return _load(known[name])


def _load(path: Path) -> Suite | CountingSuite:
    source = yaml_source.read(path)
    return (
        published_costs_file.validate(source)
        if published_costs_file.is_counting(source)
        else suite_file.validate(source)
    )
