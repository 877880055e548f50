"""Treatment on credit, as a hospital has it: agreements to deduct from a patient's line, and what a patient sees of theirs."""

from __future__ import annotations

import os
from typing import Any

from chain import keyspace
from chain.codec import Count, Digest, Name, Wire, encode
from chain.details import SEED_BYTES
from chain.digest import MONEY, digest
from chain.operation import EndAgreement, LineRef, SignAgreement
from chain.records import IN_FORCE, AccountBody, AgreementBody, LineBody
from node.money.credit_holds import CreditHolds
from node.money.filing import Filing, parse_name
from node.money.moments import utc_moment
from node.money.requests import AgreementWish, EndAgreementWish
from node.money.rows import MoneyRow
from node.service import Page, Reader, ServiceRefused, Standing

HOLDS_SHOWN_MAX = 50  # of one patient, the oldest first


class AgreementPrivate(Wire, frozen=True):
    """What the ledger has a salted digest of, and where it stands there."""

    seed: bytes
    payer: list[str]  # name, type, kind of document, number
    consent: str
    lender: Name
    line: Digest
    number: Count  # of the holder's agreements at the hospital

    def root(self) -> bytes:
        return digest(MONEY, ["agreement_details", self.seed, encode([self.payer, self.consent])])


class Agreements:
    def __init__(self, filing: Filing, holds: CreditHolds) -> None:
        self._filing, self._holds = filing, holds
        self._organisation = filing.steps.organisation

    async def sign(self, wish: AgreementWish, reader: Reader, target: str) -> Standing:
        payer = wish.payer
        if not payer.id_number.strip():
            raise ServiceRefused("invalid_value", "whose line it is has a document", "/payer/id_number")
        if (known := self._filing.known("agreement", wish.agreement_no, wish)) is not None:
            return known
        holder = self._filing.names.holder(payer.id_type, payer.id_number)
        former = await self._body(holder)
        private = AgreementPrivate(
            os.urandom(SEED_BYTES),
            [payer.name, payer.type, payer.id_type, payer.id_number],
            wish.consent,
            wish.lender,
            bytes.fromhex(wish.line),
            former[0].number + 1 if former is not None else 1,
        )
        operation = SignAgreement(
            holder,
            private.number,
            LineRef(private.lender, private.line),
            wish.cap_fen,
            [bytes.fromhex(wish.deposit)] if wish.deposit is not None else [],
            private.root(),
        )
        return await self._filing.file(
            "agreement", wish.agreement_no, wish, lambda name: [operation], holder=holder, private=private
        )

    async def end(self, wish: EndAgreementWish, reader: Reader, target: str) -> Standing:
        row, private = self._kept(parse_name(target, "agreement_unknown"))
        return await self._filing.steps.carry_out([EndAgreement(row.holder, private.number, wish.reason)])

    async def page(self, target: str, reader: Reader) -> dict[str, Any] | None:
        """To staff how much is left of the line; to the patient also what is owed on it."""
        name = parse_name(target, "agreement_unknown")
        row = self._filing.rows.get("agreement", name)
        if row is None or not self._filing.may_see(reader, row.holder):
            return None
        return await self._page(name, row, reader)

    async def of_patient(self, reader: Reader, after: str | None, limit: int) -> Page:
        """The asking patient's agreements here, each with its line, its debt and its holds."""
        holder = self._filing.holder_of(reader)
        found = self._filing.rows.of_holder(holder, "agreement", int(after) if after else None, limit + 1)
        holds = [name for _sequence, name in self._filing.rows.of_holder(holder, "hold", None, HOLDS_SHOWN_MAX)]
        pages: list[dict[str, Any]] = []
        for _sequence, name in found[:limit]:
            row = self._filing.rows.get("agreement", name)
            if row is not None:
                page = await self._page(name, row, reader)
                pages.append(page | {"holds": await self._holds.pages_of(name, holds)})
        return Page(pages, str(found[limit - 1][0]) if len(found) > limit else None)

    async def _page(self, name: bytes, row: MoneyRow, reader: Reader) -> dict[str, Any]:
        _, private = self._kept(name)
        page: dict[str, Any] = {
            "agreement": name.hex(),
            "agreement_no": row.number,
            "lender": private.lender,
            "line": private.line.hex(),
        }
        found = await self._body(row.holder)
        if found is None or found[0].number < private.number:
            standing = self._filing.steps.standing(row.operations)
            return page | {"state": standing.status, "code": standing.code}
        body, height = found
        is_newest = body.number == private.number
        page |= {
            "state": "in_force" if is_newest and body.state == IN_FORCE else "ended",
            "reason": body.reason if is_newest else "",
            "cap_fen": body.cap_fen if is_newest else None,
            "deposit": body.deposit[0].hex() if is_newest and body.deposit else None,
            "height": height,
        }
        return page | await self._line_page(private, reader)

    async def _line_page(self, private: AgreementPrivate, reader: Reader) -> dict[str, Any]:
        steps = self._filing.steps
        line = await steps.body(keyspace.line(private.lender, private.line), LineBody)
        if line is None:
            return {}
        accounts = [await steps.body(keyspace.account(ref), AccountBody) for ref in (line.account, line.emergency)]
        found = [account for account in accounts if account is not None]
        if len(found) < len(accounts):
            return {}
        now_ms = steps.now_ms()
        came_fen = sum(account.credits_fen for account in found) - line.granted_fen
        owed_fen = line.granted_fen - sum(account.credits_fen - account.debits_fen for account in found)
        due = [due for due in line.dues if due.returned_fen > came_fen]
        page = {
            "until": utc_moment(line.until_ms),
            "left_fen": room_left(found[0], now_ms),
            "emergency_left_fen": room_left(found[1], now_ms),
            "overdue": any(one.due_ms <= now_ms for one in due),
        }
        if reader.role == "patient":
            page["owed_fen"] = owed_fen
            page["surplus_fen"] = max(0, -owed_fen)
            page["dues"] = [
                {"due": utc_moment(one.due_ms), "amount_fen": one.returned_fen - came_fen} for one in due
            ]  # each with all that was due before
        return page

    def _kept(self, name: bytes) -> tuple[MoneyRow, AgreementPrivate]:
        """Raises ServiceRefused `agreement_unknown`, also for one that another gateway of the hospital keeps."""
        row = self._filing.rows.get("agreement", name)
        if row is None:
            raise ServiceRefused("agreement_unknown")
        return row, self._filing.rows.private("agreement", name, row, AgreementPrivate)

    async def _body(self, holder: bytes) -> tuple[AgreementBody, int] | None:
        return await self._filing.steps.body_at(keyspace.agreement(self._organisation, holder), AgreementBody)


def room_left(account: AccountBody, now_ms: int) -> int:
    """What an account may still give, less what is held of it now."""
    held_fen = sum(hold.amount_fen for hold in account.holds if hold.until_ms > now_ms)
    return account.credits_fen - account.debits_fen - held_fen
