"""Notices, orders and payments: all parts or nothing, each payment once, refunds the way the money came, one bill for one notice."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.operation import (
    BankChannel,
    CloseOrder,
    LineSum,
    OpenAccount,
    OrderPart,
    SuspendOrganisation,
    Transfer,
    VoidBill,
    WithdrawNotice,
)
from chain.records import (
    IN_ORDER,
    NOT_OWED,
    ORDER_CLOSED,
    ORDER_OPEN,
    ORDER_PAID,
    OWED,
    SETTLED,
    STRAY,
    UNLIMITED,
    ChannelDayBody,
)
from chain.rules import money_places
from chain.rules.accounts import AMOUNT_FEN_MAX, Books
from chain.rules.channel_days import BANK_LINES_MAX
from chain.rules.orders import ORDER_MS_MAX
from tests.chain.making import TODAY, bill_id, issue_bill, key_of, mac, reverse_bill
from tests.chain.paying import HOSPITAL, Story, answer, give_back, stray, take


@pytest.fixture
def story() -> Story:
    return Story()


# ── notices ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_notice_says_what_is_owed_until_it_is_paid_or_withdrawn(story: Story) -> None:
    first = story.notice("n", test=100, drug=50)
    assert story.code(first) == "recorded"
    assert story.code(first) == "already_recorded"
    assert story.code(story.notice("n", test=1)) == "notice_exists"
    body = story.notice_body("n")
    assert (body.state, body.total_fen, body.order, body.bill) == (OWED, 150, [], [])
    assert story.code(WithdrawNotice(mac("none"), "mistake")) == "notice_unknown"
    gone = WithdrawNotice(mac("n"), "mistake")
    assert story.code(gone) == "recorded"
    assert story.code(gone) == "already_recorded"
    assert story.code(WithdrawNotice(mac("n"), "other")) == "notice_withdrawn"
    assert story.notice_body("n").state == NOT_OWED
    assert story.code(story.order("o", "n", alipay=150)) == "notice_withdrawn"


def test_a_notice_is_refused_for_its_signer_and_then_for_its_lines(story: Story) -> None:
    notice = story.notice("n")
    assert story.code(notice, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    for lines in ([LineSum("test", 1), LineSum("drug", 1)], [LineSum("drug", 1)] * 2, [LineSum("drug", 0)]):
        assert story.code(replace(notice, lines=lines)) == "lines_malformed"
    most = [LineSum("drug", AMOUNT_FEN_MAX), LineSum("test", 1)]
    assert story.code(replace(notice, lines=most)) == "amount_too_large"
    assert story.code(replace(notice, lines=[LineSum("drug", AMOUNT_FEN_MAX)])) == "recorded"
    story.done(SuspendOrganisation(HOSPITAL, "audit", 0, []), by="finance-city")
    assert story.code(story.notice("m")) == "organisation_suspended"


def test_other_collections_are_notices_too(story: Story) -> None:
    story.done(story.notice("water", kind="utility", water=4_200), by="platform-a")
    assert story.notice_body("water", "platform-a").kind == "utility"


# ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_paid_only_when_all_its_parts_are(story: Story) -> None:
    """Row 86: fund 120 + account 30 + wallet 50."""
    story.done(story.notice("n", test=200), story.order("o", "n", fund=120, account=30, alipay=50))
    assert story.notice_body("n").state == IN_ORDER
    story.done(take("p1", "o", 0, 120), take("p3", "o", 2, 50))
    assert (story.order_body("o").state, story.at("suspense"), story.at("collected")) == (ORDER_OPEN, 170, 0)
    last_ms = story.chain.time_ms
    story.done(take("p2", "o", 1, 30))
    body = story.order_body("o")
    assert (body.state, body.paid_ms, body.free_fen, body.total_fen) == (ORDER_PAID, last_ms, 200, 200)
    assert (story.at("suspense"), story.at("collected"), story.notice_body("n").state) == (0, 200, SETTLED)
    assert [story.at("channel", about=channel) for channel in ("fund", "account", "alipay")] == [-120, -30, -50]
    assert story.code(story.order("again", "n", alipay=200)) == "already_settled"
    assert story.code(take("p4", "o", 0, 120)) == "already_settled"
    assert story.code(CloseOrder(mac("o"), "late")) == "already_settled"
    assert story.code(WithdrawNotice(mac("n"), "late")) == "already_settled"


def test_one_notice_is_never_in_two_orders(story: Story) -> None:
    story.done(story.notice("n", test=100), story.notice("m", test=5))
    first = story.order("o", "n", alipay=100)
    assert story.code(first) == "recorded"
    assert story.code(first) == "already_recorded"
    assert story.code(story.order("o", "m", alipay=5)) == "order_exists"
    assert story.code(story.order("other", "m", "n", alipay=105)) == "notice_in_order"
    assert story.code(WithdrawNotice(mac("n"), "mistake")) == "notice_in_order"
    assert story.code(story.order("other", "none", alipay=5)) == "notice_unknown"
    assert story.code(story.order("other", "m", alipay=5), "hospital-b") == "notice_unknown"  # another's


def test_an_orders_form(story: Story) -> None:
    story.done(story.notice("n", test=100), story.notice("m", test=5))
    order = story.order("o", "m", "n", alipay=105)
    assert story.code(replace(order, notices=order.notices[::-1])) == "notices_malformed"
    assert story.code(replace(order, notices=[order.notices[0]] * 2)) == "notices_malformed"
    for parts in ([OrderPart("alipay", 106), OrderPart("cash", -1)], [OrderPart("alipay", 105), OrderPart("cash", 0)]):
        assert story.code(replace(order, parts=parts)) == "parts_malformed"
    assert story.code(replace(order, parts=[OrderPart("alipay", 104)])) == "sum_mismatch"
    for until_ms in (story.chain.time_ms, story.in_ms(ORDER_MS_MAX + 60_000)):
        assert story.code(replace(order, until_ms=until_ms)) == "order_too_long"
    assert story.code(order) == "recorded"
    story.done(story.notice("big", test=AMOUNT_FEN_MAX), story.notice("one", test=1))
    assert story.code(story.order("p", "big", "one", alipay=AMOUNT_FEN_MAX + 1)) == "amount_too_large"


def test_a_closed_order_gives_its_notices_free_and_what_was_paid_back(story: Story) -> None:
    story.done(story.notice("n", test=100), story.order("o", "n", alipay=60, wechat=40), take("p", "o", 0, 60))
    assert story.code(give_back("r", "p", 60)) == "order_open"
    close = CloseOrder(mac("o"), "unpaid")
    assert story.code(close) == "recorded"
    assert story.code(close) == "already_recorded"
    assert story.code(CloseOrder(mac("o"), "other")) == "order_closed"
    assert story.code(CloseOrder(mac("none"), "other")) == "order_unknown"
    assert (story.order_body("o").state, story.notice_body("n").state) == (ORDER_CLOSED, OWED)
    assert (story.at("suspense"), story.at("refunds"), story.payment_body("p").state) == (0, 60, STRAY)
    assert story.code(take("q", "o", 1, 40)) == "order_closed"
    story.done(give_back("r", "p", 60), story.order("o2", "n", cash=100), take("c", "o2", 0, 100))
    assert (story.at("refunds"), story.at("channel", about="alipay"), story.at("collected")) == (0, 0, 100)


def test_nothing_is_taken_for_an_order_whose_time_is_over(story: Story) -> None:
    story.done(story.notice("n", test=100))
    order = story.order("o", "n", alipay=100)
    story.done(order)
    (code,) = story.chain.run(HOSPITAL, take("p", "o", 0, 100), time_ms=order.until_ms)
    assert code == "order_expired"
    assert story.code(story.order("o2", "n", alipay=100)) == "notice_in_order"  # until the first one is closed
    story.done(CloseOrder(mac("o"), "unpaid"), story.order("o2", "n", alipay=100))


# ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_channels_notice_may_come_any_number_of_times(story: Story) -> None:
    """Row 87: the same five times is one capture."""
    story.done(story.notice("n", test=100), story.order("o", "n", alipay=100))
    again = [story.code(take("p", "o", 0, 100)) for _ in range(5)]
    assert again == ["recorded", *["already_recorded"] * 4]
    assert story.code(take("p", "o", 0, 99)) == "payment_exists"
    assert story.at("collected") == 100


def test_what_pays_no_part_is_refused_and_goes_back_as_stray(story: Story) -> None:
    story.done(story.notice("n", test=100), story.order("o", "n", alipay=60, deposit=40))
    assert story.code(take("p", "none", 0, 60)) == "order_unknown"
    assert story.code(take("p", "o", 2, 60)) == "part_unknown"
    assert story.code(take("p", "o", 1, 40)) == "channel_differs"  # a deposit pays by its own operation
    assert story.code(take("p", "o", 0, 59)) == "amount_differs"
    assert story.code(stray("p", "none", 59)) == "order_unknown"
    assert story.code(stray("p", "o", 0, "deposit")) == "channel_differs"  # nothing strays inside the ledger
    assert story.code(stray("p", "o", 0)) == "amount_not_positive"
    assert story.code(stray("p", "o", AMOUNT_FEN_MAX + 1)) == "amount_too_large"
    wrong = stray("p", "o", 59)
    assert story.code(wrong) == "recorded"
    assert story.code(wrong) == "already_recorded"
    assert (story.at("refunds"), story.at("channel", about="alipay")) == (59, -59)
    story.done(take("q", "o", 0, 60))
    assert story.code(take("again", "o", 0, 60)) == "part_paid"
    assert story.code(give_back("r", "p", 59, "n")) == "notice_not_in_order"
    assert story.code(give_back("r", "p", 60)) == "exceeds_payment"
    assert story.code(give_back("r", "p", 0)) == "amount_not_positive"
    refund = give_back("r", "p", 59)
    assert story.code(refund) == "recorded"
    assert story.code(refund) == "already_recorded"
    assert story.code(give_back("r", "p", 1)) == "refund_exists"
    assert story.code(give_back("r2", "p", 1)) == "exceeds_payment"
    assert (story.at("refunds"), story.at("channel", about="alipay")) == (0, -60)
    assert story.code(give_back("r3", "none", 1)) == "payment_unknown"


def test_what_a_channel_owes_ends_at_the_bank(story: Story) -> None:
    story.paid("n", test=10_000)
    line = BankChannel(mac("bank 1"), "alipay", 20260601, 9_940, 60)
    assert story.code(replace(line, channel="credit", amount_fen=0)) == "channel_differs"
    assert story.code(replace(line, amount_fen=0, fee_fen=0)) == "amount_not_positive"
    assert story.code(replace(line, fee_fen=-1)) == "amount_not_positive"
    assert story.code(replace(line, amount_fen=AMOUNT_FEN_MAX)) == "amount_too_large"
    assert story.code(replace(line, day=20260231)) == "date_unknown"
    assert story.code(line) == "recorded"
    assert story.code(line) == "already_recorded"
    assert story.code(replace(line, fee_fen=61)) == "bank_line_exists"
    assert [story.at(place) for place in ("bank", "fees", "collected")] == [-9_940, -60, 10_000]
    assert story.at("channel", about="alipay") == 0
    for number in range(BANK_LINES_MAX - 1):
        story.done(replace(line, settled=mac(f"bank {number + 2}"), amount_fen=1, fee_fen=0))
    assert story.code(replace(line, settled=mac("bank 99"))) == "bank_day_full"


def test_a_channels_day_says_what_it_took_and_what_came_to_the_bank(story: Story) -> None:
    story.paid("n", test=10_000)
    story.done(story.notice("m", test=70), story.order("o", "m", alipay=70), stray("s", "o", 30))
    story.done(give_back("r", "s", 30))
    line = BankChannel(mac("bank 1"), "alipay", TODAY, 9_940, 60)
    story.done(line)
    day: ChannelDayBody = story.chain.body(keyspace.channel_day(HOSPITAL, "alipay", TODAY), ChannelDayBody)
    assert day == ChannelDayBody(2, 10_030, 1, 30, 9_940, 60, [mac("bank 1")])


def test_no_other_operation_moves_this_money(story: Story) -> None:
    """Row 91: the one who keeps the account has no operation that pays itself out of it."""
    story.done(OpenAccount(mac("own"), "own", UNLIMITED, True))
    story.paid("n", test=10_000)
    state = story.chain.ledger.state
    collected = money_places.collected(Books(state, None), HOSPITAL)  # type: ignore[arg-type]
    own = replace(collected, account=mac("own"))
    for debit, credit in ((collected, own), (own, collected)):
        assert story.code(Transfer(mac("t"), debit, credit, 1, "mine", [], [])) == "account_guarded"


def test_who_takes_the_name_of_a_guarded_account_first_takes_no_payments(story: Story) -> None:
    collected = money_places.collected(Books(story.chain.ledger.state, None), HOSPITAL)  # type: ignore[arg-type]
    story.done(OpenAccount(collected.account, "mine", UNLIMITED, True))
    story.done(story.notice("n", test=100), story.order("o", "n", alipay=100))
    assert story.code(take("p", "o", 0, 100)) == "account_guarded"


# ── bills and refunds ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_bill_follows_what_was_paid(story: Story) -> None:
    """Row 85: notice, money and bill are one chain of records."""
    first = story.chain.lease()
    story.done(story.notice("n", test=100), story.notice("m", test=50))
    bill = issue_bill("B-1", serial=first, total_fen=150)
    story.done(bill)
    assert story.code(answer(bill.bill, "m", "n")) == "notice_unsettled"
    story.done(story.order("o", "m", "n", alipay=150), take("p", "o", 0, 150))
    assert story.code(answer(bill_id(first + 9), "m", "n")) == "bill_unknown"
    assert story.code(answer(bill.bill, "m")) == "bill_differs"
    assert story.code(answer(bill.bill, "m", "none")) in ("notice_unknown",)
    both = answer(bill.bill, "m", "n")
    assert story.code(replace(both, notices=both.notices[::-1])) == "notices_malformed"
    assert story.code(both, "hospital-b") == "not_issuer"
    assert story.code(both) == "recorded"
    assert story.code(both) == "already_recorded"
    assert story.code(answer(bill.bill, "m")) == "already_answered"
    second = issue_bill("B-2", serial=first + 1, total_fen=150)
    story.done(second)
    assert story.code(answer(second.bill, "m", "n")) == "already_answered"
    assert story.notice_body("n").bill == [bill.bill]


def test_a_bill_that_was_withdrawn_keeps_no_money(story: Story) -> None:
    """It has no red bill and never will have one; while it stood, nothing went back without."""
    first = story.chain.lease()
    story.done(story.notice("n", test=100), story.order("o", "n", wechat=100), take("w", "o", 0, 100))
    bill = issue_bill("B-1", serial=first, total_fen=100)
    story.done(bill, answer(bill.bill, "n"))
    assert story.code(give_back("r", "w", 40, "n")) == "red_bill_missing"
    story.done(VoidBill(bill.bill, "mistyped"))
    assert story.code(give_back("r", "w", 40, "n", bill.bill)) == "red_bill_differs"
    story.done(give_back("r", "w", 40, "n"))
    second = issue_bill("B-2", serial=first + 1, total_fen=60)
    story.done(second, answer(second.bill, "n"))
    assert story.code(give_back("r2", "w", 60, "n")) == "red_bill_missing"


def test_money_goes_back_the_way_it_came_and_only_for_a_red_bill(story: Story) -> None:
    """Row 14: paid 60 and 40, 50 go back, never above what each channel paid."""
    first = story.chain.lease()
    story.done(story.notice("n", test=100), story.order("o", "n", wechat=60, alipay=40))
    story.done(take("w", "o", 0, 60), take("a", "o", 1, 40))
    bill = issue_bill("B-1", serial=first, total_fen=100)
    story.done(bill, answer(bill.bill, "n"))
    red = reverse_bill(bill, serial=first + 1)
    assert story.code(give_back("r", "a", 40, "n")) == "red_bill_missing"
    assert story.code(give_back("r", "a", 40, "n", red.bill)) == "bill_unknown"
    assert story.code(give_back("r", "a", 40, "n", bill.bill)) == "red_bill_differs"
    story.done(red)
    assert story.code(give_back("r", "a", 40, "", red.bill)) == "notice_not_in_order"
    assert story.code(give_back("r", "a", 41, "n", red.bill)) == "exceeds_payment"
    story.done(give_back("r1", "a", 40, "n", red.bill), give_back("r2", "w", 10, "n", red.bill))
    assert [story.at("channel", about=channel) for channel in ("alipay", "wechat")] == [0, -50]
    assert (story.at("collected"), story.order_body("o").free_fen) == (50, 50)
    again = issue_bill("B-2", serial=first + 2, total_fen=50)
    story.done(again, answer(again.bill, "n"))
    assert story.code(give_back("r3", "w", 10, "n", red.bill)) == "red_bill_differs"  # another bill stands by now
    assert story.notice_body("n").refunded_fen == 50


def test_what_no_bill_followed_goes_back_without_a_red_one(story: Story) -> None:
    story.done(story.notice("n", test=70), story.notice("m", test=30))
    story.done(story.order("o", "m", "n", alipay=100), take("p", "o", 0, 100))
    assert story.code(give_back("r", "p", 31, "m")) == "exceeds_notice"
    assert story.code(give_back("r", "p", 30, "none")) == "notice_not_in_order"
    assert story.code(give_back("r", "p", 30, "m", bill_id(5))) == "red_bill_differs"
    story.done(give_back("r", "p", 30, "m"))
    first = story.chain.lease()
    bill = issue_bill("B-1", serial=first, total_fen=100)
    story.done(bill)
    assert story.code(answer(bill.bill, "m", "n")) == "bill_differs"
