"""Random lives of schedules and appointments: the rules against a model of a page, and what must hold whatever happened.

The model shares no code with the rules: it says of each step whether it is allowed. The counts are taken from the records
alone. Rules run as in a block, over records in a dictionary.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from chain import keyspace
from chain.number_pool import free_numbers
from chain.operation import (
    CancelAppointment,
    CheckIn,
    ConfirmAppointment,
    HoldNumber,
    MissAppointment,
    Operation,
    Pool,
    PublishSchedule,
    StopSchedule,
    operation_digest,
)
from chain.records import (
    CANCELLED,
    CHECKED_IN,
    CONFIRMED,
    LAPSED,
    MISSED,
    NUMBER_HELD,
    ORDER_OPEN,
    ORDER_PAID,
    OWED,
    SETTLED,
    UNIT,
    AppointmentBody,
    NoticeBody,
    OrderBody,
    OrganisationBody,
    ScheduleBody,
)
from chain.rules import RULES, Context, Refused
from tests.chain.appointments_model import DAY_MS, HOLDERS, HOUR_MS, NUMBERS, Model, Session
from tests.chain.making import BEIJING, mac, parameters
from tests.money.lives import Records

HOSPITAL = "hospital-a"
STEPS, LOOK_EVERY, PUBLISH_EVERY = 8_000, 100, 25
FEE_FEN = 1_500


STATES = {
    NUMBER_HELD: "held",
    CONFIRMED: "confirmed",
    CANCELLED: "cancelled",
    CHECKED_IN: "came",
    MISSED: "missed",
    LAPSED: "lapsed",
}


class Lives:
    """One step is one operation; `AssertionError` tells where rules and model part, or which count does not fit."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self.model, self.records = Model(), Records()
        self.codes: Counter[str] = Counter()
        self._parameters = parameters()
        self._made = 0
        body = OrganisationBody(HOSPITAL, "hospital", "330600", 4, "", [], 1, "", 0)
        self.records.bodies[keyspace.organisation(HOSPITAL)] = body

    def live(self, steps: int) -> None:
        for step in range(steps):
            self.model.now += self._draw.choice((1, 1_000, 1_000, 60_000, 300_000, HOUR_MS))
            if step % PUBLISH_EVERY == 0:
                self._publish()
            self._one(self._operation())
            if step % LOOK_EVERY == 0:
                self.look()
        self.look()

    def _name(self, kind: str) -> bytes:
        self._made += 1
        return mac(f"{kind} {self._made}")

    def _publish(self) -> None:
        starts = self.model.now + self._draw.randrange(2 * HOUR_MS, 3 * DAY_MS)
        session = Session(starts, self._draw.choice((0, FEE_FEN)))
        name = self._name("schedule")
        date = int(datetime.fromtimestamp(starts / 1000, BEIJING).strftime("%Y%m%d"))
        pools = [Pool("app", 1, 4, starts - HOUR_MS), Pool("window", 5, 2, session.ends)]
        operation = PublishSchedule(
            name, "ward", mac("doctor"), date, "am", starts, session.ends, pools, session.fee, HOUR_MS,
            session.ends - HOUR_MS, starts - DAY_MS,
        )  # fmt: skip
        assert self._run(operation) == "recorded"
        self.model.sessions[name] = session

    def _operation(self) -> Operation:
        what = self._draw.random() * 100
        recent = [*self.model.booked][-30:]
        live = [name for name in recent if self.model.lives(self.model.booked[name])]
        recent = live if live and self._draw.random() < 0.7 else recent
        if what < 45 or not recent:
            return self._hold()
        if what < 45.4:
            return StopSchedule(self._draw.choice([*self.model.sessions][-4:]), "ill")
        name = self._draw.choice(recent) if self._draw.random() < 0.98 else self._name("none")
        if what < 75:
            return ConfirmAppointment(name, self._order(name))
        if what < 80:
            return CancelAppointment(name, self._draw.choice(("asked", "moved")))
        return CheckIn(name) if what < 92 else MissAppointment(name)

    def _hold(self) -> HoldNumber:
        schedule = self._draw.choice([*self.model.sessions][-4:])
        waits = self._draw.choice((0, 1, HOUR_MS // 2, HOUR_MS, HOUR_MS, HOUR_MS + 1))
        name = (
            self._name("appointment")
            if self._draw.random() < 0.97
            else self._draw.choice([*self.model.booked, mac("a")])
        )
        number = self._draw.randrange(1, NUMBERS + 1) if self._draw.random() < 0.95 else NUMBERS + 1
        home = "app" if number <= 4 else "window"
        channel = home if self._draw.random() < 0.8 else self._draw.choice(("app", "window", "city"))
        holder = mac(self._draw.choice(HOLDERS))
        return HoldNumber(name, schedule, channel, number, holder, self.model.now + waits)

    def _order(self, appointment: bytes) -> list[bytes]:
        """None, one of before, or a new one: paid or not, enough or not, the holder's or not."""
        what = self._draw.random()
        booked = self.model.booked.get(appointment)
        free = booked is not None and self.model.sessions[booked.session].fee == 0
        if what < (0.9 if free else 0.1):
            return []
        if what < 0.2 and booked is not None:
            own = [name for name, (whose, _, _) in self.model.orders.items() if whose == booked.holder]
            if own:
                return [self._draw.choice(own)]
        name = self._name("order")
        right = self._draw.random() < 0.85
        holder = booked.holder if booked and (right or self._draw.random() < 0.6) else self._draw.choice(HOLDERS)
        fen = FEE_FEN if right else self._draw.choice((FEE_FEN - 1, FEE_FEN + 1))
        paid = right or self._draw.random() < 0.6
        notice = NoticeBody("medical", mac(holder), [], fen, 0, mac("r"), SETTLED if paid else OWED, [name], [], 0)
        self.records.bodies[keyspace.notice(HOSPITAL, name)] = notice
        self.records.bodies[keyspace.order(HOSPITAL, name)] = OrderBody(
            [name], [], fen, 0, ORDER_PAID if paid else ORDER_OPEN, 0, fen, 0, False, []
        )
        self.model.orders[name] = (holder, fen, paid)
        return [name]

    def _one(self, operation: Operation) -> None:
        allowed = self.model.may(operation)
        code = self._run(operation)
        self.codes[code] += 1
        assert (code == "recorded") == allowed, f"{code}, the model says {allowed}: {operation}"
        if allowed:
            self.model.take(operation)

    def _run(self, operation: Operation) -> str:
        digest = operation_digest(operation)
        context = Context(HOSPITAL, UNIT, 1, self.model.now, digest, self._parameters, lambda height: None)
        try:
            changes = RULES[type(operation)](self.records, operation, context)
        except Refused as refusal:
            return refusal.code
        for key, body in changes.items():
            self.records.bodies[key] = body
            self.records.origins.setdefault(key, digest)
        return "recorded"

    def look(self) -> None:
        """Every number is free, held or confirmed; no number is two people's; what went back is counted."""
        appointments: dict[bytes, AppointmentBody] = {}
        for name, one in self.model.booked.items():
            body = appointments[name] = self.records.bodies[keyspace.appointment(HOSPITAL, name)]
            assert STATES[body.state] == one.state
        for name, session in self.model.sessions.items():
            schedule: ScheduleBody = self.records.bodies[keyspace.schedule(HOSPITAL, name)]
            own = {key: body for key, body in appointments.items() if body.schedule == name}
            standing = {key: body for key, body in own.items() if body.state not in (CANCELLED, LAPSED)}
            numbers = [taken.number for taken in schedule.taken]
            assert numbers == sorted(set(numbers))
            assert {taken.appointment: (taken.number, taken.holder) for taken in schedule.taken} == {
                key: (body.number, body.holder) for key, body in standing.items()
            }
            assert len({taken.holder for taken in schedule.taken}) == len(numbers)
            assert schedule.returned == len(own) - len(standing)
            assert len(own) == schedule.returned + len(schedule.taken)
            if self.model.now < session.starts - HOUR_MS and not session.stopped:
                self._compare_free(name, schedule)

    def _compare_free(self, name: bytes, schedule: ScheduleBody) -> None:
        """What the two channels could give out together is all that nobody has."""
        live = [one.number for one in self.model.booked.values() if one.session == name and self.model.lives(one)]
        free = [*free_numbers(schedule, "app", self.model.now), *free_numbers(schedule, "window", self.model.now)]
        assert sorted(live + free) == list(range(1, NUMBERS + 1))


EXPECTED = {  # of all that a life can meet
    "recorded",
    "already_recorded",
    "appointment_exists",
    "schedule_stopped",
    "schedule_over",
    "appointment_blocked",
    "already_appointed",
    "number_unknown",
    "pool_closed",
    "slot_taken",
    "hold_too_long",
    "already_confirmed",
    "appointment_unknown",
    "appointment_cancelled",
    "hold_expired",
    "order_unpaid",
    "order_of_other",
    "order_used",
    "fee_differs",
    "already_arrived",
    "already_missed",
    "cancel_too_late",
    "appointment_unconfirmed",
    "too_early",
}


def test_lives_keep_to_the_model_and_every_number_is_free_or_one_persons() -> None:
    met: Counter[str] = Counter()
    for seed in (1, 2, 3):
        lives = Lives(seed)
        lives.live(STEPS)
        assert lives.codes["recorded"] > STEPS / 5
        met += lives.codes
    assert met.keys() >= EXPECTED, EXPECTED - met.keys()


def test_a_number_that_is_given_out_twice_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chain.rules.appointments.is_live", lambda taken, time_ms: taken.until_ms == 0)
    with pytest.raises(AssertionError, match="the model says False: HoldNumber"):
        Lives(1).live(STEPS)


def test_a_number_that_goes_back_unseen_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = RULES[CancelAppointment]

    def wrong(view: Any, operation: Any, context: Any) -> Any:
        changes = right(view, operation, context)
        return {
            key: replace(body, returned=body.returned - 1) if isinstance(body, ScheduleBody) else body
            for key, body in changes.items()
        }

    monkeypatch.setitem(RULES, CancelAppointment, wrong)
    with pytest.raises(AssertionError, match="returned"):
        Lives(1).live(STEPS)
