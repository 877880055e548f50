"""The QR code as a picture: what reads it finds the address again, and one damaged module is noticed by the reader's own check."""

from __future__ import annotations

import pytest

from faces.link import page_link
from faces.qr import QUIET_MODULES, qr_png, qr_runs
from tests.faces.qr_reader import decode, modules, pixels, read_qr

LINK = page_link("330601260000000017", "0123456789abcdef" * 2, "c0ffee00" * 8)


@pytest.mark.parametrize(
    "host",
    ["a.cn", "127.0.0.1:8104", "bills.example.gov.cn", "[2001:db8::1]:8443/a/path/of/thirty-characters", "x" * 80],
)
def test_the_picture_is_read_back(host: str) -> None:
    """Addresses of any usual length: versions 8 to 12 of the code."""
    address = f"https://{host}{LINK}"
    assert read_qr(qr_png(address)) == address


def test_picture_and_drawing_show_the_same_modules() -> None:
    """On the face the code is drawn as rectangles."""
    size, runs = qr_runs(LINK)
    grid = [[False] * size for _ in range(size)]
    for run in runs:
        grid[run.y][run.x : run.x + run.length] = [True] * run.length
    picture = pixels(qr_png(LINK))
    assert modules(picture) == grid
    assert len(picture) % (size + 2 * QUIET_MODULES) == 0
    assert decode(grid) == LINK


def test_the_reader_notices_a_module_that_is_wrong() -> None:
    grid = modules(pixels(qr_png(LINK)))
    middle = len(grid) // 2 + 3  # past the alignment patterns
    grid[middle][middle] = not grid[middle][middle]
    with pytest.raises(ValueError, match="a block is damaged"):
        decode(grid)
