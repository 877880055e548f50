"""A step of a visit on credit, paid without a cashier: notice, order and payments are one chain, all of it or nothing.

The order in which it is paid is the seeds': what the agreement names as balance first, then the card at the terminal, then the line.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import msgspec

from chain import keyspace
from chain.details import SEED_BYTES
from chain.operation import (
    CaptureCredit,
    IssueNotice,
    Operation,
    OrderPart,
    PayFromDeposit,
    PlaceOrder,
    ReleaseCredit,
    TakePayment,
)
from chain.records import AccountBody, AgreementBody, CreditHoldBody, DepositBody
from node.money.credit import AgreementPrivate, room_left
from node.money.credit_holds import CreditHolds, HoldPrivate
from node.money.filing import Filing, parse_name
from node.money.names import Names
from node.money.notices import DUE_MS, NoticePrivate, line_sums
from node.money.orders import MINUTE_MS
from node.money.requests import CardWish, ChargeWish
from node.money.wanted_bills import WantedBills
from node.service import Reader, ServiceRefused, Standing

ORDER_MS = 30 * MINUTE_MS  # it is paid in the same step
Also = Callable[[bytes], Sequence[Operation]]  # name of the order -> what belongs into the same chain


class Sources(msgspec.Struct, frozen=True):
    """Where the money of a step comes from, in this order; nothing where there is none."""

    deposit: bytes = b""
    deposit_fen: int = 0
    card: CardWish | None = None
    hold: bytes = b""
    lender: str = ""
    credit_fen: int = 0


class _Asked(msgspec.Struct, frozen=True):
    """What makes two charges the same."""

    hold: str
    wish: ChargeWish


class Charges:
    def __init__(self, filing: Filing, holds: CreditHolds, bills: WantedBills) -> None:
        self._filing, self._holds, self._bills = filing, holds, bills
        self._organisation = filing.steps.organisation

    async def charge(
        self,
        wish: ChargeWish,
        reader: Reader,
        target: str,
        also: Also = lambda order: (),
        beside: Callable[[], None] = lambda: None,
    ) -> Standing:
        """`target` is the hold; `also` gives operations that belong to the same chain, such as the visit's, `beside` keeps what
        belongs to it in the same change.

        Raises ServiceRefused: `credit_line_exceeded` with what is left, or the ledger's code.
        """
        asked = _Asked(target, wish)
        if (known := self._filing.known("notice", wish.charge_no, asked)) is not None:
            return known
        hold = parse_name(target, "hold_unknown")
        held, names = await self._holds.body(hold), self._filing.names
        sums = line_sums(wish.lines)
        total_fen = sum(line.amount_fen for line in sums)
        agreement = await self._agreement(held)
        balance_fen = min(await self._balance(agreement), total_fen)
        card_fen = wish.card.amount_fen if wish.card is not None else 0
        credit_fen = total_fen - balance_fen - card_fen
        if credit_fen < 0:
            raise ServiceRefused(
                "sum_mismatch", f"{total_fen - balance_fen} fen are left for the card", "/card/amount_fen"
            )
        left_fen = await self._holds.left_fen(hold)
        if left_fen is not None and credit_fen > left_fen:
            raise ServiceRefused("credit_line_exceeded", f"{left_fen} fen are left of what is held")
        agreement_name = self._agreed(hold)
        private = self._private(agreement_name, wish)
        own = names.of("notice", wish.charge_no)
        await self._bills.verify(wish.bill, wish.charge_no, "/charge_no", private.payer, total_fen, own)
        order = order_of(names, wish.charge_no)
        now_ms = self._filing.steps.now_ms()
        sources = Sources(
            deposit=agreement.deposit[0] if balance_fen else b"",
            deposit_fen=balance_fen,
            card=wish.card,
            hold=hold,
            lender=held.line.lender,
            credit_fen=credit_fen,
        )

        def keep() -> None:
            if credit_fen:
                self._filing.rows.put_due("debt", agreement_name, now_ms)
            self._bills.keep(wish.bill, wish.charge_no, own)
            beside()

        def make(name: bytes) -> list[Operation]:
            notice = IssueNotice(name, wish.kind, held.holder, sums, now_ms + DUE_MS, private.root())
            chain = paid_at_once(names, reader, notice, order, now_ms, sources)
            if wish.release and credit_fen != left_fen:
                chain.append(ReleaseCredit(hold, held.line.lender, "discharged"))
            return [*chain, *also(order)]

        return await self._filing.file(
            "notice",
            wish.charge_no,
            asked,
            make,
            holder=held.holder,
            private=private,
            due=["bill"] if wish.bill is not None else [],
            beside=keep,
        )

    async def _agreement(self, held: CreditHoldBody) -> AgreementBody:
        agreement = await self._filing.steps.body(keyspace.agreement(self._organisation, held.holder), AgreementBody)
        if agreement is None:
            raise ServiceRefused("agreement_unknown")
        return agreement

    async def _balance(self, agreement: AgreementBody) -> int:
        """What lies in the deposit that is used before the line is."""
        steps, left_fen = self._filing.steps, 0
        for name in agreement.deposit:
            deposit = await steps.body(keyspace.deposit(self._organisation, name), DepositBody)
            if deposit is None or deposit.settled:
                continue
            account = await steps.body(keyspace.account(deposit.account), AccountBody)
            left_fen += room_left(account, steps.now_ms()) if account is not None else 0
        return left_fen

    def _agreed(self, hold: bytes) -> bytes:
        """The name of the agreement that a hold was made under."""
        rows = self._filing.rows
        row = rows.get("hold", hold)
        if row is None:
            raise ServiceRefused("hold_unknown", "another gateway of the hospital keeps it")
        return rows.private("hold", hold, row, HoldPrivate).agreement

    def _private(self, agreement: bytes, wish: ChargeWish) -> NoticePrivate:
        """Who owes it is whoever signed the agreement."""
        rows = self._filing.rows
        signed = rows.get("agreement", agreement)
        if signed is None:
            raise ServiceRefused("agreement_unknown")
        return NoticePrivate(
            os.urandom(SEED_BYTES),
            rows.private("agreement", agreement, signed, AgreementPrivate).payer,
            [line.title for line in wish.lines],
            msgspec.json.encode(wish.bill) if wish.bill is not None else b"",
        )


def order_of(names: Names, charge_no: str) -> bytes:
    """The order that a charge becomes."""
    return names.of("order", "charge", charge_no)


def paid_at_once(
    names: Names, reader: Reader, notice: IssueNotice, order: bytes, now_ms: int, sources: Sources
) -> list[Operation]:
    """A notice, its order and all the order's payments; the card's slip is the asking counter's word."""
    card_fen = sources.card.amount_fen if sources.card is not None else 0
    asked = (("deposit", sources.deposit_fen), ("card", card_fen), ("credit", sources.credit_fen))
    parts = [OrderPart(channel, amount_fen) for channel, amount_fen in asked if amount_fen]
    places = {part.channel: place for place, part in enumerate(parts)}
    chain: list[Operation] = [notice, PlaceOrder(order, [notice.notice], parts, now_ms + ORDER_MS)]
    if sources.deposit_fen:
        payment = names.of("payment", "deposit", sources.deposit, order, places["deposit"])
        chain.append(PayFromDeposit(sources.deposit, payment, order, places["deposit"]))
    if sources.card is not None:
        number = sources.card.channel_no
        evidence = names.of("receipt", "card", number, reader.subject)
        chain.append(TakePayment(names.of("payment", "card", number), order, places["card"], card_fen, evidence))
    if sources.credit_fen:
        payment = names.of("payment", "credit", order)
        chain.append(CaptureCredit(sources.hold, sources.lender, payment, order, places["credit"]))
    return chain
