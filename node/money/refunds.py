"""Refunds: what a red bill leaves over, or was paid for a notice without one, goes back as it came, never more than each channel paid.

For a red bill that stands (`refund`), or with it in one chain, both or neither (`plan`, then `adopt` once it has its number).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from chain import keyspace
from chain.codec import Digest, Wire
from chain.operation import RefundPayment
from chain.records import RED, AnsweredBody, BillBody, NoticeBody, OrderBody, PaymentBody, RefundBody
from node.money.filing import Filing, parse_name
from node.money.requests import NoticeRefundWish, RefundWish
from node.service import Reader, ServiceRefused, Standing

NOBODYS = "0" * 18  # stands for a red bill that has no number yet: no range has it
INSIDE = frozenset({"deposit", "credit"})  # they are restored by the refund itself


class RefundsPrivate(Wire, frozen=True):
    """The refunds that one wish became."""

    refunds: list[Digest]


class _Asked(msgspec.Struct, frozen=True):
    """What a refund's number stands for."""

    notice: str
    wish: NoticeRefundWish


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
        shares = await self._shares(await self._notices_of(await self._original_of(target)), wish)
        return await self._file("refund", target, wish, self._operations(shares, target, [target]))

    async def refund_notice(self, wish: NoticeRefundWish, reader: Reader, target: str) -> Standing:
        """`target` is a notice that no bill answers. Raises ServiceRefused `notice_unknown`, `red_bill_missing`, and as `refund`."""
        filing, asked = self._filing, _Asked(target, wish)
        name = parse_name(target, "notice_unknown")
        if (known := filing.known("notice_refund", wish.refund_no, asked)) is not None:
            return filing.pointed(known, "notice", name)
        notice = await filing.steps.body(keyspace.notice(self._organisation, name), NoticeBody)
        if notice is None:
            raise ServiceRefused("notice_unknown")
        if notice.bill:
            raise ServiceRefused("red_bill_missing", "its bill's red bill says what goes back")
        if not notice.order:
            raise ServiceRefused("nothing_to_refund")
        shares = await self._shares([(name, notice)], wish)
        refunds = self._operations(shares, f"notice {wish.refund_no}", [])
        return filing.pointed(await self._file("notice_refund", wish.refund_no, asked, refunds), "notice", name)

    async def _file(self, kind: str, number: str, content: msgspec.Struct, refunds: list[RefundPayment]) -> Standing:
        names = [refund.refund for refund in refunds]
        return await self._filing.file(kind, number, content, lambda name: refunds, private=RefundsPrivate(names))

    async def plan(self, bill: str, wish: RefundWish) -> RefundPlan:
        """What goes back with the red bill of `bill`, which has no number yet. Raises ServiceRefused as `refund`, and what the
        ledger would say now."""
        steps = self._filing.steps
        body = await steps.body(keyspace.bill(bill), BillBody)
        if body is None or body.issuer != self._organisation:
            raise ServiceRefused("bill_unknown")
        plan = RefundPlan(await self._shares(await self._notices_of(bill), wish), wish)
        red = _red_of(body, bill)
        await steps.foresee(self._operations(plan.shares, NOBODYS, [NOBODYS]), {keyspace.bill(NOBODYS): red})
        return plan

    def adopt(self, plan: RefundPlan, red: str) -> list[RefundPayment]:
        """The operations of a plan, now that the red bill has its number; whoever keeps them links them to it, in the same change."""
        refunds = self._operations(plan.shares, red, [red])
        names = [refund.refund for refund in refunds]
        self._filing.enter("refund", red, plan.wish, refunds, RefundsPrivate(names))
        return refunds

    async def _shares(
        self, notices: list[tuple[bytes, NoticeBody]], wish: RefundWish | NoticeRefundWish
    ) -> list[tuple[Paid, int]]:
        """How much of which payment goes back. Raises ServiceRefused `exceeds_notice`, `nothing_to_refund`."""
        shares: list[tuple[Paid, int]] = []
        left_fen = wish.amount_fen
        for name, notice in notices:
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

    def _operations(self, shares: Sequence[tuple[Paid, int]], number: str, red: list[str]) -> list[RefundPayment]:
        """`number` is what they are named by: the red bill, or the hospital's own of a refund without one."""
        names, refunds = self._filing.names, []
        for one, amount_fen in shares:
            refund = names.of("refund", number, one.payment, one.notice)
            evidence = names.of("refund_order", number, one.payment, amount_fen)
            refunds.append(RefundPayment(refund, one.payment, amount_fen, [one.notice], red, evidence))
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
