"""Cells side by side on the processors of one machine: what their executor says to each of them."""

TURNS_VARIABLE = "MOEBENCH_TURNS"
"""Environment variable with the folder of the locks by which such cells take turns; unset for a lone cell."""
AT_ONCE_VARIABLE = "MOEBENCH_CELLS_AT_ONCE"
"""Environment variable with the largest number of cells side by side; unset for a lone cell."""
