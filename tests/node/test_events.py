"""Events of a mirror (node/event_reader.py): what each is called, who is told of it, and that nothing is lost or told twice."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast, get_args

import pytest

from chain.operation import (
    BookBill,
    DecideClaim,
    DeliverBill,
    GrantRead,
    HoldBill,
    IssueBill,
    LockClaim,
    MakeUpPayment,
    Operation,
    PayClaim,
    ReleaseClaim,
    ReportUnused,
    RevokeGrant,
    SuspendOrganisation,
    operation_digest,
)
from chain.proof_kinds import check_any
from chain.records import PAYER
from node import event_reader
from node.bill_desk import BillDesk
from node.event_reader import EventReader
from node.feed import Feed
from node.ledger_events import EVENT_TYPES, PLAIN, SUBJECTS, TOLD_TO_PAYERS, Position, choose_types, parse_position
from node.life_index import LifeIndex
from node.proof_desk import ProofDesk
from node.recorded_operations import find_operation
from node.seal_index import SealIndex
from node.service import EventPage, EventQuery, Reader, ServiceRefused
from tests.chain.making import Chain, MemoryStore, bill_id, genesis_with, issue_bill, mac, reverse_bill

AUDITOR = Reader("u", "health", "auditor")
CLERK = Reader("u", "finance-city", "finance_clerk")
CASHIER_A, CASHIER_B = Reader("u", "hospital-a", "cashier"), Reader("u", "hospital-b", "hospital_admin")
INSURER_A, INSURER_B = Reader("u", "insurer-a", "insurer_clerk"), Reader("u", "insurer-b", "insurer_clerk")
EMPLOYER = Reader("u", "employer-a", "employer_clerk")
OTHERS = [
    Reader("u", "health", "operator"),
    Reader("u", "finance", "finance_clerk"),
    Reader("u", "hospital-a", "patient"),
    Reader("u", "insurer-a", "patient"),
]


class Story:
    """Two hospitals, two insurers and an employer; `tell` reads with the indexes of a mirror."""

    def __init__(self) -> None:
        self.chain = Chain(genesis_with(insurer_a="insurer", insurer_b="insurer", employer_a="employer"))
        self.first = {issuer: self.chain.lease(issuer) for issuer in ("hospital-a", "hospital-b")}
        self.store = MemoryStore()

    @property
    def reader(self) -> EventReader:
        """With indexes that are derived anew, as after a restart."""
        ledger = self.chain.ledger
        lives, seals = LifeIndex(self.store, ledger), SealIndex(self.store, ledger)
        proofs = ProofDesk(ledger, seals)
        no_details: Any = SimpleNamespace(root_of=lambda *_: None)
        unasked: Any = SimpleNamespace()  # payers, catalogues, the log of accesses: no event opens details
        no_proxies: Any = SimpleNamespace(in_force_for=lambda _identity: [])
        bills = BillDesk(
            "finance-city", ledger, no_details, seals, lives, proofs, unasked, unasked, unasked, no_proxies
        )
        return EventReader(ledger, Feed(ledger.head.height), lives, bills, proofs)

    def issue(self, serial: int, issuer: str = "hospital-a") -> IssueBill:
        bill = issue_bill(
            f"No. {serial}",
            serial=serial,
            issuer=issuer,
            lease_first=self.first[issuer],
            self_paid_fen=100,
            self_funded_fen=0,
        )
        assert self.chain.run(issuer, bill) == ["recorded"]
        return bill

    def seal(self) -> None:
        assert self.chain.run_seal(self.chain.seal(["hospital-a", "hospital-b"])) == "recorded"

    def act(self, organisation: str, *operations: Operation) -> None:
        assert self.chain.run(organisation, *operations) == ["recorded"] * len(operations)

    def claim(self, insurer: str, bill: str, name: str) -> None:
        lock = LockClaim(mac(name), bill, 100, self.chain.time_ms + 3_600_000)
        self.act(insurer, lock)
        self.act(insurer, DecideClaim(mac(name), 60))
        self.act(insurer, PayClaim(mac(name), mac("p")))

    def whole(self) -> tuple[IssueBill, IssueBill]:
        """A bill of each hospital; insurer A pays a claim on the first and lets it go, B one on the second; the first is booked
        by the employer and reversed."""
        mine, other = self.issue(1), self.issue(100_001, "hospital-b")
        self.act("hospital-a", DeliverBill(mine.bill, "sms", self.chain.time_ms))
        self.seal()
        self.claim("insurer-a", mine.bill, "a")
        self.claim("insurer-b", other.bill, "b")
        self.act("hospital-a", DeliverBill(mine.bill, "app", self.chain.time_ms))
        self.act("insurer-a", ReleaseClaim(mac("a"), "paid_back"))
        self.act("hospital-a", ReportUnused(bill_id(9), self.first["hospital-a"], "spoilt"))
        self.act("hospital-a", reverse_bill(mine, serial=2))
        self.act("finance-city", SuspendOrganisation("hospital-b", "key_lost", 0, []))
        return mine, other


@pytest.fixture
def story() -> Story:
    return Story()


async def told(reader: EventReader, query: EventQuery, after: str = "0", limit: int = 1_000) -> list[dict[str, Any]]:
    """All pages of a query, one after the other."""
    rows: list[dict[str, Any]] = []
    while True:
        page = await reader.page(query, after, limit)
        assert len(page.data) <= limit
        rows += page.data
        after = page.next
        if not page.has_more:
            assert parse_position(after) == Position(page.height)
            return rows


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["type"] for row in rows]


def test_every_operation_has_a_name_of_its_own() -> None:
    """A new operation is told of too, or this fails; words as Standard Webhooks asks for them; api/README names them all."""
    assert set(EVENT_TYPES) == set(get_args(Operation))
    assert len(set(EVENT_TYPES.values())) == len(EVENT_TYPES)
    assert all(
        name.replace("_", "").replace(".", "").isalpha() and name.count(".") == 1 for name in EVENT_TYPES.values()
    )
    assert set(EVENT_TYPES) >= TOLD_TO_PAYERS | PLAIN | SUBJECTS
    page = (Path(__file__).parents[2] / "api" / "README.md").read_text("utf-8")
    assert [name for name in EVENT_TYPES.values() if f"`{name}`" not in page] == []


def test_a_position_reads_as_it_is_written() -> None:
    for text in ("0", "1042", "1042-0-3", "7-12-19999"):
        assert str(parse_position(text)) == text
    for text in ("", "-1", "1-2", "1-2-3-4", "x", "１", "1 ", " 1", "1-0-", "9" * 16, "1-" + "9" * 10 + "-1"):
        assert parse_position(text) is None
    ordered = ["0", "1-0-0", "1-0-1", "1-1-0", "1", "2-0-0", "10"]
    positions = [cast(Position, parse_position(text)) for text in ordered]
    assert positions == sorted(positions)


def test_types_are_named_one_by_one_or_by_their_first_word() -> None:
    assert choose_types("bill.issued") == {IssueBill}
    assert choose_types("claim") == {LockClaim, DecideClaim, PayClaim, ReleaseClaim}
    for text in ("", "claims", "bill.", "bill.issued,", "Bill.issued", "claim.*"):
        assert choose_types(text) is None


async def test_an_auditor_is_told_everything_once_in_the_order_of_the_ledger(story: Story) -> None:
    """As ids, digests and blocks say; what was refused is no event; pages of any size tell the same."""
    mine, _ = story.whole()
    assert story.chain.run("hospital-a", reverse_bill(mine, serial=3)) == ["already_reversed"]
    whole = await told(story.reader, EventQuery(AUDITOR))
    assert names(whole) == [
        "numbers.leased", "numbers.leased", "bill.issued", "bill.issued", "bill.delivered", "bills.sealed",
        "claim.locked", "claim.decided", "claim.paid", "claim.locked", "claim.decided", "claim.paid",
        "bill.delivered", "claim.released",
        "numbers.unused", "bill.reversed", "organisation.suspended",
    ]  # fmt: skip
    for row in whole:
        found = find_operation(story.chain.ledger, bytes.fromhex(row["operation"]))
        assert found is not None
        assert row["id"] == str(Position(*found.place))
    assert len({row["id"] for row in whole}) == len(whole)
    for limit in (1, 2, 5):
        assert await told(story.reader, EventQuery(AUDITOR), limit=limit) == whole
    for place, row in enumerate(whole):
        assert await told(story.reader, EventQuery(AUDITOR), row["id"]) == whole[place + 1 :]
        assert await told(story.reader, EventQuery(AUDITOR), str(row["height"])) == whole[place + 1 :]
    reversal = whole[-2]
    assert (reversal["bill_id"], reversal["red_bill_id"], reversal["issuer"]) == (mine.bill, bill_id(2), "hospital-a")
    assert reversal["links"]["proof"] == f"/v1/operations/{reversal['operation']}/proof"
    assert await told(story.reader, EventQuery(CLERK)) == whole


async def test_each_is_told_what_is_meant_for_it(story: Story) -> None:
    mine, other = story.whole()
    reader = story.reader

    async def heard(who: Reader) -> list[tuple[str, str | None]]:
        return [(row["type"], row.get("bill_id")) for row in await told(reader, EventQuery(who))]

    assert await heard(CASHIER_A) == [
        ("numbers.leased", None), ("bill.issued", mine.bill), ("bill.delivered", mine.bill), ("bills.sealed", None),
        ("claim.locked", mine.bill), ("claim.decided", mine.bill), ("claim.paid", mine.bill), ("bill.delivered", mine.bill),
        ("claim.released", mine.bill), ("numbers.unused", None), ("bill.reversed", mine.bill),
    ]  # fmt: skip
    assert await heard(CASHIER_B) == [
        ("numbers.leased", None), ("bill.issued", other.bill), ("bills.sealed", None),
        ("claim.locked", other.bill), ("claim.decided", other.bill), ("claim.paid", other.bill),
        ("organisation.suspended", None),
    ]  # fmt: skip
    assert await heard(INSURER_A) == [
        ("claim.locked", mine.bill), ("claim.decided", mine.bill), ("claim.paid", mine.bill),
        ("claim.released", mine.bill), ("bill.reversed", mine.bill),
    ]  # fmt: skip
    assert await heard(INSURER_B) == [(f"claim.{what}", other.bill) for what in ("locked", "decided", "paid")]
    assert await heard(EMPLOYER) == []
    for who in OTHERS:
        assert await heard(who) == []


async def test_whoever_booked_a_bill_hears_of_its_end_and_not_of_other_payers(story: Story) -> None:
    mine = story.issue(1)
    story.seal()
    story.act("employer-a", BookBill(mine.bill, PAYER, 100, mac("v")))
    story.claim("insurer-a", mine.bill, "a")
    rows = await told(story.reader, EventQuery(EMPLOYER))
    assert names(rows) == ["bill.booked"]


async def test_what_was_before_the_first_claim_is_not_told_and_its_proof_not_given(story: Story) -> None:
    """So a replay tells what was told at the time: whoever asks again gets the same."""
    first, paid = story.issue(1), MakeUpPayment(bill_id(1))
    story.act("hospital-a", HoldBill(first.bill, "fees_owed"))
    story.act("hospital-a", paid)
    story.seal()
    claimed = await told(story.reader, EventQuery(INSURER_A))
    story.claim("insurer-a", first.bill, "a")
    rows = await told(story.reader, EventQuery(INSURER_A))
    assert (claimed, names(rows)) == ([], ["claim.locked", "claim.decided", "claim.paid"])
    assert story.reader._bills.operation_proof(operation_digest(paid), INSURER_A) is None


async def test_who_is_told_is_given_the_proof_and_nobody_else(story: Story) -> None:
    """One function: for every operation of the ledger and every reader, both say the same."""
    story.whole()
    reader = story.reader
    everything = [row["operation"] for row in await told(reader, EventQuery(AUDITOR))]
    for who in (AUDITOR, CLERK, CASHIER_A, CASHIER_B, INSURER_A, INSURER_B, EMPLOYER, *OTHERS):
        heard = {row["operation"] for row in await told(reader, EventQuery(who))}
        given = {name for name in everything if reader._bills.operation_proof(bytes.fromhex(name), who) is not None}
        assert heard == given, who


async def test_filters_leave_out_and_add_nothing(story: Story) -> None:
    mine, other = story.whole()
    reader = story.reader
    whole = await told(reader, EventQuery(AUDITOR))

    async def filtered(**filters: Any) -> list[dict[str, Any]]:
        return await told(reader, EventQuery(AUDITOR, **filters))

    claims = [row for row in whole if row["type"].startswith("claim.")]
    assert await filtered(types=choose_types("claim")) == claims
    assert await filtered(types=choose_types("claim"), issuer="hospital-b") == claims[3:6]
    of_mine = [row for row in whole if row.get("bill_id") == mine.bill or row["type"] == "bills.sealed"]
    assert await filtered(bill_id=mine.bill) == of_mine
    assert await filtered(bill_id=bill_id(2)) == [row for row in whole if row["type"] == "bill.reversed"]
    assert names(await filtered(issuer="hospital-b"))[:2] == ["bill.issued", "bills.sealed"]
    assert {row.get("bill_id", other.bill) for row in await filtered(issuer="hospital-b")} == {other.bill}
    assert await filtered(bill_id=bill_id(77)) == []


async def test_proofs_come_with_the_events_and_are_those_of_the_operation(story: Story) -> None:
    story.whole()
    reader = story.reader
    rows = await told(reader, EventQuery(INSURER_A, with_proofs=True), limit=2)
    assert names(rows)[-1] == "bill.reversed"
    for row in rows:
        data = base64.b64decode(row["proof"])
        assert data == reader._bills.operation_proof(bytes.fromhex(row["operation"]), INSURER_A)
        verdict = check_any(data, story.chain.genesis)
        assert verdict.valid
        assert (verdict.bill["operation"], verdict.bill["height"]) == (row["operation"], row["height"])


async def test_a_mirror_that_is_behind_waits_and_repeats_nothing(story: Story) -> None:
    """Whoever heard another mirror further than this one's head."""
    story.whole()
    reader = story.reader
    head = story.chain.height
    for ahead in (str(head + 5), f"{head + 5}-0-0"):
        page = await reader.page(EventQuery(AUDITOR), ahead, 10)
        assert page == EventPage([], ahead, False, head)
    assert await reader.page(EventQuery(AUDITOR), None, 10) == EventPage([], str(head), False, head)
    with pytest.raises(ServiceRefused) as refused:
        await reader.page(EventQuery(AUDITOR), "yesterday", 10)
    assert refused.value.code == "parameter_invalid"


async def test_a_page_does_bounded_work_and_says_where_it_is(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of blocks without an event: short pages that go on, turn by turn, while others have theirs."""
    for _ in range(150):
        story.chain.block()
    story.issue(1)
    reader = story.reader
    monkeypatch.setattr(event_reader, "BLOCKS_AT_ONCE", 10)
    monkeypatch.setattr(event_reader, "TURNS_MAX", 3)
    monkeypatch.setattr(event_reader, "SECONDS_AT_ONCE", 60.0)
    page = await reader.page(EventQuery(AUDITOR, choose_types("bill.issued")), "2", 10)
    assert (page.data, page.has_more, page.next) == ([], True, "32")
    monkeypatch.setattr(event_reader, "SECONDS_AT_ONCE", 0.0)  # each block is a turn
    page = await reader.page(EventQuery(AUDITOR, choose_types("bill.issued")), page.next, 10)
    assert (page.data, page.has_more, page.next) == ([], True, "35")
    monkeypatch.setattr(event_reader, "SECONDS_AT_ONCE", 60.0)
    rows = await told(reader, EventQuery(AUDITOR, choose_types("bill.issued")), page.next, 10)
    assert names(rows) == ["bill.issued"]


async def test_whoever_is_told_of_no_new_bills_leaps_over_blocks_that_hold_nothing_else(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An insurer that reads a year of a province does not have every bill of it decoded."""
    mine = story.issue(1)
    story.seal()
    for serial in range(10, 90):
        story.issue(serial)
    story.claim("insurer-a", mine.bill, "a")
    read: list[int] = []
    real = event_reader.block_at
    monkeypatch.setattr(event_reader, "block_at", lambda ledger, height: (read.append(height), real(ledger, height))[1])
    rows = await told(story.reader, EventQuery(INSURER_A))
    assert names(rows) == ["claim.locked", "claim.decided", "claim.paid"]
    assert read == [1, 2, *range(story.chain.height - 2, story.chain.height + 1)]  # leases, claims


async def test_the_loop_goes_on_while_the_past_is_read(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that takes 5 ms for each block keeps nobody waiting: the blocks are read in a thread."""
    for serial in range(1, 60):
        story.issue(serial)
    reader, turns, real = story.reader, 0, event_reader.block_at

    def slow(ledger: Any, height: int) -> Any:
        time.sleep(0.005)
        return real(ledger, height)

    monkeypatch.setattr(event_reader, "block_at", slow)

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    meanwhile = asyncio.create_task(others())
    rows = await told(reader, EventQuery(AUDITOR))
    meanwhile.cancel()
    assert len(rows) == 61
    assert turns > 60  # one for each block at least; with the loop blocked, one for each turn of ten


def test_the_indexes_are_derived_again_the_same(story: Story) -> None:
    """Block by block, in one go, and after the place where it was has been lost."""
    mine, _ = story.whole()
    ledger = story.chain.ledger
    at_once = MemoryStore()
    LifeIndex(at_once, ledger).close()
    again = MemoryStore(at_once.values)
    del again.values[b"m/lives/2"]
    LifeIndex(again, ledger).close()
    assert again.values == at_once.values
    index = LifeIndex(at_once, ledger)
    (first,) = [row for row in (index.in_hand_since("insurer-a", mine.bill),) if row is not None]
    assert first.height == 7
    assert index.in_hand_since("insurer-b", mine.bill) is None
    assert set(index.eventful_from(1, 1_000)) == {1, 2, 5, *range(7, story.chain.height + 1)}
    assert index.eventful_from(6, 2) == [7, 8]


def test_nothing_of_a_person_stands_in_an_event(story: Story) -> None:
    story.whole()
    rows = asyncio.run(told(story.reader, EventQuery(AUDITOR)))
    assert {key for row in rows for key in row} <= {
        "id", "type", "height", "time", "organisation", "operation", "bill_id", "issuer", "red_bill_id", "claim",
        "segments", "withheld", "released", "subject", "settlement", "links",
    }  # fmt: skip
    assert len(rows) == 17


async def test_whoever_may_read_a_bill_hears_that_it_may_and_that_it_may_not_any_more(story: Story) -> None:
    """The office signs both; the other insurer hears neither."""
    bill = story.issue(1)
    until = story.chain.time_ms + 3_600_000
    story.act("finance-city", GrantRead(mac("g"), bill.bill, "insurer-a", [6], "reimbursement", until, mac("h")))
    story.act("finance-city", RevokeGrant("finance-city", mac("g"), "holder_asked"))
    assert [row["type"] for row in await told(story.reader, EventQuery(INSURER_A))] == ["grant.given", "grant.revoked"]
    assert await told(story.reader, EventQuery(INSURER_B)) == []
    assert "grant.given" not in {row["type"] for row in await told(story.reader, EventQuery(CASHIER_A))}
