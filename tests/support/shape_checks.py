"""The run-time checker of types and shapes that the import hook in conftest.py puts on every function."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # As for mypy, an int will do for a float.
