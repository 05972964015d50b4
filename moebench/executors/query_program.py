"""The program that queries the cell program, or makes images of specifications.

A query is about the device or about specifications. The program runs in a worker: starting a device's backend, building
shapes and drawing images need jax, which the driver never imports.
"""

import importlib
import json
from pathlib import Path
from typing import Any

from moebench.errors import BadInput
from moebench.files import publishing
from moebench.spec.jax_trouble import jax_trouble


def main(argv: list[str]) -> int:
    """Answer the request in the file `argv[0]` into the file `argv[1]`.

    The request is {"cell_program": module, "wanted": function of the module, "specs": [...] or null}, null for a
    function without parameters. The answer is {"answer": ...}, or {"mistake": sentence, "key": key} for a mistake of
    the user.
    """
    request = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    answer: dict[str, Any]
    try:
        cell = importlib.import_module(request["cell_program"])
        function, specs = getattr(cell, request["wanted"]), request["specs"]
        answer = {"answer": function() if specs is None else function(specs)}
    except BadInput as error:
        answer = {"mistake": str(error), "key": error.key}
    except Exception as error:
        if not (sentence := jax_trouble(error)):
            raise
        answer = {"mistake": sentence, "key": None}
    with publishing(Path(argv[1])) as temporary:
        temporary.write_text(json.dumps(answer), encoding="utf-8")
    return 0
