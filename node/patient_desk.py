"""What an archive does for patients: their bills at all hospitals it holds the details of, and whom they let read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from node.bill_desk import BillDesk
from node.grant_desk import GrantDesk, identified
from node.service import GivenGrant, GrantWish, Page, Reader, Standing


class PatientDesk:
    def __init__(self, bills: BillDesk, grants: GrantDesk) -> None:
        self._bills, self._grants = bills, grants

    async def my_bills(self, reader: Reader, after: str | None, limit: int) -> Page:
        """A person's bills by issuer and number, as the person may read them. `after` is the `next` of the page before.

        Raises ServiceRefused `identity_missing`.
        """
        identity = identified(reader)
        position = None
        if after is not None:
            issuer, _, bill = after.partition("/")
            position = issuer, bill
        rows: list[dict[str, Any]] = []
        for issuer, bill, _body in self._bills.holders.bills_of(identity, position):
            if len(rows) == limit:
                return Page(rows, "/".join(position or ()))
            page = self._bills.page(bill, reader)
            if page is not None:
                rows.append(page)
                position = issuer, bill
        return Page(rows, None)

    async def give_grants(self, reader: Reader, bills: Sequence[str], wish: GrantWish) -> list[GivenGrant]:
        return await self._grants.give(reader, bills, wish)

    async def my_grants(self, reader: Reader, after: str | None, limit: int) -> Page:
        return self._grants.page(reader, after, limit)

    async def revoke_grant(self, reader: Reader, grant: str, reason: str) -> Standing:
        return await self._grants.revoke(reader, grant, reason)
