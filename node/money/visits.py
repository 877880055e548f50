"""Visits at a hospital: opened, with what is held of a line in the same step; stamped; closed, and one bill over all charges follows.

A visit is its gateway's: who the patient is lies there, and the other gateways of the hospital stamp it and show its record.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace

from chain import keyspace
from chain.bill import PaymentParts
from chain.codec import Digest, Wire
from chain.operation import (
    CloseVisit,
    HoldCredit,
    LineRef,
    OpenVisit,
    Operation,
    ReleaseCredit,
    StampVisit,
    operation_digest,
)
from chain.records import AgreementBody, NoticeBody, OrderBody, PartBody, PaymentBody, VisitBody
from node.money.credit_holds import HOUR_MS, CreditHolds, HoldPrivate
from node.money.filing import Filing, parse_name
from node.money.moments import parse_moment, utc_moment
from node.money.requests import NoticeBill
from node.money.rows import MoneyRow
from node.money.visit_requests import CloseWish, StampWish, VisitWish
from node.money.wanted_bills import FollowingBill, WantedBills, bill_request, payment_parts
from node.service import Page, Reader, ServiceRefused, Standing
from node.visit_timeline import timeline

OTHER_GATEWAY = "another gateway of the hospital keeps it"


class VisitPrivate(Wire, frozen=True):
    payer: list[str]  # name, type, kind of document, number
    declared_by: str  # of an emergency; empty where none was declared
    hold: bytes  # what was held for it; empty where nothing was
    charges: list[Digest]  # notices that were asked for, in order; some may have come to nothing
    bill: bytes  # NoticeBill that follows as JSON; empty until it is closed, or where none does


class Visits:
    def __init__(self, filing: Filing, holds: CreditHolds, bills: WantedBills) -> None:
        self._filing, self._holds, self._bills = filing, holds, bills
        self._organisation = filing.steps.organisation

    async def open(self, wish: VisitWish, reader: Reader, target: str) -> Standing:
        """Raises ServiceRefused: `agreement_unknown` also for another patient's, or the ledger's code; then nothing is held."""
        filing, names, payer = self._filing, self._filing.names, wish.payer
        if not payer.id_number.strip():
            raise ServiceRefused("invalid_value", "who comes has a document", "/payer/id_number")
        if (known := filing.known("visit", wish.visit_no, wish)) is not None:
            return known
        self._bills.verify_number(wish.visit_no, "/visit_no", names.of("visit", wish.visit_no))
        holder = names.holder(payer.id_type, payer.id_number)
        declared = [names.of("staff", wish.declared_by)] if wish.declared_by else []
        appointment = [bytes.fromhex(wish.appointment)] if wish.appointment is not None else []
        at_ms = self._at(wish.at)
        hold = names.of("hold", "visit", wish.visit_no) if wish.agreement is not None else b""
        line = await self._line(holder, wish.agreement) if wish.agreement is not None else None
        until_ms = filing.steps.now_ms() + wish.hours * HOUR_MS
        digests: list[bytes] = []  # of the chain, which is the hold's too

        def make(name: bytes) -> list[Operation]:
            chain: list[Operation] = [OpenVisit(name, wish.kind, holder, appointment, wish.cap_fen, declared, at_ms)]
            if line is not None:
                chain.insert(0, HoldCredit(hold, holder, line, wish.cap_fen, until_ms, [name], declared))
            digests.extend(operation_digest(one) for one in chain)
            return chain

        def beside() -> None:
            if wish.agreement is None or line is None:
                return
            private = HoldPrivate(bytes.fromhex(wish.agreement), line.lender, wish.declared_by)
            sealed = filing.rows.sealed("hold", hold, private)
            now_ms, sequence = filing.steps.now_ms(), filing.next_sequence()
            filing.rows.put("hold", hold, MoneyRow(wish.visit_no, bytes(32), digests, holder, now_ms, sequence, sealed))

        private = VisitPrivate(
            [payer.name, payer.type, payer.id_type, payer.id_number], wish.declared_by, hold, [], b""
        )
        return await filing.file("visit", wish.visit_no, wish, make, holder=holder, private=private, beside=beside)

    async def stamp(self, wish: StampWish, reader: Reader, target: str) -> Standing:
        name = parse_name(target, "visit_unknown")
        number = wish.number if wish.number is not None else len((await self.body(name)).stamps)
        return await self._step(name, [StampVisit(name, number, wish.step, self._at(wish.at))])

    async def close(self, wish: CloseWish, reader: Reader, target: str) -> Standing:
        """Raises ServiceRefused: `charge_pending` while one is on its way, `sum_mismatch`, or the ledger's code."""
        filing, name = self._filing, parse_name(target, "visit_unknown")
        row, private = self.kept(name)
        body = await self.body(name)
        self._verify_nothing_pending(private)
        billed_fen = sum(charge.amount_fen for charge in wish.bill.charges) if wish.bill is not None else 0
        if not body.closed_ms:
            left_fen = sum(paid.total_fen for _, paid in await self._paid(body))
            if billed_fen != left_fen:
                raise ServiceRefused(
                    "sum_mismatch", f"{left_fen} fen are left of what was charged and paid", "/bill/charges"
                )
            await self._bills.verify(wish.bill, row.number, "/bill", private.payer, left_fen, name)
        chain: list[Operation] = [CloseVisit(name, self._at(wish.at))]
        if private.hold and await self._holds.left_fen(private.hold) is not None:
            held = await self._holds.body(private.hold)
            chain.insert(0, ReleaseCredit(private.hold, held.line.lender, "visit_over"))

        def keep() -> None:
            row, now = self.kept(name)
            if now.charges != private.charges:  # one more was asked for meanwhile
                raise ServiceRefused("charge_pending")
            if wish.bill is not None:
                self.keep(name, row, msgspec.structs.replace(now, bill=msgspec.json.encode(wish.bill)))
                filing.rows.put_due("visit", name)
                self._bills.keep(wish.bill, row.number, name)

        return await self._step(name, chain, keep)

    # ── what this gateway keeps ──────────────────────────────────────────────────────────────────────────────────────

    def kept(self, name: bytes) -> tuple[MoneyRow, VisitPrivate]:
        """Raises ServiceRefused `visit_unknown`, also for one that another gateway of the hospital keeps."""
        row = self._filing.rows.get("visit", name)
        if row is None:
            raise ServiceRefused("visit_unknown", OTHER_GATEWAY)
        return row, self._filing.rows.private("visit", name, row, VisitPrivate)

    def keep(self, name: bytes, row: MoneyRow, private: VisitPrivate) -> None:
        sealed = self._filing.rows.sealed("visit", name, private)
        self._filing.rows.put("visit", name, msgspec.structs.replace(row, private=sealed))

    async def body(self, name: bytes) -> VisitBody:
        """Raises ServiceRefused `visit_unknown`."""
        body = await self._filing.steps.body(keyspace.visit(self._organisation, name), VisitBody)
        if body is None:
            raise ServiceRefused("visit_unknown")
        return body

    def _verify_nothing_pending(self, private: VisitPrivate) -> None:
        for notice in private.charges:
            row = self._filing.rows.get("notice", notice)
            if row is not None and self._filing.steps.standing(row.operations).status == "queued":
                raise ServiceRefused("charge_pending")

    async def _step(self, name: bytes, chain: list[Operation], keep: Callable[[], None] = lambda: None) -> Standing:
        standing = await self._filing.steps.carry_out(chain, keep)
        return msgspec.structs.replace(standing, resource=self._filing.path("visit", name))

    async def _line(self, holder: bytes, agreement: str) -> LineRef:
        signed = self._filing.rows.get("agreement", bytes.fromhex(agreement))
        body = await self._filing.steps.body(keyspace.agreement(self._organisation, holder), AgreementBody)
        if signed is None or signed.holder != holder or body is None:
            raise ServiceRefused("agreement_unknown", "", "/agreement")
        return body.line

    def _at(self, text: str) -> int:
        return parse_moment(text, "/at") if text else self._filing.steps.now_ms()

    # ── the bill that follows ────────────────────────────────────────────────────────────────────────────────────────

    async def bill_of(self, name: bytes) -> tuple[FollowingBill | None, str]:
        """One over all notices of a closed visit."""
        row, private = self.kept(name)
        body = await self._filing.steps.body(keyspace.visit(self._organisation, name), VisitBody)
        if body is None or not body.closed_ms or not private.bill:
            return None, "open"
        paid = await self._paid(body)
        if any(notice.bill for notice, _ in paid):
            return None, "answered"
        if not paid:
            return None, "never"
        wanted = msgspec.json.decode(private.bill, type=NoticeBill)
        names = [notice for _, order in paid for notice in order.notices]
        total_fen = sum(order.total_fen for _, order in paid)
        if sum(charge.amount_fen for charge in wanted.charges) != total_fen:  # some went back since it was closed
            return None, "partly"
        parts = [payment_parts(order, order.total_fen) for _, order in paid]
        payments = PaymentParts(
            sum(part.insurance_fund_fen for part in parts),
            sum(part.personal_account_fen for part in parts),
            sum(part.other_fen for part in parts),
            sum(part.cash_fen for part in parts),
        )
        request = bill_request(wanted, row.number, body.closed_ms, private.payer, total_fen, payments)
        return FollowingBill(request, names), ""

    async def _paid(self, body: VisitBody) -> list[tuple[NoticeBody, OrderBody]]:
        """Of each charge its notice and its order, the order with what has not gone back of each part; without those of which all has."""
        found: list[tuple[NoticeBody, OrderBody]] = []
        for name in body.orders:
            order = await self._order(name)
            parts = [replace(part, amount_fen=await self._left_fen(part)) for part in order.parts]
            total_fen = sum(part.amount_fen for part in parts)
            if total_fen:
                order = replace(order, parts=parts, total_fen=total_fen)
                found.append((await self._notice(order.notices[0]), order))  # a charge is one notice
        return found

    async def _left_fen(self, part: PartBody) -> int:
        bodies = [
            await self._filing.steps.body(keyspace.payment(self._organisation, payment), PaymentBody)
            for payment in part.payment
        ]
        return sum(body.amount_fen - body.refunded_fen for body in bodies if body is not None)

    async def _order(self, name: bytes) -> OrderBody:
        body = await self._filing.steps.body(keyspace.order(self._organisation, name), OrderBody)
        if body is None:
            raise ServiceRefused("order_unknown")
        return body

    async def _notice(self, name: bytes) -> NoticeBody:
        body = await self._filing.steps.body(keyspace.notice(self._organisation, name), NoticeBody)
        if body is None:
            raise ServiceRefused("notice_unknown")
        return body

    # ── what is shown ────────────────────────────────────────────────────────────────────────────────────────────────

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        return await self._page(parse_name(target, "visit_unknown"), reader)

    async def timeline_page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        """Minutes of it so far, step by step."""
        name = parse_name(target, "visit_unknown")
        found = await self._filing.steps.body_at(keyspace.visit(self._organisation, name), VisitBody)
        if found is None or not self._filing.may_see(reader, found[0].holder):
            return None
        body, height = found
        told = timeline(body)
        steps = [
            {"step": step.step, "at": utc_moment(step.at_ms), "after_minutes": step.after_minutes}
            for step in told.steps
        ]
        minutes = msgspec.to_builtins(told) | {"steps": steps}
        return {"visit": name.hex(), "kind": body.kind, **minutes, "height": height}

    async def of_patient(self, reader: Reader, after: str | None, limit: int) -> Page:
        """The asking patient's, as far as they were opened here."""
        holder = self._filing.holder_of(reader)
        found = self._filing.rows.of_holder(holder, "visit", int(after) if after else None, limit + 1)
        pages = [await self._page(name, reader) for _sequence, name in found[:limit]]
        more = str(found[limit - 1][0]) if len(found) > limit else None
        return Page([page for page in pages if page is not None], more)

    async def _page(self, name: bytes, reader: Reader) -> dict[str, Any] | None:
        steps, row = self._filing.steps, self._filing.rows.get("visit", name)
        found = await steps.body_at(keyspace.visit(self._organisation, name), VisitBody)
        holder = found[0].holder if found is not None else row.holder if row is not None else b""
        if not holder or not self._filing.may_see(reader, holder):
            return None
        page: dict[str, Any] = {"visit": name.hex()}
        if row is not None:
            page |= {"visit_no": row.number} | self._own(name, row, reader)
        if found is None:
            standing = steps.standing(row.operations) if row is not None else None
            return page | {"state": standing.status, "code": standing.code} if standing is not None else None
        body, height = found
        charges = [await self._charge_page(order) for order in body.orders]
        bills = {charge["bill_id"] for charge in charges}
        return page | {
            "kind": body.kind,
            "state": "closed" if body.closed_ms else "open",
            "appointment": body.appointment[0].hex() if body.appointment else None,
            "emergency": bool(body.emergency),
            "cap_fen": body.cap_fen,
            "charged_fen": body.charged_fen,
            "left_fen": body.cap_fen - body.charged_fen,
            "stamps": [{"step": stamp.step, "at": utc_moment(stamp.at_ms)} for stamp in body.stamps],
            "charges": charges,
            "closed": utc_moment(body.closed_ms) if body.closed_ms else None,
            "bill_id": bills.pop() if len(bills) == 1 else None,
            "height": height,
        }

    def _own(self, name: bytes, row: MoneyRow, reader: Reader) -> dict[str, Any]:
        private = self._filing.rows.private("visit", name, row, VisitPrivate)
        own: dict[str, Any] = {"hold": private.hold.hex() or None}
        return own if reader.role == "patient" else own | {"declared_by": private.declared_by or None}

    async def _charge_page(self, name: bytes) -> dict[str, Any]:
        order = await self._order(name)
        notices = [await self._notice(notice) for notice in order.notices]
        return {
            "order": name.hex(),
            "notices": [notice.hex() for notice in order.notices],
            "amount_fen": order.total_fen,
            "parts": [{"channel": part.channel, "amount_fen": part.amount_fen} for part in order.parts],
            "paid": utc_moment(order.paid_ms),
            "bill_id": notices[0].bill[0] if notices[0].bill else None,
        }
