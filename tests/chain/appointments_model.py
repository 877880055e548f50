"""What schedules and appointments have to do, in a page that shares nothing with the rules: of each step, whether it is allowed."""

from __future__ import annotations

from dataclasses import dataclass, field

from chain.operation import (
    CancelAppointment,
    CheckIn,
    ConfirmAppointment,
    HoldNumber,
    MissAppointment,
    Operation,
    StopSchedule,
)
from tests.chain.making import NOON_MS, mac

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
NUMBERS = 6
HOLDERS = [f"holder {number}" for number in range(30)]


@dataclass
class Session:
    """A schedule of the model: app has 1 to 4, the window 5 and 6."""

    starts: int
    fee: int
    stopped: bool = False
    last_of_app: int = 4

    @property
    def ends(self) -> int:
        return self.starts + 4 * HOUR_MS

    @property
    def day(self) -> int:
        return (self.starts + 8 * HOUR_MS) // DAY_MS


@dataclass
class Booked:
    session: bytes
    holder: str
    number: int
    until: int
    state: str = "held"


@dataclass
class Model:
    sessions: dict[bytes, Session] = field(default_factory=dict)
    booked: dict[bytes, Booked] = field(default_factory=dict)
    orders: dict[bytes, tuple[str, int, bool]] = field(default_factory=dict)  # whose, fen, whether it is paid
    used: set[bytes] = field(default_factory=set)
    missed: dict[str, list[int]] = field(default_factory=dict)
    blocked: dict[str, int] = field(default_factory=dict)
    now: int = NOON_MS

    def lives(self, one: Booked) -> bool:
        return one.state in ("confirmed", "came", "missed") or (one.state == "held" and self.now < one.until)

    def may(self, step: Operation) -> bool:
        match step:
            case HoldNumber():
                session = self.sessions.get(step.schedule)
                if session is None or session.stopped or self.now >= session.ends - HOUR_MS:
                    return False
                holder = next(name for name in HOLDERS if mac(name) == step.holder)
                others = [one for one in self.booked.values() if one.session == step.schedule and self.lives(one)]
                home = "app" if step.number <= session.last_of_app else "window"
                return (
                    step.appointment not in self.booked
                    and self.now >= self.blocked.get(holder, 0)
                    and 1 <= step.number <= NUMBERS
                    and (step.channel == home or (home == "app" and self.now >= session.starts - HOUR_MS))
                    and not any(one.number == step.number or one.holder == holder for one in others)
                    and self.now < step.until_ms <= self.now + HOUR_MS
                )
            case ConfirmAppointment():
                one = self.booked.get(step.appointment)
                if one is None or one.state != "held":
                    return False
                session = self.sessions[one.session]
                if session.stopped or self.now >= session.ends:
                    return False
                if session.fee == 0:
                    return not step.order
                holder, fen, paid = self.orders.get(step.order[0], ("", 0, False)) if step.order else ("", 0, False)
                return paid and holder == one.holder and fen >= session.fee and step.order[0] not in self.used
            case CancelAppointment():
                one = self.booked.get(step.appointment)
                if one is None:
                    return False
                session = self.sessions[one.session]
                early = session.stopped or self.now < session.starts - DAY_MS
                return (
                    one.state == "held"
                    or (one.state == "confirmed" and early)
                    or (one.state == "came" and session.stopped)
                )
            case CheckIn():
                one = self.booked.get(step.appointment)
                return one is not None and one.state == "confirmed" and self._today(one)
            case MissAppointment():
                one = self.booked.get(step.appointment)
                if one is None or one.state != "confirmed":
                    return False
                session = self.sessions[one.session]
                return not session.stopped and self.now >= session.ends
            case StopSchedule():
                session = self.sessions.get(step.schedule)
                return session is not None and not session.stopped and self.now < session.ends
        raise AssertionError(step)

    def _today(self, one: Booked) -> bool:
        session = self.sessions[one.session]
        today = (self.now + 8 * HOUR_MS) // DAY_MS >= session.day
        return today and not session.stopped and self.now < session.ends

    def take(self, step: Operation) -> None:
        match step:
            case HoldNumber():
                holder = next(name for name in HOLDERS if mac(name) == step.holder)
                for one in self.booked.values():
                    same = one.number == step.number or one.holder == holder
                    if one.session == step.schedule and one.state == "held" and same:
                        one.state = "lapsed"
                self.booked[step.appointment] = Booked(step.schedule, holder, step.number, step.until_ms)
            case ConfirmAppointment():
                self.booked[step.appointment].state = "confirmed"
                self.used |= set(step.order)
            case CancelAppointment():
                self.booked[step.appointment].state = "cancelled"
            case CheckIn():
                self.booked[step.appointment].state = "came"
            case MissAppointment():
                one = self.booked[step.appointment]
                one.state = "missed"
                ends = sorted([*self.missed.get(one.holder, []), self.sessions[one.session].ends])
                ends = [end for end in ends if end > ends[-1] - 180 * DAY_MS]
                if len(ends) == 3:
                    ends, self.blocked[one.holder] = [], self.now + 90 * DAY_MS
                self.missed[one.holder] = ends
            case StopSchedule():
                self.sessions[step.schedule].stopped = True
