"""Who shares in a hospital's orders: bound with kind and consent, suspended and resumed, paid out; what it owes, by order.

Who a payee is, and what it signed, lies with the gateway that bound it; the ledger has its kind, its account and a salted digest.
"""

from __future__ import annotations

import os
from typing import Any

from chain import keyspace
from chain.codec import Wire, encode
from chain.details import SEED_BYTES
from chain.digest import MONEY, digest
from chain.operation import (
    AccountRef,
    BindPayee,
    OpenAccount,
    Operation,
    PayOut,
    PayOwed,
    ResumePayee,
    SuspendPayee,
)
from chain.records import SUSPENDED, UNLIMITED, AccountBody, OwedPaidBody, PayeeBody, PayOutBody
from chain.rules import money_places
from node.money.filing import Filing, parse_name
from node.money.moments import utc_moment
from node.money.split_requests import (
    Aimed,
    DebtPaymentWish,
    PayeeWish,
    PayoutWish,
    ResumptionWish,
    SuspensionWish,
)
from node.service import Page, Reader, ServiceRefused, Standing

LISTED = "payees"  # the shelf of all that were bound here
HISTORY_MAX = 500  # payments of one payee that are shown, the oldest first


class PayeePrivate(Wire, frozen=True):
    """What the ledger has a salted digest of: its consent."""

    seed: bytes
    title: str
    consent: str

    def root(self, kind: str) -> bytes:
        return digest(MONEY, ["payee_consent", self.seed, encode([kind, self.title, self.consent])])


class Payees:
    def __init__(self, filing: Filing) -> None:
        self._filing = filing
        self._organisation = filing.steps.organisation

    async def bind(self, wish: PayeeWish, reader: Reader, target: str) -> Standing:
        filing = self._filing
        if wish.is_signer and wish.account is not None:
            raise ServiceRefused("invalid_value", "the organisation's own money, or another one's account", "/account")
        private = PayeePrivate(os.urandom(SEED_BYTES), wish.title, wish.consent)
        account: list[AccountRef] = []
        if wish.is_signer:
            account = [money_places.own_account(self._organisation)]
        elif wish.account is not None:
            account = [AccountRef(wish.account.organisation, bytes.fromhex(wish.account.account))]
        name = filing.names.of("payee", wish.payee_no)
        is_listed = filing.rows.get("payee", name) is not None

        def beside() -> None:
            if not is_listed:
                filing.rows.put_day(LISTED, 0, name)

        return await filing.file(
            "payee",
            wish.payee_no,
            wish,
            lambda own: [BindPayee(own, wish.kind, account, private.root(wish.kind))],
            private=private,
            beside=beside,
        )

    async def suspend(self, wish: SuspensionWish, reader: Reader, target: str) -> Standing:
        name, body = await self._known(target)
        return await self._step(name, SuspendPayee(name, wish.reason, body.changes))

    async def resume(self, wish: ResumptionWish, reader: Reader, target: str) -> Standing:
        name, body = await self._known(target)
        return await self._step(name, ResumePayee(name, body.changes))

    async def pay_out(self, wish: PayoutWish, reader: Reader, target: str) -> Standing:
        name = parse_name(target, "payee_not_bound")
        mac = self._filing.names.of("bank_payment", wish.bank_no)
        return await self._file(
            "payout", wish.payout_no, name, wish, lambda own: [PayOut(own, name, wish.amount_fen, mac)]
        )

    async def pay_debt(self, wish: DebtPaymentWish, reader: Reader, target: str) -> Standing:
        """It came by a way that the ledger does not see: the account it is taken from is opened with the first, and says how much
        came so."""
        name = parse_name(target, "payee_not_bound")
        source = AccountRef(self._organisation, self._filing.names.of("account", "paid_back_by_payees"))
        opening: list[Operation] = []
        if await self._filing.steps.body(keyspace.account(source), AccountBody) is None:
            opening = [OpenAccount(source.account, "paid_back_by_payees", UNLIMITED, False)]
        return await self._file(
            "debt_payment",
            wish.repayment_no,
            name,
            wish,
            lambda own: [*opening, PayOwed(own, self._organisation, name, source, wish.amount_fen)],
        )

    async def _known(self, target: str) -> tuple[bytes, PayeeBody]:
        name = parse_name(target, "payee_not_bound")
        return name, await self.body(name)

    async def body(self, name: bytes) -> PayeeBody:
        """Raises ServiceRefused `payee_not_bound`."""
        body = await self._filing.steps.body(keyspace.payee(self._organisation, name), PayeeBody)
        if body is None:
            raise ServiceRefused("payee_not_bound")
        return body

    async def _step(self, name: bytes, operation: Operation) -> Standing:
        return self._filing.pointed(await self._filing.steps.carry_out([operation]), "payee", name)

    async def _file(
        self, kind: str, number: str, name: bytes, wish: PayoutWish | DebtPaymentWish, make: Any
    ) -> Standing:
        filing, own = self._filing, self._filing.names.of(kind, number)
        is_listed = filing.rows.get(kind, own) is not None

        def beside() -> None:
            if not is_listed:
                filing.rows.put_day(_shelf(name), 0, own)

        standing = await filing.file(kind, number, Aimed(name.hex(), wish), make, beside=beside)
        return filing.pointed(standing, "payee", name)

    # ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        """With its name to the hospital's own people alone."""
        return await self._page(parse_name(target, "payee_unknown"), reader)

    async def listed(self, reader: Reader, after: str | None, limit: int) -> Page:
        """All that were bound at this gateway, in the order of their making."""
        start = bytes.fromhex(after) if after else b""
        found = self._filing.rows.of_day(LISTED, 0, start, limit + 1)
        pages = [await self._page(name, reader) for _key, name in found[:limit]]
        more = found[limit - 1][0].hex() if len(found) > limit else None
        return Page([page for page in pages if page is not None], more)

    async def history_page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        """Payouts and payments of its debts that this gateway asked for, as far as they are recorded."""
        name, steps = parse_name(target, "payee_unknown"), self._filing.steps
        found = await steps.recorded(keyspace.payee(self._organisation, name), PayeeBody)
        if found is None:
            return None
        rows: list[dict[str, Any]] = []
        for _key, own in self._filing.rows.of_day(_shelf(name), 0, b"", HISTORY_MAX):
            out = await steps.recorded(keyspace.payout(self._organisation, own), PayOutBody)
            if out is not None:
                rows.append(_row("payout", own, *out))
                continue
            paid = await steps.recorded(keyspace.owed_paid(self._organisation, own), OwedPaidBody)
            if paid is not None:
                rows.append(_row("debt_payment", own, *paid))
        return {"payee": name.hex(), "operation": found[1].origin.hex(), "steps": rows}

    async def _page(self, name: bytes, reader: Reader) -> dict[str, Any] | None:
        steps, row = self._filing.steps, self._filing.rows.get("payee", name)
        found = await steps.recorded(keyspace.payee(self._organisation, name), PayeeBody)
        page: dict[str, Any] = {"payee": name.hex()}
        if row is not None:
            page["payee_no"] = row.number
            if reader.organisation == self._organisation:
                page["title"] = self._filing.rows.private("payee", name, row, PayeePrivate).title or None
        if found is None:
            standing = steps.standing(row.operations) if row is not None else None
            return page | {"state": standing.status, "code": standing.code} if standing is not None else None
        body, record = found
        return page | {
            "kind": body.kind,
            "state": "suspended" if body.state == SUSPENDED else "active",
            "reason": body.reason or None,
            "account": {"organisation": body.account.owner, "account": body.account.account.hex()},
            "balance_fen": await self._balance_fen(body.account),
            "owed_fen": sum(debt.amount_fen for debt in body.owed),
            "owed": [{"order": debt.order.hex(), "amount_fen": debt.amount_fen} for debt in body.owed],
            "operation": record.origin.hex(),
            "height": record.height,
        }

    async def _balance_fen(self, ref: AccountRef) -> int | None:
        """None where another organisation answers for the account, which nobody else is shown."""
        if ref.owner != self._organisation:
            return None
        body = await self._filing.steps.body(keyspace.account(ref), AccountBody)
        return body.credits_fen - body.debits_fen if body is not None else 0


def _row(step: str, own: bytes, body: Any, record: Any) -> dict[str, Any]:
    return {
        "step": step,
        "name": own.hex(),
        "amount_fen": body.amount_fen,
        "time": utc_moment(body.time_ms),
        "operation": record.origin.hex(),
        "height": record.height,
    }


def _shelf(name: bytes) -> str:
    """Payments of a payee lie by day as a channel's lines do, under a name that no channel has."""
    return f"payee:{name.hex()}"
