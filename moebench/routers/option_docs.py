"""Read the meanings of a router's options from the strings below the options.

The strings are in the router's class.
"""

import ast
import inspect
import textwrap
from itertools import pairwise

from flax import nnx

from moebench.routers.registry import find, options


def explanations(name: str) -> dict[str, str]:
    """Return the meanings of a router's options, each as one line.

    Options without a text are left out.

    A text is a string on the lines after the attribute; a class's own text precedes its base's:

        temperature: float = 1.0
        \"\"\"What the logits are divided by.\"\"\"

    Raises:
        BadInput: no router has that name.
    """
    texts: dict[str, str] = {}
    for base in reversed(find(name).__mro__):
        if issubclass(base, nnx.Module) and base is not nnx.Module:
            texts |= _texts(base)
    return {option: texts[option] for option in options(name) if option in texts}


def _texts(router: type) -> dict[str, str]:
    """Return the strings below the attributes of one class.

    The result is empty if the source of the class cannot be read.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(router)))
    except (OSError, TypeError, SyntaxError):
        return {}
    found = {}
    for statement, text in pairwise(getattr(tree.body[0], "body", [])):
        match statement, text:
            case (
                ast.AnnAssign(target=ast.Name(id=option)) | ast.Assign(targets=[ast.Name(id=option)]),
                ast.Expr(value=ast.Constant(value=str(written))),
            ):
                found[option] = " ".join(written.split())
    return found
