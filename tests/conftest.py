"""What every test has: shapes checked at run time where there are shapes, and a cache of compiled programs."""

import gc
import os
import shutil
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# A program of a test runs a few times, so that optimising it costs more than it saves: half of the tests' time. The
# older emitters of fused operations compile in a third of the time of XLA's default ones, and a program in one part in
# four fifths of the time of one in 32 parts.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_parallel_codegen_split_count=1",
)
# The threads of XLA: other tests keep the other processors busy, and to hand work over costs a tenth of the time.
os.environ.setdefault("NPROC", "1")

from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook(["moebench.routers", "moebench.models", "moebench.training"], "shape_checks.check")

# A first example may compile a program, so how long one takes says nothing.
settings.register_profile("moebench", deadline=None)
settings.load_profile("moebench")

CACHE = "JAX_COMPILATION_CACHE_DIR"
FOLDER = None if CACHE in os.environ else tempfile.mkdtemp(prefix="moebench-jax-cache-")
"""Compiled programs of this session's processes, which inherit the environment.

It is of this session alone, so that no test passes because of what an earlier session compiled, and named before a
conftest.py of a folder imports jax.
"""
if FOLDER:
    os.environ[CACHE] = FOLDER
    # Small programs too: the operations outside of programs are nearly the same in all processes.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")


# Importing jax, torch and all test modules makes millions of objects that stay: looking through them for garbage, while
# they are made and during the tests, takes a tenth of the time.
gc.disable()


def pytest_collection_finish() -> None:
    """Leave what is there by now out of searches for garbage, and search at 50,000 new objects instead of 700."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


def pytest_unconfigure() -> None:
    """Remove the programs that this session compiled; a worker has none of its own."""
    if FOLDER:
        shutil.rmtree(FOLDER, ignore_errors=True)
