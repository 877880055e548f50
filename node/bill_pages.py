"""A bill as the hospital's own people read it: its public part, its details, how far it has come, and its history."""

from __future__ import annotations

from typing import Any

from chain.block import RECORDED
from chain.details import Details
from chain.operation import Operation, ReverseBill, operation_digest
from chain.records import COVERED, NORMAL, RED, REVERSED, VOID, WITHHELD, BillBody, ParametersBody
from node.bill_stamps import proof_links, role_of, stamp_of
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
        """What happened to a bill, oldest first, as far as a gateway knows: what its own hospital did, and the seals. Each
        with the block that says so, who did it, and where that is proven; claims and others' bookings a mirror tells."""
        operation, at = row.digest.hex(), local_text(row.operation.issued_ms, self._offset)
        issued = {"event": "issued", "at": at, "operation": operation, **self._own(row.operation)}
        if row.code != RECORDED:
            if not row.code:
                return [issued]
            event = "superseded" if row.superseded_by else "refused"
            return [issued, {"event": event, "height": row.height, "code": row.code, **self._time_of(row.height)}]
        validity = "red" if isinstance(row.operation, ReverseBill) else "normal"
        changes: list[dict[str, Any]] = [
            {"event": "recorded", "height": row.height, "validity": validity, **self._made(row.operation, row.digest)}
        ]
        office = {"organisation": self._ledger.office, "role": "supervising_office"}
        if row.withheld_height:
            changes.append({"event": "seal_withheld", "height": row.withheld_height, "reason": row.withheld, **office})
        if row.released_height:
            changes.append({"event": "seal_released", "height": row.released_height, **office, **self._sealed(row)})
        steps = self._steps(row)
        changes += [step for step in steps if step["event"] == "void"]
        red = self.reversal(row)
        if red is not None:
            by = {"by": red.operation.bill, "validity": "reversed", **self._made(red.operation, red.digest)}
            changes.append({"event": "reversed", "height": red.height, **by})
        versions = {height: number for number, height in enumerate(sorted({one["height"] for one in changes}), 1)}
        rows = [{"version": versions[change["height"]], **change} for change in changes]
        rows += [step for step in steps if step["event"] != "void"]
        sealed = self._standings.sealed_height(row) if self._standings.is_sealed(row) else None
        if sealed is not None:
            rows.append({"event": "sealed", "height": sealed, **self._sealed(row)})
        rows.sort(key=lambda change: change["height"])
        return [issued, *({**change, **self._time_of(change["height"])} for change in rows)]

    def _steps(self, row: BillRow) -> list[dict[str, Any]]:
        """In their order; a withdrawal that was followed before steps were kept has its height alone."""
        bill, found = row.operation.bill, dict[bytes, dict[str, Any]]()
        for height, transaction, entry, digest in self._store.steps_of(bill):
            part = self._store.part(height)
            if part is None or transaction >= len(part.transactions):
                continue
            entries = part.transactions[transaction].transaction.entries
            if entry < len(entries) and operation_digest(entries[entry].operation) == digest:
                operation = entries[entry].operation
                found[digest] = {**stamp_of(operation, bill), "height": height, **self._made(operation, digest)}
        steps = list(found.values())
        if row.void_height and not any(step["event"] == "void" for step in steps):
            steps.append({"event": "void", "height": row.void_height, "validity": "void"})
        return steps

    def _sealed(self, row: BillRow) -> dict[str, Any]:
        """Whose seal it is; a release names itself."""
        seal = None if row.released_height else self._store.seal_over(row.height)
        height, index = (seal.height, seal.index) if seal else (row.released_height, row.released_index)
        part = self._store.part(height)
        if part is None or index >= len(part.seals):
            return {}
        recorded = part.seals[index]
        return self._made(recorded.entry.operation, recorded.outcome.operation, recorded.head.organisation)

    def _made(self, operation: Operation, digest: bytes, organisation: str | None = None) -> dict[str, Any]:
        who = (
            self._own(operation) if organisation is None else {"organisation": organisation, "role": role_of(operation)}
        )
        return {"operation": digest.hex(), **who, "links": proof_links(digest)}

    def _own(self, operation: Operation) -> dict[str, Any]:
        return {"organisation": self._ledger.organisation, "role": role_of(operation)}

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
