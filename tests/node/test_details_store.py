"""The office's store of details (DESIGN 6, PROTOCOL 17): kept after its flush, sealed at rest, for their issuer only."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from chain import keyspace
from chain.codec import encode
from chain.details import FIELD_IDS, Details, Fields
from chain.errors import Malformed, StorageDamaged
from chain.records import BillBody
from node import details_store
from node.details_store import DetailsStore
from node.errors import PeerRefused
from node.messages import PutDetails, decode_question
from tests.chain.making import Chain, bill_id, details, issue_bill

STORAGE_KEY = bytes(range(32))
CANARY = ("Synthetic Person", "TEST-000001")


class Held:
    """A store beside a chain; `reopen` is a restart."""

    def __init__(self, data: Path) -> None:
        self.data, self.thread, self.chain = data, ThreadPoolExecutor(1), Chain()
        self.chain.lease()
        DetailsStore.create(data)
        self.kept: list[tuple[str, list[str]]] = []
        self.store = self.open()

    def open(self, key: bytes = STORAGE_KEY) -> DetailsStore:
        state = self.chain.ledger.state
        issuers = ["hospital-a", "hospital-b"]
        store = DetailsStore.open(
            self.data, key, issuers, lambda bill: state.get(keyspace.bill(bill), BillBody), self.thread
        )
        store.on_kept.append(lambda issuer, bills: self.kept.append((issuer, list(bills))))
        return store

    def reopen(self, key: bytes = STORAGE_KEY) -> None:
        self.store.close()
        self.store = self.open(key)

    def record(self, serial: int) -> None:
        bill = issue_bill(f"B-{serial}", serial=serial)
        self.store.on_final(self.chain.block([self.chain.sign("hospital-a", bill)]))


def of(serial: int, **changes: object) -> Details:
    return details(bill_id(serial), business_no=f"B-{serial}", **changes)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    held = Held(tmp_path)
    yield held
    held.store.close()
    held.thread.shutdown()


async def test_details_are_kept_before_and_after_their_bill_is_final(held: Held) -> None:
    """What is answered is on the disk: also after a restart."""
    assert await held.store.put("hospital-a", [of(1), of(2)]) == [bill_id(1), bill_id(2)]
    held.record(1)
    held.reopen()

    assert held.store.get("hospital-a", bill_id(1)) == of(1)
    assert held.store.not_final == {"hospital-a": 1, "hospital-b": 0}
    assert held.store.bills_of_business_no("hospital-a", "B-2") == [bill_id(2)]


async def test_the_same_details_again_are_kept_and_nothing_is_new(held: Held) -> None:
    """A gateway asks again after silence."""
    await held.store.put("hospital-a", [of(1)])
    assert await held.store.put("hospital-a", [of(1)]) == [bill_id(1)]

    assert held.kept == [("hospital-a", [bill_id(1)]), ("hospital-a", [])]


async def test_only_hospitals_of_this_office_may_deliver_and_fetch(held: Held) -> None:
    """Per genesis; each only its own."""
    for issuer in ("hospital-z", "finance"):
        with pytest.raises(PeerRefused, match="not_supervised"):
            await held.store.put(issuer, [of(1)])
        with pytest.raises(PeerRefused, match="not_supervised"):
            await held.store.get_many(issuer, [bill_id(1)])
    await held.store.put("hospital-a", [of(1)])

    assert await held.store.get_many("hospital-b", [bill_id(1)]) == []
    assert await held.store.get_many("hospital-a", [bill_id(9), bill_id(1)]) == [of(1)]


async def test_nobody_delivers_for_another_s_bill(held: Held) -> None:
    """Before it is final both are kept, each for himself; after it, only the issuer's."""
    held.record(1)
    assert await held.store.put("hospital-b", [of(1)]) == []
    await held.store.put("hospital-b", [of(2, cashier="of b")])
    held.record(2)
    await held.store.put("hospital-a", [of(2)])

    assert held.store.get("hospital-a", bill_id(2)) == of(2)


async def test_wrong_details_never_replace_right_ones(held: Held) -> None:
    """And right ones do replace wrong ones."""
    wrong = of(1, cashier="somebody else")
    await held.store.put("hospital-a", [wrong])
    held.record(1)
    await held.store.put("hospital-a", [of(1, total_fen=12_345)])
    await held.store.put("hospital-a", [wrong])

    assert held.store.get("hospital-a", bill_id(1)) == of(1)


async def test_too_many_details_without_a_bill_are_not_kept(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound is per issuer; the gateway sends them again, and those of final bills are taken all the same."""
    monkeypatch.setattr(details_store, "NOT_FINAL_MAX", 2)

    assert await held.store.put("hospital-a", [of(1), of(2), of(3)]) == [bill_id(1), bill_id(2)]
    assert held.store.turned_away == 1
    held.record(3)
    assert await held.store.put("hospital-a", [of(3), of(4)]) == [bill_id(3)]
    held.record(1)
    assert await held.store.put("hospital-a", [of(4)]) == [bill_id(4)]
    held.reopen()
    assert held.store.not_final["hospital-a"] == 2


@pytest.mark.parametrize(
    "fields",
    [
        [(1, "b"), (0, "a")],
        [(0, "a"), (0, "a")],
        [(31, "a")],
        [(-1, "a")],
        [(0, 5)],
        [(0, None)],
        [(0, ["a"])],
        [(0, [["a"]])],
        [(FIELD_IDS["charges"], "a")],
        [(FIELD_IDS["charges"], [1])],
        [(FIELD_IDS["charges"], [[1, [2]]])],
        [(FIELD_IDS["charges"], [[None]])],
        [(FIELD_IDS["items"], [["a"]] * 3_000)],
    ],
)
async def test_what_cannot_be_details_is_refused_whole(held: Held, fields: list[tuple[int, object]]) -> None:
    """Hostile input raises our classes only."""

    async def send() -> None:
        bad = Details(bill_id(2), bytes(range(32)), cast(Fields, fields))
        question = cast(PutDetails, decode_question(encode(PutDetails([of(1), bad]))))
        await held.store.put("hospital-a", question.details)

    with pytest.raises(Malformed):
        await send()

    assert held.store.get("hospital-a", bill_id(1)) is None


async def test_nothing_personal_lies_open_on_the_disk(held: Held) -> None:
    """DESIGN 1: details at rest are sealed under the storage key; without it nothing can be read."""
    await held.store.put("hospital-a", [of(1)])
    for _key, value in held.store.database.scan(b""):
        assert not any(text.encode() in value for text in CANARY)
    for path in held.data.rglob("*"):
        if path.is_file():
            assert not any(text.encode() in path.read_bytes() for text in (*CANARY, "B-1"))

    held.reopen(key=bytes(32))
    with pytest.raises(StorageDamaged):
        held.store.get("hospital-a", bill_id(1))
    assert held.store.bills_of_business_no("hospital-a", "B-1") == []
