"""Registration of routers: a class defined again replaces its earlier definition, another class does not."""

from collections.abc import Iterator
from typing import Any

import pytest
from flax import nnx
from registered_routers import undone

from moebench import routers
from moebench.errors import BadInput

CELL = """
from flax import nnx
from moebench import routers

@routers.register("my-draft")
class Draft(routers.SparseRouter):
    '''First draft.'''
    temperature: float = 1.0
"""
PLAIN = CELL.replace("routers.SparseRouter", "nnx.Module").replace("    temperature: float = 1.0\n", "")


@pytest.fixture(autouse=True)
def no_trace() -> Iterator[None]:
    with undone():
        yield


def run_cell(text: str, module: str = "__main__") -> None:
    """Execute the cell of a notebook."""
    namespace: dict[str, Any] = {"__name__": module}
    exec(text, namespace)


@pytest.mark.parametrize("cell", [CELL, PLAIN])
def test_a_class_defined_again_replaces_its_earlier_definition(cell: str) -> None:
    run_cell(cell)
    first = routers.find("my-draft")
    order = routers.names()
    run_cell(cell.replace("First", "Second"))
    assert routers.summary("my-draft") == "Second draft."
    assert routers.find("my-draft") is not first
    assert routers.find("my-draft").name == "my-draft"
    assert routers.names() == order
    assert issubclass(routers.find("my-draft"), nnx.Module)


def test_the_options_are_those_of_the_newer_definition() -> None:
    run_cell(CELL)
    run_cell(CELL.replace("temperature: float = 1.0", "sharpness: float = 2.0"))
    assert routers.options("my-draft")["sharpness"] == 2.0
    assert "temperature" not in routers.options("my-draft")


@pytest.mark.parametrize(
    ("cell", "module", "owner"),
    [
        (CELL.replace("class Draft", "class Other"), "__main__", "__main__.Draft"),
        (CELL, "another_module", "__main__.Draft"),
        (CELL.replace("my-draft", "soft"), "__main__", "moebench.routers.strategies.soft.Soft"),
    ],
)
def test_another_class_does_not_take_the_name(cell: str, module: str, owner: str) -> None:
    run_cell(CELL)
    with pytest.raises(BadInput, match=f"is taken by {owner}: choose another"):
        run_cell(cell, module)
    assert routers.summary("my-draft") == "First draft."
    assert routers.summary("soft").startswith("Soft MoE")


def test_what_a_test_registers_is_undone() -> None:
    run_cell(CELL)
    with undone():
        run_cell(CELL.replace("First", "Second"))
        run_cell(CELL.replace("my-draft", "other-draft").replace("class Draft", "class Other"))
        assert routers.summary("my-draft") == "Second draft."
    assert routers.summary("my-draft") == "First draft."
    assert "other-draft" not in routers.names()
