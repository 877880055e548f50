"""Refunds: what a red bill leaves over goes back the way it came, never more than each channel paid.

For a red bill that stands (`refund`), or with it in one chain, both or neither (`plan`, then `adopt` once it has its number).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from chain import keyspace
from chain.codec import Digest, Wire
from chain.operation import RefundPayment
from chain.records import RED, AnsweredBody, BillBody, NoticeBody, OrderBody, PaymentBody, RefundBody
from node.money.filing import Filing
from node.money.requests import RefundWish
from node.service import Reader, ServiceRefused, Standing

NOBODYS = "0" * 18  # stands for a red bill that has no number yet: no range has it
INSIDE = frozenset({"deposit", "credit"})  # they are restored by the refund itself


class RefundsPrivate(Wire, frozen=True):
    """The refunds that one wish became."""

    refunds: list[Digest]


@dataclass(frozen=True, slots=True)
class Paid:
    """What is left of one payment of an order, for one of its notices."""

    notice: bytes
    payment: bytes
    channel: str
    left_fen: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class RefundPlan:
    """What goes back with a red bill that has no number yet."""

    shares: list[tuple[Paid, int]]
    wish: RefundWish


class Refunds:
    def __init__(self, filing: Filing) -> None:
        self._filing = filing
        self._organisation = filing.steps.organisation

    async def refund(self, wish: RefundWish, reader: Reader, target: str) -> Standing:
        """`target` is the red bill. Raises ServiceRefused `bill_unknown`, `red_bill_differs`, `nothing_to_refund`, `exceeds_notice`."""
        if (known := self._filing.known("refund", target, wish)) is not None:
            return known
        refunds = self._operations(await self._shares(await self._original_of(target), wish), target)
        names = [refund.refund for refund in refunds]

        def beside() -> None:
            for name in names:
                self._filing.rows.put_due("back", name)

        return await self._filing.file(
            "refund", target, wish, lambda name: refunds, private=RefundsPrivate(names), beside=beside
        )

    async def plan(self, bill: str, wish: RefundWish) -> RefundPlan:
        """What goes back with the red bill of `bill`, which has no number yet. Raises ServiceRefused as `refund`, and what the
        ledger would say now."""
        steps = self._filing.steps
        body = await steps.body(keyspace.bill(bill), BillBody)
        if body is None or body.issuer != self._organisation:
            raise ServiceRefused("bill_unknown")
        plan = RefundPlan(await self._shares(bill, wish), wish)
        red = _red_of(body, bill)
        await steps.foresee(self._operations(plan.shares, NOBODYS), {keyspace.bill(NOBODYS): red})
        return plan

    def adopt(self, plan: RefundPlan, red: str) -> list[RefundPayment]:
        """The operations of a plan, now that the red bill has its number; whoever keeps them links them to it, in the same change."""
        refunds = self._operations(plan.shares, red)
        names = [refund.refund for refund in refunds]
        self._filing.enter("refund", red, plan.wish, refunds, RefundsPrivate(names))
        for name in names:
            self._filing.rows.put_due("back", name)
        return refunds

    async def _shares(self, bill: str, wish: RefundWish) -> list[tuple[Paid, int]]:
        """How much of which payment goes back once `bill` is reversed."""
        shares: list[tuple[Paid, int]] = []
        left_fen = wish.amount_fen
        for name, notice in await self._notices_of(bill):
            paid = await self._payments(name, notice)
            most_fen = min(notice.total_fen - notice.refunded_fen, sum(one.left_fen for one in paid))
            amount_fen = most_fen if left_fen is None else min(left_fen, most_fen)
            left_fen = None if left_fen is None else left_fen - amount_fen
            shares += divide(paid, amount_fen, wish.policy)
        if left_fen:
            raise ServiceRefused("exceeds_notice", f"{left_fen} fen more than is left to give back", "/amount_fen")
        if not shares:
            raise ServiceRefused("nothing_to_refund")
        return shares

    def _operations(self, shares: Sequence[tuple[Paid, int]], red: str) -> list[RefundPayment]:
        names, refunds = self._filing.names, []
        for one, amount_fen in shares:
            refund = names.of("refund", red, one.payment, one.notice)
            evidence = names.of("refund_order", red, one.payment, amount_fen)
            refunds.append(RefundPayment(refund, one.payment, amount_fen, [one.notice], [red], evidence))
        return refunds

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        """What went back for a red bill, by channel."""
        name = self._filing.names.of("refund", target)
        row = self._filing.rows.get("refund", name)
        if row is None:
            return None
        rows: list[dict[str, Any]] = []
        for refund in self._filing.rows.private("refund", name, row, RefundsPrivate).refunds:
            body = await self._filing.steps.body(keyspace.refund(self._organisation, refund), RefundBody)
            if body is None:
                continue
            payment = await self._filing.steps.body(keyspace.payment(self._organisation, body.payment), PaymentBody)
            rows.append(
                {
                    "refund": refund.hex(),
                    "payment": body.payment.hex(),
                    "channel": payment.channel if payment is not None else None,
                    "paid_fen": payment.amount_fen if payment is not None else None,
                    "amount_fen": body.amount_fen,
                    "notice": body.notice[0].hex() if body.notice else None,
                }
            )
        standing = self._filing.steps.standing(row.operations)
        total_fen = sum(row["amount_fen"] for row in rows)
        return {"red_bill_id": target, "status": standing.status, "refunds": rows, "total_fen": total_fen}

    async def _original_of(self, red: str) -> str:
        bill = await self._filing.steps.body(keyspace.bill(red), BillBody)
        if bill is None or bill.issuer != self._organisation:
            raise ServiceRefused("bill_unknown")
        if bill.total_fen >= 0 or not bill.related:
            raise ServiceRefused("red_bill_differs")
        return bill.related[0]

    async def _notices_of(self, bill: str) -> list[tuple[bytes, NoticeBody]]:
        """What a bill answers. Raises ServiceRefused `nothing_to_refund`."""
        steps = self._filing.steps
        answered = await steps.body(keyspace.answered(bill), AnsweredBody)
        found: list[tuple[bytes, NoticeBody]] = []
        for name in answered.notices if answered is not None else []:
            notice = await steps.body(keyspace.notice(self._organisation, name), NoticeBody)
            if notice is not None:
                found.append((name, notice))
        if not found:
            raise ServiceRefused("nothing_to_refund")
        return found

    async def _payments(self, name: bytes, notice: NoticeBody) -> list[Paid]:
        steps = self._filing.steps
        order = await steps.body(keyspace.order(self._organisation, notice.order[0]), OrderBody)
        paid: list[Paid] = []
        for part in order.parts if order is not None else []:
            for payment in part.payment:
                body = await steps.body(keyspace.payment(self._organisation, payment), PaymentBody)
                if body is not None and body.amount_fen > body.refunded_fen:
                    left_fen = body.amount_fen - body.refunded_fen
                    paid.append(Paid(name, payment, part.channel, left_fen, body.time_ms))
        return paid


def _red_of(body: BillBody, bill: str) -> BillBody:
    """As much of a bill's red bill as a refund is measured by."""
    return replace(body, total_fen=-body.total_fen, validity=RED, related=[bill])


def divide(paid: list[Paid], amount_fen: int, policy: str) -> list[tuple[Paid, int]]:
    """An amount over payments, at most what is left of each: in proportion (whole fen to the largest remainders, the earlier first),
    or one after the other. Leaves out who gets nothing."""
    if policy == "proportional":
        whole = sum(one.left_fen for one in paid)
        if not whole:
            return []
        shares = [amount_fen * one.left_fen // whole for one in paid]
        by_rest = sorted(range(len(paid)), key=lambda place: (-(amount_fen * paid[place].left_fen % whole), place))
        for place in by_rest[: amount_fen - sum(shares)]:
            shares[place] += 1
        return [(one, share) for one, share in zip(paid, shares, strict=True) if share]
    if policy == "credit_first":
        order = sorted(paid, key=lambda one: one.channel != "credit")
    else:
        order = sorted(paid, key=lambda one: -one.time_ms)
    found: list[tuple[Paid, int]] = []
    for one in order:
        share = min(one.left_fen, amount_fen)
        amount_fen -= share
        if share:
            found.append((one, share))
    return found
