"""Wishes about schedules, appointments and visits; forms and units as in `requests.py`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from chain.bill import LINES_MAX, Payer
from chain.codec import Name
from chain.operation import NUMBERS_MAX, POOLS_MAX
from node.money.requests import Amount, CardWish, Code, Moment, NameHex, NoticeBill, NoticeLine, Number, PartWish, Wish

Staff = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]  # as the hospital knows its own people

# ── schedules ────────────────────────────────────────────────────────────────────────────────────────────────────────


class PoolWish(Wish, frozen=True):
    """So many numbers, above those of the pools before it, are one channel's."""

    channel: Code
    count: Annotated[int, msgspec.Meta(ge=1, le=NUMBERS_MAX)]
    opens_to_all: Moment = ""  # else never


class ScheduleWish(Wish, frozen=True):
    """Somebody sees patients; its day is the day on which it begins."""

    schedule_no: Number
    department: Name
    staff: Staff
    session: Code  # am, pm, night
    starts: Moment
    ends: Moment
    pools: Annotated[list[PoolWish], msgspec.Meta(min_length=1, max_length=POOLS_MAX)]
    fee_fen: Annotated[int, msgspec.Meta(ge=0, le=10**12)] = 0
    pay_within_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 15
    book_until: Moment = ""  # else until it begins
    cancel_until: Moment = ""  # else until it begins
    bill: NoticeBill | None = None  # of the fee, for everybody who pays it


class StopWish(Wish, frozen=True):
    reason: Code


class SubstitutionWish(Wish, frozen=True):
    staff: Staff


# ── appointments ─────────────────────────────────────────────────────────────────────────────────────────────────────


class AppointmentWish(Wish, frozen=True):
    """The next free number of a channel, for somebody."""

    appointment_no: Number
    schedule: NameHex
    channel: Code
    payer: Payer | None = None  # a patient who asks has said who they are


class FeeWish(Wish, frozen=True):
    """The appointment's fee as a notice with an order over it; once that is paid, the appointment is confirmed."""

    parts: Annotated[list[PartWish], msgspec.Meta(min_length=1, max_length=8)]


class ConfirmationWish(Wish, frozen=True):
    order: NameHex | None = None  # that has paid the fee; none where there is no fee


class CancellationWish(Wish, frozen=True):
    reason: Code = "patient_asked"


class CheckInWish(Wish, frozen=True):
    """They are there."""


class MissWish(Wish, frozen=True):
    """They did not come."""


# ── visits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class VisitWish(Wish, frozen=True):
    visit_no: Number
    kind: Literal["outpatient", "inpatient", "emergency"]
    payer: Payer
    cap_fen: Amount  # what the patient agrees to at most
    appointment: NameHex | None = None
    declared_by: Annotated[str, msgspec.Meta(max_length=64)] = ""  # of an emergency
    agreement: NameHex | None = None  # then as much as the cap is held of its line
    hours: Annotated[int, msgspec.Meta(ge=1, le=4320)] = 24  # that it is held
    at: Moment = ""  # else now


class StampWish(Wish, frozen=True):
    step: Code  # queued, called, treated, tested, dispensed …
    at: Moment = ""  # else now
    number: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None  # its place, from 1; else the next one


class VisitChargeWish(Wish, frozen=True):
    """A step that is paid at once: of what was held at the opening, else of a deposit and by card. The bill follows at the end."""

    charge_no: Number
    lines: Annotated[list[NoticeLine], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    kind: Code = "medical"
    card: CardWish | None = None
    deposit: NameHex | None = None  # pays what the card does not, where nothing was held


class CloseWish(Wish, frozen=True):
    """It is over: what is held and was not needed is free again."""

    bill: NoticeBill | None = None  # over all its charges, less what went back; none where nothing is left
    at: Moment = ""  # else now
