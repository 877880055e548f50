"""What an archive does for patients: their bills at all hospitals it holds the details of."""

from __future__ import annotations

from typing import Any

from node.bill_desk import BillDesk
from node.service import Page, Reader, ServiceRefused


class PatientDesk:
    def __init__(self, bills: BillDesk) -> None:
        self._bills = bills

    async def my_bills(self, reader: Reader, after: str | None, limit: int) -> Page:
        """A person's bills by issuer and number, as the person may read them. `after` is the `next` of the page before.

        Raises ServiceRefused `identity_missing`.
        """
        if reader.identity is None:
            raise ServiceRefused("identity_missing", "the token does not say whose bills are asked for")
        position = None
        if after is not None:
            issuer, _, bill = after.partition("/")
            position = issuer, bill
        rows: list[dict[str, Any]] = []
        for issuer, bill, _body in self._bills.holders.bills_of(reader.identity, position):
            if len(rows) == limit:
                return Page(rows, "/".join(position or ()))
            page = self._bills.page(bill, reader)
            if page is not None:
                rows.append(page)
                position = issuer, bill
        return Page(rows, None)
