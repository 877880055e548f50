"""The archive's desk (DESIGN 2, 10): who reads what, proofs, public verification, audit, and what it sends itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chain import failpoint, keyspace
from chain.bill import Payer
from chain.codec import encode
from chain.details import Details, check_code, details_root, payer_details, token
from chain.errors import Malformed, StorageFailed
from chain.genesis import Genesis
from chain.operation import AddKey, AllotRange, BindPayer, EndKey, IssueBill, RangeRef, VoidBill, operation_digest
from chain.proof import check_proof
from chain.proof_kinds import check_any
from chain.records import FOR_EVER, UNIT, BillBody
from chain.signature import ED25519
from chain.transaction import Entry, Transaction, key_id, sign_transaction
from node.approvals import Approvals
from node.details_store import DetailsStore
from node.errors import PeerRefused
from node.feed import Feed
from node.identity import Identity
from node.life_index import LifeIndex
from node.mirror import Mirror
from node.payer_store import WAITING_MAX, PayerStore
from node.seal_index import SealIndex
from node.sealer import Sealer
from node.service import Claimed, Reader, ServiceRefused
from node.submissions import Submissions, send_to_validators
from node.verification import FAILURES_MAX
from node.withholdings import Withholdings
from tests.chain.making import CODE, Chain, bill_id, details, genesis, issue_bill, key_of, reverse_bill
from tests.node.following import FakeLink, FakePeers, drop_ledger, make_ledger, open_ledger

AUDITOR = Reader("u-1", "finance", "auditor", purpose="audit")  # of the province, above the office
CLERK = Reader("u-2", "finance-city", "finance_clerk", purpose="supervision")
CASHIER = Reader("u-3", "hospital-a", "cashier")
ADMIN = Reader("u-4", "hospital-a", "hospital_admin")
STRANGERS = [
    Reader("u-5", "hospital-b", "cashier"),
    Reader("u-6", "finance", "finance_clerk"),
    Reader("u-7", "hospital-a", "patient"),
    Reader("u-8", "hospital-a", "operator"),
]


class Archive:
    """A mirror with its parts over a real ledger; `block` makes what it sent, and more, final."""

    def __init__(self, home: Path, start: Genesis | None = None) -> None:
        self.home, self.thread, self.now_s = home, ThreadPoolExecutor(1), 0.0
        self.chain = Chain(start, ledger=make_ledger(home, start or genesis()))
        DetailsStore.create(home)
        self.link = FakeLink("finance", self.chain)
        self.start()
        self.first = {issuer: self.lease(issuer) for issuer in ("hospital-a", "hospital-b")}

    def start(self) -> None:
        ledger = self.chain.ledger
        self.store = DetailsStore.open(
            self.home,
            bytes(32),
            ["hospital-a", "hospital-b"],
            lambda bill: ledger.state.get(keyspace.bill(bill), BillBody),
            self.thread,
        )
        self.payers = PayerStore(ledger, self.store)
        self.index = SealIndex(self.store.database, ledger)
        self.lives = LifeIndex(self.store.database, ledger)
        peers = FakePeers(self.link)
        send = send_to_validators(peers)
        self.sealer = Sealer(
            ledger,
            self.store,
            self.index,
            office="finance-city",
            key=key_of("finance-city/seal"),
            send=send,
            thread=self.thread,
            wall_ms=lambda: self.chain.time_ms,
        )
        self.feed = Feed(ledger.head.height)
        self.submissions = Submissions(ledger, self.store.database, self.thread, send, lambda: self.now_s)
        self.mirror = Mirror(
            "archive",
            "finance-city",
            ledger,
            self.feed,
            peers,
            self.store,
            self.index,
            self.lives,
            self.submissions,
            sealer=self.sealer,
            unit_key=key_of("finance-city/unit"),
            approvals=Approvals(self.home, bytes(32), ledger.genesis.parameters),
            withholdings=Withholdings(self.store.database, self.thread),
            payers=self.payers,
        )

    def lease(self, issuer: str) -> int:
        first = self.chain.lease(issuer)
        self.feed.publish(self.chain.height)
        return first

    def block(self, *transactions: Transaction) -> list[str]:
        view = self.chain.block(list(transactions))
        for part in (self.store, self.payers, self.index, self.lives, self.sealer, self.submissions):
            part.on_final(view)
        self.feed.publish(self.chain.height)
        return [outcome.code for outcome in view.outcomes]

    def sent(self) -> list[Transaction]:
        """What the validators got since the last time, each once."""
        sent = list({entry.signature: entry for entry in self.link.bundles}.values())
        self.link.bundles.clear()
        return sent

    async def issue(self, serial: int, total_fen: int = 12_345, issuer: str = "hospital-a", **fields: object) -> str:
        """A recorded bill whose details are here."""
        bill = issue_bill(
            f"No. {serial}",
            serial=serial,
            issuer=issuer,
            lease_first=self.first[issuer],
            total_fen=total_fen,
            **fields,  # type: ignore[arg-type]
        )
        private = details(bill.bill, business_no=f"No. {serial}", total_fen=total_fen)
        await self.store.put(issuer, [private])
        assert self.block(self.chain.sign(issuer, bill)) == ["recorded"]
        return bill.bill

    async def seal(self) -> None:
        await self.sealer.step()
        assert self.block(*self.sent()) == ["recorded"]

    def close(self) -> None:
        self.store.close()
        self.chain.ledger.close()
        self.thread.shutdown()

    def restart(self) -> None:
        self.store.close()
        drop_ledger(self.chain.ledger)
        self.chain.ledger = open_ledger(self.home, self.chain.genesis)
        self.start()


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path)
    yield archive
    archive.close()


# ── bills ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_bill_is_read_with_its_details_by_those_who_may(archive: Archive) -> None:
    """DESIGN 10: auditors, the office's clerks, the issuer's people."""
    bill = await archive.issue(1)
    await archive.seal()

    for reader in (AUDITOR, CLERK, CASHIER, ADMIN):
        page = await archive.mirror.bill(bill, reader)
        assert page is not None
        assert (page["bill_id"], page["status"], page["validity"], page["total_fen"]) == (
            bill,
            "sealed",
            "normal",
            12_345,
        )
        assert page["payer"]["name"] == "Synthetic Person"
        assert page["business_no"] == "No. 1"
        assert sum(charge["amount_fen"] for charge in page["charges"]) == 12_345
        assert page["items"][0]["unit_price_e4"] == 10_000
        assert page["visit"]["diagnosis"] == "none, this is a test"
    assert archive.mirror.bills.details_read == 2  # the auditor's and the clerk's


async def test_another_agencys_auditor_reads_what_stands_on_the_chain(archive: Archive) -> None:
    """DESIGN 6: details lie with issuer, office and those with a grant; the check code is the hospital's alone."""
    bill = await archive.issue(1)
    await archive.seal()
    stranger = Reader("u-9", "insurance", "auditor")

    page = await archive.mirror.bill(bill, stranger)
    assert page is not None
    assert (page["total_fen"], page["status"]) == (12_345, "sealed")
    assert not {"payer", "business_no", "charges", "items", "visit", "cashier", "check_code"} & set(page)
    assert await archive.mirror.proof(bill, stranger, [], None) is not None
    assert await archive.mirror.proof(bill, stranger, ["payer_name"], None) is None
    assert archive.mirror.bills.details_read == 0
    for reader in (AUDITOR, CLERK):
        page = await archive.mirror.bill(bill, reader)
        assert page is not None
        assert "check_code" not in page


@pytest.mark.parametrize("reader", STRANGERS)
async def test_to_others_a_bill_does_not_exist(archive: Archive, reader: Reader) -> None:
    """Unknown and forbidden look the same."""
    bill = await archive.issue(1)

    assert await archive.mirror.bill(bill, reader) is None
    assert await archive.mirror.history(bill, reader) is None
    assert await archive.mirror.proof(bill, reader, [], None) is None
    assert await archive.mirror.bills_by_business_no("hospital-a", "No. 1", reader) == []
    assert await archive.mirror.bill(bill_id(2), AUDITOR) is None
    assert await archive.mirror.bill("\ud800" * 18, AUDITOR) is None


async def test_a_bill_is_found_by_its_business_number(archive: Archive) -> None:
    """By the HMAC that the details were indexed under: the archive has no issuer's key."""
    bill = await archive.issue(1)
    await archive.issue(2)

    assert [row["bill_id"] for row in await archive.mirror.bills_by_business_no("hospital-a", "No. 1", CASHIER)] == [
        bill
    ]
    assert await archive.mirror.bills_by_business_no("hospital-b", "No. 1", AUDITOR) == []


async def test_the_history_of_a_reversed_bill_names_every_operation(archive: Archive) -> None:
    """Record versions, and the seal that covers it."""
    bill = await archive.issue(1)
    await archive.seal()
    original = archive.chain.view(archive.chain.bill(bill).height).received[0].transaction.entries[0].operation
    red = reverse_bill(original, serial=2)  # type: ignore[arg-type]
    archive.block(archive.chain.sign("hospital-a", red))

    rows = await archive.mirror.history(bill, CASHIER)

    assert rows is not None
    assert [(row["event"], row.get("version")) for row in rows] == [("recorded", 1), ("sealed", None), ("reversed", 2)]
    assert rows[2]["by"] == red.bill
    assert rows[2]["operation"] == operation_digest(red).hex()
    page = await archive.mirror.bill(bill, CASHIER)
    assert page is not None
    assert (page["validity"], page["related"]) == ("reversed", red.bill)


# ── proofs ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_proof_verifies_with_the_genesis_file_alone(archive: Archive) -> None:
    """DESIGN 1: every answer carries its proof; with seal, current record and opened fields."""
    first = await archive.issue(1)
    second = await archive.issue(2)
    await archive.seal()

    for bill in (first, second):  # one below the sealed header, one in it
        data = await archive.mirror.proof(bill, CASHIER, ["payer_name", "charges"], None)
        assert data is not None
        verdict = check_proof(data, archive.chain.genesis)
        assert verdict.valid, verdict.checks
        assert verdict.bill["sealed"]
        assert verdict.bill["status"] == "normal"
        assert verdict.bill["opened"]["payer_name"] == "Synthetic Person"
        assert archive.mirror.check_proof(data)["valid"]
        assert not archive.mirror.check_proof(data[:-1])["valid"]


async def test_the_proof_of_a_released_bill_carries_the_release(archive: Archive) -> None:
    """Seal axis: withheld, then released; both before and after a restart."""
    bill = issue_bill("No. 1", serial=1, lease_first=archive.first["hospital-a"])
    archive.sealer._now_s = lambda: archive.now_s
    archive.block(archive.chain.sign("hospital-a", bill))
    archive.now_s += 6
    await archive.seal()
    data = await archive.mirror.proof(bill.bill, CASHIER, [], None)
    assert data is not None
    withheld = check_proof(data, archive.chain.genesis)
    assert (withheld.valid, withheld.bill["sealed"]) == (True, False)
    assert withheld.bill["seal_withheld"] == "details_missing"
    await archive.store.put("hospital-a", [details(bill.bill, business_no="No. 1")])
    await archive.seal()

    for _ in range(2):
        data = await archive.mirror.proof(bill.bill, CASHIER, [], None)
        assert data is not None
        verdict = check_proof(data, archive.chain.genesis)
        assert verdict.valid, verdict.checks
        assert verdict.bill["sealed"]
        rows = await archive.mirror.history(bill.bill, CASHIER)
        assert rows is not None
        assert [row["event"] for row in rows] == ["recorded", "seal_withheld", "seal_released", "sealed"]
        archive.restart()


async def test_who_holds_the_bill_gets_its_proof_by_check_code_or_token(archive: Archive) -> None:
    """DESIGN 10: a proof needs the issuer's, holder's or auditor's right, or its token or check code."""
    bill = await archive.issue(1)
    seed = details(bill).seed

    for secret in (check_code(seed, bill), check_code(seed, bill).upper(), token(seed, bill)):
        data = await archive.mirror.proof(bill, None, ["payer_name"], secret)
        assert data is not None
        assert check_proof(data, archive.chain.genesis).bill["opened"] == {"payer_name": "Synthetic Person"}
    assert await archive.mirror.proof(bill, None, [], "000000") is None
    assert await archive.mirror.proof(bill, None, [], None) is None
    with pytest.raises(ServiceRefused, match="field_unknown"):
        await archive.mirror.proof(bill, CASHIER, ["no_such_field"], None)


# ── the public ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_public_verifies_by_what_is_on_the_face_and_only_failures_count(archive: Archive) -> None:
    """DESIGN 10: genuine, genuine_reversed, no_match, try_later."""
    bill = await archive.issue(1)
    code = check_code(details(bill).seed, bill)
    right = Claimed(bill, code, "2026-06-01", 12_345)
    assert (await archive.mirror.verify_claimed(right, "10.0.0.1"))["verdict"] == "genuine"
    wrong = Claimed(bill, code, "2026-06-01", 12_346)
    for _ in range(FAILURES_MAX):
        assert (await archive.mirror.verify_claimed(wrong, "10.0.0.1"))["verdict"] == "no_match"

    assert (await archive.mirror.verify_claimed(right, "10.0.0.1"))["verdict"] == "try_later"
    assert (await archive.mirror.verify_claimed(right, "10.0.0.2"))["verdict"] == "genuine"
    nothing = Claimed(bill_id(77), code)
    assert (await archive.mirror.verify_claimed(nothing, "10.0.0.2"))["verdict"] == "no_match"


async def test_blocks_are_public_and_bodies_are_not(archive: Archive) -> None:
    """Bodies go to auditors, and to an issuer for its own part."""
    await archive.issue(1)
    height = archive.chain.height

    page = await archive.mirror.blocks(None, 2)
    assert [row["height"] for row in page.data] == [height, height - 1]
    page = await archive.mirror.blocks(int(page.next or 0), 100)
    assert [row["height"] for row in page.data] == list(range(height - 2, 0, -1))
    assert page.next is None
    public = await archive.mirror.block(height, None)
    assert public is not None
    assert "body" not in public
    assert public["header"]["state_root"] == archive.chain.ledger.head.state_root.hex()
    for reader, count in ((AUDITOR, 1), (CASHIER, 1), (STRANGERS[0], 0)):
        found = await archive.mirror.block(height, reader)
        assert found is not None
        assert len(found["body"]) == count
    assert await archive.mirror.block(height + 1, None) is None
    zero = await archive.mirror.block(0, None)
    assert zero is not None
    assert zero["digest"] == archive.mirror.chain_id


# ── finance and audit ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_audit_rows_and_day_totals_equal_an_independent_sum(archive: Archive) -> None:
    """DESIGN 6: day books, so that completeness can be proven."""
    totals = [100 * number + 250 for number in range(1, 8)]
    bills = [await archive.issue(number, total) for number, total in enumerate(totals, 1)]
    await archive.issue(100_001, 5_000, "hospital-b")
    original = archive.chain.view(archive.chain.bill(bills[0]).height).received[0].transaction.entries[0].operation
    archive.block(archive.chain.sign("hospital-a", reverse_bill(original, serial=20)))  # type: ignore[arg-type]

    rows, after = [], None
    while True:
        page = await archive.mirror.audit_bills({"issuer": "hospital-a"}, after, 3, AUDITOR)
        rows += page.data
        after = page.next
        if after is None:
            break
    assert [row["bill_id"] for row in rows] == [*bills, bill_id(20)]
    assert sum(row["total_fen"] for row in rows) == sum(totals) - totals[0]
    (day,) = await archive.mirror.day_totals("hospital-a", "2026-06-01", "2026-06-01")
    assert (day["count"], day["sum_fen"], day["red_count"], day["red_sum_fen"]) == (7, sum(totals), 1, -totals[0])
    assert sum(day["payments"].values()) == sum(totals) - totals[0]
    assert (day["kind"], day["date"], day["place"]) == ("outpatient", "2026-06-01", "A01")
    assert len(await archive.mirror.day_totals(None, "2026-01-01", "2026-12-31")) == 2
    assert await archive.mirror.day_totals("hospital-a", "2026-06-02", "2026-12-31") == []


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"kind": "outpatient"}, 3),
        ({"kind": "inpatient"}, 0),
        ({"place": "A01"}, 3),
        ({"place": "A02"}, 0),
        ({"validity": "reversed"}, 1),
        ({"validity": "red"}, 1),
        ({"from": "2026-06-01", "to": "2026-06-01"}, 3),
        ({"to": "2026-05-31"}, 0),
        ({"from": "2026-06-02"}, 0),
    ],
)
async def test_an_auditor_filters(archive: Archive, filters: dict[str, str], count: int) -> None:
    """Two bills, the first of them reversed."""
    first = await archive.issue(1)
    await archive.issue(2)
    original = archive.chain.view(archive.chain.bill(first).height).received[0].transaction.entries[0].operation
    archive.block(archive.chain.sign("hospital-a", reverse_bill(original, serial=3)))  # type: ignore[arg-type]

    page = await archive.mirror.audit_bills({"issuer": "hospital-a", **filters}, None, 10, AUDITOR)

    assert len(page.data) == count


async def test_a_cursor_that_is_none_of_ours_is_refused(archive: Archive) -> None:
    """And an issuer that does not exist has no bills."""
    with pytest.raises(ServiceRefused, match="parameter_invalid"):
        await archive.mirror.audit_bills({"issuer": "hospital-a"}, "20260601", 10, AUDITOR)
    assert (await archive.mirror.audit_bills({"issuer": "hospital-a/2026"}, None, 10, AUDITOR)).data == []


async def test_keys_are_those_that_have_not_ended(archive: Archive) -> None:
    """As of the head: which may sign the next block, and which a later one; vote keys come and go with seats."""
    chain = archive.chain
    before = archive.mirror.keys(None)
    assert {row["purpose"] for row in before} == {"unit", "seal", "vote"}
    assert {(row["from_height"], row["until_height"], row["in_force"]) for row in before} == {(1, None, True)}
    (former,) = archive.mirror.keys("hospital-a")
    public = key_of("hospital-a/new").public
    begins = chain.height + 3
    archive.block(chain.sign("hospital-a", AddKey(public, UNIT, ED25519, begins)))
    archive.block(chain.sign("hospital-a", EndKey(bytes.fromhex(former["key_id"]), begins + 1)))
    new = {
        "organisation": "hospital-a",
        "purpose": "unit",
        "key_id": key_id(public).hex(),
        "public": public.hex(),
        "from_height": begins,
        "until_height": None,
        "in_force": True,
    }
    assert archive.mirror.keys("hospital-a") == [{**former, "until_height": begins + 1}, new]
    assert len(archive.mirror.keys(None)) == len(before) + 1
    archive.block()
    assert archive.mirror.keys("hospital-a") == [new]
    data = await archive.mirror.key_proof("hospital-a", str(new["key_id"]))
    assert data is not None
    verdict = check_any(data, chain.genesis)
    assert verdict.valid, verdict.checks[-1]
    assert verdict.bill == {**new, "until_height": FOR_EVER, "as_of": verdict.bill["as_of"]}
    assert await archive.mirror.key_proof("hospital-b", str(new["key_id"])) is None
    assert archive.mirror.keys("hospital") == []


async def test_the_ranges_are_a_tree(archive: Archive) -> None:
    """Parent, first, count, next, left, holder."""
    rows = await archive.mirror.number_ranges("hospital-a")
    row = next(row for row in rows if row["code"] == CODE)

    assert (row["first"], row["count"], row["next"], row["left"]) == (1, 100_000, 1_001, 99_000)
    assert row["parent"] == f"finance-city/{CODE}/1"
    assert {row["holder"] for row in await archive.mirror.number_ranges(None)} == {
        "finance",
        "finance-city",
        "hospital-a",
        "hospital-b",
    }


async def test_an_allotment_is_signed_sent_and_recorded_and_the_same_again_is_the_same(archive: Archive) -> None:
    """The office acts with its own key; the rules tell most refusals at once."""
    parent = f"finance-city/{CODE}/1"
    standing = await archive.mirror.allot_range(parent, 200_001, 1_000, "hospital-a")
    assert standing.status == "queued"
    waiting = asyncio.create_task(archive.mirror.wait(standing, 60))
    await asyncio.sleep(0)
    assert archive.block(*archive.sent()) == ["recorded"]
    assert ((await waiting).status, (await waiting).height) == ("recorded", archive.chain.height)

    again = await archive.mirror.allot_range(parent, 200_001, 1_000, "hospital-a")
    assert (again.status, again.repeated) == ("recorded", True)
    for first, holder, code in (
        (200_001, "hospital-b", "range_overlaps"),
        (300_000, "hospital-b", "range_moved"),
        (201_001, "finance", "not_supervised"),
        (201_001, "nobody", "organisation_unknown"),
    ):
        with pytest.raises(ServiceRefused) as refusal:
            await archive.mirror.allot_range(parent, first, 1_000, holder)
        assert refusal.value.code == code
    for broken in ("", "finance-city", "finance-city/x/1", f"finance-city/{CODE}/-1", f"finance-city/{CODE}/٣"):
        with pytest.raises(ServiceRefused, match="range_unknown"):
            await archive.mirror.allot_range(broken, 1, 1, "hospital-a")


async def test_seals_tell_watermark_and_lag(archive: Archive) -> None:
    """Per issuer; those withheld are listed."""
    await archive.issue(1)
    rows = {row["issuer"]: row for row in await archive.mirror.seals(None)}
    assert (rows["hospital-a"]["watermark"], rows["hospital-a"]["lag"]) == (0, 1)
    await archive.seal()

    (row,) = await archive.mirror.seals("hospital-a")
    assert row["watermark"] == archive.chain.height - 1
    assert row["withheld"] == []


# ── what others send ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_submission_that_the_disk_does_not_take_stops_the_node(archive: Archive) -> None:
    """RELIABILITY 3.2: any write error. The one who asked hears of it, and the task that the node guards ends with it."""
    operation = AllotRange(RangeRef("finance-city", CODE, 1), 200_001, 10, "hospital-b", [])
    failpoint.arm("details.before_write=ENOSPC@1")
    try:
        with pytest.raises(ServiceRefused, match="storage_failed"):
            await archive.mirror.submit(encode(archive.chain.sign("finance-city", operation)))
    finally:
        failpoint.arm("")
    with pytest.raises(StorageFailed, match="No space left on device"):
        await archive.submissions.run()
    assert archive.sent() == []


async def test_a_submitted_transaction_is_kept_sent_again_and_forgotten_when_final(archive: Archive) -> None:
    """202 means kept: also over a restart."""
    operation = AllotRange(RangeRef("finance-city", CODE, 1), 200_001, 10, "hospital-b", [])
    signed = archive.chain.sign("finance-city", operation)
    (standing,) = await archive.mirror.submit(encode(signed))
    assert standing.status == "queued"
    digest = operation_digest(operation).hex()
    found = await archive.mirror.operation(digest, CLERK)
    assert found is not None
    assert found.status == "queued"
    assert await archive.mirror.operation(digest, CASHIER) is None
    archive.sent()

    archive.restart()
    archive.now_s += 10
    archive.submissions.send_due()
    assert archive.block(*archive.sent()) == ["recorded"]

    assert archive.submissions.count == 0
    found = await archive.mirror.operation(digest, AUDITOR)
    assert found is not None
    assert found.status == "recorded"
    with pytest.raises(ServiceRefused, match="transaction_repeated"):
        await archive.mirror.submit(encode(signed))
    archive.restart()
    assert archive.submissions.count == 0


async def test_bad_transactions_are_refused_with_a_code_and_nothing_is_sent(archive: Archive) -> None:
    """Foreign key, altered signature, expired, garbage: each with a stable code."""
    chain = archive.chain
    operation = AllotRange(RangeRef("finance-city", CODE, 1), 200_001, 10, "hospital-b", [])
    good = chain.sign("finance-city", operation)

    def signed(name: str, until: int) -> bytes:
        entries = [Entry(False, operation)]
        return encode(sign_transaction(chain.chain_id, "finance-city", key_of(name), until, entries))

    bad = {
        "malformed": b"\xc1",
        "key_unknown": signed("stranger", chain.height + 5),
        "transaction_expired": signed("finance-city/unit", chain.height),
        "transaction_too_early": signed("finance-city/unit", chain.height + 10_000),
        "bad_signature": encode(good)[:-1] + bytes([encode(good)[-1] ^ 1]),
        "not_canonical": encode(good).replace(b"\xc2", b"\xc2", 1)[:0] + b"\xdc\x00\x06" + encode(good)[1:],
    }
    for code, data in bad.items():
        with pytest.raises(ServiceRefused) as refusal:
            await archive.mirror.submit(data)
        assert refusal.value.code == code
    assert archive.sent() == []


async def test_a_wait_ends_when_the_bill_is_sealed_or_the_time_is_over(archive: Archive) -> None:
    """`Prefer: wait`: woken by blocks, without polling."""
    bill = await archive.issue(1)
    record = archive.chain.ledger.state.record(keyspace.bill(bill))
    assert record is not None
    standing = await archive.mirror.operation(record.origin.hex(), CASHIER)
    assert standing is not None
    assert standing.status == "recorded"
    assert (await archive.mirror.wait(standing, 0)).status == "recorded"

    waiting = asyncio.create_task(archive.mirror.wait(standing, 60))
    await asyncio.sleep(0)
    await archive.seal()

    reached = await waiting
    assert (reached.status, reached.sealed_height, reached.bill_id) == ("sealed", archive.chain.height, bill)


async def test_a_second_bill_for_one_business_number_names_the_first(archive: Archive) -> None:
    """`already_issued`: B is superseded by A."""
    first = await archive.issue(1)
    again = issue_bill("No. 1", serial=2, lease_first=archive.first["hospital-a"])
    assert archive.block(archive.chain.sign("hospital-a", again)) == ["already_issued"]

    standing = await archive.mirror.operation(operation_digest(again).hex(), CASHIER)

    assert standing is not None
    assert (standing.status, standing.code, standing.superseded_by) == ("refused", "already_issued", first)


async def test_what_was_refused_and_is_sent_again_is_on_its_way_until_it_has_run(archive: Archive) -> None:
    """Else whoever waits for it is told the old refusal at once."""
    operation = VoidBill(bill_id(archive.first["hospital-a"]), "mistyped")
    digest = operation_digest(operation).hex()

    async def status() -> tuple[str, str | None]:
        standing = await archive.mirror.operation(digest, ADMIN)
        assert standing is not None
        return standing.status, standing.code

    await archive.mirror.submit(encode(archive.chain.sign("hospital-a", operation)))
    assert archive.block(*archive.sent()) == ["bill_unknown"]
    assert await status() == ("refused", "bill_unknown")
    await archive.mirror.submit(encode(archive.chain.sign("hospital-a", operation)))
    assert await status() == ("queued", None)
    assert archive.block(*archive.sent()) == ["bill_unknown"]
    assert await status() == ("refused", "bill_unknown")
    await archive.issue(archive.first["hospital-a"])
    (standing,) = await archive.mirror.submit(encode(archive.chain.sign("hospital-a", operation)))
    waiting = asyncio.create_task(archive.mirror.wait(standing, 60))
    await asyncio.sleep(0)
    assert archive.block(*archive.sent()) == ["recorded"]
    assert (await waiting).status == "recorded"


# ── payers that were bound later, settlements (FEATURES 8) ───────────────────────────────────────────────────────────


def unknown_bill(serial: int, first: int, **changes: object) -> tuple[IssueBill, Details]:
    private = details(bill_id(serial), business_no=f"No. {serial}", payer=Payer("无名氏", "unknown"), **changes)
    root = details_root(private)
    return issue_bill(f"No. {serial}", serial=serial, lease_first=first, details_root=root), private


def bound_payer(bill: str, seed: bytes = b"p" * 32, name: str = "Found Person") -> Details:
    return payer_details(
        bill, seed, Payer(name, "person", "test", "TEST-9"), "cashier two", "2026-06-02T09:00:00+08:00"
    )


async def test_the_payer_that_the_ledger_has_is_shown_to_those_who_may(archive: Archive) -> None:
    """Others of the bill and other hospitals' are left out; what is kept survives a restart."""
    bill, private = unknown_bill(1, archive.first["hospital-a"])
    payer = bound_payer(bill.bill)
    await archive.store.put("hospital-a", [private])
    assert archive.block(archive.chain.sign("hospital-a", bill)) == ["recorded"]
    bind = BindPayer(bill.bill, details_root(payer))
    assert archive.block(archive.chain.sign("hospital-a", bind)) == ["recorded"]
    page = await archive.mirror.bill(bill.bill, AUDITOR)
    assert page is not None
    assert page["payer"]["name"] == "无名氏"
    assert page["payer"]["bound"] == {"height": archive.chain.height, "operation": operation_digest(bind).hex()}
    with pytest.raises(ServiceRefused, match="unavailable"):
        await archive.mirror.payer_proof(bill.bill, AUDITOR, None)

    wrong = [bound_payer(bill.bill, b"q" * 32), bound_payer(bill.bill, name="Somebody Else")]
    assert await archive.payers.put("hospital-a", wrong) == []
    assert await archive.payers.put("hospital-b", [payer]) == []
    with pytest.raises(PeerRefused, match="not_supervised"):
        await archive.payers.put("hospital-z", [payer])
    with pytest.raises(Malformed):
        await archive.payers.put("hospital-a", [private])  # a bill's details are no payer
    assert await archive.payers.put("hospital-a", [payer]) == [bill.bill]
    assert await archive.payers.put("hospital-a", [payer]) == [bill.bill]
    archive.restart()

    for reader in (AUDITOR, CLERK, CASHIER):
        page = await archive.mirror.bill(bill.bill, reader)
        assert page is not None
        assert (page["payer"]["name"], page["payer"]["at_issue"]["name"]) == ("Found Person", "无名氏")
        assert page["payer"]["bound"]["by"] == "cashier two"
        data = await archive.mirror.payer_proof(bill.bill, reader, None)
        assert data is not None
        verdict = check_any(data, archive.chain.genesis)
        assert verdict.valid, verdict.checks[-1]
        assert verdict.bill["opened"]["payer_id_number"] == "TEST-9"
    data = await archive.mirror.payer_proof(bill.bill, None, check_code(private.seed, bill.bill))
    assert data is not None
    for reader in (*STRANGERS, Reader("u-9", "insurance", "auditor")):
        assert await archive.mirror.payer_proof(bill.bill, reader, None) is None
    assert await archive.payers.get_many("hospital-a", [bill.bill, bill_id(9)]) == [payer]
    assert await archive.payers.get_many("hospital-b", [bill.bill]) == []
    rows = await archive.mirror.history(bill.bill, CASHIER)
    assert rows is not None
    assert [row["event"] for row in rows] == ["recorded", "payer_bound"]


async def test_payers_wait_for_their_block_and_losers_are_forgotten(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two for one bill the ledger takes one, and the other goes, over a restart too; a bound keeps small what waits."""
    bill, private = unknown_bill(1, archive.first["hospital-a"])
    await archive.store.put("hospital-a", [private])
    first, second = bound_payer(bill.bill), bound_payer(bill.bill, b"q" * 32, "Other Person")
    refused = bound_payer(bill_id(2))
    kept = await archive.payers.put("hospital-a", [first, second, refused])  # before the bill itself is recorded
    assert kept == [bill.bill, bill.bill, bill_id(2)]
    assert archive.payers.waiting["hospital-a"] == 3
    assert await archive.payers.get_many("hospital-a", [bill.bill]) == []
    assert archive.block(archive.chain.sign("hospital-a", bill)) == ["recorded"]
    archive.restart()
    assert archive.payers.waiting["hospital-a"] == 3
    binds = [BindPayer(one.bill, details_root(one)) for one in (second, first, refused)]
    codes = archive.block(archive.chain.sign("hospital-a", *binds))
    assert codes == ["recorded", "payer_already_bound", "bill_unknown"]
    assert archive.payers.waiting["hospital-a"] == 0
    assert await archive.payers.get_many("hospital-a", [bill.bill]) == [second]
    assert await archive.payers.put("hospital-a", [first]) == []
    archive.restart()  # before what is to be forgotten was written: it is found out again
    other, _private = unknown_bill(3, archive.first["hospital-a"])
    assert await archive.payers.put("hospital-a", [bound_payer(other.bill)]) == [other.bill]
    rows = [key for key, _box in archive.store.database.scan(b"b/hospital-a/")]
    assert not any(details_root(first).hex() in key.decode() for key in rows)
    assert any(details_root(second).hex() in key.decode() for key in rows)

    monkeypatch.setattr("node.payer_store.WAITING_MAX", archive.payers.waiting["hospital-a"])
    assert await archive.payers.put("hospital-a", [bound_payer(bill_id(4)), bound_payer(other.bill)]) == [other.bill]
    assert WAITING_MAX >= 1_000


async def test_a_payer_that_was_bound_to_a_bill_with_a_known_one_counts_for_nothing(archive: Archive) -> None:
    """The ledger cannot know; a hospital that signs it all the same changes nothing of what is shown."""
    bill = await archive.issue(1)
    payer = bound_payer(bill)
    assert archive.block(archive.chain.sign("hospital-a", BindPayer(bill, details_root(payer)))) == ["recorded"]
    await archive.payers.put("hospital-a", [payer])
    page = await archive.mirror.bill(bill, CASHIER)
    assert page is not None
    assert page["payer"] == {
        "type": "person",
        "name": "Synthetic Person",
        "id_type": "test",
        "id_number": "TEST-000001",
    }
    with pytest.raises(ServiceRefused, match="payer_not_bound"):
        await archive.mirror.payer_proof(bill, CASHIER, None)


async def test_the_bills_of_a_settlement_part_by_part(archive: Archive) -> None:
    """By number; those whose block is still to come are left out, and strangers learn not even that there are any."""
    bills = [unknown_bill(serial, archive.first["hospital-a"], group="G-1") for serial in range(1, 6)]
    other = unknown_bill(6, archive.first["hospital-a"], group="G-2")
    await archive.store.put("hospital-a", [private for _bill, private in [*bills, other]])
    held = [bills[0], bills[1], bills[3], bills[4], other]
    assert set(archive.block(archive.chain.sign("hospital-a", *(bill for bill, _private in held)))) == {"recorded"}
    for limit in (1, 2, 3, 4, 9):
        numbers: list[str] = []
        after: str | None = None
        while True:
            page = await archive.mirror.bills_of_group("hospital-a", "G-1", AUDITOR, after, limit)
            assert len(page.data) <= limit
            numbers += [row["bill_id"] for row in page.data]
            after = page.next
            if after is None:
                break
        assert numbers == [bill_id(serial) for serial in (1, 2, 4, 5)]
    for reader in (*STRANGERS, Reader("u-9", "insurance", "auditor")):
        page = await archive.mirror.bills_of_group("hospital-a", "G-1", reader, None, 1)
        assert (page.data, page.next) == ([], None)
    assert (await archive.mirror.bills_of_group("hospital-b", "G-1", AUDITOR, None, 9)).data == []
    assert archive.store.bills_of_group("hospital-a", "G-1", bill_id(2), 2) == [bill_id(3), bill_id(4)]


async def test_who_was_bound_later_holds_the_bill(archive: Archive) -> None:
    """It is among the person's own bills from then on, over a restart too, and among nobody else's."""
    person = Reader("p-1", "finance-city", "patient", identity=Identity("test", "test-9", "Found Person"))
    loser = Reader("p-2", "finance-city", "patient", identity=Identity("test", "TEST-8", "Other Person"))
    bill, private = unknown_bill(1, archive.first["hospital-a"])
    await archive.store.put("hospital-a", [private])
    assert archive.block(archive.chain.sign("hospital-a", bill)) == ["recorded"]
    payer = bound_payer(bill.bill)
    other = payer_details(bill.bill, b"q" * 32, Payer("Other Person", "person", "test", "TEST-8"), "cashier", "now")
    await archive.payers.put("hospital-a", [payer, other])
    assert await archive.mirror.bill(bill.bill, person) is None
    assert (await archive.mirror.patients.my_bills(person, None, 10)).data == []
    bind = BindPayer(bill.bill, details_root(payer))
    assert archive.block(archive.chain.sign("hospital-a", bind)) == ["recorded"]
    for _ in range(2):
        (row,) = (await archive.mirror.patients.my_bills(person, None, 10)).data
        assert (row["bill_id"], row["payer"]["name"]) == (bill.bill, "Found Person")
        assert await archive.mirror.payer_proof(bill.bill, person, None) is not None
        assert await archive.mirror.bill(bill.bill, loser) is None
        assert (await archive.mirror.patients.my_bills(loser, None, 10)).data == []
        archive.restart()
