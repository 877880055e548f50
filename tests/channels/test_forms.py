"""Amounts, times, forms and what is signed of them, against anything that hypothesis draws."""

from __future__ import annotations

import json
import re
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.rules.accounts import AMOUNT_FEN_MAX
from node.channels.amounts import check_fen, format_yuan, parse_fee, parse_fen, parse_yuan
from node.channels.errors import WrongForm, WrongSignature
from node.channels.fields import read_form, read_json, read_plain_form, signed_text
from node.channels.moments import (
    COMPACT,
    SECONDS,
    beijing_day,
    beijing_text,
    offset_text,
    parse_beijing,
    parse_offset,
    parse_without_year,
)
from node.channels.rsa_keys import sign, verify
from node.channels.simulators import keys
from node.channels.simulators.till import fen, yuan

KEY = keys.make_key()
AMOUNTS = st.integers(1, AMOUNT_FEN_MAX)
# names and values that a form may carry: any character but surrogates
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NAMES = st.text("abcdefgh_XYZ019", min_size=1, max_size=12)
SECONDS_MS = st.integers(0, 4_000_000_000).map(lambda second: second * 1_000)


@given(AMOUNTS)
def test_an_amount_comes_back_as_it_went(amount_fen: int) -> None:
    """In yuan and in fen, and as the simulators, which have code of their own, write it."""
    assert (
        parse_yuan(format_yuan(amount_fen))
        == amount_fen
        == parse_fen(str(amount_fen))
        == parse_fen(f"{amount_fen:013d}")
    )
    assert format_yuan(amount_fen) == yuan(amount_fen)
    assert fen(yuan(amount_fen)) == amount_fen


@given(st.text(max_size=20) | st.from_regex(r"-?[0-9]{0,14}\.?[0-9]{0,3}", fullmatch=True))
def test_a_text_is_an_amount_or_refused(text: str) -> None:
    """What is taken is what Decimal says, of ASCII digits with at most two decimals; nothing else is taken."""
    try:
        amount_fen = parse_yuan(text)
    except WrongForm:
        is_amount = re.fullmatch(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,2})?", text, re.ASCII) is not None
        assert not is_amount or not 1 <= Decimal(text) * 100 <= AMOUNT_FEN_MAX
    else:
        assert text.isascii()
        assert Decimal(text) * 100 == amount_fen


@given(st.decimals("-100000", "100000", places=5))
def test_a_fee_is_rounded_half_a_fen_away_from_nothing(fee: Decimal) -> None:
    text = f"{fee:.5f}"
    assert parse_fee(text) == int((Decimal(text) * 100).quantize(Decimal(1), ROUND_HALF_UP))


@given(st.from_type(object) | st.floats() | st.booleans() | st.integers())
def test_only_whole_numbers_are_fen(value: Any) -> None:
    if type(value) is int and 1 <= value <= AMOUNT_FEN_MAX:
        assert check_fen(value) == value
    else:
        with pytest.raises(WrongForm):
            check_fen(value)


@given(st.dictionaries(NAMES, TEXTS, max_size=8), st.randoms())
def test_what_is_signed_does_not_depend_on_the_order(values: dict[str, str], draw: Any) -> None:
    """And the simulators' own check finds our signature good, ours theirs, and neither another content's."""
    shuffled = list(values.items())
    draw.shuffle(shuffled)
    text = signed_text(dict(shuffled), ("sign", "sign_type"))
    assert text == signed_text(values, ("sign", "sign_type"))
    assert keys.is_signed(KEY.public_key(), text, sign(KEY, text))
    verify(KEY.public_key(), text, keys.signature_of(KEY, text))
    assert not keys.is_signed(KEY.public_key(), text + b"&", sign(KEY, text))
    with pytest.raises(WrongSignature):
        verify(KEY.public_key(), text + b"&", keys.signature_of(KEY, text))


@given(st.dictionaries(NAMES, TEXTS, min_size=1, max_size=8))
def test_a_form_is_read_as_it_was_written(values: dict[str, str]) -> None:
    """Escaped, as notices are; and plain, as UnionPay's answers are, where nothing in it would need an escape."""
    assert read_form(urlencode(values).encode()).values == values
    plain = {name: re.sub(r"[&{}]", "", value) for name, value in values.items()}
    assert read_plain_form("&".join(f"{name}={value}" for name, value in plain.items()).encode()).values == plain


def test_a_plain_form_keeps_what_is_in_braces_together() -> None:
    fields = read_plain_form(b"a={b=1&c=2}&d=MII==&e=")
    assert fields.values == {"a": "{b=1&c=2}", "d": "MII==", "e": ""}


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (read_form, read_plain_form, read_json):
        try:
            read(data)
        except WrongForm:
            continue


def test_a_fraction_in_json_stays_text() -> None:
    """No amount passes through a float."""
    assert read_json(b'{"a": 120.10, "b": 12}').values == {"a": "120.10", "b": 12}
    for wrong in (
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": 1, "a": 1}',
        b'{"x": {"a": 1, "a": 2}}',
        b"[1]",
        b'{"a": 1',
    ):
        with pytest.raises(WrongForm):
            read_json(wrong)
    assert json.loads('{"a": 1, "a": 2}') == {"a": 2}  # what would be taken otherwise


@given(SECONDS_MS)
def test_a_moment_comes_back_as_it_went(time_ms: int) -> None:
    assert parse_beijing(beijing_text(time_ms), "t") == time_ms
    assert parse_beijing(beijing_text(time_ms, COMPACT), "t", COMPACT) == time_ms
    assert parse_offset(offset_text(time_ms), "t") == time_ms
    assert offset_text(time_ms).endswith("+08:00")


@pytest.mark.parametrize(
    ("near", "text", "year"),
    [
        (date(2026, 1, 1), "1231235959", 2025),
        (date(2026, 12, 31), "0101000001", 2027),
        (date(2026, 11, 18), "1118190640", 2026),
        (date(2028, 3, 1), "0229120000", 2028),
    ],
)
def test_a_moment_without_its_year_is_the_nearest_one(near: date, text: str, year: int) -> None:
    assert beijing_day(parse_without_year(text, "t", near)).year == year


@pytest.mark.parametrize(
    "text", ["0230120000", "1301000000", "111819064", "11181906400", "１１18190640", "0229120000", "1118250000"]
)
def test_what_is_no_moment_without_a_year(text: str) -> None:
    with pytest.raises(WrongForm):
        parse_without_year(text, "t", date(2026, 11, 18))


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30 10:00:00",
        "2026-11-18 24:00:00",
        "2026-11-18T10:00:00",
        "２026-11-18 10:00:00",
        "",
        "0000-01-01 00:00:00",
    ],
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(WrongForm):
        parse_beijing(text, "t", SECONDS)
    with pytest.raises(WrongForm):
        parse_offset(text, "t")
