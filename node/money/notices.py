"""Fee notices of a hospital: issued, listed to who owes them, withdrawn; the bill of a paid one follows by itself."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from chain import keyspace
from chain.bill import BillRequest, Payer, PaymentParts
from chain.codec import Wire, encode
from chain.details import SEED_BYTES
from chain.digest import MONEY, digest
from chain.operation import IssueNotice, LineSum, WithdrawNotice
from chain.records import IN_ORDER, NOT_OWED, OWED, SETTLED, NoticeBody, OrderBody
from chain.rules.context import DAY_MS
from node.money.filing import Filing, parse_name
from node.money.requests import NoticeBill, NoticeLine, NoticeWish, WithdrawalWish
from node.service import Page, Reader, ServiceRefused, Standing

VerifyHospital = Callable[[], Awaitable[None]]  # raises ServiceRefused `issuer_not_entitled`
BUSINESS_NO_MAX = 50  # characters
DUE_MS = 7 * DAY_MS  # where the hospital does not say
STATES = {OWED: "owed", IN_ORDER: "in_order", SETTLED: "settled", NOT_OWED: "withdrawn"}


class NoticePrivate(Wire, frozen=True):
    """What the ledger has a salted digest of."""

    seed: bytes
    payer: list[str]  # name, type, kind of document, number
    titles: list[str]  # of the lines, in the order in which they were asked
    bill: bytes  # NoticeBill as JSON; empty where none follows by itself

    def root(self) -> bytes:
        return digest(MONEY, ["notice_details", self.seed, encode([self.payer, self.titles, self.bill])])


class FollowingBill(msgspec.Struct, frozen=True):
    """A bill that is due, and the notices that it answers."""

    request: BillRequest
    notices: list[bytes]


class Notices:
    def __init__(self, filing: Filing, verify_hospital: VerifyHospital) -> None:
        self._filing, self._verify_hospital = filing, verify_hospital
        self._organisation = filing.steps.organisation

    async def issue(self, wish: NoticeWish, reader: Reader, target: str) -> Standing:
        payer, names = wish.payer, self._filing.names
        if not payer.id_number.strip():
            raise ServiceRefused("invalid_value", "who owes it has a document", "/payer/id_number")
        if wish.bill is not None:
            await self._verify_hospital()
        lines = line_sums(wish.lines)
        verify_bill(wish.bill, lines)
        private = NoticePrivate(
            os.urandom(SEED_BYTES),
            [payer.name, payer.type, payer.id_type, payer.id_number],
            [line.title for line in wish.lines],
            msgspec.json.encode(wish.bill) if wish.bill is not None else b"",
        )
        due_ms = parse_moment(wish.due, "/due") if wish.due else self._filing.steps.now_ms() + DUE_MS
        holder = names.holder(payer.id_type, payer.id_number)
        return await self._filing.file(
            "notice",
            wish.notice_no,
            wish,
            lambda name: [IssueNotice(name, wish.kind, holder, lines, due_ms, private.root())],
            holder=holder,
            private=private,
            due=["bill"] if wish.bill is not None else [],
        )

    async def withdraw(self, wish: WithdrawalWish, reader: Reader, target: str) -> Standing:
        name = parse_name(target, "notice_unknown")
        return await self._filing.steps.carry_out([WithdrawNotice(name, wish.reason)])

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        name = parse_name(target, "notice_unknown")
        row = self._filing.rows.get("notice", name)
        if reader.role == "patient" and (row is None or not self._filing.may_see(reader, row.holder)):
            return None
        return await self._page(name)

    async def of_patient(self, reader: Reader, after: str | None, limit: int) -> Page:
        """What the patient owes, or has owed, here."""
        holder = self._filing.holder_of(reader)
        found = self._filing.rows.of_holder(holder, "notice", int(after) if after else None, limit + 1)
        pages = [await self._page(name) for _sequence, name in found[:limit]]
        more = str(found[limit - 1][0]) if len(found) > limit else None
        return Page([page for page in pages if page is not None], more)

    async def _page(self, name: bytes) -> dict[str, Any] | None:
        found = await self._filing.steps.body_at(keyspace.notice(self._organisation, name), NoticeBody)
        row = self._filing.rows.get("notice", name)
        if found is None:
            if row is None:
                return None
            standing = self._filing.steps.standing(row.operations)
            return {"notice": name.hex(), "notice_no": row.number, "state": standing.status, "code": standing.code}
        body, height = found
        page: dict[str, Any] = {
            "notice": name.hex(),
            "kind": body.kind,
            "state": STATES[body.state],
            "total_fen": body.total_fen,
            "lines": [{"kind": line.kind, "amount_fen": line.amount_fen} for line in body.lines],
            "due": utc_moment(body.due_ms),
            "order": body.order[0].hex() if body.order else None,
            "bill_id": body.bill[0] if body.bill else None,
            "refunded_fen": body.refunded_fen,
            "height": height,
        }
        if row is not None:
            private = self._filing.rows.private("notice", name, row, NoticePrivate)
            page |= {"notice_no": row.number, "titles": private.titles}
        return page

    # ── the bill that follows ────────────────────────────────────────────────────────────────────────────────────────

    async def bill_of(self, name: bytes) -> tuple[FollowingBill | None, str]:
        """The bill that a settled notice is to have; none and why where there is none yet, or never."""
        rows = self._filing.rows
        row = rows.get("notice", name)
        found = await self._filing.steps.body(keyspace.notice(self._organisation, name), NoticeBody)
        if row is None or found is None:
            return None, "unknown"
        if found.bill:
            return None, "answered"
        if found.state == NOT_OWED or (found.refunded_fen and found.refunded_fen >= found.total_fen):
            return None, "never"
        if found.refunded_fen:
            return None, "partly"
        if found.state != SETTLED:
            return None, "unsettled"
        order = await self._filing.steps.body(keyspace.order(self._organisation, found.order[0]), OrderBody)
        if order is None:
            return None, "unsettled"
        private = rows.private("notice", name, row, NoticePrivate)
        wanted = msgspec.json.decode(private.bill, type=NoticeBill)
        payments = payment_parts(order, found.total_fen)
        request = bill_request(wanted, row.number, order.paid_ms, private.payer, found.total_fen, payments)
        return FollowingBill(request, [name]), ""


def line_sums(lines: Sequence[NoticeLine]) -> list[LineSum]:
    """Once for each kind, ascending."""
    sums: dict[str, int] = {}
    for line in lines:
        sums[line.kind] = sums.get(line.kind, 0) + line.amount_fen
    return [LineSum(kind, sums[kind]) for kind in sorted(sums)]


def verify_bill(bill: NoticeBill | None, lines: Sequence[LineSum]) -> None:
    """The bill that is to follow is about the same sum. Raises ServiceRefused `sum_mismatch`."""
    if bill is None:
        return
    charged = sum(charge.amount_fen for charge in bill.charges)
    if charged != sum(line.amount_fen for line in lines):
        raise ServiceRefused("sum_mismatch", f"the bill's charges come to {charged} fen", "/bill/charges")


def bill_request(
    wanted: NoticeBill, number: str, time_ms: int, payer: Sequence[str], total_fen: int, payments: PaymentParts
) -> BillRequest:
    """`payer` is name, type, kind of document, number."""
    name, kind, id_type, id_number = payer
    return BillRequest(
        kind=wanted.kind,
        business_no=business_no(number),
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


def parse_moment(text: str, pointer: str) -> int:
    """RFC 3339 with its zone, in ms since the epoch. Raises ServiceRefused `invalid_time`."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or "T" not in text:
            raise ValueError
        time_ms = round(moment.timestamp() * 1000)
        datetime.fromtimestamp(time_ms / 1000, UTC)  # it is shown in UTC, where its year may be another one
        return time_ms
    except (ValueError, OverflowError):
        raise ServiceRefused("invalid_time", "a moment as 2026-12-31T23:59:59+08:00", pointer) from None


def utc_moment(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
