"""Examples of payees, rules of splitting, splits and supervised accounts: what the OpenAPI documents show, and tests send."""

from __future__ import annotations

from typing import Any

from api.schemas.money_examples import DIGEST, NAME, ORDER

DOCTOR, PLATFORM, SUPPLIER, COURIER = (digit * 64 for digit in "1234")

PAYEE_WISH: dict[str, Any] = {
    "payee_no": "FZ-0007",
    "kind": "doctor",
    "title": "示例医生",
    "consent": "XY20260301000007",
}
PAYEE: dict[str, Any] = {
    "payee": DOCTOR,
    "payee_no": "FZ-0007",
    "title": "示例医生",
    "kind": "doctor",
    "state": "active",
    "reason": None,
    "account": {"organisation": "hospital-a", "account": NAME},
    "balance_fen": 200,
    "owed_fen": 0,
    "owed": [],
    "operation": DIGEST,
    "height": 1042,
}
PAYOUT_WISH: dict[str, Any] = {"payout_no": "TX20260302000001", "amount_fen": 4000, "bank_no": "BK20260302000001"}
DEBT_PAYMENT_WISH: dict[str, Any] = {"repayment_no": "HK20260302000001", "amount_fen": 800}
PAYEE_HISTORY: dict[str, Any] = {
    "payee": DOCTOR,
    "operation": DIGEST,
    "steps": [
        {
            "step": "payout",
            "name": NAME,
            "amount_fen": 4000,
            "time": "2026-03-02T02:00:00.000Z",
            "operation": DIGEST,
            "height": 1050,
        }
    ],
}
RULES_WISH: dict[str, Any] = {
    "rules": "visit",
    "version": 1,
    "lines": [
        {
            "kind": "consultation",
            "shares": [{"to": "doctor", "rest": True, "cap_parts": 70}, {"to": "platform", "parts": 30}],
        },
        {"kind": "delivery", "shares": [{"to": "courier", "rest": True, "cap_parts": 100}]},
        {"kind": "drug", "shares": [{"to": "supplier", "rest": True, "cap_parts": 100}]},
    ],
    "earliest_seconds": 30,
    "latest_seconds": 2592000,
}
RULES: dict[str, Any] = {
    "rules": "visit",
    "version": 1,
    "lines": [
        {
            "kind": "consultation",
            "whole": 100,
            "shares": [
                {"to": "doctor", "rest": True, "cap_parts": 70},
                {"to": "platform", "parts": 30, "cap_parts": 30},
            ],
        }
    ],
    "earliest_seconds": 30,
    "latest_seconds": 2592000,
    "operation": DIGEST,
    "height": 1042,
}
SPLIT_WISH: dict[str, Any] = {
    "split_no": "FZ20260301000123",
    "order": ORDER,
    "rules": "visit",
    "version": 1,
    "payees": [
        {"payee": DOCTOR},
        {"payee": PLATFORM, "paper": "26112000000012345678"},
        {"payee": SUPPLIER, "paper": "26112000000012345679"},
        {"payee": COURIER, "paper": "26112000000012345680"},
    ],
}
SPLIT: dict[str, Any] = {
    "split": NAME,
    "split_no": "FZ20260301000123",
    "state": "recorded",
    "order": ORDER,
    "rules": "visit",
    "version": 1,
    "shares": [
        {"line": line, "rule": rule, "payee": payee, "amount_fen": fen, "taken_back_fen": 0, "paper": paper}
        for line, rule, payee, fen, paper in (
            ("consultation", 0, DOCTOR, 4200, None),
            ("consultation", 1, PLATFORM, 1800, "26112000000012345678"),
            ("delivery", 0, COURIER, 1200, "26112000000012345680"),
            ("drug", 0, SUPPLIER, 26430, "26112000000012345679"),
        )
    ],
    "total_fen": 33630,
    "time": "2026-03-01T02:00:00.000Z",
    "operation": DIGEST,
    "height": 1049,
}
SHARE_RETURN_WISH: dict[str, Any] = {"return_no": "TH20260302000001", "share": 0, "amount_fen": 1000}
SPLIT_HISTORY: dict[str, Any] = {
    "split": NAME,
    "steps": [
        {
            "step": "split",
            "name": NAME,
            "amount_fen": 33630,
            "time": "2026-03-01T02:00:00.000Z",
            "operation": DIGEST,
        },
        {
            "step": "taken_back",
            "name": ORDER,
            "share": 0,
            "amount_fen": 1000,
            "owed_fen": 800,
            "time": "2026-03-02T02:00:00.000Z",
            "operation": DIGEST,
        },
    ],
}
ORDER_RETURN_WISH: dict[str, Any] = {"return_no": "TH20260302000002", "amount_fen": 800}
DIVISION: dict[str, Any] = {
    "order": ORDER,
    "total_fen": 33630,
    "lines": [
        {"kind": "consultation", "amount_fen": 6000, "split": True},
        {"kind": "delivery", "amount_fen": 1200, "split": True},
        {"kind": "drug", "amount_fen": 26430, "split": True},
    ],
    "splits": [NAME],
    "free_fen": 200,
    "came_back_fen": 200,
    "rest_fen": 0,
    "owed_fen": 800,
    "advanced_fen": 0,
    "finished": False,
    "returns": [],
}
_DAY: dict[str, Any] = {
    "day": "2026-03-01",
    "ledger_fen": 33630,
    "state": "attested",
    "attested_fen": 33629,
    "difference_fen": -1,
    "finding": "supervised_balance_mismatch",
    "statement": NAME,
}
CUSTODY: dict[str, Any] = {"bank": "bank-a", "changes": 1, "balance_fen": 33630, "days": [_DAY], "height": 1042}
SUPERVISED: dict[str, Any] = {
    "organisation": "hospital-a",
    "bank": "bank-a",
    **_DAY,
    "operation": DIGEST,
    "height": 1060,
}

# kind of thing -> how it is shown: what a test's gateway answers
PAGES: dict[str, dict[str, Any]] = {
    "payee": PAYEE,
    "payee_history": PAYEE_HISTORY,
    "split_rules": RULES,
    "split": SPLIT,
    "split_history": SPLIT_HISTORY,
    "division": DIVISION,
    "custody": CUSTODY,
}
