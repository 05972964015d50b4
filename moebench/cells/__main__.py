"""The cell program: `python -m moebench.cells SPEC.json OUT.parquet`."""

import sys

from moebench.cells.run import main

sys.exit(main(sys.argv[1:]))
