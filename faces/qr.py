"""The QR code of a face: where the bill is looked up, as modules that PDF and OFD draw as rectangles, or as a picture.

The text is the node's address and the link of `link.py`.
Medium correction (15 %): a face is printed, folded and stapled.
"""

from __future__ import annotations

import io
from typing import NamedTuple

import segno

QUIET_MODULES = 4  # of white around a code that stands by itself (ISO/IEC 18004)
PIXELS_PER_MODULE = 4


class Run(NamedTuple):
    """Dark modules side by side."""

    x: int
    y: int
    length: int


def qr_runs(text: str) -> tuple[int, list[Run]]:
    """(modules per side without the quiet zone, dark runs from top to bottom)."""
    matrix = _code(text).matrix
    runs: list[Run] = []
    for y, row in enumerate(matrix):
        x = 0
        while x < len(row):
            begin = x
            while x < len(row) and row[x]:
                x += 1
            if x > begin:
                runs.append(Run(begin, y, x - begin))
            x += 1
    return len(matrix), runs


def qr_png(text: str) -> bytes:
    """Black on white with its quiet zone, some 250 pixels wide. Takes some milliseconds of the interpreter."""
    picture = io.BytesIO()
    _code(text).save(picture, kind="png", scale=PIXELS_PER_MODULE, border=QUIET_MODULES)
    return picture.getvalue()


def _code(text: str) -> segno.QRCode:
    return segno.make_qr(text, error="m", boost_error=False)


def qr_svg(text: str, colour: str) -> bytes:
    """With no quiet zone: the page around it is white."""
    size, runs = qr_runs(text)
    path = "".join(f"M{run.x} {run.y}h{run.length}v1h-{run.length}z" for run in runs)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" width="{size}" height="{size}">'
        f'<path d="{path}" fill="{colour}"/></svg>'
    ).encode()
