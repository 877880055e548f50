"""Our lines as a file: JSON lines, each an `OurLine`, and a last one that tells how many and how much, so that none can be lost unseen.

{"channel":"alipay","kind":"payment","order_no":"P-1","amount_fen":1230,"state":"success","time_ms":1776600000000,…}
{"end":{"lines":1,"payments_fen":1230,"refunds_fen":0}}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, BinaryIO, TypeVar

import msgspec

from cli.formats.bounded_lines import bounded_lines
from node.channels.statement_line import PAYMENT
from node.reconciliation.errors import FileRefused, LineRefused
from node.reconciliation.our_line import OurLine

SOURCE = "our lines"
T = TypeVar("T")
Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Totals(msgspec.Struct, forbid_unknown_fields=True):
    """Over all lines, whatever became of them."""

    lines: Natural = 0
    payments_fen: Natural = 0
    refunds_fen: Natural = 0

    def count(self, line: OurLine) -> None:
        self.lines += 1
        if line.kind == PAYMENT:
            self.payments_fen += line.amount_fen
        else:
            self.refunds_fen += line.amount_fen


class End(msgspec.Struct, forbid_unknown_fields=True):
    end: Totals


_line = msgspec.json.Decoder(OurLine)
_end = msgspec.json.Decoder(End)


def read_our_lines(stream: BinaryIO) -> Iterator[OurLine]:
    """Raises LineRefused, FileRefused; what is wrong is named by its field, and never repeated."""
    totals, end = Totals(), None
    for number, text in enumerate(bounded_lines(stream, SOURCE), 1):
        if end is not None:
            raise LineRefused(SOURCE, number, "there are lines after the end")
        if text.startswith(b'{"end"'):
            end = _decoded(_end, text, number).end
            continue
        line = _decoded(_line, text, number)
        totals.count(line)
        yield line
    if end is None:
        raise FileRefused(SOURCE, f"breaks off after line {totals.lines}: the last line, with the totals, is missing")
    if end != totals:
        raise FileRefused(SOURCE, "its last line tells of other lines than it has")


def write_our_lines(stream: BinaryIO, lines: Iterable[OurLine]) -> None:
    """The same file from lines."""
    totals = Totals()
    for line in lines:
        totals.count(line)
        stream.write(msgspec.json.encode(line) + b"\n")
    stream.write(msgspec.json.encode(End(totals)) + b"\n")


def _decoded(decoder: msgspec.json.Decoder[T], text: bytes, number: int) -> T:
    try:
        return decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise LineRefused(SOURCE, number, _said(error)) from None


def _said(error: Exception) -> str:
    """Without what the line holds: msgspec tells types, bounds and places, but would repeat the name of an unknown field."""
    text = str(error)
    return "a field that no line has" if "unknown field" in text else text[:200]
