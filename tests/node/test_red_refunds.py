"""A red bill with its refund: one chain from the counter to the ledger and back, both or neither. FEATURES 14, 99."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chain import keyspace
from chain.operation import RefundPayment, ReverseBill
from chain.records import PaymentBody
from node.gateway import Gateway
from node.money.refunds import Paid, RefundPlan
from node.money.requests import PaymentWish, RefundWish
from node.service import ServiceRefused, Standing
from tests.node.gateway_province import PATIENCE_S, STAFF, Province, bill, sealed
from tests.node.test_money_desk import billed, done, notice, order, refused, shown


@pytest.fixture
async def province(tmp_path: Path) -> AsyncIterator[Province]:
    province = Province(tmp_path)
    yield province
    await province.stop()


async def paid_bill(gateway: Gateway, number: str = "1", card_fen: int = 6_000, cash_fen: int = 4_000) -> str:
    """A bill that followed by itself, paid by card and in cash."""
    name = await done(gateway, notice(f"JF-{number}", test=card_fen + cash_fen))
    asked = await done(gateway, order(f"ZF-{number}", name, card=card_fen, cash=cash_fen))
    await done(gateway, PaymentWish(0, f"slip {number}", card_fen), asked)
    await done(gateway, PaymentWish(1, f"receipt {number}", cash_fen), asked)
    return await billed(gateway, name)


async def reverse(gateway: Gateway, number: str, refund: RefundWish | None = None) -> Standing:
    return await gateway.reverse(number, "wrong payer", "cashier", None, (), refund)


async def not_reversed(gateway: Gateway, number: str, refund: RefundWish) -> str:
    """The code of a refusal; no number was used for it."""
    before = [lease.next for lease in gateway.leases()]
    with pytest.raises(ServiceRefused) as caught:
        await reverse(gateway, number, refund)
    assert [lease.next for lease in gateway.leases()] == before
    page = await gateway.bill(number, STAFF)
    assert page is None or page["validity"] != "reversed"
    return caught.value.code


def chains(province: Province) -> list[list[tuple[bool, str]]]:
    """(linked, type) of the entries of each transaction that holds a reversal, or a refund."""
    return [
        [(entry.linked, type(entry.operation).__name__) for entry in own.transaction.entries]
        for height in range(1, province.chain.height + 1)
        for own in province.chain.view(height).received
        if any(isinstance(entry.operation, ReverseBill | RefundPayment) for entry in own.transaction.entries)
    ]


async def test_both_are_recorded_in_one_block(province: Province) -> None:
    """60 by card, 40 in cash: all of it back, in the order of the parts, linked to the red bill."""
    gateway = await province.start()
    number = await paid_bill(gateway)
    red = await gateway.wait(await reverse(gateway, number, RefundWish()), PATIENCE_S, "recorded")
    assert red.status == "recorded"
    assert chains(province) == [[(True, "ReverseBill"), (True, "RefundPayment"), (False, "RefundPayment")]]
    page = await shown(gateway, "refund", red.bill_id or "")
    assert (page["status"], page["red_bill_id"]) == ("recorded", red.bill_id)
    assert {row["channel"]: row["amount_fen"] for row in page["refunds"]} == {"card": 6_000, "cash": 4_000}
    for row in page["refunds"]:
        found = await gateway.money.steps.body_at(
            keyspace.payment("hospital-a", bytes.fromhex(row["payment"])), PaymentBody
        )
        assert found is not None
        assert (found[0].refunded_fen, found[1]) == (row["amount_fen"], red.height)
    assert (await gateway.money.do(RefundWish(), STAFF, red.bill_id or "")).repeated  # the same refund, asked for later
    assert await refused(gateway, RefundWish(amount_fen=1), red.bill_id or "") == "business_no_conflict"


async def test_a_part_goes_back_by_the_policy(province: Province) -> None:
    gateway = await province.start()
    number = await paid_bill(gateway)
    wish = RefundWish(policy="last_first", amount_fen=5_000)
    red = await gateway.wait(await reverse(gateway, number, wish), PATIENCE_S, "recorded")
    page = await shown(gateway, "refund", red.bill_id or "")
    assert [(row["channel"], row["amount_fen"]) for row in page["refunds"]] == [("cash", 4_000), ("card", 1_000)]


async def test_without_the_wish_the_money_stays(province: Province) -> None:
    """Wrong payer, the same money: the new bill is about it."""
    gateway = await province.start()
    number = await paid_bill(gateway)
    red = await gateway.wait(await reverse(gateway, number), PATIENCE_S, "recorded")
    assert chains(province) == [[(False, "ReverseBill")]]
    assert await gateway.money.show("refund", red.bill_id or "", STAFF) is None


async def test_what_cannot_go_back_uses_no_number(province: Province) -> None:
    gateway = await province.start()
    number = await paid_bill(gateway)
    assert await not_reversed(gateway, number, RefundWish(amount_fen=10_001)) == "exceeds_notice"
    other = await gateway.issue(bill())
    await sealed(province, gateway, other)
    assert await not_reversed(gateway, other.bill_id or "", RefundWish()) == "nothing_to_refund"
    assert await not_reversed(gateway, "330601260000099999", RefundWish()) == "bill_unknown"
    red = await gateway.wait(await reverse(gateway, number, RefundWish()), PATIENCE_S, "recorded")
    with pytest.raises(ServiceRefused, match="already_reversed"):
        await reverse(gateway, number, RefundWish())
    with pytest.raises(ServiceRefused, match="bill_is_red"):
        await reverse(gateway, red.bill_id or "", RefundWish())


async def test_what_the_ledger_would_refuse_of_the_refund_now_uses_no_number(
    province: Province, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen with the rules themselves, as if the red bill stood."""
    gateway = await province.start()
    number = await paid_bill(gateway)
    shares = gateway.money.refunds._shares

    async def a_fen_too_much(original: str, wish: RefundWish) -> list[tuple[Paid, int]]:
        (first, amount_fen), *others = await shares(original, wish)
        return [(first, amount_fen + 1), *others]

    monkeypatch.setattr(gateway.money.refunds, "_shares", a_fen_too_much)
    assert await not_reversed(gateway, number, RefundWish()) == "exceeds_payment"


async def test_a_crash_while_it_waits_keeps_both_and_their_link(province: Province) -> None:
    gateway = await province.start()
    number = await paid_bill(gateway)
    province.hold()
    red = await reverse(gateway, number, RefundWish())
    gateway = await province.crash(gateway)
    province.go_on()
    gateway.begin()
    assert (await gateway.wait(red, PATIENCE_S, "recorded")).status == "recorded"
    assert (await shown(gateway, "refund", red.bill_id or ""))["total_fen"] == 10_000
    assert chains(province)[-1][0] == (True, "ReverseBill")


async def test_what_the_ledger_refuses_of_the_refund_is_refused_of_the_red_bill(province: Province) -> None:
    """What was planned has come to be a fen too much: the bill stands, and may be reversed again."""
    gateway = await province.start()
    number = await paid_bill(gateway)
    plan = await gateway.money.refunds.plan(number, RefundWish())
    (first, amount_fen), *others = plan.shares
    wrong = RefundPlan([(first, amount_fen + 1), *others], plan.wish)
    standing = gateway._issuing.reverse(
        number, "wrong payer", "cashier", None, [], lambda red: gateway.money.refunds.adopt(wrong, red)
    )
    told = await gateway.wait(standing, PATIENCE_S, "recorded")
    assert (told.status, told.code) == ("refused", "exceeds_payment")
    page = await gateway.bill(number, STAFF)
    assert page is not None
    assert page["validity"] == "normal"
    red = await gateway.wait(await reverse(gateway, number, RefundWish()), PATIENCE_S, "recorded")
    assert (red.status, red.bill_id == standing.bill_id) == ("recorded", False)
