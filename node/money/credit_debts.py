"""What a hospital does about debts that it bears the risk of: statements, by themselves at the product's time; repayments, instalments,
and what patients get back.

Which agreements may owe something lies in the store (task `debt`), and so does until when statements were looked after. A gateway
that was down at the time states when it is back, what is owed by then; a statement is named by its agreement and the day of its
time, so no restart states twice.
"""

from __future__ import annotations

import asyncio

from chain import keyspace
from chain.operation import AgreeInstalments, CreditTerms, Instalment, LineRef, PayBackLine, RepayLine, StateLine
from chain.records import HOSPITAL_BEARS, AccountBody, LineBody, ProductBody, StatementBody
from chain.rules.context import DAY_MS
from node.money.credit import AgreementPrivate
from node.money.debt_requests import InstalmentsWish, PaybackWish, RepaymentWish, StatementWish
from node.money.filing import Filing, parse_name
from node.money.waiting import Waiting
from node.service import Reader, ServiceRefused, Standing
from node.statement_times import due_after, end_of_day, newest_moment

LOOK_S = 20.0  # how late a statement may be
AT_ONCE = 100_000  # agreements that may owe something
SETTLE_S = 10.0  # for the ledger's word on one statement
PASSING = ("owed_differs", "unavailable", "outbox_full", "disk_nearly_full", "storage_failed")
NOTHING = ("nothing_owed", "statement_exists")


class CreditDebts:
    def __init__(self, filing: Filing) -> None:
        self._filing, self._steps = filing, filing.steps
        self._organisation = filing.steps.organisation
        self._terms: dict[bytes, CreditTerms] = {}  # agreement -> its line's, which stay
        self.waiting = Waiting("line_not_stated")  # by agreement

    # ── what people ask for ──────────────────────────────────────────────────────────────────────────────────────────

    async def repay(self, wish: RepaymentWish, reader: Reader, target: str) -> Standing:
        names, number = self._filing.names, wish.repayment_no
        operation = RepayLine(
            self._line(parse_name(target, "agreement_unknown")),
            names.of("repayment", number),
            wish.channel,
            wish.amount_fen,
            names.of("receipt", "repayment", number),
        )
        return await self._steps.carry_out([operation])

    async def pay_back(self, wish: PaybackWish, reader: Reader, target: str) -> Standing:
        names, number = self._filing.names, wish.payback_no
        operation = PayBackLine(
            self._line(parse_name(target, "agreement_unknown")),
            names.of("payback", number),
            wish.channel,
            wish.amount_fen,
            names.of("receipt", "payback", number),
        )
        return await self._steps.carry_out([operation])

    async def state(self, wish: StatementWish, reader: Reader, target: str) -> Standing:
        """Now; once a day, beside what the gateway states by itself."""
        name = parse_name(target, "agreement_unknown")
        line, today = self._line(name), self._steps.local_day(self._steps.now_ms())
        return await self._steps.carry_out([await self._statement(name, line, "asked", today)])

    async def agree(self, wish: InstalmentsWish, reader: Reader, target: str) -> Standing:
        line = self._line(parse_name(target, "agreement_unknown"))
        dated: list[Instalment] = []
        for place, each in enumerate(wish.instalments):
            try:
                due_ms = end_of_day(each.due, self._steps.offset_ms)
            except ValueError:
                raise ServiceRefused("invalid_value", "there is no such day", f"/instalments/{place}/due") from None
            dated.append(Instalment(due_ms, each.amount_fen))
        return await self._steps.carry_out(
            [AgreeInstalments(line, self._filing.names.of("instalments", wish.plan_no), dated)]
        )

    # ── by itself ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """State what is owed on each line whose product's time has come since the last look."""
        rows, now_ms = self._filing.rows, self._steps.now_ms()
        since_ms = rows.looked_ms("debt")
        if since_ms is None:
            rows.put_looked("debt", now_ms)
            return
        names = rows.due("debt", AT_ONCE)
        unfinished = set(names)  # also one at which something fails that nobody foresaw: its time is not over

        async def look_at(name: bytes) -> None:
            if await self._is_stated_until(name, since_ms, now_ms):
                unfinished.discard(name)

        for name in names:
            await self.waiting.attempt(name, look_at(name))
        if not unfinished:
            rows.put_looked("debt", now_ms)

    async def _is_stated_until(self, name: bytes, since_ms: int, now_ms: int) -> bool:
        """Whether nothing is left to do for the times until now."""
        try:
            line = self._line(name)
            terms = await self._terms_of(name, line)
        except ServiceRefused as refused:
            return self._note(name, refused.code)
        if self.waiting.codes.get(name) in PASSING:
            self.waiting.forget(name)
        if terms.bearer != HOSPITAL_BEARS:
            self._filing.rows.done("debt", name)
            return True
        at_ms = newest_moment(terms.statement_day, terms.statement_minute, now_ms, self._steps.offset_ms)
        if at_ms <= since_ms:
            return True
        return await self._state_at(name, line, at_ms)

    async def _state_at(self, name: bytes, line: LineRef, at_ms: int) -> bool:
        try:
            operation = await self._statement(name, line, "by_itself", at_ms)
            if await self._is_stated(operation):
                return self._note(name, "")
            standing = await self._steps.settled(await self._steps.carry_out([operation]), SETTLE_S)
        except ServiceRefused as refused:
            if refused.code == "nothing_owed" and self._is_old(name, at_ms):
                self._filing.rows.done("debt", name)
            return self._note(name, refused.code)
        if standing.status == "queued":
            return False
        return self._note(name, (standing.code or "") if standing.status == "refused" else "")

    def _note(self, name: bytes, code: str) -> bool:
        """Whether that was all; a code that people have to look at is told once."""
        if code in ("", *NOTHING):
            self.waiting.forget(name)
            return True
        self.waiting.tell(name, code)
        return code not in PASSING

    def _is_old(self, name: bytes, at_ms: int) -> bool:
        """Whether the last charge of this agreement is more than a day behind: none of it still waits for the ledger."""
        return self._filing.rows.due_since_ms("debt", name) < at_ms - DAY_MS

    async def _is_stated(self, operation: StateLine) -> bool:
        key = keyspace.statement(self._organisation, operation.statement)
        return await self._steps.body(key, StatementBody) is not None

    # ── what the ledger has ──────────────────────────────────────────────────────────────────────────────────────────

    def _line(self, name: bytes) -> LineRef:
        """Raises ServiceRefused `agreement_unknown`, also for one that another gateway of the hospital keeps."""
        row = self._filing.rows.get("agreement", name)
        if row is None:
            raise ServiceRefused("agreement_unknown")
        private = self._filing.rows.private("agreement", name, row, AgreementPrivate)
        return LineRef(private.lender, private.line)

    async def _body(self, line: LineRef) -> LineBody:
        body = await self._steps.body(keyspace.line(line.lender, line.line), LineBody)
        if body is None:
            raise ServiceRefused("unavailable", "no validator tells of the line")
        return body

    async def _terms_of(self, name: bytes, line: LineRef) -> CreditTerms:
        if name not in self._terms:
            body = await self._body(line)
            product = await self._steps.body(keyspace.product(line.lender, body.product, body.version), ProductBody)
            if product is None:
                raise ServiceRefused("unavailable", "no validator tells of the product")
            self._terms[name] = product.terms
        return self._terms[name]

    async def _statement(self, name: bytes, line: LineRef, *called: str | int) -> StateLine:
        """Of what is owed now. Raises ServiceRefused `nothing_owed`, `unavailable`."""
        terms, body = await self._terms_of(name, line), await self._body(line)
        accounts = [
            await self._steps.body(keyspace.account(ref), AccountBody) for ref in (body.account, body.emergency)
        ]
        left_fen = sum(account.credits_fen - account.debits_fen for account in accounts if account is not None)
        owed_fen = body.granted_fen - left_fen
        if owed_fen <= 0:
            raise ServiceRefused("nothing_owed")

        return StateLine(
            line,
            self._filing.names.of("statement", name, *called),
            owed_fen,
            due_after(self._steps.now_ms(), terms.due_days, self._steps.offset_ms),
        )
