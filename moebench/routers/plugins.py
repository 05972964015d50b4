"""Routers from a file that the user names. What the file holds is run, so only the user may name it."""

import hashlib
import sys
import traceback
from functools import cache
from pathlib import Path
from types import ModuleType

from moebench.errors import BadInput
from moebench.routers import registry


def load_plugin(path: Path) -> tuple[str, ...]:
    """Run a file that registers routers, once in a process; the names of its routers.

    Raises:
        BadInput: names the file, and says what keeps it from being run or that it registers nothing.
    """
    return _load(path.absolute())


@cache
def _load(path: Path) -> tuple[str, ...]:
    try:
        source = path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot read the plugin {path}: {error.strerror}.", key="plugins") from error
    # Two files of one name are two modules. The module is not imported by the usual machinery, which would leave
    # compiled files beside the user's and trust them by their time, which two edits within a second share.
    module = ModuleType(f"moebench_plugin_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}")
    module.__file__ = str(path)
    before = set(registry.registered())
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except BadInput as error:
        raise BadInput(f"plugin {path}: {error}", key="plugins") from error
    except (Exception, SystemExit) as error:
        raise BadInput(f"plugin {path}{_line(error, path)} raises {in_words(error)}.", key="plugins") from error
    found = tuple(name for name in registry.registered() if name not in before)
    if not found:
        raise BadInput(
            f"plugin {path} registers no router: put @moebench.routers.register('my-router') above its class.",
            key="plugins",
        )
    return found


def in_words(error: BaseException) -> str:
    """An exception in one line, without a full stop at its end."""
    text = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line(error: BaseException, path: Path) -> str:
    """Where in the file it went wrong, as far as that can be told."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno},"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f", line {lines[-1]}," if lines else ""
