"""Appointments: one number for one person, back in the pool by block time, paid by one order, and what missing costs."""

from __future__ import annotations

import pytest

from chain import keyspace
from chain.operation import OpenVisit, RefundPayment, StopSchedule, SuspendOrganisation
from chain.records import (
    CANCELLED,
    CHECKED_IN,
    CONFIRMED,
    LAPSED,
    NUMBER_HELD,
    AppointedBody,
    Taken,
)
from tests.chain.making import Chain, at, changed, key_of, mac
from tests.chain.visiting import (
    BOOK_UNTIL_MS,
    CANCEL_UNTIL_MS,
    ENDS_MS,
    FEE_FEN,
    HOUR_MS,
    OPENS_MS,
    PAY_WITHIN_MS,
    STARTS_MS,
    A,
    B,
    appointment_body,
    book,
    cancel,
    check_in,
    code,
    confirm,
    fall_overdue,
    hold,
    hospital,
    later,
    miss,
    on_day,
    owe,
    pay,
    payment,
    publish,
    repay,
    schedule_body,
)


@pytest.fixture
def chain() -> Chain:
    chain = hospital()
    assert code(chain, publish()) == "recorded"
    return chain


def taken(chain: Chain, name: str = "s") -> list[int]:
    return [one.number for one in schedule_body(chain, name).taken]


# ── a number ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_number_is_held_by_one_person_at_a_time(chain: Chain) -> None:
    first = hold(chain, "p", 3, "li")
    assert code(chain, first) == "recorded"
    assert code(chain, first) == "already_recorded"
    assert code(chain, changed(first, number=4)) == "appointment_exists"
    assert schedule_body(chain).taken == [Taken(3, mac("p"), mac("li"), first.until_ms)]
    assert appointment_body(chain, "p").state == NUMBER_HELD
    assert code(chain, hold(chain, "q", 3, "wang")) == "slot_taken"
    assert code(chain, hold(chain, "q", 1, "wang")) == "recorded"
    assert taken(chain) == [1, 3]


def test_two_ask_for_the_last_number_in_one_block(chain: Chain) -> None:
    """Row 34: whichever stands first in the block has it."""
    one = {"pools": publish().pools[:1], "schedule": mac("last")}
    one["pools"] = [changed(publish().pools[0], count=1)]
    assert code(chain, publish(**one)) == "recorded"
    asked = [chain.sign(A, hold(chain, name, 1, name, "last")) for name in ("li", "wang")]
    assert [outcome.code for outcome in chain.block(asked).outcomes] == ["recorded", "slot_taken"]
    assert taken(chain, "last") == [1]
    others = [hold(chain, name, 1, name, "last") for name in ("zhao", "sun")]
    assert chain.run(A, *others) == ["slot_taken"] * 2


def test_an_unpaid_number_is_free_again_by_block_time_and_that_is_seen(chain: Chain) -> None:
    """Row 34: returns to the pool are visible."""
    first = hold(chain, "p", 3, "li")
    assert code(chain, first) == "recorded"
    assert code(chain, hold(chain, "q", 3, "wang"), time_ms=first.until_ms - 1) == "slot_taken"
    second = hold(chain, "q", 3, "wang", until_ms=first.until_ms + PAY_WITHIN_MS)
    assert code(chain, second, time_ms=first.until_ms) == "recorded"
    assert schedule_body(chain).taken == [Taken(3, mac("q"), mac("wang"), second.until_ms)]
    assert schedule_body(chain).returned == 1
    assert (appointment_body(chain, "p").state, appointment_body(chain, "q").state) == (LAPSED, NUMBER_HELD)
    pay(chain, "p", "li")
    for late in (confirm("p", "p"), cancel("p"), check_in("p"), miss("p")):
        assert code(chain, late) == "hold_expired"


def test_a_late_payment_confirms_a_number_that_nobody_has_taken_over(chain: Chain) -> None:
    first = hold(chain, "p", 3, "li")
    assert code(chain, first) == "recorded"
    pay(chain, "p", "li")
    assert code(chain, confirm("p", "p"), time_ms=first.until_ms + HOUR_MS) == "recorded"
    assert schedule_body(chain).taken == [Taken(3, mac("p"), mac("li"), 0)]
    assert code(chain, hold(chain, "q", 3, "wang")) == "slot_taken"
    assert schedule_body(chain).returned == 0


def test_one_person_has_one_number_of_a_schedule(chain: Chain) -> None:
    assert code(chain, publish("t")) == "recorded"
    first = hold(chain, "p", 3, "li")
    assert code(chain, first) == "recorded"
    assert code(chain, hold(chain, "q", 4, "li")) == "already_appointed"
    assert code(chain, hold(chain, "q", 3, "li")) == "already_appointed"
    assert code(chain, hold(chain, "r", 4, "li", "t")) == "recorded"
    again = hold(chain, "q", 4, "li", until_ms=first.until_ms + PAY_WITHIN_MS)
    assert code(chain, again, time_ms=first.until_ms) == "recorded"
    assert (taken(chain), schedule_body(chain).returned) == ([4], 1)
    assert appointment_body(chain, "p").state == LAPSED
    assert code(chain, hold(chain, "w", 3, "wang")) == "recorded"
    assert code(chain, cancel("q")) == "recorded"
    assert code(chain, hold(chain, "z", 4, "li")) == "recorded"
    assert (taken(chain), schedule_body(chain).returned) == ([3, 4], 2)


def test_one_hold_may_take_over_two_numbers_that_ran_out(chain: Chain) -> None:
    """The holder's own, and that of somebody else."""
    until_ms = chain.time_ms + PAY_WITHIN_MS
    assert chain.run(A, hold(chain, "p", 3, "li"), hold(chain, "q", 4, "wang")) == ["recorded"] * 2
    later(chain, until_ms)
    assert code(chain, hold(chain, "r", 4, "li")) == "recorded"
    assert (taken(chain), schedule_body(chain).returned) == ([4], 2)
    assert (appointment_body(chain, "p").state, appointment_body(chain, "q").state) == (LAPSED, LAPSED)


def test_a_channel_gives_out_its_own_numbers_until_they_are_open_to_all(chain: Chain) -> None:
    assert code(chain, hold(chain, "p", 11, "li")) == "pool_closed"
    assert code(chain, hold(chain, "p", 1, "li", channel="window")) == "pool_closed"
    assert code(chain, hold(chain, "p", 11, "li", channel="window")) == "recorded"
    held = hold(chain, "q", 1, "wang", channel="city", until_ms=OPENS_MS + PAY_WITHIN_MS)
    assert code(chain, held, time_ms=OPENS_MS) == "recorded"
    assert code(chain, hold(chain, "r", 12, "zhao")) == "pool_closed"  # the window's stay the window's


def test_a_number_waits_for_its_fee_so_long_and_no_longer(chain: Chain) -> None:
    for waits_ms in (0, PAY_WITHIN_MS + 1):
        refused = hold(chain, "p", 1, "li", until_ms=chain.time_ms + waits_ms)
        assert code(chain, refused, time_ms=chain.time_ms) == "hold_too_long"
    longest = hold(chain, "p", 1, "li", until_ms=chain.time_ms + PAY_WITHIN_MS)
    assert code(chain, longest, time_ms=chain.time_ms) == "recorded"


def test_the_first_fault_of_a_hold_is_told(chain: Chain) -> None:
    """Each with all that come later."""
    fall_overdue(chain, "li")
    at_once = {"until_ms": 0, "channel": "city"}
    assert chain.run(A, publish("old"), publish("stopped"), StopSchedule(mac("stopped"), "ill")) == ["recorded"] * 3
    wrong = hold(chain, "p", 99, "li", "none", **at_once)
    assert code(chain, wrong, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert code(chain, wrong) == "schedule_unknown"
    assert code(chain, hold(chain, "p", 99, "li", "old", **at_once), B) == "schedule_unknown"
    assert code(chain, hold(chain, "p", 99, "li", "stopped", **at_once), time_ms=BOOK_UNTIL_MS) == "schedule_stopped"
    assert code(chain, hold(chain, "p", 99, "li", "old", **at_once)) == "schedule_over"
    assert code(chain, publish("t", **on_day(9))) == "recorded"
    assert code(chain, hold(chain, "p", 99, "li", "t", **at_once)) == "account_overdue"
    assert code(chain, hold(chain, "p", 1, "wang", "t")) == "recorded"
    assert code(chain, hold(chain, "q", 99, "wang", "t", **at_once)) == "already_appointed"
    assert code(chain, hold(chain, "q", 16, "zhao", "t", **at_once)) == "number_unknown"
    assert code(chain, hold(chain, "q", 0, "zhao", "t", **at_once)) == "number_unknown"
    assert code(chain, hold(chain, "q", 1, "zhao", "t", **at_once)) == "pool_closed"
    assert code(chain, hold(chain, "q", 1, "zhao", "t", until_ms=0)) == "slot_taken"
    assert code(chain, hold(chain, "q", 2, "zhao", "t", until_ms=0)) == "hold_too_long"
    assert code(chain, SuspendOrganisation(A, "audit", 0, []), "finance-city") == "recorded"
    for operation in (
        hold(chain, "z", 99, "li", "none"),
        confirm("none"),
        cancel("none"),
        check_in("none"),
        miss("none"),
    ):
        assert code(chain, operation) == "organisation_suspended"


def test_who_is_overdue_gets_no_number_until_it_is_repaid(chain: Chain) -> None:
    """Row 98."""
    fall_overdue(chain, "li")
    assert code(chain, publish("t", **on_day(9))) == "recorded"
    assert code(chain, hold(chain, "p", 1, "li", "t")) == "account_overdue"
    assert code(chain, hold(chain, "q", 1, "wang", "t")) == "recorded"
    repay(chain)
    assert code(chain, hold(chain, "p", 2, "li", "t")) == "recorded"


def test_numbers_are_given_out_until_a_moment(chain: Chain) -> None:
    for name, time_ms, expected in (("p", BOOK_UNTIL_MS - 1, "recorded"), ("q", BOOK_UNTIL_MS, "schedule_over")):
        asked = hold(chain, name, 1, name, until_ms=time_ms + PAY_WITHIN_MS)
        assert code(chain, asked, time_ms=time_ms) == expected


# ── its fee ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_paid_order_confirms_one_appointment_once(chain: Chain) -> None:
    assert chain.run(A, hold(chain, "p", 1, "li"), hold(chain, "q", 2, "wang")) == ["recorded"] * 2
    pay(chain, "o", "li")
    assert code(chain, confirm("none", "o")) == "appointment_unknown"
    assert code(chain, confirm("p", "o"), B) == "appointment_unknown"
    assert code(chain, confirm("p", "o")) == "recorded"
    assert code(chain, confirm("p", "o")) == "already_recorded"
    assert code(chain, confirm("p")) == "already_confirmed"
    assert (appointment_body(chain, "p").state, appointment_body(chain, "p").order) == (CONFIRMED, [mac("o")])
    assert chain.body(keyspace.appointed(A, mac("o")), AppointedBody) == AppointedBody(mac("p"))
    assert code(chain, publish("t")) == "recorded"
    assert code(chain, hold(chain, "r", 1, "li", "t")) == "recorded"
    assert code(chain, confirm("r", "o")) == "order_used"
    assert code(chain, cancel("p")) == "recorded"
    assert code(chain, confirm("r", "o")) == "order_used"


def test_the_order_is_settled_the_holders_own_and_covers_the_fee(chain: Chain) -> None:
    assert code(chain, hold(chain, "p", 1, "li")) == "recorded"
    assert code(chain, confirm("p")) == "order_unpaid"
    assert code(chain, confirm("p", "none")) == "order_unknown"
    owe(chain, "open", "wang", 1)
    assert code(chain, confirm("p", "open")) == "order_unpaid"
    assert code(chain, payment("open", 1)) == "recorded"
    assert code(chain, confirm("p", "open")) == "order_of_other"
    pay(chain, "little", "li", FEE_FEN - 1)
    assert code(chain, confirm("p", "little")) == "fee_differs"
    pay(chain, "enough", "li", FEE_FEN)
    assert code(chain, confirm("p", "enough")) == "recorded"


def test_an_order_whose_money_went_back_pays_no_fee(chain: Chain) -> None:
    assert code(chain, hold(chain, "p", 1, "li")) == "recorded"
    for name, back_fen, expected in (("some", 1, "fee_differs"), ("all", FEE_FEN, "order_unpaid")):
        pay(chain, name, "li")
        back = RefundPayment(
            mac(f"refund {name}"), mac(f"payment of {name}"), back_fen, [mac(name)], [], mac("evidence")
        )
        assert code(chain, back) == "recorded"
        assert code(chain, confirm("p", name)) == expected


def test_where_there_is_no_fee_no_order_is_named(chain: Chain) -> None:
    assert code(chain, publish("free", fee_fen=0)) == "recorded"
    assert code(chain, hold(chain, "p", 1, "li", "free")) == "recorded"
    pay(chain, "o", "li")
    assert code(chain, confirm("p", "o")) == "fee_differs"
    assert code(chain, confirm("p")) == "recorded"


def test_payment_and_confirmation_hold_or_fall_together(chain: Chain) -> None:
    """Of two payments for one number the second is not taken at all."""
    first = hold(chain, "p", 1, "li")
    assert code(chain, first) == "recorded"
    owe(chain, "o", "li")
    later(chain, first.until_ms)
    assert code(chain, hold(chain, "q", 1, "wang")) == "recorded"
    assert chain.run_linked(A, payment("o"), confirm("p", "o")) == ["linked_failed", "hold_expired"]
    owe(chain, "w", "wang")
    assert chain.run_linked(A, payment("w"), confirm("q", "w")) == ["recorded"] * 2


def test_nothing_is_confirmed_that_does_not_take_place(chain: Chain) -> None:
    assert code(chain, publish("t")) == "recorded"
    asked = [hold(chain, name, 1, "li", name) for name in ("s", "t")]
    assert chain.run(A, *asked) == ["recorded"] * 2
    assert code(chain, StopSchedule(mac("s"), "doctor_ill")) == "recorded"
    assert code(chain, confirm("s")) == "schedule_stopped"
    assert code(chain, confirm("t"), time_ms=ENDS_MS) == "schedule_over"
    assert code(chain, confirm("s")) == "schedule_stopped"
    assert code(chain, cancel("s")) == "recorded"
    assert code(chain, confirm("s")) == "appointment_cancelled"


# ── given back ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_number_goes_back_until_a_day_before(chain: Chain) -> None:
    book(chain, "p", 1, "li")
    book(chain, "q", 2, "wang")
    assert code(chain, cancel("none")) == "appointment_unknown"
    assert code(chain, cancel("p"), B) == "appointment_unknown"
    assert code(chain, cancel("p"), time_ms=CANCEL_UNTIL_MS - 1) == "recorded"
    assert code(chain, cancel("p")) == "already_recorded"
    assert code(chain, cancel("p", "other")) == "appointment_cancelled"
    assert (appointment_body(chain, "p").state, appointment_body(chain, "p").reason) == (CANCELLED, "patient_asked")
    assert (taken(chain), schedule_body(chain).returned) == ([2], 1)
    assert code(chain, hold(chain, "r", 1, "zhao")) == "recorded"
    assert code(chain, cancel("q"), time_ms=max(CANCEL_UNTIL_MS, chain.time_ms)) == "cancel_too_late"
    for used in (check_in("p"), miss("p")):
        assert code(chain, used) == "appointment_cancelled"
    assert code(chain, confirm("p")) == "already_confirmed"  # that it once was stays on record


def test_at_the_last_moment_for_it_a_number_goes_back_no_longer(chain: Chain) -> None:
    book(chain, "p", 1, "li")
    assert code(chain, cancel("p"), time_ms=CANCEL_UNTIL_MS) == "cancel_too_late"


def test_an_unpaid_number_goes_back_at_any_time(chain: Chain) -> None:
    later(chain, STARTS_MS)
    first = hold(chain, "p", 11, "li", channel="window")
    second = hold(chain, "q", 12, "wang", channel="window")
    assert chain.run(A, first, second) == ["recorded"] * 2
    assert code(chain, cancel("p")) == "recorded"
    assert code(chain, cancel("q"), time_ms=second.until_ms) == "recorded"  # also when its time is over
    assert (taken(chain), schedule_body(chain).returned) == ([], 2)


def test_who_has_come_may_go_only_where_the_schedule_was_stopped(chain: Chain) -> None:
    book(chain, "p", 1, "li")
    book(chain, "q", 2, "wang")
    assert chain.run(A, check_in("p"), time_ms=STARTS_MS) == ["recorded"]
    assert code(chain, OpenVisit(mac("v"), "outpatient", mac("wang"), [mac("q")], 100, [], STARTS_MS)) == "recorded"
    assert code(chain, cancel("p")) == "already_arrived"
    assert code(chain, cancel("q")) == "already_arrived"
    assert code(chain, StopSchedule(mac("s"), "doctor_ill")) == "recorded"
    assert code(chain, cancel("q")) == "already_arrived"  # who was seen was seen
    assert code(chain, cancel("p")) == "recorded"
    assert code(chain, check_in("p")) == "already_recorded"  # that it once was stays on record


# ── used or missed ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_they_check_in_on_the_day_until_it_is_over(chain: Chain) -> None:
    for number, name in enumerate(("p", "q", "r"), 1):
        book(chain, name, number, name)
    assert code(chain, hold(chain, "h", 9, "held")) == "recorded"
    assert code(chain, check_in("none")) == "appointment_unknown"
    assert code(chain, check_in("h")) == "appointment_unconfirmed"
    assert code(chain, check_in("p"), time_ms=at("2026-06-02 23:59:59.999")) == "too_early"
    assert code(chain, check_in("p"), time_ms=at("2026-06-03 00:00")) == "recorded"
    assert code(chain, check_in("p")) == "already_recorded"
    assert appointment_body(chain, "p").state == CHECKED_IN
    assert code(chain, check_in("q"), time_ms=ENDS_MS - 1) == "recorded"
    assert code(chain, check_in("r"), time_ms=ENDS_MS) == "schedule_over"
    assert taken(chain) == [1, 2, 3, 9]
