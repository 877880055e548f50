"""Examples of treatment on credit: what the OpenAPI documents show, and tests send."""

from __future__ import annotations

from typing import Any

from api.schemas.money_examples import NAME, NOTICE_WISH, ORDER, PAYER

LINE = "1d77aa4c" * 8
HOLD_NAME = ORDER
AGREEMENT_WISH: dict[str, Any] = {
    "agreement_no": "XY20260301000123",
    "payer": PAYER,
    "lender": "lender-a",
    "line": LINE,
    "cap_fen": 100000,
    "consent": "QM20260301000123",
}
AGREEMENT: dict[str, Any] = {
    "agreement": NAME,
    "agreement_no": "XY20260301000123",
    "lender": "lender-a",
    "line": LINE,
    "state": "in_force",
    "reason": "",
    "cap_fen": 100000,
    "deposit": None,
    "height": 1042,
    "until": "2027-03-01T01:30:00.000Z",
    "left_fen": 50570,
    "emergency_left_fen": 50000,
    "overdue": False,
}
HOLD_WISH: dict[str, Any] = {
    "hold_no": "DJ20260301000123",
    "agreement": NAME,
    "amount_fen": 100000,
    "hours": 24,
}
HOLD: dict[str, Any] = {
    "hold": HOLD_NAME,
    "state": "held",
    "amount_fen": 100000,
    "captured_fen": 49430,
    "left_fen": 50570,
    "until": "2026-03-02T01:30:00.000Z",
    "visit": None,
    "emergency": False,
    "review": None,
    "height": 1042,
    "hold_no": "DJ20260301000123",
    "agreement": NAME,
    "declared_by": None,
}
ACCOUNT: dict[str, Any] = {
    **AGREEMENT,
    "owed_fen": 49430,
    "surplus_fen": 0,
    "dues": [{"due": "2026-04-10T16:00:00.000Z", "amount_fen": 49430}],
    "holds": [HOLD],
}
CHARGE_WISH: dict[str, Any] = {
    "charge_no": "JF20260301000124",
    "lines": NOTICE_WISH["lines"],
    "bill": NOTICE_WISH["bill"],
}

# kind of thing -> how it is shown: what a test's gateway answers
PAGES: dict[str, dict[str, Any]] = {"agreement": ACCOUNT, "hold": HOLD}
