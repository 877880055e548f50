"""A mirror as `archives.making` asks it: the paths that auditors have, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cli.client import Client, quoted
from cli.failures import CommandFailed
from exports.dat95.document import OPENED

PAGE_ROWS = 1000


class MirrorRead:
    def __init__(self, client: Client) -> None:
        self._client = client

    def network(self) -> dict[str, Any]:
        page: dict[str, Any] = self._client.get("/v1/network")
        return page

    def bills(self, issuer: str, day: str) -> Iterator[str]:
        cursor: str | None = None
        while True:
            asked = {"from": day, "to": day, "limit": PAGE_ROWS, "cursor": cursor}
            page = self._client.get("/v1/audit/bills", issuer=issuer, **asked)
            for row in page["data"]:
                yield row["bill_id"]
            cursor = page.get("next")
            if not cursor:
                return

    def proof(self, bill: str) -> bytes:
        path = f"/v1/bills/{quoted(bill)}/proof"
        try:
            return self._client.get_bytes(path, fields=",".join(OPENED))
        except CommandFailed as failed:
            if failed.code != "unavailable":
                raise
        return self._client.get_bytes(path)  # erased, or never delivered: the public part is what there is

    def day_books(self, issuer: str, first: str, last: str) -> bytes:
        return self._client.get_bytes("/v1/audit/day-books", issuer=issuer, **{"from": first, "to": last})
