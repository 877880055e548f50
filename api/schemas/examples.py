"""Requests and answers as the documentation shows them. No person in them exists; the tests send every request."""

from __future__ import annotations

from typing import Any

BILL_ID = "330601260000000001"
RED_ID = "330601260000000002"
CHECK_CODE = "K7M2QX"
DIGEST = "9f2b6c1d" * 8
BLOCK_DIGEST = "51ac03de" * 8

BILL: dict[str, Any] = {
    "kind": "outpatient",
    "business_no": "MZ20260301000123",
    "business_time": "2026-03-01T09:30:00+08:00",
    "place_code": "A01",
    "payer": {"type": "person", "name": "示例甲", "id_type": "other", "id_number": "EXAMPLE-0001"},
    "total_fen": 12850,
    "payments": {"insurance_fund_fen": 8000, "personal_account_fen": 3000, "other_fen": 0, "cash_fen": 1850},
    "self_paid_fen": 1200,
    "self_funded_fen": 650,
    "charges": [
        {"code": "01", "name": "诊察费", "quantity_milli": 1000, "unit": "次", "amount_fen": 2500},
        {"code": "02", "name": "西药费", "quantity_milli": 1000, "unit": "项", "amount_fen": 10350},
    ],
    "items": [
        {
            "charge_code": "02",
            "code": "XY0001",
            "name": "阿莫西林胶囊",
            "specification": "0.25g*24",
            "unit": "盒",
            "quantity_milli": 3000,
            "unit_price_e4": 345000,
            "amount_fen": 10350,
        }
    ],
    "visit": {
        "outpatient_no": "OP-0001",
        "visit_date": "2026-03-01",
        "department": "内科",
        "insurance_type": "职工医保",
    },
    "cashier": "收费员01",
    "checker": "复核员02",
}

LINKS = {
    "operation": f"/v1/operations/{DIGEST}",
    "bill": f"/v1/bills/{BILL_ID}",
    "history": f"/v1/bills/{BILL_ID}/history",
    "proof": f"/v1/bills/{BILL_ID}/proof",
}
QUEUED: dict[str, Any] = {
    "operation": DIGEST,
    "status": "queued",
    "bill_id": BILL_ID,
    "check_code": CHECK_CODE,
    "links": LINKS,
}
SEALED: dict[str, Any] = {
    **QUEUED,
    "status": "sealed",
    "height": 1042,
    "sealed_height": 1043,
    "links": {**LINKS, "block": "/v1/blocks/1042"},
}
RED_QUEUED: dict[str, Any] = {
    "operation": DIGEST,
    "status": "queued",
    "bill_id": RED_ID,
    "links": {"operation": f"/v1/operations/{DIGEST}", "bill": f"/v1/bills/{RED_ID}"},
}
CORRECTION: dict[str, Any] = {"reversal": RED_QUEUED, "bill": QUEUED}
OPERATION_QUEUED: dict[str, Any] = {
    "operation": DIGEST,
    "status": "queued",
    "links": {"operation": f"/v1/operations/{DIGEST}"},
}
PROXY_QUEUED: dict[str, Any] = {**OPERATION_QUEUED, "proxy": DIGEST}
PROXY: dict[str, Any] = {
    "proxy": DIGEST,
    "as": "principal",
    "principal": "示例乙",
    "agent": "示例甲",
    "relationship": "parent",
    "until": "2026-12-31T16:00:00.000Z",
    "state": "in_force",
    "registered_by": "principal",
    "evidence": None,
}
_SOMEBODY: dict[str, Any] = {"id_type": "passport", "id_number": "SYNTHETIC-0002", "name": "示例甲"}
PROXY_REQUEST: dict[str, Any] = {"agent": _SOMEBODY, "relationship": "parent", "until": "2099-12-31"}
COUNTER_PROXY_REQUEST: dict[str, Any] = {
    "principal": {"id_type": "birth_certificate", "id_number": "SYNTHETIC-0003", "name": "示例丙"},
    "agent": _SOMEBODY,
    "relationship": "child",
    "until": "2099-12-31",
    "evidence": {"kind": "birth_certificate", "number": "SYNTHETIC-0003"},
}
OUTCOMES: dict[str, Any] = {
    "outcomes": [
        {"index": 0, **QUEUED},
        {
            "index": 1,
            "status": "refused",
            "code": "sum_mismatch",
            "detail": "they add up to 1 fen",
            "pointer": "/charges",
        },
    ]
}

BILL_VIEW: dict[str, Any] = {
    "bill_id": BILL_ID,
    "status": "sealed",
    "validity": "normal",
    "kind": "outpatient",
    "issuer": "hospital-a",
    "place_code": "A01",
    "business_date": "2026-03-01",
    "total_fen": 12850,
    "payments": BILL["payments"],
    "self_paid_fen": 1200,
    "self_funded_fen": 650,
    "height": 1042,
    "links": LINKS,
}
HISTORY_ROW: dict[str, Any] = {"version": 1, "height": 1042, "operation": DIGEST, "validity": "normal"}
LEASE: dict[str, Any] = {
    "lease": "330601260000000001",
    "kind": "outpatient",
    "place": "A01",
    "gateway": "hospital-a",
    "first": 1,
    "count": 1000,
    "next": 124,
    "left": 877,
}
RANGE: dict[str, Any] = {"holder": "hospital-a", "code": "33060126", "first": 1, "count": 1000000, "next": 1001}
KEY: dict[str, Any] = {
    "organisation": "hospital-a",
    "purpose": "unit",
    "key_id": "ab" * 32,
    "public": "cd" * 32,
    "from_height": 1,
    "until_height": None,
    "in_force": True,
}
SEAL: dict[str, Any] = {
    "issuer": "hospital-a",
    "office": "finance-city",
    "watermark": 1043,
    "head": 1043,
    "lag": 0,
    "withheld": [],
}
DAY_TOTALS: dict[str, Any] = {
    "issuer": "hospital-a",
    "place": "A01",
    "date": "2026-03-01",
    "kind": "outpatient",
    "count": 124,
    "sum_fen": 1593400,
    "red_count": 1,
    "red_sum_fen": -12850,
    "void_count": 0,
    "void_sum_fen": 0,
    "version": 17,
}
SETTLEMENT: dict[str, Any] = {
    "bill_id": BILL_ID,
    "issuer": "hospital-a",
    "place_code": "A01",
    "business_date": "2026-03-01",
    "validity": "normal",
    "total_fen": 12850,
    "payments": BILL["payments"],
    "bureau": "insurance",
    "settlement": DIGEST,
    "settled": {"insurance_fund_fen": 7900, "personal_account_fen": 3000, "other_fen": 0, "cash_fen": 1950},
    "settlement_bills": 1,
    "due_fen": 7900,
    "paid_fen": 7900,
    "paid_date": "2026-03-20",
    "differences": ["fund_differs", "rest_differs"],
}
NUMBER_GAPS: dict[str, Any] = {
    "issuer": "hospital-a",
    "code": "33060126",
    "kind": "outpatient",
    "place": "A01",
    "gateway": "hospital-a",
    "first": 1,
    "count": 10000,
    "highest": 125,
    "used": 123,
    "unused": 1,
    "missing": 1,
    "gaps": [[17, 17]],
}
BLOCK: dict[str, Any] = {
    "height": 1042,
    "digest": BLOCK_DIGEST,
    "time": "2026-03-01T01:30:00.120Z",
    "proposer": "finance",
    "transactions": 3,
    "operations": 120,
}
NETWORK: dict[str, Any] = {
    "chain_id": "c0ffee00" * 8,
    "node": {"name": "hospital-a", "kind": "gateway", "organisation": "hospital-a"},
    "head": {"height": 1043, "digest": BLOCK_DIGEST},
    "organisations": [{"name": "hospital-a", "kind": "hospital", "supervisor": "finance-city"}],
    "epoch": 1,
    "validators": ["bigdata", "finance", "health", "insurance"],
    "quorum": 3,
    "parameters": {"utc_offset_minutes": 480},
}
APPROVAL = "7d" * 16
AWAITING: dict[str, Any] = {
    "status": "awaiting_second",
    "approval": APPROVAL,
    "kind": "reverse_bill",
    "target": BILL_ID,
    "links": {"approval": f"/v1/approvals/{APPROVAL}"},
}
AWAITING_OFFICE: dict[str, Any] = {**AWAITING, "kind": "suspend_organisation", "target": "hospital-b"}
WAITING: dict[str, Any] = {
    "approval": APPROVAL,
    "kind": "reverse_bill",
    "target": BILL_ID,
    "asked_by": "cashier-07",
    "asked_ms": 1_772_328_600_000,
    "request": {"reason": "患者退费", "operator": "收费员01"},
}
ORGANISATION: dict[str, Any] = {
    "organisation": "hospital-b",
    "name": "第二医院",
    "kind": "hospital",
    "region": "331000",
    "supervisor": "finance-city",
    "state": "suspended",
    "reason": "key_lost",
    "height": 1042,
}
ADMISSION: dict[str, Any] = {
    "organisation": "hospital-c",
    "name": "第三医院",
    "kind": "hospital",
    "region": "331000",
    "key": "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    "authority": "",
    "places": ["C01"],
}
CLEARANCE: dict[str, Any] = {
    "issuer": "hospital-a",
    "code": "33060126",
    "first": 1,
    "count": 10000,
    "place": "A01",
    "gateway": "hospital-a",
    "normal": 9951,
    "reversed": 17,
    "red": 17,
    "void": 6,
    "unused": 9,
    "office": "finance-city",
    "height": 88213,
}
SIGNED: dict[str, Any] = {
    "height": 1042,
    "time": "2026-03-01T01:30:00.120Z",
    "organisation": "hospital-b",
    "transaction": DIGEST,
    "operation": DIGEST,
    "kind": "issue_bill",
    "bill_id": BILL_ID,
    "code": "recorded",
}
CATALOGUE_REQUEST: dict[str, Any] = {
    "catalogue": "charges",
    "version": 2,
    "from_date": "2027-01-01",
    "charges": [{"code": "0802", "name": "诊查费"}, {"code": "0809", "name": "西药费"}],
}
CATALOGUE_ROW: dict[str, Any] = {
    "organisation": "finance-city",
    "catalogue": "charges",
    "version": 2,
    "from_date": "2027-01-01",
    "published_at": "2026-12-01T01:30:00.120Z",
}
CATALOGUE: dict[str, Any] = {**CATALOGUE_ROW, "charges": CATALOGUE_REQUEST["charges"]}
EVENT: dict[str, Any] = {
    "id": "1042-0-3",
    "type": "claim.paid",
    "height": 1042,
    "time": "2026-03-01T01:30:00.120Z",
    "organisation": "insurer-a",
    "operation": DIGEST,
    "bill_id": BILL_ID,
    "issuer": "hospital-a",
    "claim": DIGEST,
    "links": {
        "operation": f"/v1/operations/{DIGEST}",
        "proof": f"/v1/operations/{DIGEST}/proof",
        "bill": f"/v1/bills/{BILL_ID}",
    },
}
GENESIS: dict[str, Any] = {
    "version": 1,
    "name": "example province",
    "created_ms": 1_772_326_800_000,
    "parameters": {"utc_offset_minutes": 480, "region": "33", "classification": "06", "kinds": [1, 2, 3, 4]},
    "organisations": [],
    "keys": [],
    "validators": [],
    "ranges": [],
}
REVERSAL: dict[str, Any] = {"reason": "患者退费", "operator": "收费员01"}
RANGE_REQUEST: dict[str, Any] = {
    "parent": "finance-city/33060126/1",
    "first": 2000001,
    "count": 1000000,
    "holder": "hospital-b",
}
CLAIMED: dict[str, Any] = {
    "bill_id": BILL_ID,
    "check_code": CHECK_CODE,
    "business_date": "2026-03-01",
    "total_fen": 12850,
}
GENUINE: dict[str, Any] = {
    "verdict": "genuine",
    "status": "sealed",
    "as_of": {"height": 1043, "time": "2026-03-01T01:30:02.000Z"},
    "lookups": 3,
}
LOOKUPS: dict[str, Any] = {
    "count": 3,
    "last": "2026-03-01T01:30:02.000Z",
    "rows": [
        {"time": "2026-03-01T01:30:02.000Z", "kind": "insurer", "organisation": "insurer-a"},
        {"time": "2026-03-01T01:29:10.000Z", "kind": "employer", "organisation": "employer-a"},
        {"time": "2026-03-01T01:28:00.000Z", "kind": "public"},
    ],
}
DISPUTE: dict[str, Any] = {
    "bill_id": BILL_ID,
    "issuer": "hospital-a",
    "place_code": "A01",
    "business_date": "2026-03-01",
    "total_fen": 12850,
    "reason": "not_me",
    "number": 1,
    "height": 1042,
    "at": "2026-03-01T01:30:02.000Z",
    "operation": DIGEST,
}
BATCH_VERIFICATION: dict[str, Any] = {
    "counts": {"genuine": 1},
    "results": [{"verdict": "genuine", "status": "sealed"}],
    "manifest": {
        "rows": 1,
        "questions": DIGEST,
        "results": DIGEST,
        "as_of": {"height": 1043, "time_ms": 1772328602000},
        "organisation": "finance-city",
        "key_id": DIGEST,
        "signature": DIGEST * 2,
        "file": "lQU=",  # stands for the canonical bytes, base64
    },
}
PROOF_HEX = "93a670726f6f66"  # stands for a fetched *.proof file
PROOF_CHECK: dict[str, Any] = {
    "valid": True,
    "checks": [{"name": "certificate", "ok": True, "detail": "3 of 4 validators"}],
    "bill": {"bill_id": BILL_ID, "total_fen": 12850},
}
TRANSACTION_HEX = "96a66f72672d61"  # stands for a signed transaction in canonical MessagePack
BOOKING_HEX = (  # a transaction of employer-a that books the bill
    "96aa656d706c6f7965722d61c4207508d15d4824f86680bc1c86920f09485ba1f3ea7b5a718ffd239a502710b13fcd044c91"
    "92c295cd0258b233333036303132363030303030303030303102cd3232c42022222222222222222222222222222222222222"
    "2222222222222222222222222201c4400c2f19295b002f584c966052badfc068f6636d81ee6a8afce31ad8c564d79769121e"
    "41ba443a6b06056bca71dec619671511c18a63e2c30606d6f9f57491ca0c"
)

PAYER: dict[str, Any] = {
    "type": "person",
    "name": "示例乙",
    "id_type": "other",
    "id_number": "EXAMPLE-0002",
    "operator": "收费员01",
}
PAPER = "330600010000000001"
LIFE_QUEUED: dict[str, Any] = {
    "operation": DIGEST,
    "status": "queued",
    "links": {"operation": f"/v1/operations/{DIGEST}"},
}
LIFE_RECORDED: dict[str, Any] = {**LIFE_QUEUED, "status": "recorded", "height": 1042}

GRANTS_REQUEST: dict[str, Any] = {
    "bill_ids": [BILL_ID],
    "to": "insurer-a",
    "fields": ["charges", "items"],
    "purpose": "reimbursement",
    "until": "2026-12-31T23:59:59+08:00",
}
GIVEN_GRANTS: dict[str, Any] = {
    "grants": [
        {
            "grant": DIGEST,
            "bill_id": BILL_ID,
            "operation": DIGEST,
            "status": "queued",
            "links": {
                "grants": "/v1/me/grants",
                "revocation": f"/v1/me/grants/{DIGEST}/revocation",
                "bill": f"/v1/bills/{BILL_ID}",
                "proof": f"/v1/operations/{DIGEST}/proof",
            },
        }
    ]
}
GRANT: dict[str, Any] = {
    "grant": DIGEST,
    "granted_by": "finance-city",
    "bill_id": BILL_ID,
    "to": "insurer-a",
    "fields": ["charges", "items"],
    "purpose": "reimbursement",
    "until": "2026-12-31T15:59:59.000Z",
    "state": "revoked",
    "height": 1042,
    "revoked_height": 1077,
    "reason": "claim_paid",
}

FHIR_BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "id": f"invoice-{BILL_ID}",
    "type": "collection",
    "entry": [
        {
            "fullUrl": "urn:uuid:5bb2a7e4-91a5-5f44-9a2c-8d1f4f1f6a10",
            "resource": {"resourceType": "Invoice", "id": BILL_ID, "status": "issued"},
        }
    ],
}

ACCESS: dict[str, Any] = {
    "number": 17,
    "bill_id": BILL_ID,
    "issuer": "hospital-a",
    "at": "2026-03-02T02:00:00.000Z",
    "height": 1043,
    "role": "auditor",
    "organisation": "audit-office",
    "person": "auditor-07",
    "purpose": "fraud-investigation",
    "case_number": "2026-0017",
    "fields": ["charges", "items", "payer_name"],
}
ACCESS_ENTRY: dict[str, Any] = {
    "number": 17,
    "entry": "9e11c420",
    "former": DIGEST,
    "bill": BILL_ID,
    "issuer": "hospital-a",
    "organisation": "audit-office",
    "role": "auditor",
    "subject": "auditor-07",
    "proxy": "",
    "purpose": "fraud-investigation",
    "case_number": "2026-0017",
    "height": 1043,
    "time_ms": 1_772_416_800_000,
    "shown_ms": 1_775_008_800_000,
    "fields": ["charges", "items", "payer_name"],
}
MINUTES_WAITED: dict[str, Any] = {
    "hospital": "hospital-a",
    "before": {"visits": 812, "queued": 96, "treated": 14, "tested": 12, "dispensed": 6, "total": 131},
    "since": {"visits": 790, "queued": 31, "treated": 15, "tested": 12, "dispensed": 5, "total": 66},
}
