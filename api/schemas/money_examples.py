"""Examples of money and visits: what the OpenAPI documents show, and tests send."""

from __future__ import annotations

from typing import Any

NAME = "4c1d77aa" * 8
ORDER = "77aa4c1d" * 8
DIGEST = "9f2b6c1d" * 8
QUEUED: dict[str, Any] = {
    "operation": DIGEST,
    "status": "queued",
    "name": NAME,
    "links": {"operation": f"/v1/operations/{DIGEST}", "resource": f"/v1/fee-notices/{NAME}"},
}
RECORDED: dict[str, Any] = {**QUEUED, "status": "recorded", "height": 1042}

PAYER: dict[str, Any] = {"type": "person", "name": "示例甲", "id_type": "other", "id_number": "EXAMPLE-0001"}
NOTICE_WISH: dict[str, Any] = {
    "notice_no": "JF20260301000123",
    "payer": PAYER,
    "lines": [
        {"kind": "consultation", "title": "普通门诊", "amount_fen": 5000},
        {"kind": "test", "title": "血常规", "amount_fen": 7850},
    ],
    "bill": {
        "kind": "outpatient",
        "place_code": "A01",
        "cashier": "自助机01",
        "charges": [
            {"code": "02", "name": "诊察费", "amount_fen": 5000},
            {"code": "05", "name": "化验费", "amount_fen": 7850},
        ],
    },
}
NOTICE: dict[str, Any] = {
    "notice": NAME,
    "kind": "medical",
    "state": "owed",
    "total_fen": 12850,
    "lines": [{"kind": "consultation", "amount_fen": 5000}, {"kind": "test", "amount_fen": 7850}],
    "due": "2026-03-08T01:30:00.000Z",
    "order": None,
    "bill_id": None,
    "refunded_fen": 0,
    "height": 1042,
    "notice_no": "JF20260301000123",
    "titles": ["普通门诊", "血常规"],
}
ORDER_WISH: dict[str, Any] = {
    "order_no": "ZF20260301000123",
    "notices": [NAME],
    "parts": [
        {"channel": "fund", "amount_fen": 8000},
        {"channel": "account", "amount_fen": 1850},
        {"channel": "alipay", "amount_fen": 3000},
    ],
}
ORDER_PAGE: dict[str, Any] = {
    "order": ORDER,
    "state": "open",
    "notices": [NAME],
    "parts": [
        {"channel": "fund", "amount_fen": 8000, "payment": None},
        {"channel": "account", "amount_fen": 1850, "payment": None},
        {"channel": "alipay", "amount_fen": 3000, "payment": None},
    ],
    "total_fen": 12850,
    "free_fen": 12850,
    "until": "2026-03-01T02:00:00.000Z",
    "paid": None,
    "visit": None,
    "height": 1042,
    "order_no": "ZF20260301000123",
}
INVITATION: dict[str, Any] = {
    "order": ORDER,
    "part": 2,
    "channel": "alipay",
    "order_no": "77aa4c1d77aa4c1d77aa4c1d77aa4c02",
    "kind": "qr_code",
    "text": "https://qr.alipay.example/bax00000",
    "state": "invited",
}
TOP_UP: dict[str, Any] = {
    "deposit": NAME,
    **{key: value for key, value in INVITATION.items() if key not in ("order", "part")},
}
PAYMENT_WISH: dict[str, Any] = {"part": 0, "channel_no": "YB20260301000001", "amount_fen": 8000}
RED_ID = "330601260000000456"
REFUND: dict[str, Any] = {
    "red_bill_id": RED_ID,
    "status": "recorded",
    "refunds": [
        {
            "refund": NAME,
            "payment": ORDER,
            "channel": "alipay",
            "paid_fen": 3000,
            "amount_fen": 3000,
            "notice": NAME,
        }
    ],
    "total_fen": 3000,
}
DEPOSIT_WISH: dict[str, Any] = {"deposit_no": "YJ20260301000123", "payer": PAYER}
VOUCHER_WISH: dict[str, Any] = {"channel": "cash", "channel_no": "SJ000123", "amount_fen": 500000}
TOP_UP_WISH: dict[str, Any] = {"top_up_no": "CZ20260302000007", "channel": "alipay", "amount_fen": 100000}
DEPOSIT: dict[str, Any] = {
    "deposit": NAME,
    "kind": "inpatient",
    "state": "open",
    "vouchers": [{"payment": ORDER, "channel": "cash", "amount_fen": 500000, "refunded_fen": 0}],
    "balance_fen": 500000,
    "height": 1042,
    "deposit_no": "YJ20260301000123",
}

TRAIL: dict[str, Any] = {
    "bill_id": "330601260000000123",
    "issuer": "hospital-a",
    "total_fen": 12850,
    "validity": "normal",
    "steps": [
        {
            "step": "bill_and_notices",
            "in_fen": 12850,
            "out_fen": 12850,
            "balanced": True,
            "rows": [{"notice": NAME, "total_fen": 12850, "refunded_fen": 0}],
        },
        {
            "step": "payments_and_division",
            "in_fen": 12850,
            "out_fen": 12850,
            "balanced": True,
            "rows": [
                {
                    "split": NAME,
                    "line": "consultation",
                    "payee": NAME,
                    "kind": "doctor",
                    "amount_fen": 5000,
                    "taken_back_fen": 0,
                    "paper": None,
                }
            ],
            "free_fen": 7850,
            "shared_fen": 5000,
            "rest_fen": 0,
            "owed_fen": 0,
            "refunded_fen": 0,
        },
    ],
    "balanced": True,
}

# kind of thing -> how it is shown: what a test's gateway answers
PAGES: dict[str, dict[str, Any]] = {
    "notice": NOTICE,
    "order": ORDER_PAGE,
    "refund": REFUND,
    "deposit": DEPOSIT,
}
