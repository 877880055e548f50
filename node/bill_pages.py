"""A bill as the hospital's own people read it: its public part, its details, how far it has come, and its history."""

from __future__ import annotations

from typing import Any

import msgspec

from chain.bill import KIND_NAMES, PaymentParts
from chain.block import RECORDED
from chain.details import Details, PublicPart, check_code, field_values, request_of
from chain.errors import Malformed
from chain.operation import IssueBill, ReverseBill
from chain.records import ParametersBody
from node.business_time import local_text
from node.gateway_store import BillRow, GatewayStore
from node.part_check import Ledger
from node.standings import Standings
from node.verification import iso_date


class BillPages:
    def __init__(self, ledger: Ledger, parameters: ParametersBody, store: GatewayStore, standings: Standings) -> None:
        self._ledger, self._offset = ledger, parameters.utc_offset_minutes
        self._store, self._standings = store, standings

    def page(self, row: BillRow, details: Details | None) -> dict[str, Any]:
        """The JSON object of a bill; without its details where neither gateway nor archive has them now."""
        operation, standings = row.operation, self._standings
        status = standings.status_of(row)
        found: dict[str, Any] = {
            "bill_id": operation.bill,
            "kind": KIND_NAMES.get(int(operation.bill[4:6]), operation.bill[4:6]),
            "issuer": self._ledger.organisation,
            "place_code": operation.place,
            "business_date": iso_date(operation.business_date),
            "issued_at": local_text(operation.issued_ms, self._offset),
            "total_fen": operation.total_fen,
            "payments": {name: getattr(operation.payments, name) for name in operation.payments.__struct_fields__},
            "self_paid_fen": operation.self_paid_fen,
            "self_funded_fen": operation.self_funded_fen,
            "status": status,
            "validity": self.validity(row),
            "related": self._related(row),
            "operation": row.digest.hex(),
            "height": row.height or None,
            "sealed": status == "sealed",
            "sealed_height": standings.sealed_height(row) if status == "sealed" else None,
        }
        if status == "refused":
            found["code"] = row.code
        if row.withheld:
            found["seal_withheld"] = row.withheld
        if details is not None:
            found |= self._private(row, details)
        return found

    def validity(self, row: BillRow) -> str:
        """As far as the ledger has recorded: a reversal on its way does not count."""
        if isinstance(row.operation, ReverseBill):
            return "red"
        return "reversed" if self.reversal(row) else "normal"

    def reversal(self, row: BillRow) -> BillRow | None:
        """The recorded red bill of a bill."""
        red = self._store.bill(row.reversed_by) if row.reversed_by else None
        return red if red is not None and red.code == RECORDED else None

    def history(self, row: BillRow) -> list[dict[str, Any]]:
        """What happened to a bill, oldest first, each with the block that says so."""
        operation = row.digest.hex()
        events: list[dict[str, Any]] = [
            {"event": "issued", "at": local_text(row.operation.issued_ms, self._offset), "operation": operation}
        ]
        if row.code != RECORDED:
            if row.code:
                event = "superseded" if row.superseded_by else "refused"
                events.append({"event": event, **self._at(row.height), "code": row.code})
            return events
        blocks: list[tuple[int, dict[str, Any]]] = []
        validity = "red" if isinstance(row.operation, ReverseBill) else "normal"
        blocks.append((row.height, {"event": "recorded", "operation": operation, "validity": validity}))
        seal = self._store.seal_over(row.height)
        if row.withheld_height:
            blocks.append((row.withheld_height, {"event": "seal_withheld"}))
        elif seal is not None:
            blocks.append((seal.height, {"event": "sealed"}))
        if row.released_height:
            blocks.append((row.released_height, {"event": "sealed"}))
        red = self.reversal(row)
        if red is not None:
            by = {"operation": red.digest.hex(), "by": red.operation.bill}
            blocks.append((red.height, {"event": "reversed", "validity": "reversed", **by}))
        blocks.sort(key=lambda block: block[0])
        return events + [{**event, **self._at(height)} for height, event in blocks]

    def _at(self, height: int) -> dict[str, Any]:
        kept = self._store.header(height)
        return {"height": height} | ({"at": local_text(kept.header.time_ms, self._offset)} if kept else {})

    def _related(self, row: BillRow) -> str | None:
        if isinstance(row.operation, ReverseBill):
            return row.operation.original
        return row.reversed_by or None

    def _private(self, row: BillRow, details: Details) -> dict[str, Any]:
        values = field_values(details)
        found: dict[str, Any] = {"check_code": check_code(details.seed, details.bill)}
        found["business_time"] = values.get("business_time", "")
        if isinstance(row.operation, ReverseBill):
            return found | {"reason": values.get("reason", ""), "operator": values.get("cashier", "")}
        try:
            request = request_of(details, _public_part(row.operation))
        except Malformed:
            return found
        names = ("business_no", "payer", "charges", "items", "visit", "cashier", "checker", "remark")
        return found | {name: _object(getattr(request, name)) for name in names}


def _public_part(operation: IssueBill) -> PublicPart:
    parts = operation.payments
    return PublicPart(
        KIND_NAMES.get(operation.kind, ""),
        operation.place,
        operation.total_fen,
        PaymentParts(parts.insurance_fund_fen, parts.personal_account_fen, parts.other_fen, parts.cash_fen),
        operation.self_paid_fen,
        operation.self_funded_fen,
    )


def _object(value: Any) -> Any:
    """JSON with every field, also those that were not given."""
    if isinstance(value, msgspec.Struct):
        return {name: _object(getattr(value, name)) for name in value.__struct_fields__}
    return [_object(entry) for entry in value] if isinstance(value, list) else value
