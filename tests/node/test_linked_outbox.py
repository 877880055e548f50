"""Two operations that hold or fall together, from the counter to the ledger and back (FEATURES 12); and what is foreseen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chain import keyspace
from chain.operation import (
    AccountRef,
    HoldBill,
    HoldMoney,
    MakeUpPayment,
    OpenAccount,
    Payments,
    PrintPaper,
    ReverseBill,
    TakeBackPaper,
    Transfer,
    VoidBill,
    VoidBlanks,
)
from chain.records import UNLIMITED
from chain.transaction import Entry, Transaction
from node.messages import GetRecord
from node.service import Claimed, ServiceRefused
from node.settling import concluded
from tests.chain.making import bill_id, mac
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, bill, sealed, until

PAPER = PrintPaper(bill_id(1), "33060001")


@pytest.fixture
async def province(tmp_path: Path) -> AsyncIterator[Province]:
    province = Province(tmp_path)
    yield province
    await province.stop()


def correction_entries(province: Province) -> list[tuple[bool, str]]:
    """(linked, type) of the entries of every block's transactions that hold a reversal."""
    return [
        (entry.linked, type(entry.operation).__name__)
        for height in range(1, province.chain.height + 1)
        for own in province.chain.view(height).received
        for entry in own.transaction.entries
        if any(isinstance(other.operation, ReverseBill) for other in own.transaction.entries)
    ]


async def test_a_correction_goes_as_one_chain_beside_other_bills(province: Province) -> None:
    gateway = await province.start()
    first = await gateway.issue(bill())
    await sealed(province, gateway, first)
    province.hold()
    others = [await gateway.issue(bill(f"B-x{number}")) for number in range(3)]
    red, new = await gateway.correct(first.bill_id or "", "partial refund", "cashier one", bill("B-2", 7_000))
    others.append(await gateway.issue(bill("B-y")))
    assert (red.status, new.status) == ("queued", "queued")
    province.go_on()
    for standing in (red, new, *others):
        assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status in ("recorded", "sealed")
    entries = correction_entries(province)
    place = entries.index((True, "ReverseBill"))
    assert entries[place + 1] == (False, "IssueBill")
    assert sum(linked for linked, _name in entries) == 1
    again = await gateway.correct(first.bill_id or "", "partial refund", "cashier one", bill("B-2", 7_000))
    assert [one.bill_id for one in again] == [red.bill_id, new.bill_id]
    assert all(one.repeated for one in again)


async def test_a_crash_while_it_waits_keeps_both_and_their_link(province: Province) -> None:
    gateway = await province.start()
    first = await gateway.issue(bill())
    await sealed(province, gateway, first)
    province.hold()
    red, new = await gateway.correct(first.bill_id or "", "partial refund", "cashier one", bill("B-2", 7_000))
    gateway = await province.crash(gateway)
    province.go_on()
    gateway.begin()
    done = await gateway.wait(new, PATIENCE_S, "recorded")
    assert done.status == "recorded"
    assert (await gateway.wait(red, PATIENCE_S, "recorded")).height == done.height
    assert (True, "ReverseBill") in correction_entries(province)


async def test_what_the_ledger_refuses_of_one_is_refused_of_both(province: Province) -> None:
    """Another gateway of the hospital printed a copy, and this one could ask nobody."""
    gateway = await province.start()
    first = await gateway.issue(bill())
    await sealed(province, gateway, first)
    province.hold()
    for link in province.peers["hospital-a"].links:
        link.is_silent = True
    red, new = await gateway.correct(first.bill_id or "", "partial refund", "cashier one", bill("B-2", 7_000))
    assert province.run("hospital-a", PrintPaper(first.bill_id or "", "33060001")) == ["recorded"]
    for link in province.peers["hospital-a"].links:
        link.is_silent = False
    province.go_on()
    refused = await gateway.wait(red, PATIENCE_S, "recorded")
    assert (refused.status, refused.code) == ("refused", "paper_copy_outstanding")
    assert (await gateway.wait(new, PATIENCE_S, "recorded")).status == "refused"
    page = await gateway.bill(first.bill_id or "", STAFF)
    assert page is not None
    assert page["related"] is None  # it may be reversed once the copy is back
    await until(lambda: province.codes().count("recorded") >= 5)  # both numbers are reported unused
    assert [entry.bill for entry in province.recorded_bills()] == [first.bill_id]
    assert (await gateway.issue(bill("B-2", 7_000))).repeated is False  # its business number is free again


async def test_a_correction_of_a_bill_that_is_never_recorded_is_refused_whole(province: Province) -> None:
    """The bill waits behind another gateway's of the same business number: it is superseded, and nothing is left queued."""
    gateway, other = await province.start(), await province.start("hospital-a-2")
    province.hold()
    mine = await gateway.issue(bill())
    red, new = await gateway.correct(mine.bill_id or "", "partial refund", "cashier one", bill("B-2", 7_000))
    printed = await gateway.move(PrintPaper(mine.bill_id or "", "33060001"))
    theirs = await other.issue(bill())

    def is_theirs(transaction: Transaction) -> bool:
        return any(getattr(entry.operation, "bill", "") == theirs.bill_id for entry in transaction.entries)

    await until(lambda: any(is_theirs(one) for one in province.pool.values()))
    province.pool = {digest: one for digest, one in province.pool.items() if is_theirs(one)}
    province.go_on()
    await other.wait(theirs, PATIENCE_S, "recorded")
    for standing in (red, new, printed):
        assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status == "refused"
    for number in (red.bill_id, new.bill_id):
        page = await gateway.bill(number or "", STAFF)
        assert page is not None
        assert page["status"] == "refused"
    assert (await gateway.issue(bill("B-2", 7_000))).repeated is False  # its business number is free again
    assert [one.bill for one in province.recorded_bills()] == [theirs.bill_id]


def test_a_chain_that_was_recorded_before_is_not_taken_for_refused() -> None:
    """Signed anew after a silence, the ledger says already_recorded of its first and linked_failed of the others."""
    red = ReverseBill(bill_id(2), bill_id(1), "A01", 20260601, 0, -1, Payments(0, 0, 0, -1), 0, 0, 1, bytes(32), [])
    entries = [
        Entry(False, PAPER),
        Entry(True, red),
        Entry(False, PAPER),
        Entry(True, red),
        Entry(False, PAPER),
        Entry(True, PAPER),
    ]
    codes = ["linked_failed", "already_recorded", "linked_failed", "number_used", "linked_failed", "already_recorded"]
    assert concluded([*entries, Entry(False, PAPER)], [*codes, "linked_failed"]) == [
        "linked_failed", "already_recorded", "already_recorded", "number_used", "linked_failed",
        "already_recorded", "linked_failed",  # these may have been recorded one by one
    ]  # fmt: skip


async def test_who_is_told_of_an_account_a_transfer_and_a_hold(province: Province) -> None:
    """The account's owner alone; of a transfer or a hold either side, and nobody else."""
    till, other = AccountRef("hospital-a", mac("till")), AccountRef("hospital-b", mac("other"))
    assert province.run("hospital-a", OpenAccount(till.account, "own", UNLIMITED, False)) == ["recorded"]
    assert province.run("hospital-b", OpenAccount(other.account, "own", UNLIMITED, True)) == ["recorded"]
    until_ms = province.chain.time_ms + 60_000
    paid, held = (
        Transfer(mac("t"), till, other, 5, "sale", [], []),
        HoldMoney(mac("h"), till, other, 5, until_ms, "visit", []),
    )
    assert province.run("hospital-a", paid, held) == ["recorded", "recorded"]
    assert province.run("hospital-a", OpenAccount(mac("second"), "own", UNLIMITED, False)) == ["recorded"]
    within = Transfer(mac("within"), till, AccountRef("hospital-a", mac("second")), 5, "sale", [], [])
    assert province.run("hospital-a", within) == ["recorded"]

    async def told(key: bytes) -> list[str]:
        return [
            name
            for name in ("hospital-a", "hospital-b", "hospital-c")
            if (await province.answers.record(GetRecord(key), name)).current is not None
        ]

    assert await told(keyspace.account(till)) == ["hospital-a"]
    assert await told(keyspace.account(other)) == ["hospital-b"]
    assert await told(keyspace.transfer("hospital-a", mac("t"))) == ["hospital-a", "hospital-b"]
    assert await told(keyspace.held("hospital-a", mac("h"))) == ["hospital-a", "hospital-b"]
    assert await told(keyspace.transfer("hospital-a", mac("within"))) == ["hospital-a"]


async def test_a_step_that_would_be_refused_is_kept_nowhere(province: Province) -> None:
    gateway = await province.start()
    first = await gateway.issue(bill())
    await sealed(province, gateway, first)
    number = first.bill_id or ""
    printed = await gateway.move(PrintPaper(number, "33060001"))
    assert (await gateway.wait(printed, PATIENCE_S, "recorded")).status == "recorded"
    assert (await gateway.move(PrintPaper(number, "33060001"))).repeated
    before = province.chain.height
    for operation, code in (
        (PrintPaper(number, "33060002"), "paper_copy_exists"),
        (PrintPaper(bill_id(77), "33060003"), "bill_unknown"),
    ):
        with pytest.raises(ServiceRefused, match=code):
            await gateway.move(operation)
    with pytest.raises(ServiceRefused, match="paper_copy_outstanding"):
        await gateway.reverse(number, "wrong payer", "cashier one", None)
    assert province.chain.height == before
    found = await gateway.life(number, STAFF)
    assert found is not None
    assert (found["paper"], found["paper_form"]) == ("out", "33060001")
    for key in (keyspace.paper(number), keyspace.form("hospital-a", "33060001")):  # no other hospital is told
        assert (await province.answers.record(GetRecord(key), "hospital-a")).current is not None
        assert (await province.answers.record(GetRecord(key), "hospital-b")).current is None
    again = await gateway.reprint(number, "33060001", "33060002")
    assert (await gateway.wait(again, PATIENCE_S, "recorded")).status == "recorded"
    found = await gateway.life(number, STAFF)
    assert found is not None
    assert (found["paper_form"], found["paper_copies"]) == ("33060002", 2)


async def test_a_withdrawn_bill_is_void_for_everybody_and_cannot_be_reversed(province: Province) -> None:
    gateway = await province.start()
    first = await gateway.issue(bill())
    await sealed(province, gateway, first)
    number = first.bill_id or ""
    withdrawn = await gateway.move(VoidBill(number, "mistyped"))
    assert (await gateway.wait(withdrawn, PATIENCE_S, "recorded")).status == "recorded"
    page = await gateway.bill(number, STAFF)
    assert page is not None
    assert page["validity"] == "void"
    history = await gateway.history(number, STAFF)
    assert history is not None
    assert [row["event"] for row in history].count("void") == 1
    with pytest.raises(ServiceRefused, match="bill_is_void"):
        await gateway.reverse(number, "wrong payer", "cashier one", None)
    claimed = Claimed(number, first.check_code or "")
    assert (await gateway.verify_claimed(claimed, "10.0.0.1"))["verdict"] == "genuine_void"


async def test_what_was_recorded_once_and_is_over_is_not_the_same_again(province: Province) -> None:
    gateway = await province.start()
    first = await gateway.issue(bill())
    await sealed(province, gateway, first)
    number = first.bill_id or ""
    for operation in (
        PrintPaper(number, "33060001"),
        TakeBackPaper(number, "33060001", "damaged"),
        HoldBill(number, "owed"),
        MakeUpPayment(number),
    ):
        standing = await gateway.move(operation)
        assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status == "recorded"
    with pytest.raises(ServiceRefused, match="form_used"):
        await gateway.move(PrintPaper(number, "33060001"))
    with pytest.raises(ServiceRefused, match="held_before"):
        await gateway.move(HoldBill(number, "owed"))


async def test_a_step_that_could_not_be_read_back_is_refused(province: Province) -> None:
    """Else the outbox would hold what neither a validator nor the next start can decode."""
    gateway = await province.start()
    for operation in (VoidBlanks(["06-01"], "voided"), VoidBlanks(["ab01"], "voided"), PrintPaper("33", "33060001")):
        with pytest.raises(ServiceRefused, match="invalid_value"):
            await gateway.move(operation)
    assert not gateway._outbox.items or all(
        not isinstance(one.operation, VoidBlanks) for one in gateway._outbox.items.values()
    )


async def test_nobody_answers_and_the_step_is_kept(province: Province) -> None:
    """DESIGN 1.8: the cashier never waits for the province."""
    gateway = await province.start()
    first = await gateway.issue(bill())
    await sealed(province, gateway, first)
    for link in province.peers["hospital-a"].links:
        link.is_silent = True
    province.hold()
    printed = await gateway.move(PrintPaper(first.bill_id or "", "33060001"))
    assert printed.status == "queued"
    for link in province.peers["hospital-a"].links:
        link.is_silent = False
    province.go_on()
    assert (await gateway.wait(printed, PATIENCE_S, "recorded")).status == "recorded"
