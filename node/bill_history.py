"""A bill's whole life on one page: each stamp with who, in which role, in which block, and where its proof is.

DA/T 95-2022 calls them business events: activity, time, mandate. A stamp's proof is a file of its own
(`chain/operation_proof.py`); what the bill's record said in between is `chain/record_version.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from chain import keyspace
from chain.errors import StorageDamaged
from chain.ledger import Ledger
from chain.operation import JoinSettlement, ReverseBill
from chain.records import BillBody, Record
from node.bill_stamps import proof_links, role_of, stamp_of
from node.bill_versions import bill_versions
from node.ledger_pages import utc_text
from node.life_index import LifeIndex
from node.proof_desk import ProofDesk
from node.recorded_operations import RecordedOperation, known_operation
from node.seal_index import SealIndex


class BillHistory:
    """On the ledger's loop; nothing here waits, so all of an answer is of one height."""

    def __init__(self, ledger: Ledger, seals: SealIndex, lives: LifeIndex, proofs: ProofDesk) -> None:
        self._ledger, self._seals, self._lives, self._proofs = ledger, seals, lives, proofs

    def rows(
        self, bill: str, record: Record, body: BillBody, shows: Callable[[RecordedOperation], bool]
    ) -> list[dict[str, Any]]:
        """Oldest first; `version` where the bill's own record changed. `shows` says which steps. Raises StorageDamaged."""
        versions = {version.height: version.version for version in bill_versions(self._ledger, self._seals, bill)}
        first = known_operation(self._ledger, record.origin)
        stamps = [(first, stamp_of(first.operation, bill))]
        for change in self._seals.changes_of(bill):
            event = {"event": "seal_withheld", "reason": change.reason} if change.reason else {"event": "seal_released"}
            stamps.append((known_operation(self._ledger, change.operation), event))
        for digest in self._lives.operations_of(bill):
            made = known_operation(self._ledger, digest)
            if shows(made):
                stamps.append((made, stamp_of(made.operation, bill)))
            if isinstance(made.operation, JoinSettlement):
                steps = self._steps_of(made.organisation, made.operation.settlement)
                stamps += [(step, stamp_of(step.operation, bill)) for step in steps]
        if body.related and not isinstance(first.operation, ReverseBill):
            made = known_operation(self._ledger, self._origin_of(body.related[0]))
            stamps.append((made, stamp_of(made.operation, bill)))
        rows = []
        for made, event in stamps:
            version = versions.get(made.height) if _changes_record(event["event"]) else None
            rows.append((made, {**({"version": version} if version else {}), **event}))
        seal = self._proofs.seal_over(bill, body)
        if seal is not None:
            rows.append((known_operation(self._ledger, seal.operation), {"event": "sealed"}))
        rows.sort(key=lambda row: row[0].place)
        return [{**event, **_who(made, body.issuer)} for made, event in rows]

    def _steps_of(self, bureau: str, settlement: bytes) -> Iterator[RecordedOperation]:
        """What became of a settlement as a whole, before its bill was joined or after."""
        for key in (keyspace.fund_payment(bureau, settlement), keyspace.settlement_withdrawal(bureau, settlement)):
            record = self._ledger.state.record(key)
            if record is not None:
                yield known_operation(self._ledger, record.origin)

    def _origin_of(self, bill: str) -> bytes:
        record = self._ledger.state.record(keyspace.bill(bill))
        if record is None:
            raise StorageDamaged("state", f"bill {bill} is missing")
        return record.origin


def _changes_record(event: str) -> bool:
    return event in ("recorded", "seal_withheld", "seal_released", "void", "reversed")


def _who(made: RecordedOperation, issuer: str) -> dict[str, Any]:
    return {
        "height": made.height,
        "at": utc_text(made.time_ms),
        "operation": made.digest.hex(),
        "organisation": made.organisation,
        "role": role_of(made.operation, made.organisation == issuer),
        "links": proof_links(made.digest),
    }
