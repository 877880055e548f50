"""The three-way match over a ledger in memory: every class of difference alone, pages, and what history and life page tell."""

from __future__ import annotations

from typing import Any

import pytest

from chain.operation import JoinSettlement, PayFund, Payments, VoidBill, WithdrawSettlement, operation_digest
from node.bill_history import BillHistory
from node.life_index import LifeIndex
from node.life_pages import life_page
from node.proof_desk import ProofDesk
from node.seal_index import SealIndex
from node.service import DIFFERENCES, ServiceRefused
from node.settlement_match import SettlementMatch
from tests.chain.making import Chain, MemoryStore, bill_id, genesis_with, issue_bill, mac, reverse_bill

PARTS = Payments(6_000, 300, 45, 6_000)
CASH = Payments(0, 0, 45, 12_300)


class Story:
    """Bills are numbered from 1; a settlement is called by the number of its first bill."""

    def __init__(self) -> None:
        self.chain = Chain(genesis_with(bureau_b="insurance"))
        self.chain.lease("hospital-a")
        self.chain.lease("hospital-b")
        self.match = SettlementMatch(self.chain.ledger)

    def issue(self, serial: int, payments: Payments = PARTS, **changes: Any) -> None:
        issuer = "hospital-b" if serial > 100_000 else "hospital-a"
        first = 100_001 if issuer == "hospital-b" else 1
        bill = issue_bill(f"B-{serial}", serial=serial, issuer=issuer, lease_first=first, payments=payments, **changes)
        assert self.chain.run(issuer, bill) == ["recorded"]

    def join(self, serial: int, settlement: str, parts: Payments = PARTS, bureau: str = "insurance") -> None:
        assert self.chain.run(bureau, JoinSettlement(mac(settlement), bill_id(serial), parts)) == ["recorded"]

    def pay(
        self, settlement: str, amount_fen: int = 6_000, hospital: str = "hospital-a", bureau: str = "insurance",
        date: int = 20260620,
    ) -> None:  # fmt: skip
        operation = PayFund(mac(settlement), hospital, amount_fen, date, mac(f"payment of {settlement}"))
        assert self.chain.run(bureau, operation) == ["recorded"]

    def withdraw(self, settlement: str) -> None:
        assert self.chain.run("insurance", WithdrawSettlement(mac(settlement), "bill_reversed")) == ["recorded"]

    def reverse(self, serial: int, payments: Payments = PARTS) -> None:
        red = reverse_bill(issue_bill(f"B-{serial}", serial=serial, payments=payments), serial=serial + 500)
        assert self.chain.run("hospital-a", red) == ["recorded"]

    def right(self, serial: int) -> None:
        """A bill on which all three agree."""
        self.issue(serial)
        self.join(serial, f"S-{serial}")
        self.pay(f"S-{serial}", hospital="hospital-b" if serial > 100_000 else "hospital-a")

    async def rows(self, bureau: str | None = None, limit: int = 1_000, **filters: str) -> list[dict[str, Any]]:
        """All of them, part by part."""
        rows: list[dict[str, Any]] = []
        after: str | None = None
        while True:
            page = await self.match.page(filters, bureau, after, limit)
            assert len(page.data) <= limit
            rows += page.data
            if page.next is None:
                return rows
            assert page.next != after
            after = page.next

    async def found(self, bureau: str | None = None, **filters: str) -> dict[str, list[str]]:
        """Bill, or the settlement's name where there is none -> differences, of what does not match."""
        rows = await self.rows(bureau, unmatched="true", **filters)
        return {row["bill_id"] or row["settlement"]: row["differences"] for row in rows}


@pytest.fixture
def story() -> Story:
    return Story()


async def test_each_difference_is_found_alone_among_bills_that_match(story: Story) -> None:
    """Forty right ones, and one of each class; those exactly, each by its own name."""
    for serial in range(1, 41):
        story.right(serial)
    story.issue(50, CASH)  # no insurance money and no settlement: nobody's business
    story.issue(51)
    story.issue(52)
    story.join(52, "S-52", Payments(5_999, 300, 45, 6_001))
    story.issue(53)
    story.join(53, "S-53", Payments(6_000, 299, 46, 6_000))
    story.issue(54)
    story.join(54, "S-54", Payments(6_000, 300, 45, 5_000))
    story.issue(55)
    story.join(55, "S-55")
    story.issue(56)
    story.join(56, "S-56")
    story.right(57)
    story.reverse(57)
    story.issue(58)
    story.join(58, "S-58")
    assert story.chain.run("hospital-a", VoidBill(bill_id(58), "mistyped")) == ["recorded"]
    for serial, amount in ((52, 5_999), (53, 6_000), (54, 6_000), (56, 6_001)):
        story.pay(f"S-{serial}", amount)
    story.pay("S-99")
    planted = {
        bill_id(51): ["no_settlement"],
        bill_id(52): ["fund_differs", "rest_differs"],
        bill_id(53): ["account_differs", "rest_differs"],
        bill_id(54): ["rest_differs"],
        bill_id(55): ["not_paid"],
        bill_id(56): ["paid_differs"],
        bill_id(57): ["bill_reversed"],
        bill_id(58): ["bill_void"],
        mac("S-99").hex(): ["settlement_without_bill"],
    }
    assert await story.found() == planted
    assert {name for names in planted.values() for name in names} == set(DIFFERENCES)
    for name in DIFFERENCES:
        wanted = {bill: names for bill, names in planted.items() if name in names}
        assert await story.found(difference=name) == wanted
    everything = await story.rows()
    assert len(everything) == 40 + len(planted)
    assert sum(not row["differences"] for row in everything) == 40
    by_parts = [row for size in (1, 7) for row in await story.rows(limit=size)]
    assert by_parts == everything * 2


async def test_a_red_bill_and_one_that_was_never_settled_are_no_rows(story: Story) -> None:
    story.issue(1)
    story.reverse(1)
    story.issue(2, CASH)
    assert await story.rows() == []


async def test_other_money_and_cash_are_one_purse_and_a_personal_account_needs_a_settlement(story: Story) -> None:
    story.issue(1)
    story.join(1, "S-1", Payments(6_000, 300, 6_045, 0))
    story.pay("S-1")
    story.issue(2, Payments(0, 300, 0, 12_045))
    assert await story.found() == {bill_id(2): ["no_settlement"]}
    story.join(2, "S-2", Payments(0, 300, 0, 12_045))  # the fund owes nothing for it, and pays nothing
    assert await story.found() == {}
    story.pay("S-2", 1)
    assert await story.found() == {bill_id(2): ["paid_differs"]}


async def test_a_settlement_of_several_bills_is_paid_in_one(story: Story) -> None:
    for serial in (1, 2, 3):
        story.issue(serial)
        story.join(serial, "S-1")
    assert await story.found() == {bill_id(serial): ["not_paid"] for serial in (1, 2, 3)}
    story.pay("S-1", 18_000)
    assert await story.found() == {}
    story.issue(4)
    story.join(4, "S-1")
    assert await story.found() == {bill_id(serial): ["paid_differs"] for serial in (1, 2, 3, 4)}
    (row, *_others) = await story.rows()
    assert (row["settlement_bills"], row["due_fen"], row["paid_fen"], row["paid_date"]) == (
        4,
        24_000,
        18_000,
        "2026-06-20",
    )


async def test_what_is_put_right_is_found_no_more(story: Story) -> None:
    """A payment before its bill, a reversed bill's settlement withdrawn, a mistake settled anew under another number."""
    story.pay("S-1")
    assert await story.found() == {mac("S-1").hex(): ["settlement_without_bill"]}
    story.issue(1)
    story.join(1, "S-1")
    assert await story.found() == {}
    story.reverse(1)
    assert await story.found() == {bill_id(1): ["bill_reversed"]}
    story.withdraw("S-1")
    assert await story.rows() == []
    story.issue(2)
    story.join(2, "S-2", Payments(1, 0, 0, 0))
    story.pay("S-2", 1)
    story.withdraw("S-2")
    assert await story.found() == {bill_id(2): ["no_settlement"]}
    story.join(2, "S-3")
    story.pay("S-3")
    assert await story.found() == {}
    story.pay("S-4")
    story.withdraw("S-4")  # it came back
    assert await story.found() == {}


async def test_hospital_day_and_bureau_narrow_the_list(story: Story) -> None:
    story.issue(1)
    story.issue(2, business_date=20260530)
    story.issue(100_001)
    story.join(100_001, "T-1", bureau="bureau-b")
    story.pay("T-2", hospital="hospital-b", bureau="bureau-b", date=20260701)
    lone = mac("T-2").hex()
    assert set(await story.found()) == {bill_id(1), bill_id(2), bill_id(100_001), lone}
    assert set(await story.found(issuer="hospital-a")) == {bill_id(1), bill_id(2)}
    assert set(await story.found(issuer="hospital-b")) == {bill_id(100_001), lone}
    assert await story.found(issuer="hospital-z") == {}
    assert set(await story.found(to="2026-05-31")) == {bill_id(2)}
    assert set(await story.found(**{"from": "2026-06-01", "to": "2026-06-30"})) == {bill_id(1), bill_id(100_001)}
    assert set(await story.found(**{"from": "2026-07-01"})) == {lone}
    assert set(await story.found("bureau-b")) == {
        bill_id(100_001),
        lone,
    }  # nobody else's, nor bills without a settlement
    assert await story.found("insurance") == {}
    assert await story.found("hospital-a") == {}
    with pytest.raises(ServiceRefused, match="parameter_invalid"):
        await story.match.page({}, None, "elsewhere:1", 10)


async def test_a_page_looks_at_so_many_records_and_goes_on(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    for serial in range(1, 8):
        story.right(serial)
    story.issue(9)
    monkeypatch.setattr("node.settlement_match.SCANNED_MAX", 3)
    monkeypatch.setattr("node.settlement_match.SCANNED_AT_ONCE", 2)
    page = await story.match.page({"unmatched": "true"}, None, None, 10)
    assert (page.data, page.next) == ([], f"bill:hospital-a/20260601/{bill_id(3)}")
    assert await story.found() == {bill_id(9): ["no_settlement"]}


def test_history_and_life_page_tell_the_settlement(story: Story) -> None:
    """Payment and withdrawal are of the settlement: each of its bills tells them, whenever it was joined."""
    early, late = issue_bill("B-1", payments=PARTS), issue_bill("B-2", serial=2, payments=PARTS)
    assert story.chain.run("hospital-a", early, late) == ["recorded"] * 2
    state, store = story.chain.ledger.state, MemoryStore()
    lives, seals = LifeIndex(store, story.chain.ledger), SealIndex(store, story.chain.ledger)
    history = BillHistory(story.chain.ledger, seals, lives, ProofDesk(story.chain.ledger, seals))

    def events(bill: str, index: LifeIndex = lives) -> list[tuple[str, str]]:
        teller = BillHistory(story.chain.ledger, seals, index, ProofDesk(story.chain.ledger, seals))
        record = state.record(f"bill/{bill}".encode())
        assert record is not None
        return [
            (row["event"], row["role"]) for row in teller.rows(bill, record, story.chain.bill(bill), lambda _step: True)
        ]

    assert life_page(state, early.bill, 0)["settlement"] == "none"
    steps = (
        JoinSettlement(mac("S-1"), early.bill, PARTS),
        PayFund(mac("S-1"), "hospital-a", 12_000, 20260620, mac("P")),
        JoinSettlement(mac("S-1"), late.bill, PARTS),
        WithdrawSettlement(mac("S-1"), "mistyped"),
    )
    for step, state_after in zip(steps, ("joined", "paid", "paid", "withdrawn"), strict=True):
        lives.on_final(story.chain.block([story.chain.sign("insurance", step)]))
        page = life_page(state, early.bill, 0)
        assert (page["settlement"], page["settlement_by"]) == (state_after, "insurance")
        assert page["settlement_mac"] == mac("S-1").hex()
    bureau = "insurance_bureau"
    joined, paid, gone = ("settlement_joined", bureau), ("fund_paid", bureau), ("settlement_withdrawn", bureau)
    assert events(early.bill) == [("recorded", "issuer"), joined, paid, gone]
    assert events(late.bill) == [("recorded", "issuer"), paid, joined, gone]
    again = LifeIndex(MemoryStore(), story.chain.ledger)  # derived a second time, from the log
    for bill in (early.bill, late.bill):
        assert events(bill, again) == events(bill)
    record = state.record(f"bill/{early.bill}".encode())
    assert record is not None
    rows = history.rows(early.bill, record, story.chain.bill(early.bill), lambda _step: True)
    assert [row.get("amount_fen") for row in rows] == [None, 6_000, 12_000, None]
    assert [row["operation"] for row in rows[1:]] == [operation_digest(steps[place]).hex() for place in (0, 1, 3)]
    assert lives.bill_of(steps[1], "insurance") == early.bill  # whose hospital may see the payment's proof
    assert lives.bill_of(PayFund(mac("S-2"), "hospital-a", 1, 20260620, mac("P")), "insurance") == ""
