"""What a visit takes of a line: held at check-in, released at the end; emergencies, who declared them and who looked again."""

from __future__ import annotations

from typing import Any

from chain import keyspace
from chain.codec import Digest, Name, Wire
from chain.operation import HoldCredit, LineRef, ReleaseCredit, ReviewEmergency
from chain.records import CAPTURED, HELD, AgreementBody, CreditHoldBody, HoldBody
from node.money.filing import Filing, parse_name
from node.money.moments import utc_moment
from node.money.requests import HoldWish, ReleaseWish, ReviewWish
from node.money.rows import MoneyRow
from node.service import Reader, ServiceRefused, Standing

HOUR_MS = 3_600_000


class HoldPrivate(Wire, frozen=True):
    agreement: Digest  # its name here
    lender: Name
    declared_by: str  # of an emergency; empty where none was declared


class CreditHolds:
    def __init__(self, filing: Filing) -> None:
        self._filing = filing
        self._organisation = filing.steps.organisation

    async def hold(self, wish: HoldWish, reader: Reader, target: str) -> Standing:
        filing, agreement = self._filing, bytes.fromhex(wish.agreement)
        if (known := filing.known("hold", wish.hold_no, wish)) is not None:
            return known
        signed = filing.rows.get("agreement", agreement)
        if signed is None:
            raise ServiceRefused("agreement_unknown", "", "/agreement")
        line = await self._line(signed.holder)
        declared = [filing.names.of("staff", wish.declared_by)] if wish.declared_by else []
        until_ms = filing.steps.now_ms() + wish.hours * HOUR_MS
        visit = [bytes.fromhex(wish.visit)] if wish.visit is not None else []
        return await filing.file(
            "hold",
            wish.hold_no,
            wish,
            lambda name: [HoldCredit(name, signed.holder, line, wish.amount_fen, until_ms, visit, declared)],
            holder=signed.holder,
            private=HoldPrivate(agreement, line.lender, wish.declared_by),
        )

    async def release(self, wish: ReleaseWish, reader: Reader, target: str) -> Standing:
        name = parse_name(target, "hold_unknown")
        body = await self.body(name)
        return await self._filing.steps.carry_out([ReleaseCredit(name, body.line.lender, wish.reason)])

    async def review(self, wish: ReviewWish, reader: Reader, target: str) -> Standing:
        """By who asks: the ledger refuses the one that declared it."""
        name = parse_name(target, "hold_unknown")
        reviewer = self._filing.names.of("staff", reader.subject)
        return await self._filing.steps.carry_out([ReviewEmergency(name, wish.outcome, reviewer)])

    async def body(self, name: bytes) -> CreditHoldBody:
        """Raises ServiceRefused `hold_unknown`."""
        body = await self._filing.steps.body(keyspace.credit_hold(self._organisation, name), CreditHoldBody)
        if body is None:
            raise ServiceRefused("hold_unknown")
        return body

    async def left_fen(self, name: bytes) -> int | None:
        """What may still be captured; None where it runs no longer."""
        held = await self._filing.steps.body(keyspace.held(self._organisation, name), HoldBody)
        if held is None or held.state != HELD or held.until_ms <= self._filing.steps.now_ms():
            return None
        return held.amount_fen - held.captured_fen

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        name = parse_name(target, "hold_unknown")
        row = self._filing.rows.get("hold", name)
        if reader.role == "patient" and (row is None or not self._filing.may_see(reader, row.holder)):
            return None
        return await self._page(name, row)

    async def pages_of(self, agreement: bytes, holds: list[bytes]) -> list[dict[str, Any]]:
        """Those of `holds` that were made under an agreement."""
        pages: list[dict[str, Any]] = []
        for name in holds:
            row = self._filing.rows.get("hold", name)
            if row is None or self._filing.rows.private("hold", name, row, HoldPrivate).agreement != agreement:
                continue
            page = await self._page(name, row)
            if page is not None:
                pages.append(page)
        return pages

    async def _page(self, name: bytes, row: MoneyRow | None) -> dict[str, Any] | None:
        steps = self._filing.steps
        found = await steps.body_at(keyspace.credit_hold(self._organisation, name), CreditHoldBody)
        held = await steps.body(keyspace.held(self._organisation, name), HoldBody)
        if found is None or held is None:
            if row is None:
                return None
            standing = steps.standing(row.operations)
            return {"hold": name.hex(), "hold_no": row.number, "state": standing.status, "code": standing.code}
        body, height = found
        page: dict[str, Any] = {
            "hold": name.hex(),
            "state": _state(held, steps.now_ms()),
            "amount_fen": held.amount_fen,
            "captured_fen": held.captured_fen,
            "left_fen": await self.left_fen(name) or 0,
            "until": utc_moment(held.until_ms),
            "visit": body.visit[0].hex() if body.visit else None,
            "emergency": bool(body.emergency),
            "review": body.outcome or None,
            "height": height,
        }
        if row is None:
            return page
        private = self._filing.rows.private("hold", name, row, HoldPrivate)
        own = {"hold_no": row.number, "agreement": private.agreement.hex(), "declared_by": private.declared_by or None}
        return page | own

    async def _line(self, holder: bytes) -> LineRef:
        agreement = await self._filing.steps.body(keyspace.agreement(self._organisation, holder), AgreementBody)
        if agreement is None:
            raise ServiceRefused("agreement_unknown", "", "/agreement")
        return agreement.line


def _state(held: HoldBody, now_ms: int) -> str:
    if held.state == HELD:
        return "held" if held.until_ms > now_ms else "expired"
    return "captured" if held.state == CAPTURED else "released"
