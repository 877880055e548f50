"""Deposits at a hospital: opened, paid in voucher by voucher, used for an order, settled with what is left going back."""

from __future__ import annotations

from typing import Any

import msgspec

from chain import keyspace
from chain.codec import Digest, Wire
from chain.operation import OpenDeposit, Operation, PayDeposit, PayFromDeposit, RefundDeposit, SettleDeposit
from chain.records import COUNTED, AccountBody, DepositBody, PaymentBody
from node.money.filing import Filing, parse_name
from node.money.orders import AT_THE_COUNTER
from node.money.refunds import Paid, divide
from node.money.requests import DepositPaymentWish, DepositSettlementWish, DepositUseWish, DepositWish
from node.service import Page, Reader, ServiceRefused, Standing


class DepositPrivate(Wire, frozen=True):
    payer: list[str]  # name, type, kind of document, number
    payments: list[Digest]  # its vouchers so far


class Deposits:
    def __init__(self, filing: Filing) -> None:
        self._filing = filing
        self._organisation = filing.steps.organisation

    async def open(self, wish: DepositWish, reader: Reader, target: str) -> Standing:
        payer = wish.payer
        if not payer.id_number.strip():
            raise ServiceRefused("invalid_value", "whose it is has a document", "/payer/id_number")
        holder = self._filing.names.holder(payer.id_type, payer.id_number)
        private = DepositPrivate([payer.name, payer.type, payer.id_type, payer.id_number], [])
        return await self._filing.file(
            "deposit",
            wish.deposit_no,
            wish,
            lambda name: [OpenDeposit(name, wish.kind, holder)],
            holder=holder,
            private=private,
        )

    async def pay(self, wish: DepositPaymentWish, reader: Reader, target: str) -> Standing:
        """The counter's word. Raises ServiceRefused `channel_differs` for what comes over a channel that says so itself."""
        name = parse_name(target, "deposit_unknown")
        if wish.channel not in AT_THE_COUNTER:
            raise ServiceRefused("channel_differs", f"{wish.channel} tells its payments itself", "/channel")
        names = self._filing.names
        payment = names.of("payment", wish.channel, wish.channel_no)
        evidence = names.of("receipt", wish.channel, wish.channel_no, reader.subject)
        operation = PayDeposit(name, payment, wish.channel, wish.amount_fen, evidence)
        return await self._filing.steps.carry_out([operation], lambda: self.add_voucher(name, payment))

    def add_voucher(self, name: bytes, payment: bytes) -> None:
        """Raises ServiceRefused `deposit_unknown`."""
        rows = self._filing.rows
        row = rows.get("deposit", name)
        if row is None:
            raise ServiceRefused("deposit_unknown", "another gateway of the hospital keeps it")
        private = rows.private("deposit", name, row, DepositPrivate)
        if payment not in private.payments:
            private = msgspec.structs.replace(private, payments=[*private.payments, payment])
            rows.put("deposit", name, msgspec.structs.replace(row, private=rows.sealed("deposit", name, private)))

    async def use(self, wish: DepositUseWish, reader: Reader, target: str) -> Standing:
        name, order = parse_name(target, "deposit_unknown"), bytes.fromhex(wish.order)
        payment = self._filing.names.of("payment", "deposit", name, order, wish.part)
        return await self._filing.steps.carry_out([PayFromDeposit(name, payment, order, wish.part)])

    async def settle(self, wish: DepositSettlementWish, reader: Reader, target: str) -> Standing:
        """In one step, with what is left going back: the newest voucher first. Once more for what a red bill, or a voucher that came
        meanwhile, left on a settled one; `deposit_settled` where nothing is."""
        name = parse_name(target, "deposit_unknown")
        deposit, vouchers = await self._body(name), await self._vouchers(name)
        shares = divide(vouchers, await self._left(deposit), "last_first")
        if deposit.settled and not shares:
            raise ServiceRefused("deposit_settled")
        refunds: list[RefundDeposit] = []
        for one, amount_fen in shares:
            refund = self._filing.names.of("deposit_refund", name, one.payment, one.left_fen)
            evidence = self._filing.names.of("refund_order", name, one.payment, amount_fen)
            refunds.append(RefundDeposit(refund, name, one.payment, amount_fen, evidence))
        chain: list[Operation] = [*refunds] if deposit.settled else [SettleDeposit(name), *refunds]
        return await self._filing.steps.carry_out(chain)

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        name = parse_name(target, "deposit_unknown")
        row = self._filing.rows.get("deposit", name)
        if reader.role == "patient" and (row is None or not self._filing.may_see(reader, row.holder)):
            return None
        return await self._page(name)

    async def of_patient(self, reader: Reader, after: str | None, limit: int) -> Page:
        """The asking patient's, each with its vouchers and what is left."""
        holder = self._filing.holder_of(reader)
        found = self._filing.rows.of_holder(holder, "deposit", int(after) if after else None, limit + 1)
        pages = [await self._page(name) for _sequence, name in found[:limit]]
        more = str(found[limit - 1][0]) if len(found) > limit else None
        return Page([page for page in pages if page is not None], more)

    async def _page(self, name: bytes) -> dict[str, Any] | None:
        found = await self._filing.steps.body_at(keyspace.deposit(self._organisation, name), DepositBody)
        row = self._filing.rows.get("deposit", name)
        if found is None:
            return None
        body, height = found
        vouchers = await self._bodies(name)
        page = {
            "deposit": name.hex(),
            "kind": body.kind,
            "state": "settled" if body.settled else "open",
            "vouchers": [
                {
                    "payment": payment.hex(),
                    "channel": voucher.channel,
                    "amount_fen": voucher.amount_fen,
                    "refunded_fen": voucher.refunded_fen,
                }
                for payment, voucher in vouchers
            ],
            "balance_fen": await self._left(body),
            "height": height,
        }
        return page | {"deposit_no": row.number} if row is not None else page

    async def _body(self, name: bytes) -> DepositBody:
        deposit = await self._filing.steps.body(keyspace.deposit(self._organisation, name), DepositBody)
        if deposit is None:
            raise ServiceRefused("deposit_unknown")
        return deposit

    async def _left(self, deposit: DepositBody) -> int:
        account = await self._filing.steps.body(keyspace.account(deposit.account), AccountBody)
        return account.credits_fen - account.debits_fen if account is not None else 0

    async def _bodies(self, name: bytes) -> list[tuple[bytes, PaymentBody]]:
        row = self._filing.rows.get("deposit", name)
        if row is None:
            return []
        found: list[tuple[bytes, PaymentBody]] = []
        for payment in self._filing.rows.private("deposit", name, row, DepositPrivate).payments:
            body = await self._filing.steps.body(keyspace.payment(self._organisation, payment), PaymentBody)
            if body is not None and body.state == COUNTED:  # what came too late is none
                found.append((payment, body))
        return found

    async def _vouchers(self, name: bytes) -> list[Paid]:
        return [
            Paid(name, payment, body.channel, body.amount_fen - body.refunded_fen, body.time_ms)
            for payment, body in await self._bodies(name)
        ]
