"""A hospital's money desk over a real ledger: notice, order, payment, the bill that follows; refunds; deposits; the same again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chain.bill import BillRequest, Charge, Item, Payer
from chain.operation import ResumeOrganisation, SuspendOrganisation
from chain.records import OrderBody
from node.gateway import Gateway
from node.identity import Identity
from node.money import bill_follow
from node.money.requests import (
    ClosureWish,
    DepositPaymentWish,
    DepositSettlementWish,
    DepositUseWish,
    DepositWish,
    NoticeBill,
    NoticeLine,
    NoticeRefundWish,
    NoticeWish,
    OrderWish,
    PartWish,
    PaymentWish,
    RefundWish,
    WithdrawalWish,
)
from node.service import Reader, ServiceRefused, Standing
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, until

WEI = Payer("示例甲", "person", "other", "EXAMPLE-0001")
LI = Payer("示例乙", "person", "other", "EXAMPLE-0002")


def patient(payer: Payer) -> Reader:
    identity = Identity(payer.id_type, payer.id_number, payer.name)
    return Reader("p", "finance-city", "patient", identity=identity)


def notice(number: str = "JF-1", payer: Payer = WEI, **lines: int) -> NoticeWish:
    sums = lines or {"test": 10_000}
    asked = [NoticeLine(kind, amount, f"{kind} in words") for kind, amount in sums.items()]
    charge = Charge("05", "laboratory", sum(sums.values()))
    return NoticeWish(number, payer, asked, bill=NoticeBill("outpatient", "A01", "machine 1", [charge]))


def order(number: str, *notices: str, **parts: int) -> OrderWish:
    return OrderWish(number, list(notices), [PartWish(channel, amount) for channel, amount in parts.items()])


@pytest.fixture
async def province(tmp_path: Path) -> AsyncIterator[Province]:
    province = Province(tmp_path)
    yield province
    await province.stop()


@pytest.fixture
async def gateway(province: Province) -> Gateway:
    return await province.start("hospital-a")


async def done(gateway: Gateway, wish: Any, target: str = "", reader: Reader = STAFF) -> str:
    """The name of what was made, once it is recorded."""
    standing = await gateway.wait(await gateway.money.do(wish, reader, target), PATIENCE_S, "recorded")
    assert standing.status == "recorded", standing
    return (standing.resource or "").rpartition("/")[2]


async def refused(gateway: Gateway, wish: Any, target: str = "", reader: Reader = STAFF) -> str:
    with pytest.raises(ServiceRefused) as caught:
        await gateway.money.do(wish, reader, target)
    return caught.value.code


async def shown(gateway: Gateway, kind: str, target: str, reader: Reader = STAFF) -> dict[str, Any]:
    page = await gateway.money.show(kind, target, reader)
    assert page is not None
    return page


async def billed(gateway: Gateway, name: str) -> str:
    """The bill that follows by itself."""
    async with asyncio.timeout(PATIENCE_S):
        while not (page := await shown(gateway, "notice", name))["bill_id"]:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    return str(page["bill_id"])


async def test_notice_payment_and_bill_are_one_chain_of_records(gateway: Gateway) -> None:
    """FEATURES 85."""
    name = await done(gateway, notice())
    mine = await gateway.money.rows("notice", patient(WEI), None, 10)
    assert [(row["notice"], row["state"], row["titles"]) for row in mine.data] == [(name, "owed", ["test in words"])]
    assert (await gateway.money.rows("notice", patient(LI), None, 10)).data == []
    assert await gateway.money.show("notice", name, patient(LI)) is None
    asked = await done(gateway, order("ZF-1", name, fund=4_000, account=1_000, cash=5_000))
    for part, amount in enumerate((4_000, 1_000, 5_000)):
        await done(gateway, PaymentWish(part, f"no {part}", amount), asked)
    bill = await billed(gateway, name)
    page = await shown(gateway, "notice", name, patient(WEI))
    assert (page["state"], page["bill_id"]) == ("settled", bill)
    shown_bill = await gateway.bill(bill, STAFF)
    assert shown_bill is not None
    assert shown_bill["total_fen"] == 10_000
    assert shown_bill["payments"] == {
        "insurance_fund_fen": 4_000,
        "personal_account_fen": 1_000,
        "other_fen": 0,
        "cash_fen": 5_000,
    }
    assert await refused(gateway, order("ZF-2", name, cash=10_000)) == "already_settled"
    assert await refused(gateway, PaymentWish(2, "once more", 5_000), asked) == "already_settled"
    assert await refused(gateway, WithdrawalWish("mistake"), name) == "already_settled"


async def test_several_notices_that_are_paid_at_once_get_a_bill_each(gateway: Gateway) -> None:
    """Each channel counts in proportion; what rounding leaves is the patient's own."""
    names = [await done(gateway, notice(f"JF-{number}", test=amount)) for number, amount in ((1, 3_333), (2, 6_667))]
    asked = await done(gateway, order("ZF-1", *names, fund=4_000, card=6_000))
    for part, amount in enumerate((4_000, 6_000)):
        await done(gateway, PaymentWish(part, f"no {part}", amount), asked)
    bills = [await gateway.bill(await billed(gateway, name), STAFF) for name in names]
    told = [(bill["total_fen"], bill["payments"]) for bill in bills if bill is not None]
    assert [total for total, _ in told] == [3_333, 6_667]
    assert [(parts["insurance_fund_fen"], parts["cash_fen"]) for _, parts in told] == [(1_333, 2_000), (2_666, 4_001)]
    for name, bill in zip(names, bills, strict=True):
        assert bill is not None
        assert (await shown(gateway, "notice", name))["bill_id"] == bill["bill_id"]


async def test_the_same_number_is_the_same_thing(gateway: Gateway) -> None:
    first = await gateway.money.do(notice(), STAFF)
    again = await gateway.money.do(notice(), STAFF)
    assert (again.repeated, again.operation, again.resource) == (True, first.operation, first.resource)
    assert await refused(gateway, notice(test=9_999)) == "business_no_conflict"
    await gateway.wait(first, PATIENCE_S, "recorded")
    name = (first.resource or "").rpartition("/")[2]
    asked = await done(gateway, order("ZF-1", name, cash=10_000))
    payment = PaymentWish(0, "receipt 1", 10_000)
    await done(gateway, payment, asked)
    assert (await gateway.money.do(payment, STAFF, asked)).repeated


async def test_what_the_ledger_would_refuse_is_refused_at_the_counter(gateway: Gateway) -> None:
    assert await refused(gateway, notice(payer=replace(WEI, id_number=" "))) == "invalid_value"
    wrong = notice()
    assert wrong.bill is not None
    wrong = replace(wrong, bill=replace(wrong.bill, charges=[Charge("05", "laboratory", 9_999)]))
    assert await refused(gateway, wrong) == "sum_mismatch"
    assert await refused(gateway, replace(notice(), due="tomorrow")) == "invalid_time"
    name = await done(gateway, notice())
    assert await refused(gateway, order("ZF-1", name, cash=9_999)) == "sum_mismatch"
    assert await refused(gateway, order("ZF-1", "0" * 64, cash=1)) == "notice_unknown"
    asked = await done(gateway, order("ZF-1", name, alipay=10_000))
    assert await refused(gateway, PaymentWish(0, "no 1", 10_000), asked) == "channel_differs"
    assert await refused(gateway, PaymentWish(1, "no 1", 10_000), asked) == "part_unknown"
    assert await refused(gateway, PaymentWish(0, "no 1", 10_000), "x") == "order_unknown"
    await done(gateway, ClosureWish("unpaid"), asked)
    assert (await shown(gateway, "order", asked))["state"] == "closed"
    await done(gateway, WithdrawalWish("mistake"), name)


async def test_money_goes_back_the_way_it_came(gateway: Gateway) -> None:
    """FEATURES 14."""
    name = await done(gateway, notice())
    asked = await done(gateway, order("ZF-1", name, card=6_000, cash=4_000))
    await done(gateway, PaymentWish(0, "slip 1", 6_000), asked)
    await done(gateway, PaymentWish(1, "receipt 1", 4_000), asked)
    bill = await billed(gateway, name)
    assert await refused(gateway, RefundWish(), bill) == "red_bill_differs"
    red = await gateway.wait(await gateway.reverse(bill, "wrong payer", "cashier", None), PATIENCE_S, "recorded")
    assert red.bill_id is not None
    assert await refused(gateway, RefundWish(amount_fen=10_001), red.bill_id) == "exceeds_notice"
    await done(gateway, RefundWish(amount_fen=5_000), red.bill_id)
    page = await shown(gateway, "refund", red.bill_id)
    assert {row["channel"]: row["amount_fen"] for row in page["refunds"]} == {"card": 3_000, "cash": 2_000}
    assert (await gateway.money.do(RefundWish(amount_fen=5_000), STAFF, red.bill_id)).repeated
    assert await refused(gateway, RefundWish(amount_fen=1), red.bill_id) == "business_no_conflict"


async def test_a_deposit_from_voucher_to_bill_to_refund(gateway: Gateway) -> None:
    """FEATURES 16."""
    deposit = await done(gateway, DepositWish("YJ-1", WEI))
    await done(gateway, DepositPaymentWish("card", "slip 1", 300_000), deposit)
    await done(gateway, DepositPaymentWish("cash", "receipt 1", 200_000), deposit)
    name = await done(gateway, notice(ward=320_000))
    asked = await done(gateway, order("ZF-1", name, deposit=320_000))
    await done(gateway, DepositUseWish(asked, 0), deposit)
    await billed(gateway, name)
    await done(gateway, DepositSettlementWish(), deposit)
    page = await shown(gateway, "deposit", deposit)
    assert (page["state"], page["balance_fen"]) == ("settled", 0)
    assert [voucher["refunded_fen"] for voucher in page["vouchers"]] == [0, 180_000]
    assert await refused(gateway, DepositSettlementWish(), deposit) == "deposit_settled"
    assert await refused(gateway, DepositPaymentWish("cash", "receipt 2", 1), deposit) == "deposit_settled"


async def test_a_gateway_that_was_gone_in_between_lets_the_bill_follow(province: Province) -> None:
    """Another gateway of the hospital took the payment meanwhile."""
    gateway = await province.start("hospital-a")
    name = await done(gateway, notice())
    asked = await done(gateway, order("ZF-1", name, cash=10_000))
    again = await province.crash(gateway)
    other = await province.start("hospital-a-2")
    await done(other, PaymentWish(0, "receipt 1", 10_000), asked)
    assert (await shown(other, "notice", name))["bill_id"] is None
    again.begin()
    bill = await billed(again, name)
    assert [bill] == [operation.bill for operation in province.recorded_bills()]


async def test_what_a_red_bill_leaves_on_a_settled_deposit_goes_back_too(gateway: Gateway) -> None:
    """Settled again, for that alone."""
    deposit = await done(gateway, DepositWish("YJ-1", WEI))
    await done(gateway, DepositPaymentWish("card", "slip 1", 300_000), deposit)
    name = await done(gateway, notice(ward=320))
    asked = await done(gateway, order("ZF-1", name, deposit=320))
    await done(gateway, DepositUseWish(asked, 0), deposit)
    bill = await billed(gateway, name)
    await done(gateway, DepositSettlementWish(), deposit)
    red = await gateway.wait(await gateway.reverse(bill, "wrong ward", "cashier", None), PATIENCE_S, "recorded")
    assert red.bill_id is not None
    await done(gateway, RefundWish(), red.bill_id)
    assert (await shown(gateway, "deposit", deposit))["balance_fen"] == 320
    await done(gateway, DepositSettlementWish(), deposit)
    page = await shown(gateway, "deposit", deposit)
    assert (page["balance_fen"], page["vouchers"][0]["refunded_fen"]) == (0, 300_000)
    assert await refused(gateway, DepositSettlementWish(), deposit) == "deposit_settled"


async def test_notices_that_nobody_pays_hold_up_no_bill(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are owed, and wherever the paid one lies among them."""
    monkeypatch.setattr(bill_follow, "AT_ONCE", 2)
    names = sorted([await done(gateway, notice(f"JF-{number}")) for number in range(5)])
    asked = await done(gateway, order("ZF-1", names[-1], cash=10_000))
    await done(gateway, PaymentWish(0, "receipt 1", 10_000), asked)
    await billed(gateway, names[-1])


async def test_a_bill_that_the_ledger_did_not_take_is_issued_again(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was numbered and queued, and came to nothing: what answers it waits for nothing, and the notice is not forgotten."""
    monkeypatch.setattr(bill_follow, "ASKED_S", 0.02)
    monkeypatch.setattr(bill_follow, "LOOK_S", 0.01)
    follow, issued = gateway.money.follow, 0
    issue = follow._issue

    async def once_lost(request: BillRequest) -> Standing:
        nonlocal issued
        issued += 1
        return Standing("0" * 64, "queued", bill_id="330601269999999999") if issued == 1 else await issue(request)

    monkeypatch.setattr(follow, "_issue", once_lost)
    name = await done(gateway, notice())
    asked = await done(gateway, order("ZF-1", name, cash=10_000))
    await done(gateway, PaymentWish(0, "receipt 1", 10_000), asked)
    bill = await billed(gateway, name)
    assert bill != "330601269999999999"
    await until(lambda: gateway.money.rows_kept.due("bill", 1) == [])
    assert follow.waiting.codes == {}


async def test_what_was_refunded_before_its_bill_answered_is_told_of(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bill stands and answers nothing: people reverse it."""
    monkeypatch.setattr(bill_follow, "ASKED_S", 0.02)
    monkeypatch.setattr(bill_follow, "LOOK_S", 0.01)
    follow = gateway.money.follow

    async def lost(request: BillRequest) -> Standing:
        return Standing("0" * 64, "queued", bill_id="330601269999999999")

    monkeypatch.setattr(follow, "_issue", lost)
    name = await done(gateway, notice())
    asked = await done(gateway, order("ZF-1", name, cash=10_000))
    await done(gateway, PaymentWish(0, "receipt 1", 10_000), asked)
    await until(lambda: bytes.fromhex(name) in follow._asked)
    await done(gateway, NoticeRefundWish("TK-1"), name)
    await until(lambda: gateway.money.rows_kept.due("bill", 1) == [])
    assert follow.waiting.codes == {bytes.fromhex(name): "bill_unanswered"}


async def test_a_bill_that_could_not_follow_is_refused_before_anybody_pays(gateway: Gateway) -> None:
    """Its figures, its place, its number: later nobody is there to be told."""
    good = notice()
    assert good.bill is not None

    async def told(number: str, **changes: Any) -> tuple[str, str | None]:
        with pytest.raises(ServiceRefused) as caught:
            await gateway.money.do(replace(good, notice_no=number, bill=replace(good.bill, **changes)), STAFF)
        return caught.value.code, caught.value.pointer

    item = Item("99", "-", "of no charge", 1_000, 10_000, 100)
    assert await told("JF-9", charges=[Charge("05", "laboratory", 9_999)]) == ("sum_mismatch", "/bill/charges")
    assert await told("JF-9", place_code="ZZZ") == ("place_unknown", "/bill/place_code")
    assert await told("JF-9", items=[item]) == ("charge_unknown", "/bill/items/0/charge_code")
    asked = await done(gateway, order("ZF-1", name := await done(gateway, good), cash=10_000))
    await done(gateway, PaymentWish(0, "receipt 1", 10_000), asked)
    await billed(gateway, name)
    assert await told("JF-9", business_no=good.notice_no) == ("business_no_conflict", "/bill/business_no")
    assert gateway.money.rows_kept.get("notice", gateway.money.filing.names.of("notice", "JF-9")) is None
    other = await done(gateway, replace(good, notice_no="JF-9", bill=replace(good.bill, business_no="MZ-77")))
    asked = await done(gateway, order("ZF-9", other, cash=10_000))
    await done(gateway, PaymentWish(0, "receipt 9", 10_000), asked)
    bill = await gateway.bill(await billed(gateway, other), STAFF)
    assert bill is not None
    assert bill["business_no"] == "MZ-77"


async def test_a_notice_that_the_ledger_refused_has_no_bill_that_is_due(province: Province, gateway: Gateway) -> None:
    """Nor does it keep its number from a visit; asked for again once the hospital goes on, it has its bill."""
    province.hold()
    standing = await gateway.money.do(notice(), STAFF)
    province.run("finance-city", SuspendOrganisation("hospital-a", "audit", 0, []))
    province.go_on()
    assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status == "refused"
    name = bytes.fromhex((standing.resource or "").rpartition("/")[2])
    gateway.money.follow._later.clear()  # as if a minute had passed
    gateway.money.follow.on_paid(bytes(32))
    await until(lambda: not gateway.money.rows_kept.is_due("bill", name))
    province.run("finance-city", ResumeOrganisation("hospital-a", 1, []))
    await done(gateway, notice())
    assert gateway.money.rows_kept.is_due("bill", name)


async def test_a_refund_that_the_ledger_refused_is_waited_for_by_nobody(province: Province, gateway: Gateway) -> None:
    name = await done(gateway, replace(notice(), bill=None))
    asked = await done(gateway, order("ZF-1", name, cash=10_000))
    await done(gateway, PaymentWish(0, "receipt 1", 10_000), asked)
    province.hold()
    standing = await gateway.money.do(NoticeRefundWish("TK-1"), STAFF, name)
    province.run("finance-city", SuspendOrganisation("hospital-a", "audit", 0, []))
    province.go_on()
    assert (await gateway.wait(standing, PATIENCE_S, "recorded")).status == "refused"
    assert gateway.money.rows_kept.due("back", 9) == []


@pytest.mark.parametrize("went_back_fen", [1, 10_000])
async def test_what_was_refunded_before_its_bill_was_asked_for(
    province: Province, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, went_back_fen: int
) -> None:
    """Of all that was paid there is no bill; one for a rest people write, and are told so."""
    follow = gateway.money.follow
    held = asyncio.Event()
    bill_of = follow._sources["bill"].bill_of

    async def later(name: bytes) -> Any:
        await held.wait()
        return await bill_of(name)

    monkeypatch.setattr(follow._sources["bill"], "bill_of", later)
    name = await done(gateway, notice())
    asked = await done(gateway, order("ZF-1", name, cash=10_000))
    await done(gateway, PaymentWish(0, "receipt 1", 10_000), asked)
    await done(gateway, NoticeRefundWish("TK-1", amount_fen=went_back_fen), name)
    held.set()
    if went_back_fen < 10_000:
        await until(lambda: follow.waiting.codes == {bytes.fromhex(name): "bill_unanswered"})
        gateway = await province.crash(gateway)  # what people have to do is not forgotten
        gateway.begin()
        await until(lambda: gateway.money.follow.waiting.codes == {bytes.fromhex(name): "bill_unanswered"})
        await done(gateway, NoticeRefundWish("TK-2"), name)
        monkeypatch.setattr(gateway.money.follow, "_later", {})
    await until(lambda: gateway.money.rows_kept.due("bill", 1) == [])
    assert gateway.money.follow.waiting.codes == {}
    assert (await shown(gateway, "notice", name))["bill_id"] is None


async def test_a_fault_at_one_thing_leaves_the_others_their_turn(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody foresaw at one notice is told of; the next one's bill follows, and its own too once the fault is mended."""
    monkeypatch.setattr(bill_follow, "ASKED_S", 0.02)
    monkeypatch.setattr(bill_follow, "LOOK_S", 0.01)
    follow, source = gateway.money.follow, gateway.money.follow._sources["bill"]
    names = [await done(gateway, notice(f"JF-{number}")) for number in (1, 2)]
    faulty, bill_of = bytes.fromhex(names[0]), source.bill_of

    async def fails(name: bytes) -> Any:
        if name == faulty:
            raise KeyError("a form that nobody thought of")
        return await bill_of(name)

    with monkeypatch.context() as broken:
        broken.setattr(source, "bill_of", fails)
        for number, name in enumerate(names):
            asked = await done(gateway, order(f"ZF-{number}", name, cash=10_000))
            await done(gateway, PaymentWish(0, f"receipt {number}", 10_000), asked)
        await billed(gateway, names[1])
        await until(lambda: follow.waiting.codes == {faulty: "internal_error"})
        assert gateway.status()["money_waits"] == {"bills": {"internal_error": 1}}
        assert gateway.figures()["money_waiting"] == 1
    await billed(gateway, names[0])
    await until(lambda: follow.waiting.codes == {})
    assert (gateway.status()["money_waits"], gateway.figures()["money_waiting"]) == ({}, 0)


async def test_an_order_at_which_something_fails_is_not_looked_at_for_ever(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its notices are looked at in their turn."""
    for name, seconds in (("UNPAID_S", 0.02), ("LOOK_S", 0.01)):
        monkeypatch.setattr(bill_follow, name, seconds)
    follow, body = gateway.money.follow, gateway.money.steps.body
    owed = await done(gateway, notice())
    asked = await done(gateway, order("ZF-1", owed, cash=10_000))

    async def fails(key: bytes, kind: Any) -> Any:
        if kind is OrderBody and asyncio.current_task() in gateway._tasks:
            raise KeyError("a form that nobody thought of")
        return await body(key, kind)

    with monkeypatch.context() as broken:
        broken.setattr(bill_follow, "ASKED_S", 0.02)
        broken.setattr(gateway.money.steps, "body", fails)
        await done(gateway, PaymentWish(0, "receipt 1", 10_000), asked)
        await until(lambda: follow._paid == {})
    await billed(gateway, owed)
    await until(lambda: follow.waiting.codes == {})


async def test_numbers_that_differ_in_their_last_letter_have_a_bill_each(gateway: Gateway) -> None:
    """A notice's number may be longer than a bill's."""
    bills = set()
    for number in ("N" * 63 + "1", "N" * 63 + "2"):
        name = await done(gateway, notice(number))
        asked = await done(gateway, order(f"ZF-{number[-1]}", name, cash=10_000))
        await done(gateway, PaymentWish(0, f"receipt {number[-1]}", 10_000), asked)
        bills.add(await billed(gateway, name))
    assert len(bills) == 2


async def test_a_moment_that_cannot_be_shown_is_refused(gateway: Gateway) -> None:
    """In UTC it lies in the year 10000: whoever owed it could not list anything any more."""
    for due in ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+08:00"):
        assert await refused(gateway, replace(notice(), due=due)) == "invalid_time"
    await done(gateway, replace(notice(), due="9999-12-31T23:59:59+08:00"))
    assert len((await gateway.money.rows("notice", patient(WEI), None, 9)).data) == 1
