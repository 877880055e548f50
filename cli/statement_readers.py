"""Which forms of a channel's statement can be read, by the name that `--format` takes.

A reader takes the file and the minutes that its day is ahead of UTC, and gives lines one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

from cli.formats.statement_csv import read_statement_csv
from node.channels.statement_line import StatementLine

Reader = Callable[[BinaryIO, int], Iterator[StatementLine]]

OWN_FORM = "medbill"
READERS: dict[str, Reader] = {OWN_FORM: read_statement_csv}
