"""Reads a QR code from a clean picture, as a camera's program would after it has found the code.

Shares nothing with what draws the codes. Source: ISO/IEC 18004:2015, sections 7.4 to 7.9 backwards; only what occurs here: medium
correction, versions 7 to 12, one segment of bytes. Every correction codeword must fit, so a damaged code can be read as well.
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Callable, Iterator

Grid = list[list[bool]]  # row by row, true where dark

PLAIN, UP = 0, 2  # filters of a PNG's rows: none; less the row above
FORMAT_MASK, MEDIUM = 0x5412, 0
BYTE_MODE = 0b0100
FIELD_POLYNOMIAL = 0x11D
# version -> centres of the alignment patterns
ALIGNMENTS = {7: (6, 22, 38), 8: (6, 24, 42), 9: (6, 26, 46), 10: (6, 28, 50), 11: (6, 30, 54), 12: (6, 32, 58)}
# version -> correction codewords of a block, data codewords of each block; table 9, level M
BLOCKS: dict[int, tuple[int, list[int]]] = {
    7: (18, [31] * 4),
    8: (22, [38] * 2 + [39] * 2),
    9: (22, [36] * 3 + [37] * 2),
    10: (26, [43] * 4 + [44]),
    11: (30, [50] + [51] * 4),
    12: (22, [36] * 6 + [37] * 2),
}
MASKS: list[Callable[[int, int], bool]] = [  # of (column, row); table 10
    lambda x, y: (x + y) % 2 == 0,
    lambda x, y: y % 2 == 0,
    lambda x, y: x % 3 == 0,
    lambda x, y: (x + y) % 3 == 0,
    lambda x, y: (x // 3 + y // 2) % 2 == 0,
    lambda x, y: x * y % 2 + x * y % 3 == 0,
    lambda x, y: (x * y % 2 + x * y % 3) % 2 == 0,
    lambda x, y: ((x + y) % 2 + x * y % 3) % 2 == 0,
]


def read_qr(png: bytes) -> str:
    """The text of a code. Raises ValueError for a picture without a whole one."""
    return decode(modules(pixels(png)))


# ── the picture ──────────────────────────────────────────────────────────────────────────────────────────────────────


def pixels(png: bytes) -> Grid:
    """Of a greyscale or palette PNG without interlacing."""
    if png[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no PNG")
    place, packed, palette = 8, b"", b""
    width = height = depth = colour = 0
    while place < len(png):
        size, kind = struct.unpack(">I4s", png[place : place + 8])
        data = png[place + 8 : place + 8 + size]
        if zlib.crc32(kind + data) != int.from_bytes(png[place + 8 + size : place + 12 + size], "big"):
            raise ValueError(f"chunk {kind!r} is damaged")
        if kind == b"IHDR":
            width, height, depth, colour, *others = struct.unpack(">IIBBBBB", data)
            if colour not in (0, 3) or any(others):
                raise ValueError("a kind of PNG that is not read here")
        elif kind == b"PLTE":
            palette = data
        elif kind == b"IDAT":
            packed += data
        place += 12 + size
    raw, row_bytes = zlib.decompress(packed), (width * depth + 7) // 8
    rows: list[bytes] = []
    for begin in range(0, height * (row_bytes + 1), row_bytes + 1):
        rule, row = raw[begin], raw[begin + 1 : begin + 1 + row_bytes]
        if rule not in (PLAIN, UP) or len(row) != row_bytes:
            raise ValueError("rows of another kind are not read here")
        above = rows[-1] if rows and rule == UP else bytes(row_bytes)
        rows.append(bytes((byte + other) % 256 for byte, other in zip(row, above, strict=True)))

    def is_dark(row: bytes, x: int) -> bool:
        bit = x * depth
        value = row[bit // 8] >> (8 - depth - bit % 8) & (1 << depth) - 1
        return sum(palette[3 * value : 3 * value + 3]) < 384 if colour == 3 else value < 1 << depth - 1

    return [[is_dark(row, x) for x in range(width)] for row in rows]


def modules(picture: Grid) -> Grid:
    """One value for each module. The upper edge of the first finder pattern, seven modules, is the measure."""
    dark = [(x, y) for y, row in enumerate(picture) for x, is_dark in enumerate(row) if is_dark]
    if not dark:
        raise ValueError("nothing is dark")
    left, top = min(x for x, _y in dark), min(y for _x, y in dark)
    right, bottom = max(x for x, _y in dark), max(y for _x, y in dark)
    edge = len(list(itertools.takewhile(bool, picture[top][left:])))
    scale, rest = divmod(edge, 7)
    size = (right - left + 1) // max(scale, 1)
    if rest or size * scale != right - left + 1 != bottom - top + 1:
        raise ValueError("no square of modules")
    quiet = 4 * scale
    if min(left, top, len(picture[0]) - 1 - right, len(picture) - 1 - bottom) < quiet:
        raise ValueError("the quiet zone is too narrow")
    middle = scale // 2
    return [[picture[top + y * scale + middle][left + x * scale + middle] for x in range(size)] for y in range(size)]


# ── the code ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def decode(grid: Grid) -> str:
    size = len(grid)
    version = (size - 17) // 4
    if version not in BLOCKS or size != 17 + 4 * version:
        raise ValueError(f"{size} modules are not read here")
    level, mask = _format(grid)
    if level != MEDIUM:
        raise ValueError("another level of correction")
    bits = [grid[y][x] != MASKS[mask](x, y) for x, y in _path(size) if not _is_function(x, y, size, version)]
    codewords = [_number(bits[place : place + 8]) for place in range(0, len(bits) - 7, 8)]
    data = b"".join(bytes(block) for block in _blocks(codewords, version))
    stream = [byte >> shift & 1 == 1 for byte in data for shift in range(7, -1, -1)]
    if _number(stream[:4]) != BYTE_MODE:
        raise ValueError("no bytes")
    begin = 4 + (8 if version <= 9 else 16)
    count = _number(stream[4:begin])
    return bytes(_number(stream[begin + 8 * place : begin + 8 * place + 8]) for place in range(count)).decode()


def _format(grid: Grid) -> tuple[int, int]:
    """(level, mask) of the copy around the upper left finder pattern."""
    places = [(8, y) for y in range(6)] + [(8, 7), (8, 8), (7, 8)] + [(x, 8) for x in range(5, -1, -1)]
    value = sum(grid[y][x] << bit for bit, (x, y) in enumerate(places)) ^ FORMAT_MASK
    return value >> 13, value >> 10 & 7


def _path(size: int) -> Iterator[tuple[int, int]]:
    """Two columns at a time from the right, up and down in turn, past the timing column."""
    upwards = True
    for right in [*range(size - 1, 6, -2), *range(5, 0, -2)]:
        for step in range(size):
            y = size - 1 - step if upwards else step
            yield right, y
            yield right - 1, y
        upwards = not upwards


def _is_function(x: int, y: int, size: int, version: int) -> bool:
    """Whether a module carries no data: finders with format, timing, version, alignment."""
    if (x < 9 and y < 9) or (x >= size - 8 and y < 9) or (x < 9 and y >= size - 8) or x == 6 or y == 6:
        return True
    if (x < 6 and size - 11 <= y <= size - 9) or (y < 6 and size - 11 <= x <= size - 9):
        return True
    centres = ALIGNMENTS[version]
    corners = {(centres[0], centres[0]), (centres[0], centres[-1]), (centres[-1], centres[0])}
    return any(
        abs(x - column) <= 2 and abs(y - row) <= 2
        for column, row in itertools.product(centres, centres)
        if (column, row) not in corners
    )


def _blocks(codewords: list[int], version: int) -> Iterator[list[int]]:
    """The data of each block, once its correction codewords fit."""
    correction, lengths = BLOCKS[version]
    blocks: list[list[int]] = [[] for _ in lengths]
    source = iter(codewords)
    for place in range(max(lengths)):
        for block, length in zip(blocks, lengths, strict=True):
            if place < length:
                block.append(next(source))
    for _ in range(correction):
        for block in blocks:
            block.append(next(source))
    for block, length in zip(blocks, lengths, strict=True):
        if any(_at_power(block, power) for power in range(correction)):
            raise ValueError("a block is damaged")
        yield block[:length]


def _at_power(block: list[int], power: int) -> int:
    """The polynomial of a block at a root of the generator: 0 where the block is whole."""
    root = 1
    for _ in range(power):
        root = _times(root, 2)
    value = 0
    for codeword in block:
        value = _times(value, root) ^ codeword
    return value


def _times(left: int, right: int) -> int:
    """In the field of 256 elements."""
    product = 0
    while right:
        if right & 1:
            product ^= left
        left = left << 1 ^ (FIELD_POLYNOMIAL if left & 0x80 else 0)
        right >>= 1
    return product


def _number(bits: list[bool]) -> int:
    value = 0
    for bit in bits:
        value = value << 1 | bit
    return value
