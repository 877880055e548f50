"""What an archive does for patients: their bills at all hospitals it holds the details of, whom they let read them, and who did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from node.bill_desk import BillDesk
from node.grant_desk import GrantDesk, identified
from node.identity import Identity
from node.patient_accesses import PatientAccesses
from node.proxy_desk import ProxyDesk
from node.service import GivenGrant, GrantWish, Page, Reader, Standing


class PatientDesk:
    def __init__(self, bills: BillDesk, grants: GrantDesk, accesses: PatientAccesses, family: ProxyDesk) -> None:
        self._bills, self._grants, self._accesses, self._family = bills, grants, accesses, family

    async def my_bills(self, reader: Reader, after: str | None, limit: int, proxy: str | None = None) -> Page:
        """A person's bills by issuer and number, as the asking one may read them. `after` is the `next` of the page before.

        Raises ServiceRefused `identity_missing`, `proxy_unknown`.
        """
        person = self._person(reader, proxy)
        position = None
        if after is not None:
            issuer, _, bill = after.partition("/")
            position = issuer, bill
        rows: list[dict[str, Any]] = []
        following: str | None = None
        for issuer, bill, _body in self._bills.holders.bills_of(person, position):
            if len(rows) == limit:
                following = "/".join(position or ())
                break
            page = self._bills.page(bill, reader)
            if page is not None:
                rows.append(page)
                position = issuer, bill
        await self._bills.accesses.written()
        return Page(rows, following)

    async def give_grants(self, reader: Reader, bills: Sequence[str], wish: GrantWish) -> list[GivenGrant]:
        return await self._grants.give(reader, bills, wish)

    async def my_grants(self, reader: Reader, after: str | None, limit: int) -> Page:
        return self._grants.page(reader, after, limit)

    async def revoke_grant(self, reader: Reader, grant: str, reason: str) -> Standing:
        return await self._grants.revoke(reader, grant, reason)

    async def my_accesses(self, reader: Reader, after: str | None, limit: int, proxy: str | None = None) -> Page:
        """Who read these bills; see `patient_accesses.py`. Raises ServiceRefused as `my_bills`."""
        return await self._accesses.page(self._person(reader, proxy), after, limit)

    def _person(self, reader: Reader, proxy: str | None) -> Identity:
        identity = identified(reader)
        return self._family.principal_of(reader, proxy) if proxy is not None else identity
