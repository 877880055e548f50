"""Refunds: what a red bill leaves over, or was paid for a notice without a bill, goes back the way it came, never more than each channel paid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from chain import keyspace
from chain.codec import Digest, Wire
from chain.operation import RefundPayment
from chain.records import AnsweredBody, BillBody, NoticeBody, OrderBody, PaymentBody, RefundBody
from node.money.filing import Filing, parse_name
from node.money.requests import NoticeRefundWish, RefundWish
from node.service import Reader, ServiceRefused, Standing

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


class Refunds:
    def __init__(self, filing: Filing) -> None:
        self._filing = filing
        self._organisation = filing.steps.organisation

    async def refund(self, wish: RefundWish, reader: Reader, target: str) -> Standing:
        """`target` is the red bill. Raises ServiceRefused `bill_unknown`, `red_bill_differs`, `nothing_to_refund`, `exceeds_notice`."""
        if (known := self._filing.known("refund", target, wish)) is not None:
            return known
        notices = await self._notices_of(target)
        refunds = await self._divided(notices, wish, target, [target])
        return await self._file("refund", target, wish, refunds)

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
        refunds = await self._divided([(name, notice)], wish, f"notice {wish.refund_no}", [])
        return filing.pointed(await self._file("notice_refund", wish.refund_no, asked, refunds), "notice", name)

    async def _divided(
        self,
        notices: list[tuple[bytes, NoticeBody]],
        wish: RefundWish | NoticeRefundWish,
        number: str,
        red: list[str],
    ) -> list[RefundPayment]:
        """Of each notice what is left, as far as the wish goes. Raises ServiceRefused `exceeds_notice`, `nothing_to_refund`."""
        refunds: list[RefundPayment] = []
        left_fen = wish.amount_fen
        for name, notice in notices:
            paid = await self._payments(name, notice)
            most_fen = min(notice.total_fen - notice.refunded_fen, sum(one.left_fen for one in paid))
            amount_fen = most_fen if left_fen is None else min(left_fen, most_fen)
            left_fen = None if left_fen is None else left_fen - amount_fen
            for one, part_fen in divide(paid, amount_fen, wish.policy):
                refund = self._filing.names.of("refund", number, one.payment, one.notice)
                evidence = self._filing.names.of("refund_order", number, one.payment, part_fen)
                refunds.append(RefundPayment(refund, one.payment, part_fen, [one.notice], red, evidence))
        if left_fen:
            raise ServiceRefused("exceeds_notice", f"{left_fen} fen more than is left to give back", "/amount_fen")
        if not refunds:
            raise ServiceRefused("nothing_to_refund")
        return refunds

    async def _file(self, kind: str, number: str, content: msgspec.Struct, refunds: list[RefundPayment]) -> Standing:
        names = [refund.refund for refund in refunds]

        def beside() -> None:
            for name in names:
                self._filing.rows.put_due("back", name)

        return await self._filing.file(
            kind, number, content, lambda name: refunds, private=RefundsPrivate(names), beside=beside
        )

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

    async def _notices_of(self, red: str) -> list[tuple[bytes, NoticeBody]]:
        steps = self._filing.steps
        bill = await steps.body(keyspace.bill(red), BillBody)
        if bill is None or bill.issuer != self._organisation:
            raise ServiceRefused("bill_unknown")
        if bill.total_fen >= 0 or not bill.related:
            raise ServiceRefused("red_bill_differs")
        answered = await steps.body(keyspace.answered(bill.related[0]), AnsweredBody)
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
