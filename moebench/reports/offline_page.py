"""Assemble a page that is one HTML file and sends no request.

A Content-Security-Policy forbids all requests and lets run only the scripts whose hashes it names, so that nothing out
of the results can become a script.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib import resources


def policy(*scripts: str) -> str:
    """Return the Content-Security-Policy of a page with these inline scripts and no others."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Return a template with each {{name}} replaced, in one pass, so that no inserted text is read again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def part(package: str, name: str) -> str:
    """Return the text of a file in the folder `page` of a package."""
    return (resources.files(package) / "page" / name).read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
