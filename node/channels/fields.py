"""What a channel sent, field by field: JSON objects, posted forms and UnionPay's answers, read strictly.

A key that stands twice is refused: two readers could each believe another one. JSON numbers with a fraction come as their
text, so that an amount never passes through a float; NaN and Infinity are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from node.channels.errors import WrongForm

MESSAGE_BYTES_MAX = 65_536  # of a notice; real ones have two kilobytes
FIELDS_MAX = 200  # of a form
TEXT_CHARACTERS_MAX = 4_096  # of one field; certificates are longest


class Fields:
    """Named values. Each reading raises WrongForm with the field's name, and never with what stood there."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str | None = None) -> str:
        """A text of 1 to TEXT_CHARACTERS_MAX characters; `default` where the field is absent."""
        value = self.values.get(name, default)
        if not isinstance(value, str) or len(value) > TEXT_CHARACTERS_MAX or (not value and default is None):
            raise WrongForm(f"{name}: missing, or no text")
        return value

    def same(self, name: str, expected: str) -> None:
        """An answer must be about what was asked: a recorded one, about another order, is signed as well."""
        if self.values.get(name) != expected:
            raise WrongForm(f"{name}: not what was asked about")

    def number(self, name: str) -> int:
        value = self.values.get(name)
        if type(value) is not int:
            raise WrongForm(f"{name}: missing, or no whole number")
        return value

    def section(self, name: str) -> Fields:
        value = self.values.get(name)
        if not isinstance(value, dict):
            raise WrongForm(f"{name}: missing, or no object")
        return Fields(value)


def read_json(data: bytes, bytes_max: int = MESSAGE_BYTES_MAX) -> Fields:
    """One JSON object in UTF-8. Raises WrongForm."""
    if len(data) > bytes_max:
        raise WrongForm(f"longer than {bytes_max} bytes")
    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=_without_repeats, parse_float=str, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        raise WrongForm("not JSON in UTF-8") from None
    if not isinstance(value, dict):
        raise WrongForm("not a JSON object")
    return Fields(value)


def read_form(body: bytes) -> Fields:
    """A posted form (application/x-www-form-urlencoded) of UTF-8 text. Raises WrongForm."""
    if len(body) > MESSAGE_BYTES_MAX:
        raise WrongForm(f"longer than {MESSAGE_BYTES_MAX} bytes")
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError:
        raise WrongForm("not a form in UTF-8") from None
    return Fields(_without_repeats(pairs))


def read_plain_form(body: bytes, bytes_max: int = MESSAGE_BYTES_MAX) -> Fields:
    """What UnionPay answers: `name=value` joined by `&`, nothing escaped; `&` inside braces belongs to a value."""
    if len(body) > bytes_max:
        raise WrongForm(f"longer than {bytes_max} bytes")
    try:
        text = body.decode("utf-8")
    except UnicodeError:
        raise WrongForm("not UTF-8") from None
    parts = re.split(r"&(?![^{}]*\})", text) if "{" in text else text.split("&")
    if len(parts) > FIELDS_MAX:
        raise WrongForm(f"more than {FIELDS_MAX} fields")
    return Fields(_without_repeats([(name, value) for name, _, value in (part.partition("=") for part in parts)]))


def signed_text(values: Mapping[str, str], without: tuple[str, ...]) -> bytes:
    """`name=value` in the order of names, joined by `&`: what both Alipay and UnionPay sign."""
    return "&".join(f"{name}={values[name]}" for name in sorted(values) if name not in without).encode()


def verify_one_reading(values: Mapping[str, str]) -> None:
    """Raises WrongForm if a value has `&` in it: cut at another place, the same signed text would be other fields.

    Whoever can choose a subject such as `x&total_amount=999.00&total_b=` gets it signed along with the true amount.
    """
    for name, value in values.items():
        if "&" in value or "&" in name or "=" in name:
            raise WrongForm(f"{name[:32]}: could be read in two ways")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise WrongForm("a name stands twice")
    return values


def _refuse_constant(_name: str) -> NoReturn:
    raise WrongForm("not a number")
