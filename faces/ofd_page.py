"""One page of an OFD document as XML: text set glyph by glyph, lines, the QR code, stamps. Millimetres from the upper left corner.

The text is set for 宋体, which readers of OFD have: a full-width character takes the size of the text, any other half of it. So amounts end where they should
without measuring a font. Source: GB/T 33190-2016, pages, text and path objects.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from xml.sax.saxutils import escape

from faces.qr import qr_runs

NAMESPACE = 'xmlns:ofd="http://www.ofdspec.org/2016"'
FONT_ID = 1
INK, FRAME, RED, GREY = "26 26 26", "138 51 36", "200 16 46", "90 90 90"
STAMP_ALPHA = 150  # of 255
STAMP_DEGREES = -14
_WIDE = {"W", "F", "A"}


def advance(character: str, size: float) -> float:
    return size if unicodedata.east_asian_width(character) in _WIDE else size / 2


def width(text: str, size: float) -> float:
    return sum(advance(character, size) for character in text)


def wrapped(text: str, size: float, room: float) -> list[str]:
    """Lines that fit into `room`; at least one, and a character is never lost."""
    lines, line, used = [], "", 0.0
    for character in text:
        step = advance(character, size)
        if line and used + step > room:
            lines.append(line)
            line, used = "", 0.0
        line, used = line + character, used + step
    return [*lines, line]


def number(value: float) -> str:
    """At most three decimals, the same on every machine."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


class Page:
    """`ids` numbers the objects of the whole document."""

    def __init__(self, wide: float, tall: float, ids: Iterator[int]) -> None:
        self.wide, self.tall, self._ids = wide, tall, ids
        self._objects: list[str] = []

    def text(self, x: float, y: float, text: str, size: float, colour: str, align: str = "left") -> None:
        """`y` is the top of the line; `x` its left end, or its right end or middle as `align` says."""
        if not text:
            return
        room = width(text, size)
        left = x - {"left": 0.0, "right": room, "center": room / 2}[align]
        self._objects.append(self._text(left, y, room, text, size, colour))

    def _text(self, x: float, y: float, room: float, text: str, size: float, colour: str, more: str = "") -> str:
        steps = " ".join(number(advance(character, size)) for character in text[:-1])
        deltas = f' DeltaX="{steps}"' if steps else ""
        box = " ".join(map(number, (x, y, room, size * 1.3)))
        return (
            f'<ofd:TextObject ID="{next(self._ids)}" Boundary="{box}" Font="{FONT_ID}" Size="{number(size)}"{more}>'
            f'<ofd:FillColor Value="{colour}"/>'
            f'<ofd:TextCode X="0" Y="{number(size)}"{deltas}>{escape(text)}</ofd:TextCode></ofd:TextObject>'
        )

    def line(self, y: float, left: float, right: float, colour: str, thick: float = 0.15) -> None:
        """From left to right."""
        box = " ".join(map(number, (left, y - 0.5, right - left, 1.0)))
        path = f"M 0 0.5 L {number(right - left)} 0.5"
        self._objects.append(self._path(box, path, colour, thick))

    def _path(self, box: str, path: str, colour: str, thick: float, more: str = "") -> str:
        return (
            f'<ofd:PathObject ID="{next(self._ids)}" Boundary="{box}" LineWidth="{number(thick)}"{more}>'
            f'<ofd:StrokeColor Value="{colour}"/><ofd:AbbreviatedData>{path}</ofd:AbbreviatedData></ofd:PathObject>'
        )

    def qr(self, x: float, y: float, side: float, text: str) -> None:
        size, runs = qr_runs(text)
        scale = side / size
        parts = []
        for run in runs:
            left, top = run.x * scale, run.y * scale
            right, bottom = left + run.length * scale, top + scale
            corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
            points = [f"{number(one)} {number(other)}" for one, other in corners]
            parts.append(f"M {points[0]} L {points[1]} L {points[2]} L {points[3]} C")
        box = " ".join(map(number, (x, y, side, side)))
        self._objects.append(
            f'<ofd:PathObject ID="{next(self._ids)}" Boundary="{box}" Stroke="false" Fill="true">'
            f'<ofd:FillColor Value="{INK}"/><ofd:AbbreviatedData>{" ".join(parts)}</ofd:AbbreviatedData></ofd:PathObject>'
        )

    def stamp(self, title: str, detail: str, middle: float) -> None:
        """Across the page, around the height `middle`: a frame with two lines."""
        large, small, padding = 12.0, 4.0, 4.0
        wide = max(width(title, large), width(detail, small)) + 2 * padding
        tall = large * 1.3 + small * 1.3 + 2 * padding
        left, top = (self.wide - wide) / 2, middle - tall / 2
        frame = f"M 0 0 L {number(wide)} 0 L {number(wide)} {number(tall)} L 0 {number(tall)} C"
        reach = math.hypot(wide, tall)  # the box of what is turned: nothing of it is cut off
        box = (self.wide / 2 - reach / 2, middle - reach / 2, reach, reach)
        pieces = [(title, large, padding), (detail, small, padding + large * 1.3)]
        spelt = " ".join(map(number, box))
        self._objects.append(
            self._path(spelt, frame, RED, 0.8, self._turned(left - box[0], top - box[1], wide, tall, (0.0, 0.0)))
        )
        for text, size, down in pieces:
            right = (wide - width(text, size)) / 2
            turned = self._turned(left - box[0], top - box[1], wide, tall, (right, down))
            steps = " ".join(number(advance(character, size)) for character in text[:-1])
            self._objects.append(
                f'<ofd:TextObject ID="{next(self._ids)}" Boundary="{spelt}" Font="{FONT_ID}" Size="{number(size)}"{turned}>'
                f'<ofd:FillColor Value="{RED}"/><ofd:TextCode X="0" Y="{number(size)}" DeltaX="{steps}">'
                f"{escape(text)}</ofd:TextCode></ofd:TextObject>"
            )

    def _turned(self, left: float, top: float, wide: float, tall: float, offset: tuple[float, float]) -> str:
        """CTM: what lies `offset` inside a frame at (left, top), turned around the frame's middle."""
        angle = math.radians(STAMP_DEGREES)
        cosine, sine = math.cos(angle), math.sin(angle)
        x, y = offset[0] - wide / 2, offset[1] - tall / 2
        e = left + wide / 2 + x * cosine - y * sine
        f = top + tall / 2 + x * sine + y * cosine
        matrix = " ".join(f"{value:.4f}" for value in (cosine, sine, -sine, cosine, e, f))
        return f' Alpha="{STAMP_ALPHA}" CTM="{matrix}"'

    def xml(self, layer_id: int) -> str:
        box = f"0 0 {number(self.wide)} {number(self.tall)}"
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<ofd:Page {NAMESPACE}><ofd:Area><ofd:PhysicalBox>{box}</ofd:PhysicalBox></ofd:Area>'
            f'<ofd:Content><ofd:Layer ID="{layer_id}" Type="Body">{"".join(self._objects)}</ofd:Layer></ofd:Content></ofd:Page>\n'
        )
