"""Money on a command line: typed and shown in yuan, with both decimals, so that nobody takes it for fen.

Nodes are told and say whole fen. What is shown can be typed again: `1,234.50`.
"""

from __future__ import annotations

import re
from typing import Any

from cli.failures import CommandFailed

_YUAN = re.compile(r"(0|[1-9][0-9]{0,9}|[1-9][0-9]{0,2}(?:,[0-9]{3}){1,3})\.([0-9]{2})", re.ASCII)


def parse_amount_fen(text: str, option: str) -> int:
    """Fen of `12.30` or `1,234.50`. Raises CommandFailed `argument_refused` for all else: `12` and `12.3` could be either unit."""
    found = _YUAN.fullmatch(text)
    if found is None:
        raise CommandFailed("argument_refused", f"{option} '{text}': write yuan with both decimals, as in 128.50")
    return int(found[1].replace(",", "")) * 100 + int(found[2])


def parse_part(text: str, option: str) -> dict[str, Any]:
    """`cash=128.50` as REST writes a part of an order. Raises CommandFailed `argument_refused`."""
    channel, sign, amount = text.partition("=")
    if not channel or not sign:
        raise CommandFailed("argument_refused", f"{option} '{text}': write a channel and yuan, as in cash=128.50")
    return {"channel": channel, "amount_fen": parse_amount_fen(amount, option)}


def format_yuan(fen: int) -> str:
    """1,234.50; -0.05."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"
