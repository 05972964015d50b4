"""Explain in one sentence why JAX cannot start in an environment.

The sentence names the variable at fault.
"""

import os
import re
import subprocess
import sys
import traceback
from collections.abc import Mapping
from functools import cache

from moebench.errors import BadInput, shortened

_PLATFORMS = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
_COMPILERS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS")
_STARTING = ("/jax/_src/xla_bridge.py", "/jax/_src/config.py", "/jax/_src/environment_info.py")
"""Modules in which JAX reads its environment and starts its devices."""
_TRIAL_S = 120.0
_NO_DEVICE = "there is no such device here"


def jax_trouble(error: BaseException | str, environ: Mapping[str, str] | None = None) -> str | None:
    """Return why JAX cannot start; None if no variable of the environment explains it.

    Args:
        error: the error that JAX raised, or the output of a process that ended.
        environ: the environment of that process; None: of this process.
    """
    environ = os.environ if environ is None else environ
    text = str(error)
    starting = isinstance(error, str) or any(
        frame.filename.replace(os.sep, "/").endswith(_STARTING) for frame in traceback.extract_tb(error.__traceback__)
    )
    if not starting:
        return None
    if name := _named(text, environ):
        return _sentence(name, environ[name], _refused(text, environ[name]), "unset it, or give it an accepted value")
    about_devices = not isinstance(error, str) or "backend" in text
    for name in _PLATFORMS:
        if about_devices and environ.get(name, "").strip():
            return _sentence(name, environ[name], _NO_DEVICE, f"unset it, or set {name}=cpu")
    return None


def ended(code: int, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the likely cause that ended a process with JAX; None if unknown.

    The process started JAX and gave no useful output.

    Args:
        code: exit code of the process.
        environ: the environment of that process; None: of this process.
    """
    environ = os.environ if environ is None else environ
    for name in _COMPILERS:
        if environ.get(name, "").strip():
            return _sentence(name, environ[name], f"the process ended with exit code {code}", "unset it, or correct it")
    return None


def try_compiler_flags() -> None:
    """Start JAX in another process if flags of a compiler are set.

    An unknown flag ends the whole process. Equal flags are tried once.

    Raises:
        BadInput: the other process ended.
    """
    flags = tuple(os.environ.get(name, "") for name in _COMPILERS)
    if any(each.strip() for each in flags) and (sentence := _trial(flags)):
        raise BadInput(sentence)


@cache
def _trial(flags: tuple[str, ...]) -> str | None:
    """Return why JAX does not start with the environment's flags; None if JAX starts."""
    trial = [sys.executable, "-c", "import jax; jax.devices()"]
    done = subprocess.run(trial, capture_output=True, text=True, errors="replace", timeout=_TRIAL_S, check=False)
    return (jax_trouble(done.stderr) or ended(done.returncode)) if done.returncode else None


def _named(text: str, environ: Mapping[str, str]) -> str | None:
    """Return the set environment variable that a text names; None without one.

    The text names the variable directly or as a flag of JAX.
    """
    names = re.findall(r"\b((?:JAX|XLA|LIBTPU)_[A-Z0-9_]+)\b", text.replace("set JAX_PLATFORMS", ""))
    names += [name.upper() for name in re.findall(r"JAX flag (jax_\w+)", text)]
    return next((name for name in names if environ.get(name)), None)


def _refused(text: str, value: str) -> str:
    flag = re.search(r"Unknown flags? in \w+: (\S+)", text)
    if flag:
        return f"there is no flag {shortened(flag[1])}"
    return f"'{shortened(value)}' is no value of it"


def _sentence(name: str, value: str, why: str, advice: str) -> str:
    return f"JAX cannot start with {name}={shortened(value)} in the environment: {why}; {advice}."
