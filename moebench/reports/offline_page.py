"""Assemble a page that is one HTML file and sends no request.

A Content-Security-Policy forbids all requests and allows only scripts whose hashes it names, so that no text of the
results can become a script. Pictures are part of the page itself.
"""

import base64
import gzip
import hashlib
import html
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any


def head(title: str, styles: str, *scripts: str) -> str:
    """Return the beginning of a page, up to its body.

    Args:
        title: text of the title, not yet escaped.
        styles: style sheet.
        scripts: the page's inline scripts; no other script is allowed to run.
    """
    parts = {"policy": _policy(*scripts), "title": html.escape(title), "style": styles}
    return filled(part("moebench.reports", "head.html"), parts).rstrip("\n")


def program(*scripts: str) -> str:
    """Return one script of several, in which `unpacked` is defined."""
    return "\n".join(("(async function(){'use strict';", part("moebench.reports", "unpack.js"), *scripts, "})();"))


def packed(data: Mapping[str, Any]) -> str:
    """Return JSON, compressed and in base64.

    The text is safe inside a script element, whatever its content.
    """
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # Without a date, equal results make equal pages.
    return base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode()


def _policy(*scripts: str) -> str:
    """Return the Content-Security-Policy of a page with these inline scripts and no others."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts)
    sources = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:"
    return f"{sources}; base-uri 'none'; form-action 'none'"


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Return a template with each {{name}} replaced, in one pass.

    Inserted text is not searched again.
    """
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def part(package: str, name: str) -> str:
    """Return the text of a file in the folder `page` of a package."""
    return (resources.files(package) / "page" / name).read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
