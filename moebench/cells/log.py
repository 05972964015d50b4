"""Log of a cell: lines on standard output, written to a file by the executor."""


def say(line: str) -> None:
    """Print a line to the log of the cell."""
    print(line, flush=True)
