"""Fee notices of a hospital: issued, listed to who owes them, withdrawn; the bill of a paid one follows by itself."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import msgspec

from chain import keyspace
from chain.codec import Wire, encode
from chain.details import SEED_BYTES
from chain.digest import MONEY, digest
from chain.operation import IssueNotice, LineSum, WithdrawNotice
from chain.records import IN_ORDER, NOT_OWED, OWED, SETTLED, NoticeBody, OrderBody
from chain.rules.context import DAY_MS
from node.money.filing import Filing, parse_name
from node.money.moments import parse_moment, utc_moment
from node.money.requests import NoticeBill, NoticeLine, NoticeWish, WithdrawalWish
from node.money.wanted_bills import FollowingBill, WantedBills, bill_request, payment_parts
from node.service import Page, Reader, ServiceRefused, Standing

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


class Notices:
    def __init__(self, filing: Filing, bills: WantedBills) -> None:
        self._filing, self._bills = filing, bills
        self._organisation = filing.steps.organisation

    async def issue(self, wish: NoticeWish, reader: Reader, target: str) -> Standing:
        payer, names = wish.payer, self._filing.names
        if not payer.id_number.strip():
            raise ServiceRefused("invalid_value", "who owes it has a document", "/payer/id_number")
        if (known := self._filing.known("notice", wish.notice_no, wish)) is not None:
            return known
        lines = line_sums(wish.lines)
        private = NoticePrivate(
            os.urandom(SEED_BYTES),
            [payer.name, payer.type, payer.id_type, payer.id_number],
            [line.title for line in wish.lines],
            msgspec.json.encode(wish.bill) if wish.bill is not None else b"",
        )
        number, own = wish.notice_no, names.of("notice", wish.notice_no)
        total_fen = sum(line.amount_fen for line in lines)
        await self._bills.verify(wish.bill, number, "/notice_no", private.payer, total_fen, own)
        due_ms = parse_moment(wish.due, "/due") if wish.due else self._filing.steps.now_ms() + DUE_MS
        holder = names.holder(payer.id_type, payer.id_number)
        return await self._filing.file(
            "notice",
            number,
            wish,
            lambda name: [IssueNotice(name, wish.kind, holder, lines, due_ms, private.root())],
            holder=holder,
            private=private,
            due=["bill"] if wish.bill is not None else [],
            beside=lambda: self._bills.keep(wish.bill, number, own),
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
        rows, steps = self._filing.rows, self._filing.steps
        found = await steps.body(keyspace.notice(self._organisation, name), NoticeBody)
        row = rows.get("notice", name)
        if found is None and row is not None and steps.standing(row.operations).status == "refused":
            return None, "never"  # unless it is asked for again, and then it is due again
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
        order = await steps.body(keyspace.order(self._organisation, found.order[0]), OrderBody)
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
