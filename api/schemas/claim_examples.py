"""Examples of claims: shown in the documents and sent by the test that runs them all."""

from __future__ import annotations

from typing import Any

from api.schemas.examples import BILL_ID, DIGEST

CLAIM: dict[str, Any] = {
    "insurer": "insurer-a",
    "claim": DIGEST,
    "bill_id": BILL_ID,
    "state": "locked",
    "locked_fen": 2050,
    "approved_fen": 0,
    "locked_until": "2026-03-04T02:00:00.000Z",
    "height": 1042,
}
FORESIGHT_REQUEST: dict[str, Any] = {"claims": [{"bill_id": BILL_ID, "amount_fen": 2050}]}
FORESEEN: dict[str, Any] = {"claims": [{"bill_id": BILL_ID, "code": None}]}
TERMS: dict[str, Any] = {
    "organisation": "insurer-a",
    "fields": ["payer_id_number", "payer_id_type"],
    "purpose": "reimbursement",
    "small_claim_fen": 50_000,
    "bills_max": 50,
}
OTHER_BILL = "330601260000000124"
CLAIMS_REQUEST: dict[str, Any] = {"bills": [{"bill_id": BILL_ID}, {"bill_id": OTHER_BILL, "amount_fen": 1200}]}
CLAIM_ANSWERS: dict[str, Any] = {
    "claims": [
        {
            "bill_id": BILL_ID,
            "status": "approved",
            "claim": DIGEST,
            "number": f"{BILL_ID}-9f86d081884c7d65-0",
            "amount_fen": 2050,
            "approved_fen": 2050,
            "height": 1042,
        },
        {
            "bill_id": OTHER_BILL,
            "status": "refused",
            "code": "already_reimbursed",
            "reason": "The own part is reimbursed already",
            "amount_fen": 1200,
        },
    ],
    "counts": {"approved": 1, "refused": 1},
    "approved_fen": 2050,
}
