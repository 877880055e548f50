"""Random errands of lenders, and of hospitals that treat on credit."""

from __future__ import annotations

from collections.abc import Callable

from chain.operation import (
    AgreeInstalments,
    CaptureCredit,
    CreditTerms,
    EndAgreement,
    EndLine,
    HoldCredit,
    Instalment,
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
)
from tests.money.asking import Asked, Asking
from tests.money.facts import Named

DAY_MS = 86_400_000
PRODUCTS = 3  # of a lender
VISITS = 3  # of a hospital, that holds are asked for at a time


class Loans:
    """Asks through the till's own `asking`, so that names and what was asked lately are one."""

    def __init__(self, asking: Asking) -> None:
        self._asking, self._draw, self._lending = asking, asking.draw, asking.lending
        self.ways: list[tuple[int, Callable[[], Asked | None]]] = [
            (1, self.product),
            (3, self.line),
            (5, self.agreement),
            (9, self._hold),
            (1, self._end_line),
            (1, self._name_hospitals),
            (1, self._end_agreement),
            (2, self._release),
            (1, self._review),
            (5, self._state),
            (6, self._repay),
            (2, self._instalments),
            (3, self._pay_back),
        ]

    # ── products, lines, agreements ──────────────────────────────────────────────────────────────────────────────────

    def product(self) -> Asked:
        lender = self._draw.choice(self._asking.lenders if self._draw.random() < 0.95 else self._asking.everybody)
        name = f"product-{self._draw.randrange(PRODUCTS)}"
        version = self._lending.newest_terms.get((lender, name), 0) + self._draw.choice([1] * 9 + [0, 2])
        line = self._draw.choice([100_000, 300_000])
        terms = CreditTerms(
            score_min=650,
            line_fen=line,
            visit_cap_fen=self._draw.choice([line, line // 2, line + 1]),
            emergency_fen=self._draw.choice([0, 50_000, 100_000]),
            bearer=self._draw.choice([1, 2]),
            identity_level=2,
            statement_day=20,
            statement_minute=1_200,
            due_days=self._draw.choice([1, 10]),
            instalments_max=self._draw.choice([0, 3, 12]),
            hold_ms_max=self._draw.choice([60_000, 30 * DAY_MS]),
        )
        return lender, PublishProduct(name, version, terms)

    def line(self) -> Asked | None:
        found = self._asking.some(list(self._lending.newest_terms.items()))
        if found is None:
            return None
        (lender, product), newest = found
        version = newest - self._draw.choice([0] * 8 + [1, 1, -1])
        until = self._asking.later(0, 600_000, 30 * DAY_MS, 365 * DAY_MS)
        named = sorted(self._asking.hospitals)
        hospitals = named if self._draw.random() < 0.7 else [self._draw.choice(named)]
        if self._draw.random() < 0.02:
            hospitals = [*hospitals, hospitals[0]]
        return lender, OpenLine(
            self._asking.named("line", lender), product, version, until, self._asking.digest(), hospitals
        )

    def _end_line(self) -> Asked | None:
        line = self._asking.some(self._asking.recent("line")) if self._draw.random() < 0.4 else None
        return line and (line[0], EndLine(line[1], "revoked"))

    def _name_hospitals(self) -> Asked | None:
        """Most lines name all of them; some one alone."""
        lines = [line for line in self._asking.recent("line") if line in self._lending.lines]
        short = [line for line in lines if len(self._lending.lines[line].hospitals) < len(self._asking.hospitals)]
        line = self._asking.some(short, lines)
        if line is None:
            return None
        named = self._lending.lines[line].hospitals
        hospitals = sorted(set(self._asking.hospitals) - set(named)) or sorted(self._asking.hospitals)
        if self._draw.random() < 0.1:
            hospitals = [*hospitals, *named[:1]]
        lender = line[0] if self._draw.random() < 0.9 else self._draw.choice(self._asking.lenders)
        number = len(named) + self._draw.choice([0] * 9 + [1])
        return lender, NameHospitals(line[1], number, hospitals[: self._draw.choice([1, 16])])

    def agreement(self) -> Asked | None:
        org, holder = self._asking.hospital(), self._asking.holder()
        lines = self._asking.recent("line")
        free = [line for line in lines if line in self._lending.lines and line not in self._lending.ended_lines]
        line = self._asking.some(free, lines)
        if line is None:
            return None
        number = self._lending.newest.get((org, holder), 0) + self._draw.choice([1] * 12 + [0, 2])
        if self._is_good(org, holder) and number > 1 and self._draw.random() < 0.8:
            return None
        own = [name for name in self._asking.recent("deposit", org) if name in self._asking.till.deposits]
        fitting = [name for name in own if self._asking.till.deposits[name].holder == holder]
        deposit = self._asking.some(fitting, own) if self._draw.random() < 0.3 else None
        cap, consent = self._draw.choice([0, 50_000, *[300_000] * 9]), self._asking.digest()
        names = [deposit[1]] if deposit else []
        return org, SignAgreement(holder, number, LineRef(*line), cap, names, consent)

    def _end_agreement(self) -> Asked | None:
        found = self._asking.some(list(self._lending.newest.items())) if self._draw.random() < 0.4 else None
        return found and (found[0][0], EndAgreement(found[0][1], found[1] - self._draw.choice([0] * 9 + [1]), "enough"))

    # ── holds ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def hold(self, org: str = "") -> Asked | None:
        known = [(where, holder) for where, holder in self._lending.newest if not org or where == org]
        found = self._asking.some([signed for signed in known if self._is_good(*signed)], known)
        if found is None:
            return None
        org, holder = found if self._draw.random() < 0.97 else (found[0], self._asking.holder())
        agreement = self._lending.agreement(org, holder)
        line = (agreement.line.lender, agreement.line.line) if agreement else (org, self._asking.digest())
        if self._draw.random() < 0.03:
            line = self._asking.some(self._asking.recent("line")) or line
        is_emergency = self._draw.random() < 0.2
        room = self._lending.room(self._lending.places(line)[is_emergency]) if line in self._lending.lines else 100
        amount = self._asking.of(self._draw.choice([room, min(room, 30_000), min(room, 30_000), self._asking.amount()]))
        until = self._asking.later(0, 5_000, 50_000, 50_000, 50_000, 50_000, 20 * DAY_MS, 20 * DAY_MS, 31 * DAY_MS)
        declared = [self._doctor()] if is_emergency else []
        return org, HoldCredit(
            self._asking.named("credit hold", org), holder, LineRef(*line), amount, until, self.visit(org), declared
        )

    def visit(self, org: str) -> list[bytes]:
        """One of the latest, mostly, so that holds meet there; a new one; or none is named."""
        known, what = self._asking.recent("visit", org)[-VISITS:], self._draw.random()
        if what < 0.2:
            return []
        return [self._draw.choice(known)[1] if known and what < 0.8 else self._asking.named("visit", org)]

    def _hold(self) -> Asked | None:
        return self.hold()

    def held(self, org: str, order: Named | None = None) -> Named | None:
        """A hold of a hospital's, for an order of the same holder's, that has something left or, now and then, nothing."""
        known = [hold for hold in self._asking.recent("credit hold", org) if hold in self._lending.holds]
        good = [hold for hold in known if self._is_good(org, self._lending.holds[hold].holder)]
        if order is not None:
            good = [hold for hold in good if self._asking.till.is_all_of(order, self._lending.holds[hold].holder)]
        return self._asking.some([hold for hold in good if self._lending.left(hold)], known)

    def holder_of(self, hold: Named) -> bytes:
        return self._lending.holds[hold].holder

    def _is_good(self, org: str, holder: bytes) -> bool:
        """The newest agreement is in force."""
        number = self._lending.newest.get((org, holder), 0)
        return (org, holder, number) not in self._lending.ended_agreements

    def capture_of(self, hold: Named, order: bytes, place: int, payment: bytes) -> CaptureCredit:
        lender = self._lending.holds[hold].line.lender
        if self._draw.random() < 0.02:
            lender = self._draw.choice(self._asking.lenders)
        return CaptureCredit(hold[1], lender, payment, order, place)

    def _release(self) -> Asked | None:
        known = [hold for hold in self._asking.recent("credit hold") if hold in self._lending.holds]
        hold = self._asking.some([hold for hold in known if self._lending.left(hold)], known)
        return hold and (hold[0], ReleaseCredit(hold[1], self._lending.holds[hold].line.lender, "discharged"))

    def _review(self) -> Asked | None:
        known = [hold for hold in self._asking.recent("credit hold") if hold in self._lending.holds]
        hold = self._asking.some([hold for hold in known if self._lending.holds[hold].emergency], known)
        return hold and (hold[0], ReviewEmergency(hold[1], "upheld", self._doctor()))

    def _doctor(self) -> bytes:
        return bytes([self._draw.randrange(3)]) * 32

    # ── what is owed ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _used(self) -> list[Named]:
        """Lines of the newest agreements, and some that may have none."""
        signed = [self._lending.agreement(*of).line for of in self._lending.newest]  # type: ignore[union-attr]
        used = [(ref.lender, ref.line) for ref in signed]
        return [line for line in [*used, *self._asking.recent("line")[:4]] if line in self._lending.lines]

    def _borne(self) -> tuple[str, Named] | None:
        """Who is owed something, and on which line."""
        known = self._used()
        owing = [line for line in known if self._lending.owed(line) > 0]
        line = self._asking.some(owing, known)
        if line is None:
            return None
        bearer = self._lending.bearer(line) if self._draw.random() < 0.95 else None
        return bearer or self._draw.choice(self._asking.everybody), line

    def _state(self) -> Asked | None:
        found = self._borne()
        if found is None:
            return None
        org, line = found
        due = self._asking.later(0, DAY_MS, DAY_MS, 10 * DAY_MS, 11 * DAY_MS)
        owed = self._lending.owed(line) + self._draw.choice([0] * 9 + [1])
        return org, StateLine(LineRef(*line), self._asking.named("statement"), owed, due)

    def _repay(self) -> Asked | None:
        found = self._borne()
        if found is None:
            return None
        org, line = found
        channel = self._draw.choice(["alipay", "card", "cash"] * 6 + ["credit"])
        amount = self._asking.of(self._lending.owed(line) // self._draw.choice([1, 2, 10]))
        return org, RepayLine(LineRef(*line), self._asking.named("repayment"), channel, amount, self._asking.digest())

    def _pay_back(self) -> Asked | None:
        """Of what a line has too much; now and then of one that has nothing too much, or none of it free."""
        known = self._used()
        line = self._asking.some([line for line in known if self._lending.owed(line) < 0], known)
        if line is None:
            return None
        bearer = self._lending.bearer(line) if self._draw.random() < 0.95 else None
        org = bearer or self._draw.choice(self._asking.everybody)
        channel = self._draw.choice(["alipay", "card", "cash"] * 6 + ["credit"])
        amount = self._asking.of(max(1, -self._lending.owed(line) // self._draw.choice([1, 1, 2])))
        return org, PayBackLine(LineRef(*line), self._asking.named("payback"), channel, amount, self._asking.digest())

    def _instalments(self) -> Asked | None:
        found = self._borne()
        if found is None:
            return None
        org, line = found
        count, owed = self._draw.choice([1, 2, 3, 4]), self._lending.owed(line)
        each = owed // count
        parts = [
            Instalment(self._asking.whole.now + number * DAY_MS, each if number < count else owed - each * (count - 1))
            for number in range(1, count + 1)
        ]
        if self._draw.random() < 0.1:
            parts = self._draw.choice([parts[::-1], parts * 2])
        return org, AgreeInstalments(LineRef(*line), self._asking.named("plan"), parts)
