"""Canonical bytes: one spelling for each value, and nothing but our own errors for everything else (DESIGN 4)."""

from __future__ import annotations

import struct
import sys
import unicodedata
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import Block, FinalBlock, Header, Outcome
from chain.codec import Wire, decode, encode, verify_text
from chain.errors import ChainError, Malformed, NotCanonical, TextRefused
from chain.genesis import Genesis, genesis_from_json, genesis_to_json
from chain.operation import IssueBill, Operation, RangeRef, TakeLease
from chain.proof import Proof
from chain.records import Record
from chain.transaction import Entry, Transaction
from chain.validators import Certificate, ValidatorSet
from tests.chain.making import Chain, genesis, issue_bill

KINDS: list[Any] = [
    Operation,
    Entry,
    Transaction,
    Header,
    Outcome,
    Block,
    FinalBlock,
    Certificate,
    ValidatorSet,
    Genesis,
    Record,
    Proof,
    list[Outcome],
]


class Small(Wire, frozen=True):
    number: int
    text: str
    data: bytes
    flag: bool


SMALL = Small(1, "a", b"b", True)
BYTES = encode(SMALL)


def spelt(*parts: bytes) -> bytes:
    """An array of parts that are spelt already."""
    return bytes([0x90 + len(parts)]) + b"".join(parts)


ONE, TEXT, DATA, TRUE = b"\x01", b"\xa1a", b"\xc4\x01b", b"\xc3"


def test_a_struct_is_the_array_of_its_fields() -> None:
    assert spelt(ONE, TEXT, DATA, TRUE) == BYTES == msgpack.packb([1, "a", b"b", True])
    assert decode(BYTES, Small) == SMALL


@pytest.mark.parametrize(
    "data",
    [
        spelt(b"\xcc\x01", TEXT, DATA, TRUE),  # 1 as uint 8
        spelt(b"\xcd\x00\x01", TEXT, DATA, TRUE),
        spelt(b"\xcf" + bytes(7) + b"\x01", TEXT, DATA, TRUE),
        spelt(b"\xd0\x01", TEXT, DATA, TRUE),  # 1 as int 8
        spelt(ONE, b"\xd9\x01a", DATA, TRUE),  # str 8
        spelt(ONE, TEXT, b"\xc5\x00\x01b", TRUE),  # bin 16
        b"\xdc\x00\x04" + BYTES[1:],  # array 16
        b"\xdd\x00\x00\x00\x04" + BYTES[1:],  # array 32
    ],
)
def test_another_spelling_of_the_same_value_is_refused(data: bytes) -> None:
    """The MessagePack specification allows all of these; DESIGN 4 allows one."""
    with pytest.raises(NotCanonical):
        decode(data, Small)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        BYTES[:-1],
        BYTES + b"\x00",
        BYTES + BYTES,
        spelt(ONE, TEXT, DATA),  # a field missing
        spelt(ONE, TEXT, DATA, TRUE, TRUE),  # a field too many
        b"\x84" + b"\xa6number\x01\xa4text\xa1a\xa4data\xc4\x01b\xa4flag\xc3",  # a map
        spelt(TRUE, TEXT, DATA, TRUE),  # a boolean for an integer
        spelt(ONE, TEXT, DATA, ONE),  # an integer for a boolean
        spelt(struct.pack(">Bd", 0xCB, 1.0), TEXT, DATA, TRUE),  # a float
        spelt(b"\xca\x3f\x80\x00\x00", TEXT, DATA, TRUE),
        spelt(ONE, DATA, DATA, TRUE),  # bytes for text
        spelt(ONE, TEXT, TEXT, TRUE),  # text for bytes
        spelt(ONE, b"\xa3\xed\xa0\x80", DATA, TRUE),  # a lone surrogate in UTF-8
        spelt(ONE, b"\xa1\xff", DATA, TRUE),  # no UTF-8
        spelt(ONE, b"\xa2\xc0\x80", DATA, TRUE),  # zero, overlong
        spelt(b"\xd6\xff\x00\x00\x00\x00", TEXT, DATA, TRUE),  # a timestamp (ext -1)
        spelt(b"\xd4\x05\x00", TEXT, DATA, TRUE),  # ext 5
        spelt(b"\xc0", TEXT, DATA, TRUE),
        b"\xc1",  # never used
        b"\xdd\xff\xff\xff\xff",  # an array of 2^32 - 1 and nothing in it
        b"\xdf\xff\xff\xff\xff",
        b"\xdb\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x91" * 100_000 + b"\xc0",
        b"\x81\x01" * 100_000 + b"\xc0",
    ],
)
def test_what_is_no_such_value_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode(data, Small)


@pytest.mark.parametrize("kind", [Any, list[Any], Proof, Genesis, Transaction])
@pytest.mark.parametrize("unit", [b"\x91", b"\x81\x00", b"\xdd\x00\x00\x00\x01"])
def test_nesting_100_000_deep_is_malformed(kind: Any, unit: bytes) -> None:
    """RELIABILITY 4.2: stock decoders raise RecursionError or StackError here."""
    with pytest.raises(Malformed):
        decode(unit * 100_000 + b"\xc0", kind)


@pytest.mark.parametrize("kind", KINDS)
def test_an_announced_array_of_2_to_the_32_takes_no_memory(kind: Any) -> None:
    with pytest.raises(Malformed):
        decode(b"\xdd\xff\xff\xff\xff" + b"\x00" * 1000, kind)


@pytest.mark.parametrize("value", ["\ud800", 2**64, -(2**63) - 1, object(), {1, 2}.__iter__()])
def test_what_has_no_canonical_form_is_not_encoded(value: object) -> None:
    with pytest.raises(Malformed):
        encode([value])


def test_a_number_outside_its_field_s_bounds_is_malformed() -> None:
    good = TakeLease(RangeRef("hospital-a", "33060126", 1), 1, 10, "hospital-a", "A01")
    plain = [201, ["hospital-a", "33060126", 1], 1, 10, "hospital-a", "A01"]
    assert decode(msgpack.packb(plain), Operation) == good
    for place, value in [
        (2, -1),
        (2, 10**10),
        (3, 2**53 + 1),
        (4, "Hospital"),
        (4, "a\n"),
        (5, "A 1"),
        (5, ""),
        (0, 999),
    ]:
        wrong = list(plain)
        wrong[place] = value
        with pytest.raises(Malformed):
            decode(msgpack.packb(wrong), Operation)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(KINDS))
def test_random_bytes_raise_our_errors_only(data: bytes, kind: Any) -> None:
    try:
        value = decode(data, kind)
    except ChainError:
        return
    assert encode(value) == data


def _samples() -> list[tuple[Any, bytes]]:
    chain = Chain()
    chain.lease()
    operation = issue_bill()
    view = chain.block([chain.sign("hospital-a", operation)])
    return [
        (Operation, encode(operation)),
        (Transaction, encode(view.block.transactions[0])),
        (FinalBlock, encode(FinalBlock(view.block, view.certificate))),
        (Genesis, encode(chain.genesis)),
        (Proof, encode(chain.proof(operation.bill))),
    ]


SAMPLES = _samples()


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_mutations_of_real_bytes_raise_our_errors_only(data: st.DataObject) -> None:
    """A few bytes overwritten, cut out or put in; whatever still decodes is spelt canonically."""
    kind, sample = data.draw(st.sampled_from(SAMPLES))
    mutated = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(mutated)))
        removed = data.draw(st.integers(0, 3))
        mutated[place : place + removed] = data.draw(st.binary(max_size=3))
    try:
        value = decode(bytes(mutated), kind)
    except ChainError:
        return
    assert encode(value) == mutated


leaf_values = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=40) | st.binary(max_size=40)
)


@settings(max_examples=200, deadline=None)
@given(st.recursive(leaf_values, lambda inner: st.lists(inner, max_size=20), max_leaves=40))
def test_our_bytes_are_those_of_a_second_library(value: Any) -> None:
    """`msgpack` is the independent check (DESIGN 4)."""
    assert encode([value]) == msgpack.packb([value])
    assert decode(msgpack.packb([value]), Any) == [value]


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["", "a", "Zhāng", "张三", "阿司匹林 100mg×30", "①", "\U00020bb7", "\ue000"])
def test_text_in_normal_form_is_stored(text: str) -> None:
    verify_text(text)


@pytest.mark.parametrize(
    "text", ["a\u0301", "\u212b", "\ud800", "a\nb", "\t", "\x7f", "\x85", "\u2028", "\u2029", "\x00", "\U0010ffff"]
)
def test_text_that_is_not_is_refused(text: str) -> None:
    """NFD and singletons, lone surrogates, control characters, line ends, unassigned code points."""
    with pytest.raises(TextRefused):
        verify_text(text)


@pytest.mark.parametrize("character", ["\u202a", "\u202e", "\u2066", "\u2069"])
def test_text_that_turns_the_direction_of_writing_is_refused(character: str) -> None:
    """They make a face show another order than what is signed."""
    with pytest.raises(TextRefused):
        verify_text(f"a{character}b")


def test_a_genesis_with_another_spelling_of_a_name_is_refused() -> None:
    text = genesis_to_json(genesis()).replace("small province", "sma\u0301ll province")
    with pytest.raises(ChainError):
        genesis_from_json(text)


def test_types_are_decoded_once_for_each_kind() -> None:
    assert decode(encode(issue_bill()), IssueBill) == issue_bill()
    assert msgspec.msgpack.encode(issue_bill()) == encode(issue_bill())


def test_no_code_point_is_judged_otherwise_because_it_can_be_printed() -> None:
    """Printable texts are not looked at character by character."""
    refused = {"Cc", "Cs", "Cn", "Zl", "Zp"}
    turning = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    for character in map(chr, range(sys.maxunicode + 1)):
        if character.isprintable():
            assert unicodedata.category(character) not in refused
            assert character not in turning
