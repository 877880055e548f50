"""A lender's product as people write it: a JSON file of terms, money in yuan and spans as words.

{"product", "title", "score_min": the least score that is eligible, "line", "visit_cap", "emergency_line": yuan ("0.00": none),
 "bearer": "lender" or "hospital", who bears the risk, "identity_level": at least,
 "statement_day": 1 to 28 of the month or "daily", "statement_time": "20:00" of the local day,
 "due_days": after a statement, "instalments_max": 0 for none, "hold": how long a visit keeps money back, such as "30d"}

Samples lie in `samples/credit`. The title is the file's own: the ledger has terms. Source: DOMAIN section 5; FEATURES 95, 97.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from api.intake.document import Element, fen, load
from api.intake.errors import FormatRefused
from chain.operation import CreditTerms
from chain.records import HOSPITAL_BEARS, LENDER
from cli.durations import parse_duration_ms
from cli.failures import CommandFailed

TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}", re.ASCII)
BEARERS = {"lender": LENDER, "hospital": HOSPITAL_BEARS}
DAILY = "daily"


class CreditProduct(msgspec.Struct, frozen=True):
    product: str
    title: str
    terms: CreditTerms


def read(path: Path) -> CreditProduct:
    """Raises FormatRefused: file_unreadable, file_too_large, file_damaged, member_missing, wrong_type, amount_out_of_range,
    field_refused; each but the file's with a JSON pointer. Whether terms fit each other, the ledger says: `terms_malformed`."""
    document = load(path)
    bearer, day = document.need("bearer"), document.need("statement_day")
    if bearer.text() not in BEARERS:
        raise FormatRefused("field_refused", bearer.pointer, "lender or hospital")
    name = document.need("product")
    if not NAME.fullmatch(name.text()):
        raise FormatRefused("field_refused", name.pointer, "small letters, digits, - _ .")
    terms = CreditTerms(
        _number(document.need("score_min"), 0, 1_000_000),
        _fen(document.need("line")),
        _fen(document.need("visit_cap")),
        _fen(document.need("emergency_line")),
        BEARERS[bearer.text()],
        _number(document.need("identity_level"), 0, 100),
        0 if day.value == DAILY else _number(day, 1, 28),
        _minute(document.need("statement_time")),
        _number(document.need("due_days"), 1, 366),
        _number(document.need("instalments_max"), 0, 24),
        _duration_ms(document.need("hold")),
    )
    return CreditProduct(name.text(), document.need("title").text(), terms)


def _number(element: Element, least: int, most: int) -> int:
    if type(element.value) is not int:
        raise FormatRefused("wrong_type", element.pointer)
    if not least <= element.value <= most:
        raise FormatRefused("field_refused", element.pointer, f"{least} to {most}")
    return element.value


def _fen(place: Element) -> int:
    """Yuan with at most two decimals, or nothing."""
    amount = place.decimal(written=True)
    if amount < 0 or amount * 100 % 1:
        raise FormatRefused("field_refused", place.pointer, "yuan, to the fen")
    return fen(amount)


def _minute(element: Element) -> int:
    match = TIME.fullmatch(element.text())
    if match is None:
        raise FormatRefused("field_refused", element.pointer, "a time such as 20:00")
    return int(match[1]) * 60 + int(match[2])


def _duration_ms(element: Element) -> int:
    try:
        return parse_duration_ms(element.text())
    except CommandFailed:
        raise FormatRefused("field_refused", element.pointer, "a span such as 30d") from None
