"""The check of a log of accesses: whatever was changed or taken out since the anchor is named (FEATURES 33)."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from chain import keyspace
from chain.access_anchor import ANCHOR_PROOF_VERSION, AnchorProof, check_anchor
from chain.accesses import EMPTY_ANCHOR, Access, check_accesses
from chain.certified import CurrentRecord
from chain.codec import encode
from chain.digest import EMPTY_DIGEST
from chain.errors import ChainError, ProofMismatch, ProofRefused
from chain.operation import AnchorAccesses
from chain.state import record_of
from tests.chain.making import Chain, bill_id

OFFICE = "finance-city"


def log_of(count: int) -> list[Access]:
    entries: list[Access] = []
    head = EMPTY_DIGEST
    for number in range(1, count + 1):
        entry = Access(
            number, head, bill_id(number), "hospital-a", OFFICE, "auditor", "u-1", b"", "audit", "", 7, 1_000, 1_000, ["items"]
        )  # fmt: skip
        head = entry.digest()
        entries.append(entry)
    return entries


def spelt(entries: list[Access]) -> list[bytes]:
    return [encode(entry) for entry in entries]


def test_a_whole_log_holds_up_to_and_beyond_its_anchor() -> None:
    entries = log_of(5)
    for anchored in (EMPTY_ANCHOR, (3, entries[2].digest()), (5, entries[4].digest())):
        checked = check_accesses(spelt(entries), anchored)
        assert (checked.count, checked.anchored, checked.head) == (5, anchored[0], entries[4].digest())
    assert check_accesses([], EMPTY_ANCHOR).count == 0


def _without(place: int) -> Callable[[list[bytes]], list[bytes]]:
    return lambda rows: rows[:place] + rows[place + 1 :]


def _changed(place: int, **fields: object) -> Callable[[list[bytes]], list[bytes]]:
    def change(rows: list[bytes]) -> list[bytes]:
        entry = msgspec.structs.replace(log_of(5)[place], **fields)
        return [*rows[:place], encode(entry), *rows[place + 1 :]]

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without(0), "entry 1 is missing"),
        (_without(2), "entry 3 is missing"),
        (_without(4), "entries 5 to 5 are missing"),
        (lambda rows: [], "entries 1 to 5 are missing"),
        (_changed(1, subject="somebody"), "entry 2 was changed"),
        (_changed(4, purpose="own-affairs"), "entry 5 was changed"),
        (_changed(3, former=bytes(32)), "entry 3 was changed"),
        (lambda rows: [rows[0], rows[0], *rows[2:]], "entry 2 is missing"),
        (lambda rows: [rows[1], rows[0], *rows[2:]], "entry 1 is missing"),
        (lambda rows: [rows[0], rows[1][:-1], *rows[2:]], "entry 2 does not read"),
        (lambda rows: [*rows[:4], b""], "entry 5 does not read"),
    ],
)
def test_what_was_changed_or_taken_out_is_named(change: Callable[[list[bytes]], list[bytes]], says: str) -> None:
    entries = log_of(5)
    with pytest.raises(ProofMismatch, match=says):
        check_accesses(change(spelt(entries)), (5, entries[4].digest()))


def test_every_byte_counts() -> None:
    """Of an entry in the middle: flipped anywhere, the log no longer holds."""
    rows = spelt(log_of(3))
    for place in range(len(rows[1])):
        altered = bytearray(rows[1])
        altered[place] ^= 0x01
        with pytest.raises(ProofMismatch):
            check_accesses([rows[0], bytes(altered), rows[2]], (3, log_of(3)[2].digest()))


def test_a_log_made_anew_from_a_point_on_does_not_lead_to_its_anchor() -> None:
    """Its keeper makes a chain that holds in itself: the ledger has the head of the other one."""
    entries = log_of(5)
    forged = entries[:2]
    for number in (3, 4, 5):
        forged.append(msgspec.structs.replace(entries[number - 1], former=forged[-1].digest(), subject="nobody"))
    assert check_accesses(spelt(forged), EMPTY_ANCHOR).count == 5
    with pytest.raises(ProofMismatch, match="entry 5 was changed: the ledger has another digest"):
        check_accesses(spelt(forged), (5, entries[4].digest()))


# ── the anchor's file ────────────────────────────────────────────────────────────────────────────────────────────────


def anchored(chain: Chain, office: str = OFFICE) -> AnchorProof:
    entry = chain.ledger.state.entry(keyspace.accesses(office))
    assert entry is not None
    place, data = entry
    view = chain.view(chain.height)
    current = CurrentRecord(place, record_of(data), chain.ledger.state.path(place), view.header, view.certificate)
    return AnchorProof(ANCHOR_PROOF_VERSION, [], office, current)


def test_an_anchor_is_proven_by_the_genesis_file_alone() -> None:
    chain = Chain()
    assert chain.run(OFFICE, AnchorAccesses(1, 5, b"\x07" * 32)) == ["recorded"]
    recorded = chain.height
    chain.block()
    proven = check_anchor(encode(anchored(chain)), chain.genesis)
    assert (proven.office, proven.last, proven.head) == (OFFICE, 5, b"\x07" * 32)
    assert (proven.anchored_height, proven.height) == (recorded, chain.height)


def test_no_other_record_or_office_passes_for_it() -> None:
    chain = Chain()
    assert chain.run(OFFICE, AnchorAccesses(1, 5, b"\x07" * 32)) == ["recorded"]
    good = anchored(chain)
    for bad in (
        msgspec.structs.replace(good, office="finance"),
        msgspec.structs.replace(good, version=6),
        msgspec.structs.replace(good, current=msgspec.structs.replace(good.current, place=good.current.place + 1)),
    ):
        with pytest.raises((ProofRefused, ChainError)):
            check_anchor(encode(bad), chain.genesis)
    data = encode(good)
    for place in range(0, len(data), 7):
        altered = bytearray(data)
        altered[place] ^= 0x10
        with pytest.raises(ChainError):
            check_anchor(bytes(altered), chain.genesis)
