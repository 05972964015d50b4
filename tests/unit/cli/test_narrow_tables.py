"""Tables in narrow terminals: nothing is cut, whatever the width."""

import io

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from moebench.cli.narrow_tables import print_table

WIDE = "soft[experts=16] / bpr[experts=16]  96.3 %  no difference shown"
FOLDED = """\
A / B                  A  verdict
soft[experts=16]  96.3 %  no difference shown
/
bpr[experts=16]
"""
LISTED = """\
soft[experts=16] /
bpr[experts=16]
  A        96.3 %
  verdict  no difference
           shown
"""


def printed(width: int) -> str:
    table = Table(title=Text("Accuracy [x]"), caption="\\[ ] interval", box=None, pad_edge=False)
    for heading, justify in (("A / B", "left"), ("A", "right"), ("verdict", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # a literal, which a loop forgets
    table.add_row(Text("soft[experts=16] / bpr[experts=16]"), Text("96.3 %"), Text("no difference shown"))
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_table(console, table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(("width", "body"), [(63, WIDE), (45, FOLDED), (24, LISTED)])
def test_a_row_takes_more_lines_before_anything_is_cut(width: int, body: str) -> None:
    text = printed(width)
    assert text.startswith("Accuracy [x]\n")
    assert body in "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
    assert text.endswith("[ ] interval\n")
    assert "…" not in text
