"""Visits: opened once, stamped step by step, charged up to what the patient agreed to, closed once."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.operation import ChargeVisit, CloseVisit, OpenVisit, Operation, StampVisit, StopSchedule, SuspendOrganisation
from chain.records import CHECKED_IN, ORDER_OPEN, OrderBody, ReasonBody, Stamp, VisitBody
from chain.rules.visits import AHEAD_MS_MAX, CHARGES_MAX, STAMPS_MAX
from tests.chain.making import Chain, at, changed, key_of, mac
from tests.chain.visiting import (
    DAY_MS,
    ENDS_MS,
    HOUR_MS,
    LENDER_A,
    MINUTE_MS,
    STARTS_MS,
    A,
    B,
    appointment_body,
    book,
    cancel,
    check_in,
    code,
    fall_overdue,
    hold,
    hospital,
    later,
    miss,
    owe,
    pay,
    payment,
    publish,
    repay,
)

CAP_FEN = 60_000


@pytest.fixture
def chain() -> Chain:
    return hospital()


def visiting(chain: Chain, name: str = "v", holder: str = "li", appointment: str = "", **changes: Any) -> OpenVisit:
    named = [mac(appointment)] if appointment else []
    visit = OpenVisit(mac(name), "outpatient", mac(holder), named, CAP_FEN, [], chain.time_ms)
    return changed(visit, **changes)  # type: ignore[no-any-return]


def charge(order: str, visit: str = "v", step: str = "drug") -> ChargeVisit:
    return ChargeVisit(mac(visit), mac(order), step)


def body(chain: Chain, name: str = "v") -> VisitBody:
    found: VisitBody = chain.body(keyspace.visit(A, mac(name)), VisitBody)
    return found


def order_body(chain: Chain, name: str) -> OrderBody:
    found: OrderBody = chain.body(keyspace.order(A, mac(name)), OrderBody)
    return found


# ── opened ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_visit_is_opened_once_and_registered(chain: Chain) -> None:
    opened = visiting(chain)
    assert code(chain, opened) == "recorded"
    assert code(chain, opened) == "already_recorded"
    assert code(chain, visiting(chain, cap_fen=1)) == "visit_exists"
    assert body(chain) == VisitBody(
        "outpatient", mac("li"), [], CAP_FEN, [], [Stamp("registered", opened.at_ms)], [], 0, 0
    )


def test_the_first_fault_of_a_visit_is_told(chain: Chain) -> None:
    """Each with all that come later."""
    fall_overdue(chain, "li")
    wrong: dict[str, Any] = {"kind": "tour", "cap_fen": 0, "at_ms": 0}
    assert code(chain, visiting(chain, **wrong), "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert code(chain, visiting(chain, **wrong), LENDER_A) == "not_a_hospital"
    assert code(chain, visiting(chain, **wrong)) == "visit_malformed"
    wrong |= {"kind": "outpatient"}
    assert code(chain, visiting(chain, emergency=[mac("nurse")], **wrong)) == "visit_malformed"
    assert code(chain, visiting(chain, **(wrong | {"kind": "emergency"}))) == "emergency_undeclared"
    assert code(chain, visiting(chain, **wrong)) == "amount_not_positive"
    assert code(chain, visiting(chain, **(wrong | {"cap_fen": 10**12 + 1}))) == "amount_too_large"
    assert code(chain, visiting(chain, at_ms=0, appointment="none")) == "time_out_of_window"
    assert code(chain, visiting(chain, appointment="none")) == "appointment_unknown"
    assert code(chain, visiting(chain)) == "account_overdue"
    assert code(chain, visiting(chain, holder="wang")) == "recorded"
    assert code(chain, SuspendOrganisation(A, "audit", 0, []), "finance-city") == "recorded"
    late: list[Operation] = [visiting(chain, "w"), StampVisit(mac("none"), 9, "x", 0), charge("none", "none")]
    for operation in [*late, CloseVisit(mac("none"), 0)]:
        assert code(chain, operation) == "organisation_suspended"


def test_its_moment_is_near_that_of_the_block(chain: Chain) -> None:
    """What a gateway kept while it was cut off may come later; a hospital's clock may be a minute ahead."""
    behind_ms = chain.genesis.parameters.business_days_behind_max * DAY_MS
    for name, off_ms, expected in (
        ("a", AHEAD_MS_MAX, "recorded"),
        ("b", AHEAD_MS_MAX + 1, "time_out_of_window"),
        ("c", -behind_ms, "recorded"),
        ("d", -behind_ms - 1, "time_out_of_window"),
    ):
        operation = visiting(chain, name, at_ms=chain.time_ms + off_ms)
        assert code(chain, operation, time_ms=chain.time_ms) == expected, name


def test_an_appointment_becomes_one_visit_of_its_own_holder(chain: Chain) -> None:
    assert code(chain, publish()) == "recorded"
    for number, name in enumerate(("p", "q", "r"), 1):
        book(chain, name, number, name)
    assert code(chain, hold(chain, "h", 9, "held")) == "recorded"
    assert code(chain, cancel("r")) == "recorded"
    assert code(chain, visiting(chain, "v", "p", "p")) == "too_early"
    assert code(chain, check_in("p"), time_ms=STARTS_MS) == "recorded"
    assert code(chain, visiting(chain, "v", "q", "p")) == "appointment_of_other"
    assert code(chain, visiting(chain, "v", "p", "p")) == "recorded"
    assert code(chain, visiting(chain, "w", "p", "p")) == "appointment_used"
    assert appointment_body(chain, "p").visit == [mac("v")]
    assert code(chain, visiting(chain, "x", "held", "h")) == "appointment_unconfirmed"
    assert code(chain, visiting(chain, "x", "r", "r")) == "appointment_cancelled"
    assert code(chain, visiting(chain, "x", "q", "q"), time_ms=ENDS_MS) == "schedule_over"
    assert code(chain, miss("q")) == "recorded"
    assert code(chain, visiting(chain, "x", "q", "q")) == "already_missed"


def test_who_has_not_checked_in_does_so_by_the_visit(chain: Chain) -> None:
    assert code(chain, publish()) == "recorded"
    book(chain, "p", 1, "li")
    later(chain, STARTS_MS)
    assert code(chain, visiting(chain, appointment="p")) == "recorded"
    assert (appointment_body(chain, "p").state, appointment_body(chain, "p").visit) == (CHECKED_IN, [mac("v")])
    assert code(chain, check_in("p")) == "already_arrived"
    assert code(chain, miss("p"), time_ms=ENDS_MS) == "already_arrived"


def test_who_had_come_before_it_was_stopped_is_seen(chain: Chain) -> None:
    assert code(chain, publish()) == "recorded"
    book(chain, "p", 1, "li")
    book(chain, "q", 2, "wang")
    assert code(chain, check_in("p"), time_ms=STARTS_MS) == "recorded"
    assert code(chain, StopSchedule(mac("s"), "doctor_ill")) == "recorded"
    assert code(chain, visiting(chain, "v", "li", "p")) == "recorded"
    assert code(chain, visiting(chain, "w", "wang", "q")) == "schedule_stopped"


def test_an_emergency_waits_for_nothing_and_has_a_name_behind_it(chain: Chain) -> None:
    """Row 98: overdue stops an appointment and a walk-in, never an emergency."""
    fall_overdue(chain, "li")
    assert code(chain, visiting(chain)) == "account_overdue"
    assert code(chain, visiting(chain, kind="inpatient")) == "account_overdue"
    assert code(chain, visiting(chain, kind="emergency", emergency=[mac("nurse")])) == "recorded"
    assert body(chain).emergency == [mac("nurse")]
    assert code(chain, visiting(chain, "i", kind="inpatient", emergency=[mac("nurse")])) == "recorded"
    repay(chain)
    assert code(chain, visiting(chain, "w")) == "recorded"


def test_an_appointment_that_was_made_before_is_kept_by_who_is_overdue(chain: Chain) -> None:
    assert code(chain, publish()) == "recorded"
    book(chain, "p", 1, "li")
    fall_overdue(chain, "li")
    later(chain, max(chain.time_ms, STARTS_MS))
    assert code(chain, visiting(chain, "w")) == "account_overdue"
    assert code(chain, visiting(chain, appointment="p")) == "recorded"


# ── stamped ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_steps_are_stamped_one_after_the_other(chain: Chain) -> None:
    opened = visiting(chain)
    assert code(chain, opened) == "recorded"
    t = opened.at_ms
    assert code(chain, StampVisit(mac("none"), 1, "queued", t)) == "visit_unknown"
    assert code(chain, StampVisit(mac("v"), 1, "queued", t), B) == "visit_unknown"
    for number in (0, 2):
        assert code(chain, StampVisit(mac("v"), number, "queued", t - 1)) == "standing_moved"
    assert code(chain, StampVisit(mac("v"), 1, "queued", t - 1)) == "stamp_before_former"
    first = StampVisit(mac("v"), 1, "queued", t)
    assert code(chain, first) == "recorded"
    assert code(chain, first) == "already_recorded"
    assert code(chain, StampVisit(mac("v"), 1, "called", t)) == "stamp_exists"
    ahead = StampVisit(mac("v"), 2, "called", chain.time_ms + AHEAD_MS_MAX + 1)
    assert code(chain, ahead, time_ms=chain.time_ms) == "time_out_of_window"
    just = StampVisit(mac("v"), 2, "called", chain.time_ms + AHEAD_MS_MAX)
    assert code(chain, just, time_ms=chain.time_ms) == "recorded"
    assert [stamp.step for stamp in body(chain).stamps] == ["registered", "queued", "called"]
    assert chain.body(keyspace.visit_step(A, mac("v"), "2"), ReasonBody) == ReasonBody("")


def test_two_stamps_of_one_number_in_one_block(chain: Chain) -> None:
    """Two machines of a hospital: the second looks again."""
    opened = visiting(chain)
    assert code(chain, opened) == "recorded"
    asked = [chain.sign(A, StampVisit(mac("v"), 1, step, opened.at_ms)) for step in ("queued", "called")]
    assert [outcome.code for outcome in chain.block(asked).outcomes] == ["recorded", "stamp_exists"]


def test_a_visit_has_so_many_stamps(chain: Chain) -> None:
    opened = visiting(chain)
    assert code(chain, opened) == "recorded"
    stamps = [StampVisit(mac("v"), number, "queued", opened.at_ms) for number in range(1, STAMPS_MAX + 1)]
    assert chain.run(A, *stamps) == ["recorded"] * (STAMPS_MAX - 1) + ["too_many_stamps"]


# ── charged ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_three_steps_are_charged_under_one_cap(chain: Chain) -> None:
    """Row 35: confirmed once, at the cap; beyond it nothing is paid, since payment and charge hold or fall together."""
    assert code(chain, visiting(chain)) == "recorded"
    for name, amount_fen in (("registration", 5_000), ("test", 18_000), ("drug", 26_430)):
        owe(chain, name, "li", amount_fen)
        assert chain.run_linked(A, payment(name, amount_fen), charge(name, step=name)) == ["recorded"] * 2
        assert order_body(chain, name).visit == [mac("v")]
    assert (body(chain).charged_fen, len(body(chain).orders)) == (49_430, 3)
    owe(chain, "more", "li", CAP_FEN - 49_430 + 1)
    linked = [payment("more", CAP_FEN - 49_430 + 1), charge("more")]
    assert chain.run_linked(A, *linked) == ["linked_failed", "visit_cap_exceeded"]
    assert order_body(chain, "more").state == ORDER_OPEN
    owe(chain, "rest", "li", CAP_FEN - 49_430)
    assert chain.run_linked(A, payment("rest", CAP_FEN - 49_430), charge("rest")) == ["recorded"] * 2
    assert body(chain).charged_fen == CAP_FEN


def test_an_order_is_charged_to_one_visit_once(chain: Chain) -> None:
    assert chain.run(A, visiting(chain), visiting(chain, "w"), visiting(chain, "x", "wang")) == ["recorded"] * 3
    assert code(chain, charge("none", "none")) == "visit_unknown"
    assert code(chain, charge("none")) == "order_unknown"
    owe(chain, "o", "li")
    assert code(chain, charge("o", "x")) == "order_unpaid"
    assert code(chain, payment("o")) == "recorded"
    assert code(chain, charge("o", "x")) == "order_of_other"
    assert code(chain, charge("o")) == "recorded"
    assert code(chain, charge("o")) == "already_recorded"
    assert code(chain, charge("o", step="test")) == "already_charged"
    assert code(chain, charge("o", "w")) == "order_used"
    assert body(chain).orders == [mac("o")]


def test_a_fee_that_was_paid_with_the_appointment_may_be_charged_to_the_visit(chain: Chain) -> None:
    assert code(chain, publish()) == "recorded"
    book(chain, "p", 1, "li")
    later(chain, STARTS_MS)
    assert code(chain, visiting(chain, appointment="p")) == "recorded"
    assert code(chain, charge("p", step="registration")) == "recorded"


def test_the_cap_comes_before_the_number_of_charges_which_has_an_end_too(chain: Chain) -> None:
    assert code(chain, visiting(chain, cap_fen=CHARGES_MAX)) == "recorded"
    for number in range(CHARGES_MAX + 1):
        pay(chain, f"o{number}", "li", 1)
    charges = [charge(f"o{number}") for number in range(CHARGES_MAX + 1)]
    assert chain.run(A, *charges) == ["recorded"] * CHARGES_MAX + ["visit_cap_exceeded"]
    assert code(chain, visiting(chain, "w")) == "recorded"
    for number in range(CHARGES_MAX):
        pay(chain, f"w{number}", "li", 1)
    more = [charge(f"w{number}", "w") for number in range(CHARGES_MAX)] + [charge(f"o{CHARGES_MAX}", "w")]
    assert chain.run(A, *more) == ["recorded"] * CHARGES_MAX + ["too_many_charges"]


# ── closed ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_visit_is_closed_once_and_nothing_comes_after(chain: Chain) -> None:
    opened = visiting(chain)
    assert code(chain, opened) == "recorded"
    t = opened.at_ms + MINUTE_MS
    later(chain, opened.at_ms + HOUR_MS)
    assert code(chain, StampVisit(mac("v"), 1, "treated", t)) == "recorded"
    assert code(chain, CloseVisit(mac("none"), t)) == "visit_unknown"
    assert code(chain, CloseVisit(mac("v"), t - 1)) == "stamp_before_former"
    ahead = CloseVisit(mac("v"), chain.time_ms + AHEAD_MS_MAX + 1)
    assert code(chain, ahead, time_ms=chain.time_ms) == "time_out_of_window"
    closed = CloseVisit(mac("v"), t)
    assert code(chain, closed) == "recorded"
    assert code(chain, closed) == "already_recorded"
    assert code(chain, CloseVisit(mac("v"), t + 1)) == "visit_closed"
    assert body(chain).closed_ms == t
    assert code(chain, StampVisit(mac("v"), 9, "treated", 0)) == "visit_closed"
    assert code(chain, charge("none")) == "visit_closed"


def test_a_visit_lies_on_the_local_day_that_its_hospital_says(chain: Chain) -> None:
    """Night from the third to the fourth: the appointment's day is the one that its schedule begins on."""
    night = {"starts_ms": at("2026-06-03 20:00"), "ends_ms": at("2026-06-04 06:00"), "session": "night"}
    assert code(chain, publish("n", **night)) == "recorded"
    book(chain, "p", 1, "li", "n")
    later(chain, at("2026-06-04 03:00"))
    assert code(chain, visiting(chain, appointment="p")) == "recorded"
