"""The program that asks the cell program about the device and about specifications, or to make the images of these.

It runs in a worker: starting a device's backend, building shapes and drawing images need jax, which the driver never
imports.
"""

import importlib
import json
from pathlib import Path


def main(argv: list[str]) -> int:
    """Answer the request in the file `argv[0]` into the file `argv[1]`.

    The request is {"cell_program": module, "wanted": function of it, "specs": [...] or null}, null for a function
    that takes none.
    """
    request = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    cell = importlib.import_module(request["cell_program"])
    function, specs = getattr(cell, request["wanted"]), request["specs"]
    answer = function() if specs is None else function(specs)
    unfinished = Path(argv[1]).with_suffix(".unfinished")
    unfinished.write_text(json.dumps(answer), encoding="utf-8")
    unfinished.replace(argv[1])
    return 0
