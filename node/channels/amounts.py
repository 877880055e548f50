"""Amounts as channels write them, to whole fen and back; no float on the way, nothing rounded but fees.

Alipay writes yuan with two decimals, WeChat Pay and UnionPay whole fen (WeChat's statements yuan again), the insurance
interface yuan (numeric 16,2). Only ASCII digits count: `str.isdigit` and `int` would take those of other scripts too.
"""

from __future__ import annotations

import re

from chain.rules.accounts import AMOUNT_FEN_MAX
from node.channels.errors import WrongForm

_YUAN = re.compile(r"(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,2}))?")
_FEE = re.compile(r"(-?)(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,5}))?")
_FEN = re.compile(r"[0-9]{1,13}")
_FEE_DECIMALS = 5  # of yuan: WeChat's statements have so many


def parse_yuan(text: str, name: str = "amount", least_fen: int = 1) -> int:
    """Fen of yuan text such as `264.30`. Raises WrongForm for all else, `1e3`, `1.234`, `-1` and below `least_fen` included."""
    found = _YUAN.fullmatch(text)
    if found is None:
        raise WrongForm(f"{name}: not an amount in yuan")
    return check_fen(int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")), name, least_fen)


def format_yuan(amount_fen: int) -> str:
    """`26430` as `264.30`. Not for amounts below 0."""
    if amount_fen < 0:
        raise ValueError("an amount is not below 0")
    return f"{amount_fen // 100}.{amount_fen % 100:02d}"


def parse_fen(text: str, name: str = "amount") -> int:
    """Fen of whole fen text, leading zeros allowed, more than 0. Raises WrongForm."""
    if not _FEN.fullmatch(text):
        raise WrongForm(f"{name}: not an amount in fen")
    return check_fen(int(text), name)


def check_fen(amount_fen: object, name: str = "amount", least_fen: int = 1) -> int:
    """The same whole number, from `least_fen` to AMOUNT_FEN_MAX. Raises WrongForm for others, and for no whole number."""
    if type(amount_fen) is not int or not least_fen <= amount_fen <= AMOUNT_FEN_MAX:
        raise WrongForm(f"{name}: not an amount from {least_fen} to {AMOUNT_FEN_MAX} fen")
    return amount_fen


def parse_fee(text: str, name: str = "fee") -> int:
    """Fen of signed yuan text with up to five decimals, half a fen away from 0. Raises WrongForm.

    A statement shows fees finer than they are paid; what is paid is whole fen.
    """
    found = _FEE.fullmatch(text)
    if found is None:
        raise WrongForm(f"{name}: not a fee in yuan")
    unit = 1_000  # of the last decimal in a fen
    parts = int(found[2]) * 100_000 + int((found[3] or "").ljust(_FEE_DECIMALS, "0"))
    fee_fen = (parts + unit // 2) // unit
    return -fee_fen if found[1] else fee_fen
