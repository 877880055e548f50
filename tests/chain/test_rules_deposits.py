"""Deposits: vouchers in, orders paid out of them, settled once, and what is left goes back the way it came."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.operation import CloseOrder, PayFromDeposit, RefundDeposit, SettleDeposit
from chain.records import COUNTED, DepositBody
from chain.rules.accounts import AMOUNT_FEN_MAX
from tests.chain.making import mac
from tests.chain.paying import HOSPITAL, WEI, Story, deposit, give_back, pay_in, stray, take


@pytest.fixture
def story() -> Story:
    story = Story()
    story.done(deposit("d"), pay_in("v1", "d", 300_000, "alipay"), pay_in("v2", "d", 200_000))
    return story


def back(name: str, payment: str, amount_fen: int, of: str = "d") -> RefundDeposit:
    return RefundDeposit(mac(name), mac(of), mac(payment), amount_fen, mac("evidence"))


def use(name: str, order: str, part: int = 0, of: str = "d") -> PayFromDeposit:
    return PayFromDeposit(mac(of), mac(name), mac(order), part)


def left(story: Story, name: str = "d") -> int:
    body: DepositBody = story.chain.body(keyspace.deposit(HOSPITAL, mac(name)), DepositBody)
    return story.balance(body.account)


def test_a_deposit_pays_the_bill_and_the_rest_goes_back(story: Story) -> None:
    """Row 16: 5,000.00 in two vouchers, 3,200.00 used, 1,800.00 back; settled once."""
    story.done(story.notice("n", ward=320_000), story.order("o", "n", deposit=320_000), use("u", "o"))
    assert (left(story), story.at("collected"), story.payment_body("u").state) == (180_000, 320_000, COUNTED)
    assert story.code(back("r", "v1", 1)) == "deposit_unsettled"
    settle = SettleDeposit(mac("d"))
    assert story.code(settle) == "recorded"
    assert story.code(settle) == "already_recorded"
    assert story.code(SettleDeposit(mac("none"))) == "deposit_unknown"
    assert story.code(back("r", "v1", 180_001)) == "deposit_exceeded"
    assert story.code(back("r", "v1", 300_001)) == "exceeds_payment"
    assert story.code(back("r", "v1", 0)) == "amount_not_positive"
    assert story.code(back("r", "none", 1)) == "payment_unknown"
    assert story.code(back("r", "u", 1)) == "payment_unknown"  # that one left the deposit
    story.done(back("r", "v1", 180_000))
    assert (left(story), story.at("channel", about="alipay"), story.at("channel", about="cash")) == (
        0,
        -120_000,
        -200_000,
    )
    assert story.code(back("r", "v2", 1)) == "refund_exists"
    assert story.code(pay_in("v3", "d", 1)) == "deposit_settled"
    assert story.code(use("u2", "o")) == "deposit_settled"


def test_what_comes_for_a_settled_deposit_goes_back_as_stray(story: Story) -> None:
    """A patient paid on the phone while the cashier settled: nothing of it is lost, nothing of it is the deposit's."""
    story.done(SettleDeposit(mac("d")), stray("late", "d", 100))
    assert (story.at("refunds"), left(story)) == (100, 500_000)
    assert story.code(back("r", "late", 100)) == "payment_unknown"
    story.done(give_back("g", "late", 100))
    assert (story.at("refunds"), left(story)) == (0, 500_000)
    assert story.code(stray("other", "none", 1)) == "order_unknown"


def test_what_a_deposit_takes_and_gives(story: Story) -> None:
    first = deposit("d")
    assert story.code(replace(first, kind="balance")) == "deposit_exists"
    assert story.code(pay_in("v", "none", 1)) == "deposit_unknown"
    assert story.code(pay_in("v", "d", 1, "credit")) == "channel_differs"
    assert story.code(pay_in("v", "d", 0)) == "amount_not_positive"
    assert story.code(pay_in("v", "d", AMOUNT_FEN_MAX + 1)) == "amount_too_large"
    assert story.code(pay_in("v1", "d", 300_000, "alipay")) == "already_recorded"
    assert story.code(pay_in("v1", "d", 1)) == "payment_exists"
    story.done(story.notice("n", ward=500_001), story.order("o", "n", deposit=500_000, cash=1))
    assert story.code(use("u", "none")) == "order_unknown"
    assert story.code(use("u", "o", 1)) == "channel_differs"
    story.done(deposit("e"), pay_in("w", "e", 499_999))
    assert story.code(use("u", "o", of="e")) == "deposit_exceeded"
    assert story.code(use("u", "o", of="none")) == "deposit_unknown"
    story.done(use("u", "o"))
    assert story.code(use("u", "o")) == "already_recorded"
    assert story.code(use("u2", "o")) == "part_paid"
    story.done(take("c", "o", 1, 1))
    assert story.at("collected") == 500_001


def test_a_closed_order_gives_a_deposits_part_back_at_once(story: Story) -> None:
    story.done(story.notice("n", ward=5), story.order("o", "n", deposit=3, cash=2), use("u", "o"))
    assert (left(story), story.at("suspense")) == (499_997, 3)
    story.done(CloseOrder(mac("o"), "unpaid"))
    assert (left(story), story.at("suspense"), story.at("refunds")) == (500_000, 0, 0)
    assert story.code(give_back("r", "u", 3)) == "exceeds_payment"


def test_a_refund_fills_the_deposit_that_paid_and_goes_on_from_there(story: Story) -> None:
    story.done(story.notice("n", ward=500_000), story.order("o", "n", deposit=500_000), use("u", "o"))
    story.done(SettleDeposit(mac("d")), give_back("r", "u", 100_000, "n"))
    assert left(story) == 100_000
    story.done(back("r2", "v2", 100_000))
    assert left(story) == 0
    assert (
        story.code(give_back("r3", "v1", 1)) == "payment_unknown"
    )  # a voucher goes back by the deposit's own operation


def test_the_balance_of_a_card_is_given_back_at_any_time() -> None:
    story = Story()
    story.done(deposit("card", "balance", WEI), pay_in("v", "card", 100), back("r", "v", 40, "card"))
    assert left(story, "card") == 60
