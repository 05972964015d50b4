"""What every test has: shapes checked at run time where there are shapes, and a cache of compiled programs."""

import os
import shutil
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Compiled programs are shared by all worker processes of a session and by the processes that tests start: they inherit
# the environment. The folder lasts as long as the session, so that nothing passes because of an earlier one.
_own_cache = "JAX_COMPILATION_CACHE_DIR" not in os.environ
if _own_cache:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="moebench-jax-cache-")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook(["moebench.routers", "moebench.models", "moebench.training"], "shape_checks.check")

# A first example may compile a program, so how long one takes says nothing.
settings.register_profile("moebench", deadline=None)
settings.load_profile("moebench")


def pytest_unconfigure(config: pytest.Config) -> None:
    if _own_cache:
        shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
