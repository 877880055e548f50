"""What credit has to do, in a page and a half that shares nothing with the rules.

A line is what left it and what came back; the sum that was granted is no move here. Nothing is thrown away: a statement that was
met is still there, and says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from chain.operation import (
    AgreeInstalments,
    CaptureCredit,
    CreditTerms,
    EndAgreement,
    EndLine,
    HoldCredit,
    LineRef,
    NameHospitals,
    OpenLine,
    PayBackLine,
    PublishProduct,
    ReleaseCredit,
    RepayLine,
    ReviewEmergency,
    SignAgreement,
    StateLine,
    credit,
)
from tests.money.facts import Facts, Moves, Named, Place
from tests.money.till import INSIDE, MOST, Till

DAY_MS = 86_400_000
HOLDS_MOST = 64  # of one line at once
LENDS, HOSPITAL_BEARS = 1, 2
OfDebt = StateLine | RepayLine | AgreeInstalments | PayBackLine  # of who bears the risk


@dataclass(frozen=True)
class Line:
    terms: CreditTerms
    until: int
    hospitals: tuple[str, ...]


class Lending(Facts):
    """Asked whether somebody may do something, and told that it was done."""

    def __init__(self, moves: Moves, till: Till, kinds: dict[str, str]) -> None:
        self.moves, self.till = moves, till
        self._kinds = kinds  # organisation -> its kind
        self.terms: dict[tuple[str, str, int], CreditTerms] = {}  # lender, product, version
        self.newest_terms: dict[tuple[str, str], int] = {}  # version of a lender's product
        self.lines: dict[Named, Line] = {}
        self.ended_lines: dict[Named, bool] = {}
        self.hospital_of: dict[Named, str] = {}  # line -> the hospital that bears its risk
        self.agreements: dict[tuple[str, bytes, int], SignAgreement] = {}  # hospital, holder, number
        self.newest: dict[tuple[str, bytes], int] = {}  # number of a holder's agreement at a hospital
        self.ended_agreements: dict[tuple[str, bytes, int], bool] = {}
        self.holds: dict[Named, HoldCredit] = {}
        self.drawn: dict[Named, int] = {}  # of a hold
        self.released: dict[Named, bool] = {}
        self.reviewed: dict[Named, bool] = {}
        self.holds_on: dict[Place, tuple[Named, ...]] = {}  # that may still run
        self.holds_for: dict[tuple[str, bytes, bytes, Named], tuple[Named, ...]] = {}  # hospital, holder, visit, line
        self.dues: dict[Named, tuple[tuple[int, int, int], ...]] = {}
        # line -> (date, all that has to have come back by then, when that was said)
        self.papers: dict[tuple[type, Named], bool] = {}  # names of statements, repayments, plans
        self.repaid: dict[
            tuple[type, Named], int
        ] = {}  # at a hospital's risk -> sum, below nothing if it was paid back

    def knows(self, said: object) -> bool:
        return type(said).__module__ == credit.__name__

    @property
    def now(self) -> int:
        return self.till.now

    # ── what follows from what was said ──────────────────────────────────────────────────────────────────────────────

    def places(self, line: Named) -> tuple[Place, Place]:
        return (line[0], "line", line[1]), (line[0], "emergency", line[1])

    def granted(self, place: Place) -> int:
        terms = self.lines[place[0], place[2]].terms
        return terms.line_fen if place[1] == "line" else terms.emergency_fen

    def owed(self, line: Named) -> int:
        return -sum(self.moves.at(place) for place in self.places(line))

    def came_back(self, line: Named) -> int:
        return sum(self.moves.came.get(place, 0) for place in self.places(line))

    def is_overdue(self, line: Named) -> bool:
        return any(
            date <= self.now and self._came_of(line, said_ms) < asked
            for date, asked, said_ms in self.dues.get(line, ())
        )

    def _came_of(self, line: Named, said_ms: int) -> int:
        """All that came back, but for what was charged after a statement."""
        later = (amount for charged_ms, amount in self.till.lines_back.get(line, ()) if charged_ms > said_ms)
        return self.came_back(line) - sum(later)

    def bearer(self, line: Named) -> str | None:
        return line[0] if self.lines[line].terms.bearer == LENDS else self.hospital_of.get(line)

    def left(self, hold: Named) -> int:
        """What it still keeps back; nothing when it is over."""
        said = self.holds.get(hold)
        if said is None or hold in self.released or said.until_ms <= self.now:
            return 0
        return said.amount_fen - self.drawn.get(hold, 0)

    def place_of(self, said: HoldCredit) -> Place:
        return self.places(_named(said.line))[1 if said.emergency else 0]

    def room(self, place: Place) -> int:
        return (
            self.granted(place) + self.moves.at(place) - sum(self.left(hold) for hold in self.holds_on.get(place, ()))
        )

    def spent(self, org: str, said: HoldCredit) -> int:
        """What was drawn for a visit, and what is still kept back for it, before this hold."""
        line, holds = _named(said.line), self.holds_for
        known = [hold for visit in said.visit for hold in holds.get((org, said.holder, visit, line), ())]
        return sum(self.drawn.get(hold, 0) + self.left(hold) for hold in known)

    def agreement(self, hospital: str, holder: bytes) -> SignAgreement | None:
        """The newest one, ended or not."""
        return self.agreements.get((hospital, holder, self.newest.get((hospital, holder), 0)))

    def _is_open(self, line: Named) -> bool:
        return line in self.lines and line not in self.ended_lines

    def _is_in_force(self, org: str, agreement: SignAgreement) -> bool:
        return (org, agreement.holder, agreement.number) not in self.ended_agreements

    # ── what may be done ─────────────────────────────────────────────────────────────────────────────────────────────

    def may(self, org: str, said: Any) -> bool:
        match said:
            case PublishProduct(product, version, terms):
                is_next = version == self.newest_terms.get((org, product), 0) + 1
                return is_next and self._kinds[org] in ("lender", "bank", "hospital") and _is_offer(terms)
            case OpenLine(line, product, version, until):
                is_known = (org, product, version) in self.terms and said.hospitals == sorted(set(said.hospitals))
                return is_known and (org, line) not in self.lines and until > self.now
            case EndLine(line):
                return self._is_open((org, line))
            case NameHospitals(line):
                return self._is_open((org, line)) and self._may_name(self.lines[org, line], said)
            case SignAgreement():
                return self._may_sign(org, said)
            case EndAgreement(holder, number):
                newest = self.agreement(org, holder)
                return newest is not None and newest.number == number and self._is_in_force(org, newest)
            case HoldCredit():
                return self._may_hold(org, said)
            case CaptureCredit():
                return self._may_capture(org, said)
            case ReleaseCredit(hold, lender):
                is_its = (org, hold) in self.holds and self.holds[org, hold].line.lender == lender
                return is_its and self.left((org, hold)) > 0
            case ReviewEmergency(hold, _, reviewer):
                declared = self.holds[org, hold].emergency if (org, hold) in self.holds else []
                return bool(declared) and reviewer not in declared and (org, hold) not in self.reviewed
            case StateLine() | RepayLine() | AgreeInstalments() | PayBackLine():
                line, paper = _named(said.line), (type(said), (org, _paper(said)))
                is_its = line in self.lines and self.bearer(line) == org and paper not in self.papers
                return is_its and self._may_ask(line, said)
        raise ValueError(type(said))

    def _may_name(self, line: Line, said: NameHospitals) -> bool:
        all_of_them = {*line.hospitals, *said.hospitals}
        is_new = len(all_of_them) == len(line.hospitals) + len(said.hospitals) <= 16
        is_next = said.number == len(line.hospitals) and line.until > self.now
        return is_new and is_next and said.hospitals == sorted(said.hospitals)

    def _may_sign(self, org: str, said: SignAgreement) -> bool:
        former, line = self.agreement(org, said.holder), _named(said.line)
        if self._kinds[org] != "hospital" or said.number != (former.number if former else 0) + 1:
            return False
        if former is not None and (self._is_in_force(org, former) or self.is_overdue(_named(former.line))):
            return False
        if not self._is_open(line) or self.lines[line].until <= self.now or self.is_overdue(line):
            return False
        if org not in self.lines[line].hospitals:
            return False
        if former is not None and _named(former.line) != line and self.owed(_named(former.line)) > 0:
            return False
        is_taken = self.lines[line].terms.bearer == HOSPITAL_BEARS and self.hospital_of.get(line, org) != org
        deposits = [self.till.deposits.get((org, name)) for name in said.deposit]
        is_own = all(deposit is not None and deposit.holder == said.holder for deposit in deposits)
        return not is_taken and is_own and said.cap_fen > 0

    def _may_hold(self, org: str, said: HoldCredit) -> bool:
        agreement, line = self.agreement(org, said.holder), _named(said.line)
        if agreement is None or agreement.line != said.line or not self._is_in_force(org, agreement):
            return False
        if (org, said.hold) in self.holds or not self._is_open(line) or self.lines[line].until <= self.now:
            return False
        terms, place = self.lines[line].terms, self.place_of(said)
        is_wide = self.spent(org, said) + said.amount_fen > min(terms.visit_cap_fen, agreement.cap_fen)
        if not said.emergency and (is_wide or self.is_overdue(line)):
            return False
        is_timely = self.now < said.until_ms <= self.now + terms.hold_ms_max
        running = [hold for hold in self.holds_on.get(place, ()) if self.left(hold)]
        return is_timely and 0 < said.amount_fen <= self.room(place) and len(running) < HOLDS_MOST

    def _may_capture(self, org: str, said: CaptureCredit) -> bool:
        hold = self.holds.get((org, said.hold))
        if hold is None or hold.line.lender != said.lender or (org, said.payment) in self.till.payments:
            return False
        agreement = self.agreement(org, hold.holder)
        if agreement is None or agreement.line != hold.line or not self._is_in_force(org, agreement):
            return False
        for name in agreement.deposit:
            if self.till.is_deposit_open((org, name)) and self.moves.at((org, "deposit", name)) > 0:
                return False
        part = self.till.waiting((org, said.order), said.part)
        if part is None or part.channel != "credit" or not self._is_open(_named(hold.line)):
            return False
        return self.till.is_all_of((org, said.order), hold.holder) and part.amount_fen <= self.left((org, said.hold))

    def _may_ask(self, line: Named, said: OfDebt) -> bool:
        owed, terms = self.owed(line), self.lines[line].terms
        match said:
            case StateLine():
                is_later = said.due_ms >= self.now + terms.due_days * DAY_MS
                return owed > 0 and said.owed_fen == owed and is_later
            case RepayLine():
                return said.channel not in INSIDE and 0 < said.amount_fen <= min(owed, MOST)
            case PayBackLine():
                if said.channel in INSIDE or not 0 < said.amount_fen <= min(-owed, MOST):
                    return False
                given = zip(self.places(line), self._above(line, said.amount_fen), strict=True)
                own = self.moves.at((self.bearer(line) or "", "own", b""))
                is_there = terms.bearer == LENDS or own >= said.amount_fen
                return is_there and all(amount <= self.room(place) for place, amount in given if amount)
            case AgreeInstalments():
                dates = [self.now, *(part.due_ms for part in said.instalments)]
                amounts = [part.amount_fen for part in said.instalments]
                is_ordered = all(first < second for first, second in pairwise(dates))
                return (
                    is_ordered and min(amounts) > 0 and sum(amounts) == owed and len(amounts) <= terms.instalments_max
                )

    # ── what is done ─────────────────────────────────────────────────────────────────────────────────────────────────

    def take(self, org: str, said: Any) -> None:
        match said:
            case PublishProduct():
                self.terms[org, said.product, said.version] = said.terms
                self.newest_terms[org, said.product] = said.version
            case OpenLine():
                self.lines[org, said.line] = Line(
                    self.terms[org, said.product, said.version], said.until_ms, tuple(said.hospitals)
                )
            case EndLine():
                self.ended_lines[org, said.line] = True
            case NameHospitals():
                line = self.lines[org, said.line]
                self.lines[org, said.line] = replace(line, hospitals=(*line.hospitals, *said.hospitals))
            case SignAgreement():
                self.agreements[org, said.holder, said.number] = said
                self.newest[org, said.holder] = said.number
                if self.lines[_named(said.line)].terms.bearer == HOSPITAL_BEARS:
                    self.hospital_of[_named(said.line)] = org
            case EndAgreement():
                self.ended_agreements[org, said.holder, said.number] = True
            case HoldCredit():
                self.holds[org, said.hold] = said
                place = self.place_of(said)
                running = [hold for hold in self.holds_on.get(place, ()) if self.left(hold)]
                self.holds_on[place] = (*running, (org, said.hold))
                for visit in [] if said.emergency else said.visit:
                    whose = (org, said.holder, visit, _named(said.line))
                    self.holds_for[whose] = (*self.holds_for.get(whose, ()), (org, said.hold))
            case CaptureCredit():
                hold, order = (org, said.hold), (org, said.order)
                place, line = self.place_of(self.holds[hold]), _named(self.holds[hold].line)
                amount = self.till.orders[order].parts[said.part].amount_fen
                self.drawn[hold] = self.drawn.get(hold, 0) + amount
                is_promise = self.lines[line].terms.bearer == HOSPITAL_BEARS
                self.till.pay(order, said.part, (org, said.payment), place, is_promise)
            case ReleaseCredit():
                self.released[org, said.hold] = True
            case ReviewEmergency():
                self.reviewed[org, said.hold] = True
            case StateLine() | RepayLine() | AgreeInstalments() | PayBackLine():
                self.papers[type(said), (org, _paper(said))] = True
                self._ask(org, _named(said.line), said)

    def _ask(self, org: str, line: Named, said: OfDebt) -> None:
        came = self.came_back(line)
        match said:
            case StateLine():
                self.dues[line] = (*self.dues.get(line, ()), (said.due_ms, came + said.owed_fen, self.now))
            case AgreeInstalments():
                asked = [
                    sum(part.amount_fen for part in said.instalments[: count + 1])
                    for count in range(len(said.instalments))
                ]
                self.dues[line] = tuple(
                    (part.due_ms, came + sum_, self.now) for part, sum_ in zip(said.instalments, asked, strict=True)
                )
            case RepayLine():
                source: Place = (org, "channel", said.channel.encode())
                if self.lines[line].terms.bearer == HOSPITAL_BEARS:
                    self.repaid[RepayLine, (org, said.repayment)] = said.amount_fen
                    self.moves.move(source, (org, "own", b""), said.amount_fen)
                    source = (org, "receivable", b"")
                first, second = self.places(line)
                owed_first = min(said.amount_fen, max(0, -self.moves.at(first)))
                self.moves.move(source, first, owed_first)
                self.moves.move(source, second, said.amount_fen - owed_first)
            case PayBackLine():
                into: Place = (org, "channel", said.channel.encode())
                if self.lines[line].terms.bearer == HOSPITAL_BEARS:
                    self.repaid[PayBackLine, (org, said.payback)] = -said.amount_fen
                    self.moves.move((org, "own", b""), into, said.amount_fen)
                    into = (org, "receivable", b"")
                for place, amount in zip(self.places(line), self._above(line, said.amount_fen), strict=True):
                    self.moves.move(place, into, amount)

    def _above(self, line: Named, amount: int) -> tuple[int, int]:
        """What each place gives of a sum that is paid back: the first what it has too much, the second the rest."""
        of_first = min(amount, max(0, self.moves.at(self.places(line)[0])))
        return of_first, amount - of_first


def _named(line: LineRef) -> Named:
    return line.lender, line.line


def _paper(said: OfDebt) -> bytes:
    match said:
        case StateLine():
            return said.statement
        case RepayLine():
            return said.repayment
        case AgreeInstalments():
            return said.plan
        case PayBackLine():
            return said.payback


def _is_offer(terms: CreditTerms) -> bool:
    is_line = 0 < terms.visit_cap_fen <= terms.line_fen <= MOST
    return is_line and 0 <= terms.emergency_fen <= MOST and 0 < terms.hold_ms_max <= 180 * DAY_MS
