"""Shapes in annotations are checked at run time here, and only here."""

import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

from hypothesis import settings
from jaxtyping import install_import_hook

install_import_hook("moebench", "shape_checks.check")

# A first example may compile a program, so how long one takes says nothing.
settings.register_profile("moebench", deadline=None)
settings.load_profile("moebench")
