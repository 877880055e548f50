"""Words for stories about money: notices, orders, payments, lines; names are texts here, digests on the ledger."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from chain import keyspace
from chain.operation import (
    AccountRef,
    AnswerNotices,
    CaptureCredit,
    CreditTerms,
    HoldCredit,
    IssueNotice,
    LineRef,
    LineSum,
    OpenDeposit,
    OpenLine,
    Operation,
    OrderPart,
    PayDeposit,
    PlaceOrder,
    PublishProduct,
    RefundPayment,
    SignAgreement,
    TakePayment,
    TakeStray,
)
from chain.records import LENDER, AccountBody, NoticeBody, OrderBody, PaymentBody
from chain.rules import money_places
from chain.rules.accounts import Books
from tests.chain.making import Chain, genesis_with, mac

HOSPITAL, LENDING = "hospital-a", "lender-a"
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
WEI, LI = mac("holder wei"), mac("holder li")


class Story:
    """A chain with a lender, and what is asked of it by whom."""

    def __init__(self) -> None:
        given = genesis_with(lender_a="lender", platform_a="platform", bank_a="bank")
        overseen = [
            replace(one, supervisor="finance-city") if one.id == LENDING else one for one in given.organisations
        ]
        self.chain = Chain(replace(given, organisations=overseen))

    def code(self, operation: Operation, by: str = HOSPITAL, **how: Any) -> str:
        (found,) = self.chain.run(by, operation, **how)
        return found

    def done(self, *operations: Operation, by: str = HOSPITAL) -> None:
        """All of them, each in a block of its own."""
        for operation in operations:
            code = self.code(operation, by)
            assert code == "recorded", (type(operation).__name__, code)

    def in_ms(self, ms: int) -> int:
        return self.chain.time_ms + ms

    # ── what is asked ────────────────────────────────────────────────────────────────────────────────────────────────

    def notice(self, name: str, holder: bytes = WEI, kind: str = "medical", **lines: int) -> IssueNotice:
        sums = [LineSum(line, amount) for line, amount in sorted((lines or {"test": 10_000}).items())]
        return IssueNotice(mac(name), kind, holder, sums, self.in_ms(DAY_MS), mac(f"{name} details"))

    def order(self, name: str, *notices: str, until: int = HOUR_MS, **parts: int) -> PlaceOrder:
        asked = [OrderPart(channel.rstrip("_"), amount) for channel, amount in parts.items()]
        return PlaceOrder(mac(name), sorted(mac(notice) for notice in notices), asked, self.in_ms(until))

    def paid(self, name: str, by: str = HOSPITAL, holder: bytes = WEI, **lines: int) -> None:
        """A notice and an order of that name, paid at once by a wallet."""
        notice = self.notice(name, holder, **lines)
        total_fen = sum(line.amount_fen for line in notice.lines)
        self.done(notice, self.order(name, name, alipay=total_fen), take(f"{name} paid", name, 0, total_fen), by=by)

    def lent(self, name: str = "line", bearer: int = LENDER, holder: bytes = WEI, **changes: Any) -> LineRef:
        """A line by the seeds' terms, and the hospital's agreement to deduct from it."""
        agreement = {key: changes.pop(key) for key in ("cap_fen", "deposit") if key in changes}
        ref = LineRef(LENDING, mac(name))
        self.done(
            PublishProduct(name, 1, terms(bearer=bearer, **changes)),
            OpenLine(mac(name), name, 1, self.in_ms(365 * DAY_MS), mac("yes"), [HOSPITAL, "hospital-b"]),
            by=LENDING,
        )
        self.done(agree(ref, holder, **agreement))
        return ref

    def charge(self, name: str, hold: str, amount_fen: int, holder: bytes = WEI, **parts: int) -> list[str]:
        """What a step of a visit on credit is: notice, order, capture, all or nothing."""
        own_fen = amount_fen - sum(parts.values())
        return self.chain.run_linked(
            HOSPITAL,
            self.notice(name, holder, test=amount_fen),
            self.order(name, name, **parts, credit=own_fen),
            CaptureCredit(mac(hold), LENDING, mac(f"{name} captured"), mac(name), len(parts)),
        )

    def held(self, name: str, line: LineRef, amount_fen: int = 100_000, emergency: str = "", **how: Any) -> HoldCredit:
        until_ms = self.in_ms(how.get("ms", DAY_MS))
        declared = [mac(emergency)] if emergency else []
        visit = [mac(how["visit"])] if "visit" in how else []
        return HoldCredit(mac(name), how.get("holder", WEI), line, amount_fen, until_ms, visit, declared)

    # ── what is there ────────────────────────────────────────────────────────────────────────────────────────────────

    def balance(self, ref: AccountRef) -> int:
        body = self.chain.ledger.state.get(keyspace.account(ref), AccountBody)
        return body.credits_fen - body.debits_fen if body else 0

    def at(self, place: str, owner: str = HOSPITAL, about: str = "") -> int:
        """What lies at one of the places of an organisation's money, or with a channel."""
        state: Any = self.chain.ledger.state
        books = Books(state, None)  # type: ignore[arg-type]
        if place == "channel":
            return self.balance(money_places.channel(books, owner, about))
        return self.balance(getattr(money_places, place)(books, owner))

    def order_body(self, name: str, owner: str = HOSPITAL) -> OrderBody:
        found: OrderBody = self.chain.body(keyspace.order(owner, mac(name)), OrderBody)
        return found

    def notice_body(self, name: str, owner: str = HOSPITAL) -> NoticeBody:
        found: NoticeBody = self.chain.body(keyspace.notice(owner, mac(name)), NoticeBody)
        return found

    def payment_body(self, name: str, owner: str = HOSPITAL) -> PaymentBody:
        found: PaymentBody = self.chain.body(keyspace.payment(owner, mac(name)), PaymentBody)
        return found


def take(name: str, order: str, part: int, amount_fen: int) -> TakePayment:
    return TakePayment(mac(name), mac(order), part, amount_fen, mac(f"{name} evidence"))


def stray(name: str, order: str, amount_fen: int, channel: str = "alipay") -> TakeStray:
    return TakeStray(mac(name), mac(order), channel, amount_fen, mac(f"{name} evidence"))


def give_back(name: str, payment: str, amount_fen: int, notice: str = "", red: str = "") -> RefundPayment:
    return RefundPayment(
        mac(name), mac(payment), amount_fen, [mac(notice)] if notice else [], [red] if red else [], mac("evidence")
    )


def answer(bill: str, *notices: str) -> AnswerNotices:
    return AnswerNotices(bill, sorted(mac(notice) for notice in notices))


def deposit(name: str, kind: str = "inpatient", holder: bytes = WEI) -> OpenDeposit:
    return OpenDeposit(mac(name), kind, holder)


def pay_in(name: str, into: str, amount_fen: int, channel: str = "cash") -> PayDeposit:
    return PayDeposit(mac(into), mac(name), channel, amount_fen, mac(f"{name} evidence"))


def terms(**changes: Any) -> CreditTerms:
    """The seeds': score 650, CNY 1,000."""
    fields: dict[str, Any] = {
        "score_min": 650,
        "line_fen": 100_000,
        "visit_cap_fen": 100_000,
        "emergency_fen": 50_000,
        "bearer": LENDER,
        "identity_level": 2,
        "statement_day": 20,
        "statement_minute": 1200,
        "due_days": 10,
        "instalments_max": 12,
        "hold_ms_max": 30 * DAY_MS,
    }
    return CreditTerms(**{**fields, **changes})


def agree(
    line: LineRef, holder: bytes = WEI, number: int = 1, cap_fen: int = 100_000, deposit: str = ""
) -> SignAgreement:
    return SignAgreement(holder, number, line, cap_fen, [mac(deposit)] if deposit else [], mac("consent"))
