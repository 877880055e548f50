"""What lies on the disk for a record: shorter for nearly all, and the same bytes again when read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain import keyspace
from chain.codec import encode
from chain.digest import EMPTY_DIGEST
from chain.records import Record
from chain.stored_record import entry_of, shortened, stored_entry, whole
from tests.chain.making import mac

DIGESTS = st.sampled_from([EMPTY_DIGEST, bytes([1]) * 32, bytes([2]) * 32])
# at the edges of msgpack's integers
NUMBERS = st.one_of(
    st.sampled_from([0, 1, 2, 127, 128, 255, 256, 65_535, 65_536, 2**32 - 1, 2**32, 2**53]), st.integers(0, 2**53)
)
RECORDS = st.builds(Record, NUMBERS, NUMBERS, DIGESTS, DIGESTS, DIGESTS, st.binary(max_size=300))


@given(record=RECORDS, place=st.integers(0, 2**64 - 1))
def test_every_record_comes_back_byte_for_byte(record: Record, place: int) -> None:
    assert entry_of(stored_entry(place, encode(record))) == (place, encode(record))


@given(record=RECORDS)
def test_only_a_first_version_of_one_operation_is_shortened(record: Record) -> None:
    data = encode(record)
    is_plain = record.version == 1 and record.former == EMPTY_DIGEST and record.origin == record.operation
    assert len(data) - len(shortened(data)) == (2 * 34 if is_plain else 0)
    assert whole(shortened(data)) == data


@given(one=st.binary(max_size=120), other=st.binary(max_size=120))
def test_no_two_record_keys_lie_under_one(one: bytes, other: bytes) -> None:
    """A peer may ask for any key."""
    for left, right in ((one, other), (b"business/" + one, b"business/" + other)):
        assert (keyspace.stored_record(left) == keyspace.stored_record(right)) == (left == right)


@pytest.mark.parametrize(
    "text",
    [
        mac("a").hex().upper(),
        mac("a").hex()[:-2],
        mac("a").hex() + "00",
        mac("a").hex()[:-1] + "g",
        " " + mac("a").hex()[:-1],
        mac("a").hex()[:-3] + "é",
        "",
    ],
)
def test_what_is_no_business_number_lies_as_it_is_spelt(text: str) -> None:
    key = f"business/hospital-a/{text}".encode()
    assert keyspace.stored_record(key).endswith(key)
    assert keyspace.stored_record(key) != keyspace.stored_record(keyspace.business("hospital-a", mac("a")))


def test_a_business_number_lies_under_its_mac() -> None:
    """Two hospitals may have the same."""
    one, other = (keyspace.stored_record(keyspace.business(name, mac("a"))) for name in ("hospital-a", "hospital-b"))
    assert one[1:33] == other[1:33] == mac("a")
    assert one != other
    assert len(one) == 1 + 32 + len("hospital-a")
