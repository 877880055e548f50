"""A lender's service: whoever a score provider's word makes eligible gets a line, and sees and ends it here.

The provider's attestation names the person by the pseudonym that the sign-on has for them, so one's own opens a line and nobody else's.
What it says is compared with the newest version of the product and forgotten; on the ledger stands a random name, the product, a
date. One person has one line of a product: who asks again, with the same attestation or a newer one, gets the same line, and at further
hospitals if they name some. What was signed is kept before it is sent (`credit_book.py`), so an answer that was lost is made up for by asking again.
Source: FEATURES 95, 99; DOMAIN section 5.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Coroutine
from typing import Any

from chain.operation import HOSPITALS_MAX, NameHospitals, OpenLine
from chain.rules.context import DAY_MS
from chain.signature import SigningKey
from node.service import Head, Reader, ServiceRefused
from node.services.attestation import AttestationVerifier, Attested
from node.services.credit_book import CreditBook, LineRow
from node.services.credit_dues import CreditDues
from node.services.desks import Acted, Enrolled
from node.services.mirror_link import MirrorLink
from node.services.statement_rounds import StatementRounds

PATIENT = "patient"
THERE_ALREADY = "line_exists"


class LenderDesk:
    kind = "lender"

    def __init__(
        self,
        mirror: MirrorLink,
        key: SigningKey,
        book: CreditBook,
        attestations: AttestationVerifier,
        line_days: int,
        now_ms: Callable[[], int],
    ) -> None:
        """`line_days`: how long a line is good for something new."""
        self.name = self.organisation = mirror.organisation
        self.chain_id = mirror.chain_id
        self._mirror, self._book, self._attestations = mirror, book, attestations
        self._line_ms, self._now_ms = line_days * DAY_MS, now_ms
        self._dues = CreditDues(mirror, key, now_ms)
        self.agree, self.repay, self.pay_back = self._dues.agree, self._dues.repay, self._dues.pay_back
        self.state, self.state_all = self._dues.state, self._dues.state_all
        self.rounds = StatementRounds(self._dues, book, now_ms)

    def parts(self) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
        return {"statements": self.rounds.run}

    def head(self) -> Head:
        return self._mirror.head()

    # ── enrolment ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def enrol(self, reader: Reader, product: str, attestation: str, hospitals: list[str]) -> Enrolled:
        attested = self._attestations.verify(attestation)
        if attested.subject != reader.subject:
            raise ServiceRefused("attestation_of_other", "", "/attestation")
        found = await self._dues.product(product)
        person = self._book.person(reader.organisation, reader.subject)
        number = self._book.number(attested.provider, attested.number, product)
        if (known := self._book.of_number(number)) is not None:
            if known.person != person:  # another sign-on's person of that name
                raise ServiceRefused("attestation_of_other", "", "/attestation")
            return await self._open_at(known, hospitals)
        if not _is_eligible(attested, found["terms"]):
            raise ServiceRefused("not_eligible")
        former = self._book.of_person(person, product)
        if former is not None and await self._goes_on(former):
            self._book.note_number(number, former)
            return await self._open_at(former, hospitals)
        if (raced := self._book.of_person(person, product)) is not None and raced != former:
            return await self._open_at(raced, hospitals)  # the same person asked twice at once
        return await self._opened(self._made(person, number, product, found["version"], hospitals))

    def _made(self, person: bytes, number: bytes, product: str, version: int, hospitals: list[str]) -> LineRow:
        """A new line, kept before anything is sent."""
        line = secrets.token_bytes(32)
        until_ms = self._now_ms() + self._line_ms
        approval = self._book.approval(number, line)
        row = LineRow(line, product, version, until_ms, approval, person, sorted(set(hospitals)), [])
        self._book.keep(row, number)
        return row

    async def _goes_on(self, former: LineRow) -> bool:
        """Whether a person's former line serves; False where it has ended and nothing is owed on it. Raises `not_eligible`."""
        page = await self._mirror_page(former)
        if page is None:  # signed, and never recorded
            return former.until_ms > self._now_ms()
        if page["state"] == "in_force" and former.until_ms > self._now_ms():
            return True
        if page["owed_fen"] > 0:
            raise ServiceRefused("not_eligible", "something is owed on a former line")
        return False

    async def _opened(self, row: LineRow) -> Enrolled:
        """The line of a row, once the ledger has it."""
        page = await self._mirror_page(row)
        if page is not None:
            return Enrolled(page, True)
        operation = OpenLine(row.line, row.product, row.version, row.until_ms, row.approval, row.hospitals)
        repeated = False
        try:
            repeated = (await self._dues.act(row.line.hex(), operation)).repeated
        except ServiceRefused as refusal:
            if refusal.code != THERE_ALREADY:
                raise
            repeated = True
        return Enrolled(await self._dues.page(row.line.hex()), repeated)

    async def _open_at(self, row: LineRow, hospitals: list[str]) -> Enrolled:
        """The line of a row at these hospitals too, those that it does not name yet: kept before anything is sent.

        What was kept and never recorded is sent again. Raises ServiceRefused `hospitals_malformed` for more than a line can name.
        """
        enrolled = await self._opened(row)
        if enrolled.page["state"] != "in_force" or row.until_ms <= self._now_ms():
            return enrolled
        row, page, sent = self._book.line(row.line) or row, enrolled.page, False
        named = {*page["hospitals"], *(hospital for step in row.further for hospital in step)}
        if wanted := sorted(set(hospitals) - named):
            if len(named) + len(wanted) > HOSPITALS_MAX:
                raise ServiceRefused("hospitals_malformed", f"a line names {HOSPITALS_MAX} at most", "/hospitals")
            row = self._book.name(row.line, wanted)
        number = len(page["hospitals"])  # as the ledger has them: a book that was restored may know of fewer
        for step in row.further:
            if missing := sorted(set(step) - set(page["hospitals"])):
                acted = await self._dues.act(page["line"], NameHospitals(row.line, number, missing))
                number, sent = number + len(missing), sent or not acted.repeated
        return Enrolled(await self._dues.page(page["line"]), False) if sent else enrolled

    async def _mirror_page(self, row: LineRow) -> dict[str, Any] | None:
        try:
            return await self._dues.page(row.line.hex())
        except ServiceRefused as refusal:
            if refusal.code != "line_unknown":
                raise
            return None

    # ── a line of one's own ──────────────────────────────────────────────────────────────────────────────────────────

    async def account(self, reader: Reader, line: str) -> dict[str, Any] | None:
        return await self._dues.page(line) if self._may_see(reader, line) else None

    async def revoke(self, reader: Reader, line: str, reason: str) -> Acted:
        if not self._may_see(reader, line):
            raise ServiceRefused("line_unknown")
        return await self._dues.end(line, reason)

    def _may_see(self, reader: Reader, line: str) -> bool:
        """The lender's own people see all; a person their own."""
        if reader.role != PATIENT:
            return reader.organisation == self.organisation
        row = self._book.line(bytes.fromhex(line))
        return row is not None and row.person == self._book.person(reader.organisation, reader.subject)


def _is_eligible(attested: Attested, terms: dict[str, Any]) -> bool:
    return bool(attested.score >= terms["score_min"] and attested.identity_level >= terms["identity_level"])
