"""A bill's whole life on one page: each stamp with who, in which role, in which block, and where its proof is.

DA/T 95-2022 calls them business events: activity, time, mandate. A stamp's proof is a file of its own
(`chain/operation_proof.py`); what the bill's record said in between is `chain/record_version.py`.
"""

from __future__ import annotations

from typing import Any

from chain import keyspace
from chain.errors import StorageDamaged
from chain.ledger import Ledger
from chain.operation import (
    AcknowledgeReversal,
    BookBill,
    DecideClaim,
    DeliverBill,
    HoldBill,
    IssueBill,
    LockClaim,
    MakeUpPayment,
    Operation,
    PayClaim,
    PrintPaper,
    ReleaseClaim,
    ReverseBill,
    SealBills,
    TakeBackPaper,
    VoidBill,
)
from chain.records import ISSUER, BillBody, Record
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

    def rows(self, bill: str, record: Record, body: BillBody) -> list[dict[str, Any]]:
        """Oldest first; `version` where the bill's own record changed. Raises StorageDamaged."""
        versions = {version.height: version.version for version in bill_versions(self._ledger, self._seals, bill)}
        first = known_operation(self._ledger, record.origin)
        stamps = [(first, _stamp(first, bill))]
        for change in self._seals.changes_of(bill):
            event = {"event": "seal_withheld", "reason": change.reason} if change.reason else {"event": "seal_released"}
            stamps.append((known_operation(self._ledger, change.operation), event))
        for digest in self._lives.operations_of(bill):
            made = known_operation(self._ledger, digest)
            stamps.append((made, _stamp(made, bill)))
        if body.related and not isinstance(first.operation, ReverseBill):
            made = known_operation(self._ledger, self._origin_of(body.related[0]))
            stamps.append((made, _stamp(made, bill)))
        rows = []
        for made, event in stamps:
            version = versions.get(made.height) if _changes_record(event["event"]) else None
            rows.append((made, {**({"version": version} if version else {}), **event}))
        seal = self._proofs.seal_over(bill, body)
        if seal is not None:
            rows.append((known_operation(self._ledger, seal.operation), {"event": "sealed"}))
        rows.sort(key=lambda row: row[0].place)
        return [{**event, **_who(made)} for made, event in rows]

    def _origin_of(self, bill: str) -> bytes:
        record = self._ledger.state.record(keyspace.bill(bill))
        if record is None:
            raise StorageDamaged("state", f"bill {bill} is missing")
        return record.origin


def _changes_record(event: str) -> bool:
    return event in ("recorded", "seal_withheld", "seal_released", "void", "reversed")


def _who(made: RecordedOperation) -> dict[str, Any]:
    operation = f"/v1/operations/{made.digest.hex()}"
    return {
        "height": made.height,
        "at": utc_text(made.time_ms),
        "operation": made.digest.hex(),
        "organisation": made.organisation,
        "role": role_of(made.operation),
        "links": {"operation": operation, "proof": f"{operation}/proof"},
    }


def role_of(operation: Operation) -> str:
    """In which capacity the ledger took a step from whoever signed it."""
    match operation:
        case SealBills():
            return "supervising_office"
        case LockClaim() | DecideClaim() | PayClaim() | ReleaseClaim():
            return "insurer"
        case BookBill():
            return "issuer" if operation.side == ISSUER else "paying_unit"
        case AcknowledgeReversal():
            return "paying_unit"
        case _:
            return "issuer"


def _stamp(made: RecordedOperation, bill: str) -> dict[str, Any]:
    """What a step did to a bill, and what of it stands on the ledger."""
    operation = made.operation
    match operation:
        case IssueBill():
            return {"event": "recorded", "validity": "normal"}
        case ReverseBill(bill=number):
            if number == bill:
                return {"event": "recorded", "validity": "red"}
            return {"event": "reversed", "validity": "reversed", "by": number}
        case VoidBill():
            return {"event": "void", "validity": "void", "reason": operation.reason}
        case DeliverBill():
            return {"event": "delivered", "channel": operation.channel}
        case HoldBill():
            return {"event": "held", "reason": operation.reason}
        case MakeUpPayment():
            return {"event": "made_up"}
        case PrintPaper():
            return {"event": "paper_printed", "paper": operation.paper}
        case TakeBackPaper():
            return {"event": "paper_ended", "paper": operation.paper, "reason": operation.reason}
        case BookBill():
            return {"event": "booked", "amount_fen": operation.amount_fen}
        case AcknowledgeReversal():
            return {"event": "acknowledged"}
        case LockClaim():
            return {"event": "claim_locked", "claim": operation.claim.hex(), "amount_fen": operation.amount_fen}
        case DecideClaim():
            return {"event": "claim_decided", "claim": operation.claim.hex(), "amount_fen": operation.approved_fen}
        case PayClaim():
            return {"event": "claim_paid", "claim": operation.claim.hex()}
        case ReleaseClaim():
            return {"event": "claim_released", "claim": operation.claim.hex(), "reason": operation.reason}
        case _:
            return {"event": type(operation).__name__}
