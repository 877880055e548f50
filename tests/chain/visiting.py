"""What the stories of schedules, appointments and visits are told with: a hospital's doctor, patients, fees that are paid."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from chain import keyspace
from chain.operation import (
    CancelAppointment,
    CaptureCredit,
    CheckIn,
    ConfirmAppointment,
    HoldCredit,
    HoldNumber,
    IssueNotice,
    LineRef,
    LineSum,
    MissAppointment,
    OpenLine,
    Operation,
    OrderPart,
    PlaceOrder,
    Pool,
    PublishProduct,
    PublishSchedule,
    RepayLine,
    StateLine,
    TakePayment,
)
from chain.records import AppointmentBody, MissedBody, ScheduleBody
from tests.chain.making import Chain, at, changed, genesis_with, mac
from tests.chain.paying import agree, take, terms

A, B, LENDER_A = "hospital-a", "hospital-b", "lender-a"
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
FEE_FEN = 1_500
PAY_WITHIN_MS = 15 * MINUTE_MS
# 2026-06-03, from 8 to 12: ten numbers of the app, five of the window, those of the app open to all from 7 on
STARTS_MS, ENDS_MS = at("2026-06-03 08:00"), at("2026-06-03 12:00")
OPENS_MS, BOOK_UNTIL_MS, CANCEL_UNTIL_MS = at("2026-06-03 07:00"), at("2026-06-03 11:00"), at("2026-06-02 20:00")


def hospital() -> Chain:
    return Chain(genesis_with(lender_a="lender"))


def code(chain: Chain, operation: Operation, organisation: str = A, **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def later(chain: Chain, time_ms: int) -> None:
    """Block time goes on."""
    chain.block(time_ms=time_ms)


def publish(name: str = "s", **changes: Any) -> PublishSchedule:
    schedule = PublishSchedule(
        mac(name),
        "cardiology",
        mac("doctor"),
        20260603,
        "am",
        STARTS_MS,
        ENDS_MS,
        [Pool("app", 1, 10, OPENS_MS), Pool("window", 11, 5, ENDS_MS)],
        FEE_FEN,
        PAY_WITHIN_MS,
        BOOK_UNTIL_MS,
        CANCEL_UNTIL_MS,
    )
    return changed(schedule, **changes)  # type: ignore[no-any-return]


def on_day(days: int) -> dict[str, Any]:
    """The changes that put a schedule so many days later."""
    ahead = days * DAY_MS
    return {
        "date": int((date(2026, 6, 3) + timedelta(days=days)).strftime("%Y%m%d")),
        "starts_ms": STARTS_MS + ahead,
        "ends_ms": ENDS_MS + ahead,
        "pools": [Pool("app", 1, 10, OPENS_MS + ahead), Pool("window", 11, 5, ENDS_MS + ahead)],
        "book_until_ms": BOOK_UNTIL_MS + ahead,
        "cancel_until_ms": CANCEL_UNTIL_MS + ahead,
    }


def hold(chain: Chain, name: str, number: int, holder: str, schedule: str = "s", **changes: Any) -> HoldNumber:
    until_ms = chain.time_ms + PAY_WITHIN_MS
    held = HoldNumber(mac(name), mac(schedule), "app", number, mac(holder), until_ms)
    return changed(held, **changes)  # type: ignore[no-any-return]


def confirm(name: str, order: str = "") -> ConfirmAppointment:
    return ConfirmAppointment(mac(name), [mac(order)] if order else [])


def cancel(name: str, reason: str = "patient_asked") -> CancelAppointment:
    return CancelAppointment(mac(name), reason)


def check_in(name: str) -> CheckIn:
    return CheckIn(mac(name))


def miss(name: str) -> MissAppointment:
    return MissAppointment(mac(name))


def owe(chain: Chain, name: str, holder: str, amount_fen: int = FEE_FEN, channel: str = "alipay") -> None:
    """A notice, and an open order for it, of the same name."""
    lines = [LineSum("consultation", amount_fen)]
    notice = IssueNotice(mac(name), "medical", mac(holder), lines, chain.time_ms + DAY_MS, mac("root"))
    order = PlaceOrder(mac(name), [mac(name)], [OrderPart(channel, amount_fen)], chain.time_ms + DAY_MS)
    assert chain.run(A, notice, order) == ["recorded"] * 2


def payment(name: str, amount_fen: int = FEE_FEN) -> TakePayment:
    return take(f"payment of {name}", name, 0, amount_fen)


def pay(chain: Chain, name: str, holder: str, amount_fen: int = FEE_FEN) -> None:
    """An order that is settled."""
    owe(chain, name, holder, amount_fen)
    assert code(chain, payment(name, amount_fen)) == "recorded"


def book(chain: Chain, name: str, number: int, holder: str, schedule: str = "s") -> None:
    """A confirmed appointment, paid by an order of its name."""
    assert code(chain, hold(chain, name, number, holder, schedule)) == "recorded"
    pay(chain, name, holder)
    assert code(chain, confirm(name, name)) == "recorded"


def schedule_body(chain: Chain, name: str = "s") -> ScheduleBody:
    body: ScheduleBody = chain.body(keyspace.schedule(A, mac(name)), ScheduleBody)
    return body


def appointment_body(chain: Chain, name: str) -> AppointmentBody:
    body: AppointmentBody = chain.body(keyspace.appointment(A, mac(name)), AppointmentBody)
    return body


def missed_body(chain: Chain, holder: str) -> MissedBody:
    body: MissedBody = chain.body(keyspace.missed(A, mac(holder)), MissedBody)
    return body


LINE = LineRef(LENDER_A, mac("line"))


def fall_overdue(chain: Chain, holder: str) -> None:
    """A line of credit that was used, stated and not repaid in time: some two days go by."""
    offered = terms(hold_ms_max=10 * DAY_MS, due_days=1)
    opened = [
        PublishProduct("care", 1, offered),
        OpenLine(LINE.line, "care", 1, chain.time_ms + 300 * DAY_MS, mac("approval"), ["hospital-a"]),
    ]
    assert chain.run(LENDER_A, *opened) == ["recorded"] * 2
    owe(chain, "on credit", holder, 5_000, "credit")
    used = [
        agree(LINE, mac(holder)),
        HoldCredit(mac("hold"), mac(holder), LINE, 20_000, chain.time_ms + DAY_MS, [], []),
        CaptureCredit(mac("hold"), LENDER_A, mac("captured"), mac("on credit"), 0),
    ]
    assert chain.run(A, *used) == ["recorded"] * 3
    stated = StateLine(LINE, mac("statement"), 5_000, chain.time_ms + DAY_MS + HOUR_MS)
    assert code(chain, stated, LENDER_A) == "recorded"
    later(chain, stated.due_ms)


def repay(chain: Chain, amount_fen: int = 5_000) -> None:
    repaid = RepayLine(LINE, mac("repayment"), "card", amount_fen, mac("evidence"))
    assert code(chain, repaid, LENDER_A) == "recorded"
