"""Where everything of a face stands on the pages of an OFD: the same content as the PDF's, in simple rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from faces.face import Entry, Face
from faces.ofd_page import FRAME, GREY, INK, RED, Page, width, wrapped

WIDE, TALL, HALF = 210.0, 297.0, 148.0
LEFT, RIGHT, TOP, BOTTOM = 12.0, 198.0, 10.0, 12.0
TITLE, TEXT, SMALL = 5.6, 3.2, 2.5  # sizes
LEADING = 1.45
QR_SIDE = 21.0
STAMP_DOWN = 16.0  # below the middle of half a sheet: beside the figures rather than on them


class Column(NamedTuple):
    left: float
    wide: float
    align: str


def _columns(left: float, *widths: tuple[float, str]) -> list[Column]:
    columns = []
    for wide, align in widths:
        columns.append(Column(left, wide, align))
        left += wide
    return columns


_CHARGE = ((37.0, "left"), (16.0, "right"), (13.0, "center"), (25.0, "right"))
CHARGES = [*_columns(LEFT, *_CHARGE), *_columns(LEFT + 95, *_CHARGE)]
ITEMS = _columns(
    LEFT,
    (26.0, "left"),
    (53.0, "left"),
    (30.0, "left"),
    (14.0, "center"),
    (20.0, "right"),
    (18.0, "right"),
    (25.0, "right"),
)


class Sheets:
    """Rows from top to bottom, a new page when one is full; every page gets head, folio and marks."""

    def __init__(self, face: Face, ids: Iterator[int]) -> None:
        self.face, self._ids = face, ids
        self.ink = RED if face.is_red else INK
        self.frame = RED if face.is_red else FRAME
        self.pages: list[Page] = []
        self.y = 0.0
        self._columns: list[Column] = []
        self._titles: list[str] = []  # repeated on each page while rows are laid
        self._open()

    def _open(self) -> None:
        self.pages.append(Page(WIDE, TALL if self.face.is_tall else HALF, self._ids))
        self.y = TOP
        if self._titles:
            self._draw_titles()

    @property
    def page(self) -> Page:
        return self.pages[-1]

    def need(self, tall: float) -> None:
        """Go to a new page unless so much is left on this one."""
        if self.y + tall > self.page.tall - BOTTOM:
            self._open()

    def rule(self, thick: float = 0.15) -> None:
        self.page.line(self.y, LEFT, RIGHT, self.frame, thick)
        self.y += 0.8

    def titles(self, columns: list[Column], titles: list[str]) -> None:
        self._columns, self._titles = columns, titles
        self._draw_titles()

    def end_rows(self) -> None:
        self._titles = []

    def _draw_titles(self) -> None:
        self.rule(0.3)
        self._cells(self._columns, _wrapped(self._columns, self._titles), self.frame)
        self.rule()

    def row(self, columns: list[Column], texts: list[str], colour: str | None = None) -> None:
        cells = _wrapped(columns, texts)
        self.need(max(len(lines) for lines in cells) * TEXT * LEADING)
        self._cells(columns, cells, colour or self.ink)

    def _cells(self, columns: list[Column], cells: list[list[str]], colour: str) -> None:
        for column, lines in zip(columns, cells, strict=True):
            places = {
                "left": column.left + 0.5,
                "right": column.left + column.wide - 1,
                "center": column.left + column.wide / 2,
            }
            for number, line in enumerate(lines):
                top = self.y + number * TEXT * LEADING
                self.page.text(places[column.align], top, line, TEXT, colour, column.align)
        self.y += max(1, *(len(lines) for lines in cells)) * TEXT * LEADING

    def entries(self, entries: list[Entry], widths: list[float]) -> None:
        """Labelled values side by side, as many in a row as there are widths."""
        for first in range(0, len(entries), len(widths)):
            cells = [
                (
                    entry.label + "：",
                    wrapped(entry.value, TEXT, max(room - width(entry.label + "：", TEXT) - 2, 2 * TEXT)),
                )
                for entry, room in zip(entries[first:], widths, strict=False)
            ]
            tall = max(len(lines) for _label, lines in cells) * TEXT * LEADING
            self.need(tall)
            left = LEFT
            for (label, lines), room in zip(cells, widths, strict=False):
                self.page.text(left, self.y, label, TEXT, self.frame)
                for number, line in enumerate(lines):
                    self.page.text(left + width(label, TEXT), self.y + number * TEXT * LEADING, line, TEXT, self.ink)
                left += room
            self.y += tall

    def lines(self, text: str, size: float, colour: str) -> None:
        for line in wrapped(text, size, RIGHT - LEFT):
            self.need(size * LEADING)
            self.page.text(LEFT, self.y, line, size, colour)
            self.y += size * LEADING


def _wrapped(columns: list[Column], texts: list[str]) -> list[list[str]]:
    """The lines of each cell."""
    return [wrapped(text, TEXT, column.wide - 1.5) if text else [] for column, text in zip(columns, texts, strict=True)]


def lay_out(face: Face, ids: Iterator[int]) -> list[Page]:
    sheets = Sheets(face, ids)
    _head(sheets)
    if face.form == "list":
        _items(sheets)
    else:
        _charges(sheets)
    if face.form == "face":
        sheets.rule()
    sheets.entries(face.feet, [106.0, 40.0, 40.0])
    for line in face.small_print:
        sheets.lines(line, SMALL, GREY)
    for place, page in enumerate(sheets.pages, 1):
        folio = f"第 {place} 页　共 {len(sheets.pages)} 页"
        page.text(LEFT, page.tall - 8, f"{face.title} {face.bill[:8]} {face.bill[8:]}", SMALL, sheets.frame)
        page.text(RIGHT, page.tall - 8, folio, SMALL, sheets.frame, "right")
        for place_of_mark, mark in enumerate(face.marks):
            page.stamp(mark.text, mark.detail, page.tall / 2 + (0 if face.is_tall else STAMP_DOWN) + 45 * place_of_mark)
    return sheets.pages


def _head(sheets: Sheets) -> None:
    face, page = sheets.face, sheets.page
    if face.url:
        page.qr(LEFT, TOP, QR_SIDE, face.url)
    page.text(WIDE / 2, TOP + 6, face.title, TITLE, sheets.frame, "center")
    page.line(TOP + 15, 45, 165, sheets.frame, 0.3)
    page.line(TOP + 16, 45, 165, sheets.frame)
    sheets.y = TOP + QR_SIDE + 2
    sheets.entries(face.heads, [124.0, 62.0])
    for notice in face.notices:
        sheets.lines(notice, TEXT, RED)
    sheets.y += 1


def _charges(sheets: Sheets) -> None:
    face = sheets.face
    sheets.titles(CHARGES, face.columns * 2)
    half = -(-len(face.lines) // 2)
    for place in range(half):
        texts: list[str] = []
        for line in face.lines[place::half]:
            texts += [line.name, line.quantity, line.unit, line.amount]
        sheets.row(CHARGES, texts + [""] * (len(CHARGES) - len(texts)))
    _sum(sheets)
    sheets.entries(face.others, [62.0] * 3)


def _items(sheets: Sheets) -> None:
    sheets.titles(ITEMS, sheets.face.columns)
    for group in sheets.face.groups:
        sheets.row(ITEMS, ["", group.title, "", "", "", "", ""], sheets.frame)
        for line in group.lines:
            texts = [line.code, line.name, line.specification, line.unit, line.price, line.quantity, line.amount]
            sheets.row(ITEMS, texts)
        name = "小计" if group.lines else "无明细项目"
        sheets.row(ITEMS, ["", "", "", "", "", name, group.amount])
    _sum(sheets)


def _sum(sheets: Sheets) -> None:
    sheets.end_rows()
    sheets.need(3 * TEXT * LEADING)
    sheets.rule()
    face = sheets.face
    sheets.entries([Entry("金额合计（大写）", face.capitals), Entry("（小写）", face.total)], [130.0, 56.0])
    sheets.rule(0.3)
