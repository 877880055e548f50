"""The office's seal (DESIGN 6): over every final bill whose details are here and add up, once, at once, over crashes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest

from chain import keyspace
from chain.bill import Charge
from chain.details import Details, details_root, reversal_details
from chain.operation import IssueBill, SealBills, SealSegment
from chain.records import COVERED, WITHHELD, BillBody, WatermarkBody
from chain.transaction import Transaction
from node.details_store import DetailsStore
from node.seal_index import SealIndex
from node.sealer import ALARM_MS, Sealer
from tests.chain.making import Chain, bill_id, details, genesis, issue_bill, key_of, reverse_bill
from tests.node.following import drop_ledger, make_ledger, open_ledger

OFFICE = "finance-city"
STORAGE_KEY = bytes(range(32))
WAIT_S = 5.0


class Office:
    """An archive's sealer over a real ledger, and the province that takes what it sends."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.now_s = 1000.0
        self.sent: list[Transaction] = []
        self.thread = ThreadPoolExecutor(1)
        self.chain = Chain(ledger=make_ledger(home, genesis()))
        DetailsStore.create(home)
        self.start()
        self.first = {issuer: self.chain.lease(issuer) for issuer in ("hospital-a", "hospital-b")}

    def start(self) -> None:
        ledger = self.chain.ledger
        self.store = DetailsStore.open(
            self.home,
            STORAGE_KEY,
            ["hospital-a", "hospital-b"],
            lambda bill: ledger.state.get(keyspace.bill(bill), BillBody),
            self.thread,
        )
        self.index = SealIndex(self.store.database, ledger)
        self.sealer = Sealer(
            ledger,
            self.store,
            self.index,
            office=OFFICE,
            key=key_of("finance-city/seal"),
            send=self.sent.extend,
            thread=self.thread,
            now_s=lambda: self.now_s,
            wall_ms=lambda: self.chain.time_ms,
        )

    def kill(self) -> None:
        """kill -9, and another start."""
        self.store.close()
        drop_ledger(self.chain.ledger)
        self.chain.ledger = open_ledger(self.home, self.chain.genesis)
        self.sent.clear()
        self.start()

    def close(self) -> None:
        self.store.close()
        self.chain.ledger.close()
        self.thread.shutdown()

    def block(self, *transactions: Transaction) -> list[str]:
        view = self.chain.block(list(transactions))
        for heard in (self.store.on_final, self.index.on_final, self.sealer.on_final):
            heard(view)
        return [outcome.code for outcome in view.outcomes]

    def issue(self, *serials: int, issuer: str = "hospital-a") -> list[IssueBill]:
        """A block with bills."""
        bills = [
            issue_bill(f"{issuer} {serial}", serial=serial, issuer=issuer, lease_first=self.first[issuer])
            for serial in serials
        ]
        assert set(self.block(self.chain.sign(issuer, *bills))) == {"recorded"}
        return bills

    async def deliver(self, *bills: IssueBill, issuer: str = "hospital-a") -> list[str]:
        return await self.store.put(issuer, [self.details_of(bill, issuer) for bill in bills])

    def details_of(self, bill: IssueBill, issuer: str = "hospital-a") -> Details:
        return details(bill.bill, business_no=f"{issuer} {int(bill.bill[8:])}", total_fen=bill.total_fen)

    async def seals(self) -> list[SealBills]:
        """What the sealer sends now."""
        await self.sealer.step()
        found = [entry.operation for transaction in self.sent for entry in transaction.entries]
        return [operation for operation in found if isinstance(operation, SealBills)]

    async def make_final(self) -> list[str]:
        """A block with everything that was sent."""
        await self.sealer.step()
        sent = list({entry.signature: entry for entry in self.sent}.values())
        self.sent.clear()
        return self.block(*sent)

    def watermark(self, issuer: str = "hospital-a") -> int:
        body = self.chain.ledger.state.get(keyspace.watermark(OFFICE, issuer), WatermarkBody)
        return body.upto if body else 0


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


async def test_a_bill_is_sealed_as_soon_as_its_details_are_here(office: Office) -> None:
    """No timer in between: the details came before the block, as they mostly do."""
    await office.deliver(issue_bill("hospital-a 1", serial=1, lease_first=1))
    (bill,) = office.issue(1)

    (seal,) = await office.seals()

    height = office.chain.height
    assert [(segment.issuer, segment.after, segment.upto) for segment in seal.segments] == [("hospital-a", 0, height)]
    assert seal.header == office.chain.ledger.block_digest(height)
    assert await office.make_final() == ["recorded"]
    assert office.watermark() == office.chain.bill(bill.bill).height
    assert office.store.not_final == {"hospital-a": 0, "hospital-b": 0}


async def test_blocks_without_bills_are_not_sealed(office: Office) -> None:
    """Otherwise a seal would ask for the next one for ever."""
    await office.deliver(*office.issue(1))
    await office.make_final()
    office.block()

    assert await office.seals() == []


async def test_a_seal_reaches_up_to_the_first_bill_that_lacks_details(office: Office) -> None:
    """The highest contiguous height that is ready; nobody waits for a timer."""
    first = office.issue(1)
    missing = office.issue(2)
    third = office.issue(3)
    await office.deliver(*first, *third)

    (seal,) = await office.seals()
    assert seal.segments[0].upto == office.chain.bill(first[0].bill).height
    await office.make_final()
    assert await office.seals() == []

    await office.deliver(*missing)
    (seal,) = await office.seals()
    assert seal.segments[0].upto == office.chain.bill(third[0].bill).height
    assert seal.exceptions == []


async def test_two_hospitals_share_a_seal_and_do_not_wait_for_each_other(office: Office) -> None:
    """A watermark per office and issuer."""
    office.issue(1)
    other = office.issue(100_001, issuer="hospital-b")
    await office.deliver(*other, issuer="hospital-b")

    (seal,) = await office.seals()

    assert [segment.issuer for segment in seal.segments] == ["hospital-b"]


async def test_a_hospital_that_delivers_nothing_fills_its_own_share_and_holds_up_no_other(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by `medbill bench`: bills of a flood without details kept another hospital's from being sealed for a minute.
    Those that found no room are taken in later, over a restart too, and each is decided once."""
    monkeypatch.setattr("node.sealer.OPEN_BILLS_MAX", 6)
    silent = [bill for serial in range(1, 9) for bill in office.issue(serial)]
    (quick,) = office.issue(100_001, issuer="hospital-b")
    await office.deliver(quick, issuer="hospital-b")
    assert len(office.sealer.book.lines["hospital-a"].open) == 3

    (seal,) = await office.seals()
    assert [segment.issuer for segment in seal.segments] == ["hospital-b"]
    await office.make_final()
    assert office.chain.bill(quick.bill).seal == COVERED
    office.kill()
    for _ in range(8):
        office.now_s += WAIT_S
        await office.make_final()
        await office.make_final()
        assert office.sealer.book.open_count <= 6
    assert {office.chain.bill(bill.bill).seal for bill in silent} == {WITHHELD}
    assert office.watermark() >= office.chain.bill(silent[-1].bill).height
    assert office.sealer.counts["refused"] == 0
    await office.sealer.step()
    assert office.index.settled == office.chain.height


async def test_after_a_long_outage_a_hospital_with_more_bills_than_may_be_open_is_sealed_all_the_same(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No header that it has taken in may be named any more: it must go on taking in, however many are open."""
    monkeypatch.setattr("node.sealer.OPEN_BILLS_MAX", 4)
    bills = []
    for serial in range(1, 9):
        bills += office.issue(serial)
        others = office.issue(100_000 + serial, issuer="hospital-b")
        await office.deliver(*others, issuer="hospital-b")
        bills += others
    await office.deliver(*bills[::2])
    while office.chain.height < office.chain.genesis.parameters.replay_window + 20:
        office.block()
    for _ in range(4):
        await office.make_final()
    assert {office.chain.bill(bill.bill).seal for bill in bills} == {COVERED}
    assert office.watermark() >= office.chain.bill(bills[-1].bill).height


async def test_a_bill_without_details_becomes_an_exception_and_is_released_by_itself(office: Office) -> None:
    """After `details_wait_ms`; the reason is written to the bill's record, and so is the release."""
    (bill,) = office.issue(1)
    office.now_s += WAIT_S - 0.1
    assert await office.seals() == []
    office.now_s += 0.1

    (seal,) = await office.seals()
    assert [(entry.bill, entry.reason) for entry in seal.exceptions] == [(bill.bill, "details_missing")]
    await office.make_final()
    assert (office.chain.bill(bill.bill).seal, office.chain.bill(bill.bill).withheld) == (WITHHELD, "details_missing")
    standing = office.sealer.standing("hospital-a")
    assert standing is not None
    assert standing["withheld"] == [{"bill_id": bill.bill, "reason": "details_missing"}]
    assert await office.seals() == []

    await office.deliver(bill)
    (seal,) = await office.seals()
    assert (seal.segments, seal.released) == ([], [bill.bill])
    assert await office.make_final() == ["recorded"]
    assert (office.chain.bill(bill.bill).seal, office.chain.bill(bill.bill).withheld) == (COVERED, "")
    assert [change.reason for change in office.index.changes_of(bill.bill)] == ["details_missing", ""]
    assert list(office.index.withheld("hospital-a")) == []
    assert await office.seals() == []


async def test_details_that_come_while_the_exception_is_on_its_way_release_the_bill(office: Office) -> None:
    """Nobody delivers them a second time."""
    (bill,) = office.issue(1)
    office.now_s += WAIT_S
    (seal,) = await office.seals()
    assert seal.exceptions
    await office.deliver(bill)
    await office.make_final()

    seals = await office.seals()

    assert [entry.released for entry in seals] == [[bill.bill]]


async def test_details_of_another_root_are_a_mismatch_until_the_right_ones_come(office: Office) -> None:
    """Wrong details cannot become right by waiting; right ones replace them, and never the other way round."""
    (bill,) = office.issue(1)
    wrong = details(bill.bill, business_no="hospital-a 1", total_fen=bill.total_fen, cashier="somebody else")
    await office.store.put("hospital-a", [wrong])

    (seal,) = await office.seals()
    assert [entry.reason for entry in seal.exceptions] == ["details_mismatch"]
    await office.make_final()

    await office.deliver(bill)
    await office.store.put("hospital-a", [wrong])
    (seal,) = await office.seals()
    assert seal.released == [bill.bill]


async def test_details_that_do_not_add_up_are_withheld_though_their_root_fits(office: Office) -> None:
    """The sealer receives each bill's details, checks their digest and adds them up again."""
    number = bill_id(1)
    charges = [Charge("01", "western medicine", 5000)]
    bad = details(number, business_no="hospital-a 1", charges=charges, items=[])
    bill = issue_bill("hospital-a 1", serial=1, lease_first=1, details_root=details_root(bad))
    assert office.block(office.chain.sign("hospital-a", bill)) == ["recorded"]
    await office.store.put("hospital-a", [bad])

    (seal,) = await office.seals()

    assert [(entry.bill, entry.reason) for entry in seal.exceptions] == [(number, "sum_mismatch")]


async def test_a_red_bill_is_sealed_when_its_own_details_are_here(office: Office) -> None:
    """Its figures are the original's negated, by rule; its reason and operator are private and must be here."""
    (bill,) = office.issue(1)
    await office.deliver(bill)
    await office.make_final()
    red = reverse_bill(bill, serial=2)
    assert office.block(office.chain.sign("hospital-a", red)) == ["recorded"]
    assert await office.seals() == []

    private = reversal_details(red.bill, sha256(red.bill.encode()).digest(), "wrong payer", "cashier one", "now")
    await office.store.put("hospital-a", [private])

    (seal,) = await office.seals()
    assert seal.segments[0].upto == office.chain.height
    assert seal.exceptions == []


async def test_a_seal_is_sent_again_after_silence_and_only_one_is_on_its_way(office: Office) -> None:
    """0.5 s doubling to 5 s; the same bytes, so that it can run only once."""
    await office.deliver(*office.issue(1))
    await office.seals()
    await office.deliver(*office.issue(2))
    waits = []
    for _ in range(6):
        wait_s = await office.sealer.step()
        assert wait_s is not None
        waits.append(round(wait_s, 3))
        office.now_s += wait_s

    assert waits == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]
    assert len({entry.signature for entry in office.sent}) == 1
    assert await office.make_final() == ["recorded"]
    (seal,) = await office.seals()
    assert seal.segments[0].after == office.watermark()


@pytest.mark.parametrize("is_final_before_the_kill", [True, False])
async def test_every_bill_is_sealed_exactly_once_over_crashes(office: Office, is_final_before_the_kill: bool) -> None:
    """What it knows it has from the chain and the details store; a seal of a former life counts, or a new one does."""
    await office.deliver(*office.issue(1))
    await office.seals()
    former = list(office.sent)
    if is_final_before_the_kill:
        assert office.block(*former) == ["recorded"]
    office.kill()
    await office.deliver(*office.issue(2))
    await office.seals()

    codes = office.block(*[entry for entry in former if not is_final_before_the_kill], *office.sent)
    office.sent.clear()
    assert codes.count("recorded") == 1
    while await office.seals():
        await office.make_final()

    assert office.watermark() == office.chain.bill(bill_id(2)).height
    heights = [(body.after, body.upto) for body in office_seals(office)]
    assert heights == sorted(heights)
    assert all(earlier[1] == later[0] for earlier, later in pairwise(heights))


def office_seals(office: Office) -> list[SealSegment]:
    found: list[SealSegment] = []
    for height in range(1, office.chain.height + 1):
        view = office.chain.view(height)
        number = 0
        for received in view.received:
            for entry in received.transaction.entries:
                if view.outcomes[number].code == "recorded" and isinstance(entry.operation, SealBills):
                    found += entry.operation.segments
                number += 1
    return found


async def test_a_killed_sealer_releases_what_was_delivered_before_it_died(office: Office) -> None:
    """Kill between the delivery of an exception's details and the seal that would have released it."""
    (bill,) = office.issue(1)
    office.now_s += WAIT_S
    await office.seals()
    await office.make_final()
    await office.deliver(bill)
    office.kill()

    (seal,) = await office.seals()
    assert seal.released == [bill.bill]


async def test_a_catch_up_seals_many_heights_at_once_within_the_bound_on_exceptions(office: Office) -> None:
    """Genesis allows five here: a height whose exceptions do not fit goes with the next seal."""
    for serial in range(1, 9):
        office.issue(serial)
    office.now_s += WAIT_S

    (seal,) = await office.seals()
    assert len(seal.exceptions) == 5
    await office.make_final()
    (seal,) = await office.seals()
    assert len(seal.exceptions) == 3
    await office.make_final()
    assert office.watermark() == office.chain.bill(bill_id(8)).height


async def test_a_seal_takes_few_exceptions_of_several_blocks_and_all_of_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is work for every node, and another hospital's bill waits for it; a block's must go together."""
    monkeypatch.setattr("node.seal_book.EXCEPTIONS_AT_ONCE", 2)
    for serials in ((1,), (2,), (3,), (4, 5, 6, 7)):
        office.issue(*serials)
    office.now_s += WAIT_S

    for count in (2, 1, 4):
        (seal,) = await office.seals()
        assert len(seal.exceptions) == count
        await office.make_final()
    assert office.watermark() == office.chain.bill(bill_id(7)).height


async def test_one_without_details_holds_up_no_other_ones_exception(office: Office) -> None:
    for serial in range(1, 9):
        office.issue(serial)
    (other,) = office.issue(100_001, issuer="hospital-b")
    office.now_s += WAIT_S

    (seal,) = await office.seals()
    assert other.bill in [entry.bill for entry in seal.exceptions]
    assert [segment.issuer for segment in seal.segments] == ["hospital-a", "hospital-b"]
    assert await office.make_final() == ["recorded"]


async def test_many_exceptions_of_one_block_wait_for_no_other_line_for_ever(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One hospital lacks the details of a whole block, another one those of each new bill: they take turns."""
    monkeypatch.setattr("node.seal_book.EXCEPTIONS_AT_ONCE", 2)
    many = office.issue(1, 2, 3)
    for serial in range(100_001, 100_011):
        office.issue(serial, issuer="hospital-b")
    office.now_s += WAIT_S
    for turn in range(3):
        (seal,) = await office.seals()
        await office.make_final()
        if many[0].bill in [entry.bill for entry in seal.exceptions]:
            break
        office.issue(100_011 + turn, issuer="hospital-b")
        office.now_s += WAIT_S
    assert office.watermark() >= office.chain.bill(many[0].bill).height


async def test_after_an_outage_longer_than_the_window_a_newer_header_is_named(office: Office) -> None:
    """A header must lie within `replay_window`; heights without open bills are taken along."""
    bills = office.issue(1)
    for _ in range(office.chain.genesis.parameters.replay_window + 20):
        office.chain.block()
    office.kill()
    await office.deliver(*bills)
    for _ in range(10):
        await office.sealer.step()

    assert await office.make_final() == ["recorded"]
    assert office.watermark() > office.chain.bill(bills[0].bill).height


async def test_old_blocks_get_more_time_while_their_gateway_delivers(office: Office) -> None:
    """After an outage a gateway has much to deliver: five seconds from the block's arrival would except it all."""
    office.sealer._wall_ms = lambda: office.chain.time_ms + 3_600_000
    first, second = office.issue(1, 2)
    office.now_s += WAIT_S - 1
    await office.deliver(first)
    office.now_s += 2
    assert await office.seals() == []
    await office.deliver(second)

    (seal,) = await office.seals()
    assert seal.exceptions == []


async def test_deliveries_that_are_still_below_a_bill_are_waited_for(office: Office) -> None:
    """Under load a gateway delivers in order, behind the blocks: nothing of it becomes an exception that a second later is
    released; what it passed over, and what nothing more comes for, does."""
    blocks = [office.issue(serial) for serial in (1, 2, 3, 4)]
    await office.deliver(*blocks[0])
    office.now_s += WAIT_S - 1
    await office.deliver(*blocks[1])
    await office.make_final()
    assert office.watermark() == office.chain.bill(bill_id(2)).height
    office.now_s += 2  # longer than WAIT_S since the blocks came
    assert await office.seals() == []

    await office.deliver(*blocks[3])  # the third one's turn is over
    (seal,) = await office.seals()
    assert [exception.bill for exception in seal.exceptions] == [bill_id(3)]
    await office.make_final()
    assert office.watermark() == office.chain.bill(bill_id(4)).height
    await office.deliver(*blocks[2])
    (seal,) = await office.seals()
    assert seal.released == [bill_id(3)]
    await office.make_final()

    (fifth,), (_sixth,) = office.issue(5), office.issue(6)
    await office.deliver(fifth)
    office.now_s += WAIT_S
    (seal,) = await office.seals()
    assert [exception.bill for exception in seal.exceptions] == [bill_id(6)]


async def test_a_gateway_that_is_level_owes_what_it_did_not_deliver(office: Office) -> None:
    """It delivers bills of blocks to come: what is missing of those that are here is not on its way."""
    office.issue(1)
    office.now_s += WAIT_S - 1
    ahead = issue_bill("hospital-a 2", serial=2, lease_first=office.first["hospital-a"])
    await office.deliver(ahead)
    office.now_s += 1
    (seal,) = await office.seals()
    assert [exception.bill for exception in seal.exceptions] == [bill_id(1)]


async def test_a_lag_of_a_minute_raises_the_alarm_until_it_is_over(office: Office) -> None:
    """Log and metric."""
    await office.deliver(*office.issue(1))
    await office.seals()
    office.now_s += ALARM_MS / 1000
    await office.sealer.step()
    assert office.sealer.is_alarmed
    assert office.sealer.standing("hospital-a")["lag"] == 1  # type: ignore[index]

    await office.make_final()
    await office.sealer.step()
    assert not office.sealer.is_alarmed
    assert office.sealer.lag_ms == 0


async def test_details_of_another_business_date_are_withheld(office: Office) -> None:
    """The public part must be that of the details; the date of business is part of it."""
    number = bill_id(1)
    other = details(number, business_no="hospital-a 1", business_time="2026-05-31T12:00:00+08:00")
    bill = issue_bill("hospital-a 1", serial=1, lease_first=1, details_root=details_root(other))
    assert office.block(office.chain.sign("hospital-a", bill)) == ["recorded"]
    await office.store.put("hospital-a", [other])

    (seal,) = await office.seals()

    assert [entry.reason for entry in seal.exceptions] == ["details_mismatch"]


async def test_a_refused_seal_is_tried_again_after_a_pause(office: Office) -> None:
    """A key that is not for seals, say: no storm of transactions, one line in the log each time."""
    await office.deliver(*office.issue(1))
    good, office.sealer._key = office.sealer._key, key_of("finance-city/unit")
    assert await office.make_final() == ["wrong_key"]
    assert await office.seals() == []

    office.sealer._key = good
    office.now_s += 0.5
    assert await office.make_final() == ["recorded"]
    assert office.sealer.counts["refused"] == 1


async def test_bills_of_other_offices_are_left_alone(office: Office) -> None:
    """Only issuers that this office supervises, per genesis."""
    assert office.sealer.standing("finance") is None
