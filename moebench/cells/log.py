"""The log of a cell: lines on the standard output, which the executor writes to a file."""


def say(line: str) -> None:
    """Print a line to the log of the cell."""
    print(line, flush=True)
