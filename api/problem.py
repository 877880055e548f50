"""What a problem code means to the one who meets it."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    status: int  # HTTP
    en: str
    zh: str
