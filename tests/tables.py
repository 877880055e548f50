"""Tables that a command writes into a page: what was measured stands where people read it, and nobody copies it by hand."""

from __future__ import annotations

import time
from pathlib import Path

from tests.faults.machine import describe_machine


def write_table(page: Path, text: str, name: str = "table") -> None:
    """Put `text` between `<!-- name -->` and `<!-- end of name -->`, with the machine and the day."""
    begins, ends = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = page.read_text(encoding="utf-8").split(begins)
    after = rest.split(ends)[1]
    measured = f"{time.strftime('%Y-%m-%d', time.gmtime())}, {describe_machine()}"
    page.write_text(f"{before}{begins}\n{measured}\n\n{text}\n{ends}{after}", encoding="utf-8")


def as_markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)
