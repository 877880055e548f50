"""Who may read which bill at a gateway: the hospital's own staff, whoever holds the bill, and the public by its face.

To all others a bill does not exist. Where another bill stands for one (`superseded_by`), the other one is shown.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any

from chain.block import RECORDED
from chain.details import FIELD_IDS, Details, check_code, field_values, open_fields, token
from chain.operation import ReverseBill
from node.bill_pages import BillPages
from node.bound_bills import BoundBills
from node.bound_payer import PAYER_NAMES, BoundPayer, is_unknown, payer_page
from node.details_post import DetailsPost
from node.gateway_store import BillRow, BusinessRow, GatewayStore, business_key
from node.groups import Groups
from node.payer_post import PayerPost
from node.proof_maker import ProofMaker
from node.rights import possession
from node.service import Claimed, Head, Page, Reader, ServiceRefused, Standing
from node.standings import Standings
from node.verification import FaceOfBill, FailureCounter, PublicVerification, is_check_code, is_token, iso_date

STAFF = frozenset({"cashier", "hospital_admin"})
ASKING = STAFF | {"operator"}


class HospitalDesk:
    def __init__(
        self,
        organisation: str,
        store: GatewayStore,
        standings: Standings,
        post: DetailsPost,
        pages: BillPages,
        proofs: ProofMaker,
        payers: PayerPost,
        groups: Groups,
        bound: BoundBills,
    ) -> None:
        self._organisation, self._store, self._standings = organisation, store, standings
        self._post, self._pages, self._proofs = post, pages, proofs
        self._payers, self._groups, self._bound = payers, groups, bound
        self._failures = FailureCounter()  # of guesses at one bill's check code, beside those per source
        self._faces: dict[str, FaceOfBill] = {}  # bill -> face, while a claim is looked at
        self._verification = PublicVerification(self._faces.get)

    def _row(self, bill_id: str, reader: Reader) -> BillRow | None:
        """A bill that the reader may see."""
        if reader.organisation != self._organisation or reader.role not in STAFF:
            return None
        return self._store.bill(bill_id)

    def standing_for(self, row: BillRow) -> BillRow:
        """The bill itself, or the one that stands for it."""
        return self._store.bill(row.superseded_by) or row if row.superseded_by else row

    async def bill(self, bill_id: str, reader: Reader) -> dict[str, Any] | None:
        row = self._row(bill_id, reader)
        if row is None:
            return None
        return await self._page(row)

    async def _page(self, row: BillRow) -> dict[str, Any]:
        shown = self.standing_for(row)
        details = await self._post.details(shown)
        page = self._pages.page(shown, details)
        bound = await self.bound(details) if details is not None else None
        if bound is not None:
            page["payer"] = payer_page(bound, page["payer"])
        return page | {"superseded_by": row.superseded_by} if row.superseded_by else page

    async def bound(self, details: Details) -> BoundPayer | None:
        """Who was bound to a bill that was issued for an unknown payer, or is about to be."""
        return await self._payers.bound(details.bill) if is_unknown(details) else None

    async def bills_of(self, issuer: str, business_mac: bytes, reader: Reader) -> list[dict[str, Any]]:
        if issuer != self._organisation or reader.organisation != issuer or reader.role not in STAFF:
            return []
        business = self._store.get(business_key(business_mac), BusinessRow)
        row = self._store.bill(business.bill) if business is not None else None
        if row is None:
            return []
        return [await self._page(row)]

    async def qr_code(self, bill_id: str, reader: Reader) -> tuple[str, str] | None:
        """(bill, token) of what its QR code leads to; None for who may not read it, and while its details are out of reach."""
        row = self._row(bill_id, reader)
        details = await self._post.details(self.standing_for(row)) if row is not None else None
        return None if details is None else (details.bill, token(details.seed, details.bill))

    async def bills_of_group(self, issuer: str, group: str, reader: Reader, after: str | None, limit: int) -> Page:
        """The bills of a settlement, by number; a superseded one is left out for the one that stands for it."""
        if issuer != self._organisation or reader.organisation != issuer or reader.role not in STAFF:
            return Page([], None)
        pages: dict[str, dict[str, Any]] = {}
        last = after or ""
        while len(pages) <= limit:  # one more, to know whether there are more
            bills = await self._groups.bills(group, last, limit + 1)
            for bill in bills:
                row = self._store.bill(bill)
                if row is None or row.superseded_by or self._standings.status_of(row) == "refused":
                    continue  # or one that this gateway has not heard of yet
                page = await self._page(row)
                if page.get("group", group) == group:
                    pages[bill] = page
            if len(bills) <= limit:
                break
            last = bills[-1]
        numbers = sorted(pages)
        return Page([pages[bill] for bill in numbers[:limit]], numbers[limit - 1] if len(numbers) > limit else None)

    async def history(self, bill_id: str, reader: Reader) -> list[dict[str, Any]] | None:
        row = self._row(bill_id, reader)
        return self._pages.history(row) if row is not None else None

    def operation(self, digest: str, reader: Reader) -> Standing | None:
        if reader.organisation != self._organisation or reader.role not in ASKING:
            return None
        try:
            return self._standings.of_operation(bytes.fromhex(digest))
        except ValueError:
            return None

    async def operation_proof(self, digest: str, reader: Reader) -> bytes | None:
        if reader.organisation != self._organisation or reader.role not in ASKING:
            return None
        return await self._proofs.operation(bytes.fromhex(digest))

    async def is_of(self, bill_id: str, reader: Reader) -> bool:
        """Whether a bill is the reader's: of the hospital's staff, or of the patient whose document it names."""
        if self._row(bill_id, reader) is not None:
            return True
        row = self._store.bill(bill_id)
        if row is None or reader.role != "patient" or reader.identity is None:
            return False
        details = await self._post.details(row)
        bound = await self.bound(details) if details is not None else None
        payer = bound.details if bound is not None and bound.details is not None else details
        values = field_values(payer) if payer is not None else {}
        return reader.identity.is_on(values.get("payer_id_type", ""), values.get("payer_id_number", ""))

    # ── proofs and verification ──────────────────────────────────────────────────────────────────────────────────────

    async def proof(self, bill_id: str, reader: Reader | None, fields: list[str], secret: str | None) -> bytes | None:
        if any(name not in FIELD_IDS for name in fields):
            raise ServiceRefused("field_unknown", "no bill has such a field")
        row = await self.entitled(bill_id, reader, secret, with_details=bool(fields))
        if row is None:
            return None
        shown = self.standing_for(row)
        if shown.code != RECORDED:
            raise ServiceRefused("bill_not_recorded", links={"bill": f"/v1/bills/{bill_id}"})
        opened = []
        if fields:
            details = await self._post.details(shown)
            if details is None:
                raise ServiceRefused("unavailable", "the archive that has the details does not answer")
            opened = open_fields(details, fields)
        return await self._proofs.build(shown, opened)

    async def payer_proof(self, bill_id: str, reader: Reader | None, secret: str | None) -> bytes | None:
        """Who was bound to a bill, as a file that proves it. Raises ServiceRefused `payer_not_bound`, also while the binding is on
        its way, and `unavailable`."""
        row = await self.entitled(bill_id, reader, secret, with_details=True)
        if row is None:
            return None
        details = await self._post.details(self.standing_for(row))
        bound = await self.bound(details) if details is not None else None
        if details is not None and (bound is None or not bound.height):
            raise ServiceRefused("payer_not_bound")
        if bound is None or bound.details is None:
            raise ServiceRefused("unavailable", "the archive that has the details does not answer")
        return await self.proof_of_payer(bound.operation, bound.details, list(PAYER_NAMES))

    async def proof_of_payer(self, operation: bytes, payer: Details, names: list[str]) -> bytes:
        """Raises ServiceRefused `unavailable` where the block's part did not tell of it."""
        data = await self._proofs.payer(operation, open_fields(payer, names))
        if data is None:
            raise ServiceRefused("unavailable", "the block that recorded it was not followed yet")
        return data

    async def entitled(
        self, bill_id: str, reader: Reader | None, secret: str | None, *, with_details: bool
    ) -> BillRow | None:
        """A bill whose proof and face may be given: to the hospital's own staff, and to whoever shows its token or check code;
        details only until a person has claimed the bill."""
        row = self._store.bill(bill_id)
        if row is None or (reader is not None and self._row(bill_id, reader) is not None):
            return row
        details = await self._post.details(row) if secret is not None else None
        if secret is None or details is None or not self._is_secret(details, secret):
            return None
        if with_details and not possession(await self._bound.is_bound(self.standing_for(row))).fields:
            return None
        return row

    def _is_secret(self, details: Details, secret: str) -> bool:
        """Whether it is the bill's token or check code. Guesses at the short code are counted, the token is not guessed."""
        typed = secret.strip().lower()
        if is_token(typed):
            return hmac.compare_digest(typed.encode("utf-8", "replace"), token(details.seed, details.bill).encode())
        if self._failures.is_locked(details.bill):
            return False
        if is_check_code(typed, check_code(details.seed, details.bill)):
            return True
        self._failures.add(details.bill)
        return False

    async def verify_claimed(self, claimed: Claimed, source: str, head: Head) -> dict[str, Any]:
        """As `verification.py` says; a bill that is not recorded yet, or whose details are out of reach, `try_later`."""
        away = {"verdict": "try_later", "as_of": {"height": head.height, "time_ms": head.time_ms}}
        return await self._compared(claimed, lambda: self._verification.verify(claimed, source, head), away)

    async def compare(self, claimed: Claimed) -> dict[str, Any]:
        """The same for those who show who they are: no failure counts."""
        return await self._compared(claimed, lambda: self._verification.compare(claimed), {"verdict": "try_later"})

    async def _compared(
        self, claimed: Claimed, verify: Callable[[], dict[str, Any]], away: dict[str, Any]
    ) -> dict[str, Any]:
        row = self._store.bill(claimed.bill_id)
        details = await self._post.details(row) if row is not None else None
        shown = self.standing_for(row) if row is not None else None
        if row is None or shown is None or self._standings.status_of(shown) == "refused":
            return verify()
        if details is None:
            return away
        red = self._pages.reversal(shown)
        first = shown.operation
        self._faces[claimed.bill_id] = FaceOfBill(
            check_code(details.seed, details.bill),
            iso_date(first.business_date),
            first.total_fen,
            self._standings.status_of(shown),
            red.operation.bill if red is not None else None,
            first.original if isinstance(first, ReverseBill) else None,
            bool(shown.void_height),
            shown.withheld,
            token(details.seed, details.bill),
        )
        try:
            answer = verify()
        finally:
            del self._faces[claimed.bill_id]
        if row.superseded_by and answer["verdict"] != "no_match":
            answer["superseded_by"] = row.superseded_by
        return answer
