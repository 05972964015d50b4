"""What an environment in which JAX cannot start is said to be."""

import os
import subprocess
import sys

import pytest

from moebench.errors import BadInput
from moebench.spec.jax_trouble import ended, jax_trouble, try_compiler_flags

UNKNOWN = "RuntimeError: Unable to initialize backend 'gpuu': Backend 'gpuu' is not in the list of known backends."
ADVICE = "(set JAX_PLATFORMS='' to automatically choose an available backend)"


@pytest.mark.parametrize(
    ("printed", "environ", "sentence"),
    [
        (UNKNOWN, {"JAX_PLATFORMS": "gpuu"}, "JAX_PLATFORMS=gpuu in the environment: there is no such device here"),
        (f"{UNKNOWN} {ADVICE}", {"JAX_PLATFORMS": "gpuu"}, "or set JAX_PLATFORMS=cpu."),
        ("Unknown backend: 'gpu' requested", {"JAX_PLATFORM_NAME": "gpu"}, "or set JAX_PLATFORM_NAME=cpu."),
        (
            "ValueError: invalid truth value 'maybe' for environment 'JAX_ENABLE_X64'",
            {"JAX_ENABLE_X64": "maybe", "JAX_PLATFORMS": "cpu"},
            "JAX cannot start with JAX_ENABLE_X64=maybe in the environment: 'maybe' is no value of it",
        ),
        (
            'ValueError: Invalid value "foo" for JAX flag jax_default_matmul_precision',
            {"JAX_DEFAULT_MATMUL_PRECISION": "foo"},
            "JAX_DEFAULT_MATMUL_PRECISION=foo in the environment: 'foo' is no value of it",
        ),
        (
            "F1 parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS: --xla_x",
            {"XLA_FLAGS": "--xla_x=1"},
            "XLA_FLAGS=--xla_x=1 in the environment: there is no flag --xla_x",
        ),
    ],
)
def test_the_variable_at_fault_is_named(printed: str, environ: dict[str, str], sentence: str) -> None:
    found = jax_trouble(printed, environ)
    assert found is not None
    assert sentence in found


def test_a_variable_that_is_not_set_is_not_at_fault() -> None:
    assert jax_trouble(UNKNOWN, {}) is None
    assert jax_trouble("ValueError: a planted crash", {"JAX_PLATFORMS": "cpu"}) is None
    assert jax_trouble(ValueError("JAX_ENABLE_X64"), {"JAX_ENABLE_X64": "1"}) is None  # not raised where JAX starts


def test_a_process_that_ended_without_a_word() -> None:
    assert ended(-6, {}) is None
    assert "XLA_FLAGS=--x in the environment: the process ended with exit code -6" in str(
        ended(-6, {"XLA_FLAGS": "--x"})
    )


def test_what_jax_itself_raises_is_understood() -> None:
    program = "from moebench.measuring.environment import start_jax; start_jax()"
    given = {**os.environ, "JAX_PLATFORMS": "gpuu"}
    done = subprocess.run([sys.executable, "-c", program], env=given, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == (
        "moebench.errors.BadInput: JAX cannot start with JAX_PLATFORMS=gpuu in the environment: there is no such "
        "device here; unset it, or set JAX_PLATFORMS=cpu."
    )


def test_an_unknown_flag_of_the_compiler_ends_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XLA_FLAGS", "--xla_no_such_flag")
    with pytest.raises(BadInput, match="there is no flag --xla_no_such_flag; unset it"):
        try_compiler_flags()
    monkeypatch.setenv("XLA_FLAGS", " ")
    try_compiler_flags()
