"""Random and mutated bytes: our own refusals only, and nothing accepted that was not signed as it stands.

Source: RELIABILITY 1.2 rows 2, 5, 16, 18, 19; Y8, Y9, Y15.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from chain.codec import decode
from chain.errors import ChainError
from chain.genesis import genesis_to_json
from chain.signature import is_signature
from chain.validators import ValidatorSet
from consensus.errors import ConsensusError
from consensus.evidence import check_evidence
from consensus.wire import decode_message, verify_message
from node.errors import PeerRefused
from node.frame import HELLO, VERSION, exchange_hello, frame_head
from tests.consensus.test_wire import VECTORS, vector_set
from tests.fuzz.targets import CHAIN_ID, GENESIS, STRUCTS, TARGETS
from tests.node.test_evidence import evidence

CALM = settings(
    max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)
SIGNED = ("PrePrepare", "Prepare", "Commit", "ViewChange", "NewView")
VALID = {
    "message": [bytes.fromhex(data) for data in VECTORS["messages"].values()],
    "evidence": [evidence(), evidence(2)],
    "genesis": [genesis_to_json(GENESIS).encode()],
}

# Points of small order and their spellings that are not canonical: a signature by one holds for many messages.
SMALL_ORDER = [
    bytes.fromhex(point)
    for point in (
        "01" + "00" * 31,
        "01" + "00" * 30 + "80",
        "ec" + "ff" * 30 + "7f",
        "ec" + "ff" * 31,
        "00" * 32,
        "00" * 31 + "80",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
]


# ── any bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_refused_in_our_words(name: str) -> None:
    """Row 19: a decoder returns or refuses."""

    @CALM
    @given(some.binary(max_size=400))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()


@pytest.mark.parametrize("name", VALID)
def test_valid_bytes_that_were_changed_are_refused_in_our_words(name: str) -> None:
    @CALM
    @given(some.sampled_from(VALID[name]), some.integers(0), some.binary(max_size=6), some.integers(0, 6))
    def run(data: bytes, at: int, instead: bytes, cut: int) -> None:
        place = at % (len(data) + 1)
        TARGETS[name](data[:place] + instead + data[place + cut :])

    run()


def test_deep_nesting_is_refused_by_every_struct() -> None:
    """A depth that would end the interpreter's stack."""
    for depth in (100, 5_000, 100_000):
        for kind in STRUCTS:
            with pytest.raises(ChainError):
                decode(b"\x91" * depth + b"\xc0", kind)


def test_long_spellings_of_a_message_are_refused() -> None:
    """Row 5: one spelling counts. The length of the array, its tag and its numbers written longer than they need."""
    for data in VALID["message"]:
        assert data[0] & 0xF0 == 0x90
        longer = b"\xdc" + (data[0] & 0x0F).to_bytes(2, "big") + data[1:]
        for changed in (longer, data[:1] + b"\xcc" + data[1:], data + b"\x00", data[:-1]):
            with pytest.raises(ConsensusError):
                decode_message(changed)


# ── small changes of signed messages ─────────────────────────────────────────────────────────────────────────────────


def places(value: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    yield path
    if isinstance(value, list):
        for index, entry in enumerate(value):
            yield from places(entry, (*path, index))


def at(value: Any, path: tuple[int, ...]) -> Any:
    for index in path:
        value = value[index]
    return value


def changes(value: Any, others: list[Any]) -> Iterator[Any]:
    """What a liar would put in a field's place: off by one, a neighbour's value, less, more, twice, in another order."""
    match value:
        case bool() | None:
            yield 0
        case int():
            yield from (value + 1, value - 1, 0, 2**32, 2**53, 2**63)
        case bytes():
            yield from (bytes([value[0] ^ 1]) + value[1:], value[:-1] + bytes([value[-1] ^ 0x80]), value[:-1], b"")
        case str():
            yield from (value + "a", "")
        case list():
            yield from (value[:-1], value[1:], value + value[-1:], value[::-1], [*value, None])
            if len(value) > 1:
                yield [value[1], value[0], *value[2:]]
                yield [value[0], *value[:1], *value[2:]]
    yield None
    yield from (other for other in others if type(other) is type(value))


@pytest.mark.parametrize("kind", SIGNED)
def test_no_small_change_of_a_signed_message_is_taken(kind: str) -> None:
    """Y8: every field, one at a time: off by one, of another message, cut, doubled, unsorted, under another tag."""
    original = bytes.fromhex(VECTORS["messages"][kind])
    tree = msgspec.msgpack.decode(original)
    others = [msgspec.msgpack.decode(bytes.fromhex(VECTORS["messages"][other])) for other in SIGNED if other != kind]
    members, chain_id = vector_set(), bytes.fromhex(VECTORS["chain_id"])
    tried = 0
    for path in places(tree):
        if not path:
            continue
        neighbours = [other[path[0]] for other in others if path[0] < len(other)] if len(path) == 1 else []
        parent = at(tree, path[:-1])
        neighbours += [entry for entry in parent if entry != at(tree, path)][:2]
        for change in changes(at(tree, path), neighbours):
            changed = copy.deepcopy(tree)
            at(changed, path[:-1])[path[-1]] = change
            data = msgspec.msgpack.encode(changed)
            if data == original:
                continue
            tried += 1
            with pytest.raises(ConsensusError):
                verify_message(decode_message(data), members, chain_id)
    assert tried > 20


def test_no_message_of_another_chain_or_epoch_is_taken() -> None:
    """Y9."""
    for kind in SIGNED:
        message = decode_message(bytes.fromhex(VECTORS["messages"][kind]))
        with pytest.raises(ConsensusError):
            verify_message(message, vector_set(), bytes(32))
        with pytest.raises(ConsensusError):
            verify_message(message, vector_set(2), bytes.fromhex(VECTORS["chain_id"]))


@pytest.mark.parametrize("point", SMALL_ORDER, ids=lambda point: point.hex()[:8] + point.hex()[-2:])
def test_a_key_of_small_order_signs_nothing(point: bytes) -> None:
    """Y15: whoever had such a key in a seat could not be held to one message; votes and ViewChanges refuse it alike."""
    members, chain_id = vector_set(), bytes.fromhex(VECTORS["chain_id"])
    seats = [msgspec.structs.replace(member, key=point) for member in members.members]
    weak = ValidatorSet(members.epoch, seats)
    for first in (*SMALL_ORDER, bytes([1]) + bytes(31)):
        signature = first + bytes(32)
        assert not is_signature(point, bytes(32), signature)
        for kind in SIGNED:
            message = decode_message(bytes.fromhex(VECTORS["messages"][kind]))
            with pytest.raises(ConsensusError):
                verify_message(msgspec.structs.replace(message, signature=signature), weak, chain_id)


def test_every_byte_of_evidence_counts() -> None:
    """Y14: no change of one bit still convicts somebody."""
    right = evidence()
    check_evidence(right, GENESIS)
    for place in range(len(right)):
        for bit in (1, 0x80):
            with pytest.raises(ConsensusError):
                check_evidence(right[:place] + bytes([right[place] ^ bit]) + right[place + 1 :], GENESIS)


# ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_any_first_frame_is_refused_or_is_the_hello() -> None:
    """Row 18: a length is not believed."""
    said = bytes([VERSION]) + CHAIN_ID
    hello = frame_head(HELLO, len(said)) + said

    async def greet(data: bytes) -> None:
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        await exchange_hello(reader, cast(asyncio.StreamWriter, SimpleNamespace(write=lambda _data: None)), CHAIN_ID)

    @CALM
    @given(some.binary(max_size=80) | some.tuples(some.integers(0, len(hello) - 1), some.binary(max_size=2)))
    def run(given_data: bytes | tuple[int, bytes]) -> None:
        data = given_data
        if isinstance(data, tuple):
            data = hello[: data[0]] + data[1] + hello[data[0] + len(data[1]) :]
        try:
            asyncio.run(greet(data))
        except (PeerRefused, asyncio.IncompleteReadError):
            return
        assert data.startswith(hello)

    run()
    asyncio.run(greet(hello))
