"""A stamp in a bill's history: what a recorded operation did to it, and in which capacity its signer did so.

DA/T 95-2022, table E.1: every business event has an activity, a time and a mandate.
"""

from __future__ import annotations

from typing import Any

from chain.details import FIELDS
from chain.operation import (
    AcknowledgeReversal,
    BindHolder,
    BindPayer,
    BookBill,
    DecideClaim,
    DeliverBill,
    DisputeBill,
    GrantRead,
    HoldBill,
    IssueBill,
    JoinSettlement,
    LockClaim,
    MakeUpPayment,
    Operation,
    PayClaim,
    PayFund,
    PrintPaper,
    ReleaseClaim,
    ReverseBill,
    RevokeGrant,
    SealBills,
    SettleDispute,
    TakeBackPaper,
    VoidBill,
    WithdrawSettlement,
)
from chain.records import ISSUER
from node.ledger_pages import utc_text


def proof_links(digest: bytes) -> dict[str, str]:
    """Where the operation and its proof are."""
    operation = f"/v1/operations/{digest.hex()}"
    return {"operation": operation, "proof": f"{operation}/proof"}


def role_of(operation: Operation, by_issuer: bool = True) -> str:
    """In which capacity the ledger took a step from whoever signed it. `by_issuer`: of one that issuer or office may sign."""
    match operation:
        case SealBills() | SettleDispute():
            return "supervising_office"
        case BindHolder() | DisputeBill():
            return "issuer" if by_issuer else "supervising_office"
        case LockClaim() | DecideClaim() | PayClaim() | ReleaseClaim():
            return "insurer"
        case GrantRead() | RevokeGrant():
            return "details_keeper"
        case BookBill():
            return "issuer" if operation.side == ISSUER else "paying_unit"
        case AcknowledgeReversal():
            return "paying_unit"
        case JoinSettlement() | PayFund() | WithdrawSettlement():
            return "insurance_bureau"
        case _:
            return "issuer"


def stamp_of(operation: Operation, bill: str) -> dict[str, Any]:
    """What a step did to a bill, and what of it stands on the ledger."""
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
        case BindPayer():
            return {"event": "payer_bound"}
        case PrintPaper():
            return {"event": "paper_printed", "paper": operation.paper}
        case TakeBackPaper():
            return {"event": "paper_ended", "paper": operation.paper, "reason": operation.reason}
        case BookBill():
            return {"event": "booked", "amount_fen": operation.amount_fen}
        case AcknowledgeReversal():
            return {"event": "acknowledged"}
        case JoinSettlement():
            fund_fen = operation.payments.insurance_fund_fen
            return {"event": "settlement_joined", "settlement": operation.settlement.hex(), "amount_fen": fund_fen}
        case PayFund():
            return {"event": "fund_paid", "settlement": operation.settlement.hex(), "amount_fen": operation.amount_fen}
        case WithdrawSettlement():
            return {
                "event": "settlement_withdrawn",
                "settlement": operation.settlement.hex(),
                "reason": operation.reason,
            }
        case LockClaim():
            return {"event": "claim_locked", "claim": operation.claim.hex(), "amount_fen": operation.amount_fen}
        case DecideClaim():
            return {"event": "claim_decided", "claim": operation.claim.hex(), "amount_fen": operation.approved_fen}
        case PayClaim():
            return {"event": "claim_paid", "claim": operation.claim.hex()}
        case ReleaseClaim():
            return {"event": "claim_released", "claim": operation.claim.hex(), "reason": operation.reason}
        case BindHolder():
            return {"event": "holder_bound"}
        case DisputeBill():
            return {"event": "disputed", "reason": operation.reason}
        case SettleDispute():
            return {"event": "dispute_settled", "outcome": operation.outcome}
        case GrantRead():
            fields = [FIELDS[number] for number in operation.fields]
            about = {"grant": operation.grant.hex(), "to": operation.to, "fields": fields}
            return {
                "event": "grant_given",
                **about,
                "purpose": operation.purpose,
                "until": utc_text(operation.until_ms),
            }
        case RevokeGrant():
            return {"event": "grant_revoked", "grant": operation.grant.hex(), "reason": operation.reason}
        case _:
            return {"event": type(operation).__name__}
