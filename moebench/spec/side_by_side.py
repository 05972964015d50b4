"""Environment variables by which an executor arranges cells side by side.

The cells share the processors of one machine.
"""

TURNS_VARIABLE = "MOEBENCH_TURNS"
"""Folder of the locks by which the cells take turns; unset for a single cell."""
AT_ONCE_VARIABLE = "MOEBENCH_CELLS_AT_ONCE"
"""Largest number of cells side by side; unset for a single cell."""
