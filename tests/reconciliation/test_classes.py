"""Each class of difference is found where it is, named once, and nowhere else. Docs: docs/reconciliation.md."""

from __future__ import annotations

import pytest

from node.channels.statement_line import StatementLine
from node.reconciliation import classes
from node.reconciliation.bank import BankLine
from node.reconciliation.row import Row
from tests.reconciliation.making import CHANNEL, MONDAY, TUESDAY, Day, at, carried_from, names, replace


def good_day() -> Day:
    """Ten payments and two refunds that agree everywhere."""
    day = Day()
    for number in range(10):
        day.pay(number, 1_000 + number)
    day.give_back(1, 400)
    day.give_back(2, 1_002)
    day.credit()
    return day


def only(day: Day) -> Row:
    rows, figures = day.run()
    assert len(rows) == 1, rows
    assert figures.matched in (10, 11, 12)
    return rows[0]


def proposed(row: Row) -> tuple[str, int, int]:
    return row.entry, row.entry_fen, row.gap_fen


def test_a_day_on_which_all_agree_has_no_rows() -> None:
    day = good_day()
    rows, figures = day.run()
    assert rows == []
    assert (figures.matched, figures.without_effect, figures.bills) == (12, 0, 10)
    assert figures.ours == figures.theirs
    assert [(bank.lines, bank.expected_fen) for bank in figures.bank] == [(1, day.credited_fen())]


def test_an_empty_day_of_both_sides_agrees() -> None:
    rows, figures = Day().run()
    assert rows == []
    assert figures.matched == 0


def test_the_channel_took_more_than_we_have() -> None:
    day = good_day()
    day.change_theirs(5, amount_fen=1_105)
    day.credit()
    row = only(day)
    assert (row.name, row.order_no, row.ours_fen, row.theirs_fen) == ("amount_differs", "P-5", 1_005, 1_105)
    assert proposed(row) == ("book_payment", 100, 100)


def test_the_channel_took_less_than_we_have() -> None:
    day = good_day()
    day.change_theirs(5, amount_fen=1_004)
    day.credit()
    row = only(day)
    assert row.name == "amount_differs"
    assert proposed(row) == ("take_back_payment", 1, -1)


def test_the_channel_gave_back_more_than_we_have() -> None:
    day = good_day()
    day.theirs = [replace(line, amount_fen=500) if line.refund_no == "R-1" else line for line in day.theirs]
    day.credit()
    row = only(day)
    assert (row.name, row.refund_no, row.kind) == ("amount_differs", "R-1", "refund")
    assert proposed(row) == ("book_refund", 100, -100)


def test_only_we_have_a_payment() -> None:
    day = good_day()
    day.pay(77, 900, sides="ours")
    row = only(day)
    assert (row.name, row.order_no, row.ours_fen, row.theirs_fen) == ("only_ours", "P-77", 900, None)
    assert proposed(row) == ("take_back_payment", 900, -900)


def test_only_the_channel_has_a_payment() -> None:
    day = good_day()
    day.pay(77, 900, sides="theirs")
    day.credit()
    row = only(day)
    assert (row.name, row.order_no, row.ours_fen, row.theirs_fen) == ("only_theirs", "P-77", None, 900)
    assert proposed(row) == ("book_payment", 900, 900)


@pytest.mark.parametrize(
    ("side", "name", "entry"), [("ours", "only_ours", "take_back_refund"), ("theirs", "only_theirs", "book_refund")]
)
def test_only_one_side_has_a_refund(side: str, name: str, entry: str) -> None:
    day = good_day()
    day.give_back(3, 300, sides=side)
    day.credit()
    row = only(day)
    assert (row.name, row.refund_no, row.entry, row.entry_fen) == (name, "R-3", entry, 300)


@pytest.mark.parametrize(
    ("ours", "theirs", "entry", "gap_fen"),
    [
        ("success", "closed", "take_back_payment", -1_005),
        ("success", "failed", "take_back_payment", -1_005),
        ("success", "pending", "ask_channel", -1_005),
        ("pending", "success", "book_payment", 1_005),
        ("closed", "success", "book_payment", 1_005),
    ],
)
def test_one_side_says_that_money_moved(ours: str, theirs: str, entry: str, gap_fen: int) -> None:
    day = good_day()
    day.change_ours(5, state=ours, is_bill_due=ours == "success")
    day.change_theirs(5, state=theirs)
    day.credit()
    row = only(day)
    assert (row.name, row.ours_state, row.theirs_state) == ("status_differs", ours, theirs)
    assert proposed(row) == (entry, 1_005, gap_fen)


@pytest.mark.parametrize("state", ["pending", "failed", "closed"])
def test_what_moved_no_money_is_no_difference(state: str) -> None:
    """Statements list what succeeded; our open and closed orders are not in them."""
    day = good_day()
    day.pay(50, 100, sides="ours", state=state, is_bill_due=False)
    day.pay(51, 100, sides="theirs", state=state)
    day.pay(52, 100, state=state)
    rows, figures = day.run()
    assert rows == []
    assert figures.without_effect == 3


def test_we_have_one_payment_twice() -> None:
    day = good_day()
    day.ours.append(day.ours[4])
    row = only(day)
    assert (row.name, row.order_no) == ("duplicate_ours", "P-4")
    assert proposed(row) == ("take_back_payment", 1_004, -1_004)


def test_the_channel_lists_one_trade_twice() -> None:
    """The bank's credit is compared with each trade once."""
    day = good_day()
    day.theirs.append(day.theirs[4])
    row = only(day)
    assert (row.name, row.order_no) == ("duplicate_theirs", "P-4")
    assert proposed(row) == ("ask_channel", 1_004, 1_004)


def test_a_second_trade_of_one_order_was_taken_from_the_patient_twice() -> None:
    day = good_day()
    day.theirs.insert(0, replace(day.theirs[4], trade_no="1999T000000"))  # sorts before the one that we know
    day.credit()
    row = only(day)
    assert (row.name, row.order_no, row.number) == ("only_theirs", "P-4", "1999T000000")
    assert proposed(row) == ("book_payment", 1_004, 1_004)


def test_a_failed_attempt_before_the_one_that_succeeded_is_none() -> None:
    day = good_day()
    day.theirs.insert(0, replace(day.theirs[4], trade_no="1999T000000", state="failed", fee_fen=0))
    day.change_ours(4, trade_no="")  # its notice did not tell
    rows, figures = day.run()
    assert rows == []
    assert (figures.matched, figures.without_effect) == (12, 1)


def test_the_same_payment_under_another_number_of_the_channel() -> None:
    day = good_day()
    day.change_theirs(4, trade_no="2026T999999")
    row = only(day)
    assert (row.name, row.number) == ("trade_differs", "2026T999999")
    assert proposed(row) == ("ask_channel", 0, 0)


def test_a_bill_is_missing() -> None:
    day = good_day()
    day.change_ours(3, bill_id="", bill_total_fen=0)
    row = only(day)
    assert (row.name, row.order_no, row.ours_fen, row.theirs_fen) == ("bill_missing", "P-3", 1_003, None)
    assert proposed(row) == ("issue_bill", 1_003, -1_003)


def test_a_bill_over_another_total() -> None:
    """The order's total counts, not this channel's part of it."""
    day = good_day()
    day.change_ours(3, order_total_fen=5_000, bill_total_fen=5_000)
    assert day.run()[0] == []
    day.change_ours(3, bill_total_fen=4_000)
    row = only(day)
    assert (row.name, row.ours_fen, row.theirs_fen, row.bill_id) == ("bill_differs", 5_000, 4_000, "330601260000000003")
    assert proposed(row) == ("correct_bill", 1_000, -1_000)


def test_an_order_that_is_not_paid_in_all_parts_needs_no_bill() -> None:
    day = good_day()
    day.change_ours(3, bill_id="", bill_total_fen=0, is_bill_due=False, order_total_fen=9_000)
    assert day.run()[0] == []


def test_a_line_and_its_bill_are_two_ways_of_comparing() -> None:
    day = good_day()
    day.change_ours(3, bill_id="", bill_total_fen=0)
    day.change_theirs(3, amount_fen=1)
    day.credit()
    assert names(day.run()[0]) == [("amount_differs", "P-3"), ("bill_missing", "P-3")]


def test_the_bank_has_nothing_of_the_day() -> None:
    day = good_day()
    day.bank = [BankLine(TUESDAY.number, CHANNEL, 5, "B-1"), BankLine(MONDAY.number, "wechat", 5, "B-2")]
    row = only(day)
    assert (row.name, row.ours_fen, row.theirs_fen) == ("bank_missing", day.credited_fen(), None)
    assert proposed(row) == ("claim_from_channel", day.credited_fen(), -day.credited_fen())


def test_the_bank_credited_less_in_two_lines() -> None:
    day = good_day()
    all_fen = day.credited_fen()
    day.bank = [
        BankLine(MONDAY.number, CHANNEL, 1_000, "B-1"),
        BankLine(MONDAY.number, CHANNEL, all_fen - 1_007, "B-2"),
    ]
    row = only(day)
    assert (row.name, row.ours_fen, row.theirs_fen) == ("bank_differs", all_fen, all_fen - 7)
    assert proposed(row) == ("claim_from_channel", 7, -7)


def test_the_bank_credited_more() -> None:
    day = good_day()
    day.credit(less_fen=-7)
    row = only(day)
    assert row.name == "bank_differs"
    assert proposed(row) == ("book_surplus", 7, 7)


def test_a_line_of_the_bank_that_stands_twice_counts_once() -> None:
    day = good_day()
    day.credit()
    assert day.bank is not None
    day.bank *= 2
    row = only(day)
    assert (row.name, row.number) == ("duplicate_bank", "B-1")
    assert proposed(row) == ("ask_bank", day.credited_fen(), 0)


def test_a_day_of_refunds_takes_money_from_the_bank() -> None:
    day = Day()
    day.give_back(1, 1_000)
    day.credit()
    assert day.credited_fen() == -996
    assert day.run()[0] == []


def test_ours_before_midnight_meets_theirs_after_it() -> None:
    monday, tuesday = good_day(), Day(TUESDAY)
    monday.pay(60, 500, "23:59:58", "ours")
    rows, figures = monday.run()
    assert names(rows) == [("suspense", "P-60")]
    assert (rows[0].entry, rows[0].side) == ("carry", "ours")
    assert (figures.closing.ours, figures.closing.ours_fen, figures.closing.theirs) == (1, 500, 0)

    tuesday.pay(60, 500, "00:00:01", "theirs")
    tuesday.pay(61, 700)
    found, after = tuesday.run(carried_from(rows))
    assert found == []
    assert (after.matched, after.cleared, after.opening.ours_fen, after.closing.ours) == (2, 1, 500, 0)


def test_theirs_before_midnight_meets_ours_after_it() -> None:
    monday, tuesday = good_day(), Day(TUESDAY)
    monday.pay(60, 500, "23:59:59", "theirs")
    monday.credit()
    rows, figures = monday.run()
    assert names(rows) == [("suspense", "P-60")]
    assert (figures.closing.theirs, figures.closing.theirs_fen) == (1, 500)
    tuesday.pay(60, 500, "00:00:03", "ours")
    tuesday.credit()  # the bank credited it with Monday's
    found, after = tuesday.run(carried_from(rows))
    assert found == []
    assert after.cleared == 1


def test_a_channel_whose_day_ends_a_minute_after_ours() -> None:
    monday = good_day()
    monday.theirs.append(
        StatementLine(CHANNEL, "payment", "P-60", "2026T000060", "", 500, 2, "success", at(TUESDAY, "00:00:40"))
    )
    monday.credit()
    assert names(monday.run()[0]) == [("suspense", "P-60")]


@pytest.mark.parametrize(("side", "name"), [("ours", "only_ours"), ("theirs", "only_theirs")])
def test_what_meets_nobody_within_a_day_is_carried_no_further(side: str, name: str) -> None:
    monday, tuesday = good_day(), Day(TUESDAY)
    monday.pay(60, 500, "23:59:58", side)
    rows, _ = monday.run()
    later = [row for row in rows if row.name == "suspense"]
    found, figures = tuesday.run(carried_from(later))
    assert names(found) == [(name, "P-60")]
    assert found[0].since == MONDAY.number
    assert (figures.closing.ours, figures.closing.theirs) == (0, 0)


def test_what_is_carried_and_met_by_another_amount_is_a_difference_and_not_cleared() -> None:
    monday, tuesday = good_day(), Day(TUESDAY)
    monday.pay(60, 500, "23:59:58", "ours")
    tuesday.pay(60, 499, "00:00:01", "theirs")
    found, figures = tuesday.run(carried_from(monday.run()[0]))
    assert names(found) == [("amount_differs", "P-60")]
    assert found[0].since == MONDAY.number
    assert figures.cleared == 0


def test_the_bill_of_what_is_carried_was_looked_up_the_day_before() -> None:
    monday, tuesday = good_day(), Day(TUESDAY)
    monday.pay(60, 500, "23:59:58", "ours", bill_id="", bill_total_fen=0)
    rows, _ = monday.run()
    assert names(rows) == [("suspense", "P-60"), ("bill_missing", "P-60")]
    tuesday.pay(60, 500, "00:00:01", "theirs")
    found, figures = tuesday.run(carried_from(rows))
    assert found == []
    assert figures.bills == 0


def test_nothing_is_carried_that_was_not_near_midnight() -> None:
    day = good_day()
    day.pay(60, 500, "23:29:59", "ours")
    day.pay(61, 500, "23:30:00", "ours")
    assert names(day.run()[0]) == [("only_ours", "P-60"), ("suspense", "P-61")]


def test_every_class_and_entry_is_explained_once() -> None:
    assert len({entry.name for entry in classes.CLASSES}) == len(classes.CLASSES) == 13
    assert {name for entry in classes.CLASSES for name in entry.entries} == {entry.name for entry in classes.ENTRIES}
