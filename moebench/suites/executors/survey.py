"""The program that asks the cell program about the device and about specifications; it runs in a worker.

Starting a device's backend and building shapes need jax, which the driver never imports.
"""

import importlib
import json
from pathlib import Path


def main(argv: list[str]) -> int:
    """Answer the request in the file `argv[0]` into the file `argv[1]`.

    The request is {"cell_program": module, "specs": [...] or null}: null asks for the environment.
    """
    request = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    cell = importlib.import_module(request["cell_program"])
    specs = request["specs"]
    answer = cell.environment() if specs is None else cell.resolve(specs)
    Path(argv[1]).write_text(json.dumps(answer), encoding="utf-8")
    return 0
