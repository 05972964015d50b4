"""The user's layer: a Python file with `build(weights) -> f(tokens)`.

The file is executed in the process of the command.
"""

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from moebench.conform.cases import Case
from moebench.errors import BadInput, unknown


@dataclass(frozen=True)
class Answer:
    """Results of a layer for one case."""

    outputs: np.ndarray
    """Outputs [group, token, dim]; for a router alone, its weights [group, token, expert]."""
    repeated: float
    """Largest difference between two calls."""
    of_router: bool = False
    losses: Mapping[str, float] = field(default_factory=dict)
    """Unweighted auxiliary losses, if the layer returns them."""


@dataclass(frozen=True)
class Adapter:
    """A user's layer."""

    name: str
    build: Callable[[dict[str, Any]], Callable[[np.ndarray], Any]]
    gradients: Callable[..., Mapping[str, np.ndarray]] | None = None
    """gradients(weights, tokens, cotangent) -> {"tokens": …, "kernel": …}; None if the file has no such function."""

    def answer(self, case: Case) -> Answer:
        """Build the layer with a case's weights and call it twice.

        Raises:
            BadInput: the layer raises, or returns no array of the tokens' shape.
        """
        layer = self._called(lambda: self.build(as_given(case)), f"build fails in case '{case.name}'")
        if not callable(layer):
            raise BadInput(f"{self.name}: build(weights) should return a function of tokens, not {layer!r:.60}.")
        first, second = (
            self._called(lambda: layer(case.tokens.copy()), f"f(tokens) fails in case '{case.name}'") for _ in range(2)
        )
        (outputs, of_router), (again, _) = self._outputs(first, case), self._outputs(second, case)
        with np.errstate(invalid="ignore"):
            moved = np.nan_to_num(np.abs(outputs - again)).max()
        losses = first.get("losses", {}) if isinstance(first, Mapping) else {}
        return Answer(outputs, float(moved), of_router, {name: float(value) for name, value in losses.items()})

    def _called(self, call: Callable[[], Any], what: str) -> Any:
        try:
            return call()
        except BadInput:
            raise
        except (Exception, SystemExit) as error:
            text = str(error).strip().splitlines()
            raise BadInput(
                f"{self.name}: {what}: {type(error).__name__}: {text[0] if text else ''}"[:400] + "."
            ) from error

    def _outputs(self, given: Any, case: Case) -> tuple[np.ndarray, bool]:
        of_router = isinstance(given, Mapping) and "outputs" not in given
        outputs = given.get("weights" if of_router else "outputs") if isinstance(given, Mapping) else given
        shape = (*case.tokens.shape[:2], case.weights["kernel_in"].shape[0]) if of_router else case.tokens.shape
        try:
            array = np.asarray(outputs)
        except Exception as error:
            raise BadInput(
                f"{self.name}: f(tokens) should return a NumPy array, not {type(outputs).__name__}."
            ) from error
        if array.dtype == object or array.dtype.kind not in "fV":
            raise BadInput(f"{self.name}: f(tokens) should return floats, not {array.dtype}.")
        if array.shape != shape:
            raise BadInput(
                f"{self.name}: f(tokens) gives shape {list(array.shape)} for tokens {list(case.tokens.shape)} in case "
                f"'{case.name}'; it should be {list(shape)}, "
                + ("[groups, tokens, experts]." if of_router else "that of the tokens, [groups, tokens, dim].")
            )
        if array.dtype == np.float16:
            raise BadInput(
                f"{self.name}: f(tokens) gives float16, whose rounding hides what is compared: compute in float32."
            )
        return array.astype(np.float64), of_router

    def unused(self, case: Case) -> list[str]:
        """Return names of weights that change no output.

        For a router alone, only the router's weights are tried.
        """
        before = self.answer(case)
        found = []
        for name, value in case.weights.items():
            if before.of_router and name.endswith(("_in", "_out")):
                continue
            changed = {**case.weights, name: np.asarray(value * np.float32(1.5) + np.float32(0.25), np.float32)}
            after = self.answer(Case(case.name, case.says, changed, case.options, case.tokens)).outputs
            if np.array_equal(before.outputs, after):
                found.append(name)
        return found


def as_given(case: Case) -> dict[str, Any]:
    """Return the weights that the user's code receives: arrays by name, and `options`."""
    return {**{name: np.array(value) for name, value in case.weights.items()}, "options": dict(case.options)}


def load_adapter(text: str) -> Adapter:
    """Execute a file and return its layer.

    Args:
        text: `FILE.py`, or `FILE.py:NAME` for another name than `build`.

    Raises:
        BadInput: the file or the function does not exist, or the file raises.
    """
    path, _, name = text.partition(":")
    name = name or "build"
    file = Path(path)
    if not file.is_file():
        raise BadInput(f"there is no file {file}; `moebench conform --template torch` writes one.")
    spec = importlib.util.spec_from_file_location(f"moebench_adapter_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise BadInput(f"{file} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent.absolute()))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        lines = str(error).strip().splitlines()
        raise BadInput(f"{file} raises {type(error).__name__}: {lines[0] if lines else ''}"[:400] + ".") from error
    finally:
        sys.path.remove(str(file.parent.absolute()))
    functions = [key for key, value in vars(module).items() if inspect.isfunction(value) or inspect.isclass(value)]
    if name not in functions:
        raise unknown("function", name, functions, of=str(file))
    return Adapter(text, getattr(module, name), getattr(module, "gradients", None))
