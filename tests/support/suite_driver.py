"""The command line with the fake cell program, to be started as a process that can be killed.

python suite_driver.py suite small.yaml --results results
"""

import os
import resource
import sys

import moebench.executors.local as local
from moebench.cli import main

if __name__ == "__main__":
    if limit := os.environ.get("FAKE_FULL_DISK"):  # bytes after which no file of this driver or its cells can grow
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    local.CELL_PROGRAM = "fake_cell"
    main(sys.argv[1:])
