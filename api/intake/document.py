"""A JSON file whose every part knows its place, so that a refusal names it; and the last step from its figures to a bill.

Numbers are read as Decimal, never as binary floats: 28.104000000000003 stays what the file says.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from pathlib import Path
from typing import Any, Protocol

import msgspec

from api.intake.errors import FormatRefused
from chain.bill import BillRequest, verify_request
from chain.errors import ContentRefused

FILE_BYTES_MAX = 512 * 2**20  # one file is held in memory
YUAN_BOUND = Decimal(10) ** 13  # amounts lie below it: 10**15 fen, the bound of `chain.bill.Amount`
DECIMAL_TEXT = re.compile(r"-?[0-9]{1,13}(\.[0-9]{1,12})?", re.ASCII)
ARITHMETIC = Context(prec=60, rounding=ROUND_HALF_UP)


Read = Iterator[tuple[str, BillRequest | FormatRefused]]  # business number ("" if none was found), request or refusal


class Reader(Protocol):
    """What every format offers."""

    def __call__(self, path: Path, *, as_cny: bool, now: str, place_code: str) -> Read:
        """Read one file. `now` is the time of import (RFC 3339 with zone)."""


class Element:
    """A value of the document and its JSON pointer."""

    __slots__ = ("pointer", "value")

    def __init__(self, value: Any, pointer: str) -> None:
        self.value, self.pointer = value, pointer

    def find(self, name: str) -> Element | None:
        """A member of an object, or None. Raises FormatRefused (wrong_type) when this is no object."""
        if not isinstance(self.value, dict):
            raise FormatRefused("wrong_type", self.pointer, "an object belongs here")
        value = self.value.get(name)
        if value is None:
            return None
        return Element(value, f"{self.pointer}/{name.replace('~', '~0').replace('/', '~1')}")

    def need(self, name: str) -> Element:
        """A member of an object. Raises FormatRefused (member_missing)."""
        found = self.find(name)
        if found is None:
            raise FormatRefused("member_missing", f"{self.pointer}/{name}")
        return found

    def entries(self) -> list[Element]:
        """What a list holds. Raises FormatRefused (wrong_type)."""
        if not isinstance(self.value, list):
            raise FormatRefused("wrong_type", self.pointer, "a list belongs here")
        return [Element(value, f"{self.pointer}/{index}") for index, value in enumerate(self.value)]

    def list_of(self, name: str) -> list[Element]:
        """The entries of a member that may be absent."""
        found = self.find(name)
        return [] if found is None else found.entries()

    def text(self) -> str:
        """A text in normal form C. Raises FormatRefused (wrong_type)."""
        if not isinstance(self.value, str):
            raise FormatRefused("wrong_type", self.pointer, "a text belongs here")
        return unicodedata.normalize("NFC", self.value)

    def text_of(self, *path: str) -> str:
        """The text at the end of a path of members, or "" when it is absent."""
        place: Element | None = self
        for name in path:
            if place is None:
                return ""
            place = place.find(name)
        return "" if place is None else place.text()

    def decimal(self, *, written: bool = False) -> Decimal:
        """A number; with `written` also one in quotes, as hospital systems send them.

        Raises FormatRefused (wrong_type, amount_out_of_range).
        """
        value = self.value
        if written and isinstance(value, str):
            if not DECIMAL_TEXT.fullmatch(value):
                raise FormatRefused("wrong_type", self.pointer, "not a decimal number")
            value = Decimal(value)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise FormatRefused("wrong_type", self.pointer, "a number belongs here")
        if isinstance(value, int):
            if abs(value) >= 10**13:
                raise FormatRefused("amount_out_of_range", self.pointer)
            return Decimal(value)
        if not value.is_finite() or value.adjusted() > 12:
            raise FormatRefused("amount_out_of_range", self.pointer)
        return value


def units(amount: Decimal, places: int) -> int:
    """An amount in units of 10**-places, half up (away from zero): places 2 makes fen of yuan."""
    with localcontext(ARITHMETIC):
        return int(amount.quantize(Decimal(1).scaleb(-places)).scaleb(places))


def fen(amount: Decimal) -> int:
    """Yuan in whole fen, half up."""
    return units(amount, 2)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member appears twice in one object")
    return members


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def load(path: Path) -> Element:
    """The document in a file (UTF-8, with or without a byte order mark).

    Raises FormatRefused (file_unreadable, file_too_large, file_damaged); its detail names the file.
    """
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise FormatRefused("file_too_large", "", f"{path.name}: more than {FILE_BYTES_MAX} bytes")
        content = path.read_bytes()
    except OSError as error:
        raise FormatRefused("file_unreadable", "", f"{path.name}: {error.strerror}") from None
    return parse(content, path.name)


def parse(content: bytes, name: str) -> Element:
    """The document in some bytes, called `name` in what is said of it. Raises FormatRefused (file_damaged)."""
    try:
        value = json.loads(
            content.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_constant, object_pairs_hook=_once
        )
    except (ValueError, ArithmeticError, RecursionError) as error:  # bad UTF-8 and bad JSON are ValueErrors
        place = f"line {error.lineno} column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise FormatRefused("file_damaged", "", f"{name}: not a JSON document {place}".rstrip()) from None
    return Element(value, "")


def build_request(fields: dict[str, Any], source: Element) -> BillRequest:
    """The request that `fields` spell, checked as the gateway will check it.

    Raises FormatRefused with the pointer of `source`; the detail names the place in the request.
    """
    try:
        request = msgspec.convert(fields, BillRequest)
        verify_request(request)
    except msgspec.ValidationError as error:
        raise FormatRefused("field_refused", source.pointer, str(error)) from None
    except ContentRefused as refusal:
        raise FormatRefused(refusal.code, source.pointer, f"{refusal.pointer}: {refusal.detail}") from None
    return request
