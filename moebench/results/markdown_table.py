"""Write Markdown tables that no value of a cell can break."""

import re
from collections.abc import Sequence


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]) -> str:
    """Return a table that GitHub and pandoc read, without its last line break.

    Args:
        heads: the headings.
        rows: texts, as many in each row as there are headings.
        numbers: for each column whether its texts are aligned to the right.
    """
    rules = ["---:" if number else "---" for number in numbers]
    lines = [[escaped(head) for head in heads], rules, *([escaped(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def escaped(text: str) -> str:
    """Return text that Markdown shows unchanged.

    The text has no markup, no HTML, and no end of a line or of a cell.
    """
    line = "".join(c if c.isprintable() else " " for c in text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_{}\[\]|#>~$])", r"\\\1", line)
