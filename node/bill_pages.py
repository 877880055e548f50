"""A bill as the hospital's own people read it: its public part, its details, how far it has come, and its history."""

from __future__ import annotations

from typing import Any

from chain.block import RECORDED
from chain.details import Details
from chain.operation import ReverseBill
from chain.records import COVERED, NORMAL, RED, REVERSED, VOID, WITHHELD, BillBody, ParametersBody
from node.business_time import local_text
from node.gateway_store import BillRow, GatewayStore
from node.ledger_pages import bill_page, details_page, utc_text
from node.part_check import Ledger
from node.standings import Standings


class BillPages:
    def __init__(self, ledger: Ledger, parameters: ParametersBody, store: GatewayStore, standings: Standings) -> None:
        self._ledger, self._offset = ledger, parameters.utc_offset_minutes
        self._store, self._standings = store, standings

    def page(self, row: BillRow, details: Details | None) -> dict[str, Any]:
        """The JSON object of a bill; without its details where neither gateway nor archive has them now."""
        status, sealed_height = self._standings.status_of(row), None
        if status == "sealed":
            sealed_height = self._standings.sealed_height(row)
        body = self.body(row)
        page = bill_page(row.operation.bill, body, row.digest, sealed_height, self._offset)
        page |= {"status": status, "sealed": status == "sealed", "height": row.height or None}
        if page["related"] is None and row.reversed_by:
            page["related"] = row.reversed_by  # on its way
        if status == "refused":
            page["code"] = row.code
        return page | details_page(body, details) if details is not None else page

    def reversal(self, row: BillRow) -> BillRow | None:
        """The recorded red bill of a bill."""
        red = self._store.bill(row.reversed_by) if row.reversed_by else None
        return red if red is not None and red.code == RECORDED else None

    def history(self, row: BillRow) -> list[dict[str, Any]]:
        """What happened to a bill, oldest first, each with the block that says so."""
        operation = row.digest.hex()
        issued = {"event": "issued", "at": local_text(row.operation.issued_ms, self._offset), "operation": operation}
        if row.code != RECORDED:
            if not row.code:
                return [issued]
            event = "superseded" if row.superseded_by else "refused"
            return [issued, {"event": event, "height": row.height, "code": row.code, **self._time_of(row.height)}]
        validity = "red" if isinstance(row.operation, ReverseBill) else "normal"
        changes: list[dict[str, Any]] = [
            {"event": "recorded", "height": row.height, "operation": operation, "validity": validity}
        ]
        if row.withheld_height:
            changes.append({"event": "seal_withheld", "height": row.withheld_height, "reason": row.withheld})
        if row.released_height:
            changes.append({"event": "seal_released", "height": row.released_height})
        if row.void_height:
            changes.append({"event": "void", "height": row.void_height, "validity": "void"})
        red = self.reversal(row)
        if red is not None:
            by = {"by": red.operation.bill, "validity": "reversed"}
            changes.append({"event": "reversed", "height": red.height, "operation": red.digest.hex(), **by})
        versions = {height: number for number, height in enumerate(sorted({one["height"] for one in changes}), 1)}
        rows = [{"version": versions[change["height"]], **change} for change in changes]
        sealed = self._standings.sealed_height(row) if self._standings.is_sealed(row) else None
        if sealed is not None:
            rows.append({"event": "sealed", "height": sealed})
        rows.sort(key=lambda change: change["height"])
        return [issued, *({**change, **self._time_of(change["height"])} for change in rows)]

    def _time_of(self, height: int) -> dict[str, str]:
        kept = self._store.header(height)
        return {"at": utc_text(kept.header.time_ms)} if kept else {}

    def body(self, row: BillRow) -> BillBody:
        """The bill's record as far as this gateway knows."""
        operation, red = row.operation, self.reversal(row)
        if isinstance(operation, ReverseBill):
            validity, related = RED, [operation.original]
        else:
            validity, related = (REVERSED, [red.operation.bill]) if red is not None else (NORMAL, [])
            if row.void_height:
                validity = VOID
        return BillBody.of(
            operation,
            self._ledger.organisation,
            int(operation.bill[4:6]),
            row.height,
            validity=validity,
            related=related,
            seal=WITHHELD if row.withheld else COVERED,
            withheld=row.withheld,
        )
