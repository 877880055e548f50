"""Bills that are to follow: looked at when they are asked for, since later nobody is there to be told; made once all is paid.

A bill has the number of its notice or visit, or the one that is said. What `issue` would refuse of it, for its figures, its codes, its
place or its number, is refused before anything is kept; numbers of bills, which may run out, nobody promises.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from chain.bill import BillRequest, Payer, PaymentParts
from chain.digest import MONEY, digest
from chain.records import OrderBody
from node.money.filing import Filing
from node.money.moments import utc_moment
from node.money.requests import NoticeBill
from node.money.rows import MoneyRow
from node.service import ServiceRefused

BUSINESS_NO_MAX = 50  # characters

WouldIssue = Callable[[BillRequest], Awaitable[None]]  # raises ServiceRefused as `issue` would now, and takes no number


class FollowingBill(msgspec.Struct, frozen=True):
    """A bill that is due, and the notices that it answers."""

    request: BillRequest
    notices: list[bytes]


class WantedBills:
    def __init__(self, filing: Filing, would_issue: WouldIssue) -> None:
        self._filing, self._would_issue = filing, would_issue

    async def verify(
        self, wanted: NoticeBill | None, number: str, pointer: str, payer: Sequence[str], total_fen: int, owner: bytes
    ) -> None:
        """Of a bill over so much for a notice, charge or visit of this number, which stands at `pointer`; `owner` is its name.

        Raises ServiceRefused: `sum_mismatch`, `business_no_conflict`, or what `issue` would.
        """
        if wanted is None:
            return
        charged_fen = sum(charge.amount_fen for charge in wanted.charges)
        if charged_fen != total_fen:
            raise ServiceRefused("sum_mismatch", f"the bill's charges come to {charged_fen} fen", "/bill/charges")
        at_number = "/bill/business_no" if wanted.business_no else pointer
        self.verify_number(wanted.business_no or number, at_number, owner)
        parts = PaymentParts(0, 0, 0, total_fen)
        request = bill_request(wanted, number, self._filing.steps.now_ms(), payer, total_fen, parts)
        try:
            await self._would_issue(request)
        except ServiceRefused as refused:
            at = refused.pointer
            if at == "/business_no":
                at = at_number
            elif at is not None and not at.startswith("/payer"):
                at = f"/bill{at}"
            raise ServiceRefused(refused.code, refused.detail, at, refused.links) from None

    def verify_number(self, number: str, pointer: str, owner: bytes) -> None:
        """No bill of another notice or visit is to follow under it. Raises ServiceRefused `business_no_conflict`."""
        rows, names = self._filing.rows, self._filing.names
        wanted, visit = rows.get("wanted_bill", self._name(number)), names.of("visit", number)
        others = [wanted.content] if wanted is not None and wanted.content != owner else []
        if any(rows.is_due(task, other) for other in others for task in ("bill", "visit")):
            raise ServiceRefused("business_no_conflict", "another bill is to follow under it", pointer)
        row = rows.get("visit", visit)
        if row is not None and visit != owner and self._filing.steps.standing(row.operations).status != "refused":
            raise ServiceRefused("business_no_conflict", "a visit has this number, and so has its bill", pointer)

    def keep(self, wanted: NoticeBill | None, number: str, owner: bytes) -> None:
        """Its number is taken until it is issued, when the bill itself has it."""
        if wanted is not None:
            now_ms, sequence = self._filing.steps.now_ms(), self._filing.next_sequence()
            row = MoneyRow("", owner, [], b"", now_ms, sequence, b"")
            self._filing.rows.put("wanted_bill", self._name(wanted.business_no or number), row)

    def _name(self, number: str) -> bytes:
        return self._filing.names.of("wanted_bill", business_no(number))


def bill_request(
    wanted: NoticeBill, number: str, time_ms: int, payer: Sequence[str], total_fen: int, payments: PaymentParts
) -> BillRequest:
    """`payer` is name, type, kind of document, number."""
    name, kind, id_type, id_number = payer
    return BillRequest(
        kind=wanted.kind,
        business_no=wanted.business_no or business_no(number),
        business_time=utc_moment(time_ms),
        place_code=wanted.place_code,
        payer=Payer(name, kind, id_type, id_number),  # type: ignore[arg-type]
        total_fen=total_fen,
        payments=payments,
        charges=wanted.charges,
        cashier=wanted.cashier,
        items=wanted.items,
        self_paid_fen=wanted.self_paid_fen,
        self_funded_fen=wanted.self_funded_fen,
        visit=wanted.visit,
        checker=wanted.checker,
        remark=wanted.remark,
    )


def business_no(number: str) -> str:
    """Of a notice's or a visit's bill: its number, a longer one than bills have by its beginning and a digest of all of it."""
    if len(number) <= BUSINESS_NO_MAX:
        return number
    end = digest(MONEY, ["business_no", number]).hex()[:16]
    return f"{number[: BUSINESS_NO_MAX - 17]}-{end}"


def payment_parts(order: OrderBody, total_fen: int) -> PaymentParts:
    """How the face of a bill tells an order's channels: the fund, the insured's account, others for the patient, the patient.

    For one of an order's notices each channel counts in proportion, and the patient's own money takes what rounding leaves.
    """
    sums = {"fund": 0, "account": 0, "other": 0}
    for part in order.parts:
        if part.channel in sums:
            sums[part.channel] += part.amount_fen * total_fen // order.total_fen
    own = total_fen - sum(sums.values())
    return PaymentParts(sums["fund"], sums["account"], sums["other"], own)
