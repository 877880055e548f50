"""An entry of the log of accesses as a JSON object: its bytes, which are what is checked, and what they say."""

from __future__ import annotations

from typing import Any

from chain.accesses import Access
from chain.codec import decode, plain
from chain.errors import ChainError


def access_row(number: int, data: bytes) -> dict[str, Any]:
    """Of an entry that does not read there are the bytes alone."""
    row: dict[str, Any] = {"number": number, "entry": data.hex()}
    try:
        return {**plain(decode(data, Access)), **row}
    except ChainError:
        return row
