"""Files that prove what happened, batches of verifications, and accounting: how they are asked for, and refused."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.routes.files import parse_moment_ms
from api.schemas import examples
from api.schemas.requests import VERIFICATIONS_MAX
from chain.codec import encode
from chain.operation import BookBill, VoidBill
from chain.transaction import Entry, sign_transaction
from tests.api.conftest import AUDITOR, CASHIER, KEY, bearer, problem
from tests.api.fake_desk import FakeGateway, FakeMirror

VERSION = f"/v1/bills/{examples.BILL_ID}/version"
INSURER = bearer("insurer_clerk", "hospital-b")  # of the organisations that the test's issuer speaks for
BYTES = {**bearer("employer_clerk", "finance"), "Content-Type": "application/octet-stream"}


def test_a_moment_is_written_with_its_zone(mirror: TestClient, archive: FakeMirror) -> None:
    for text in ("2026-03-01T10:00:00+08:00", "2026-03-01T02:00Z"):
        answer = mirror.get(VERSION, params={"at": text}, headers=AUDITOR)
        assert (answer.status_code, answer.content) == (200, b"version")
        assert archive.calls[-1] == ("bill_version", examples.BILL_ID, 1_772_330_400_000)
    for text in ("2026-03-01", "2026-03-01T10:00", "20260301", "yesterday", "2026-13-01T10:00Z", "9" * 400):
        problem(mirror.get(VERSION, params={"at": text}, headers=AUDITOR), 400, "parameter_invalid")
    problem(mirror.get(VERSION, headers=AUDITOR), 400, "parameter_missing")
    early = mirror.get(VERSION, params={"at": "1999-01-01T00:00Z"}, headers=AUDITOR)
    problem(early, 404, "not_yet_recorded")
    assert parse_moment_ms("1970-01-01T00:00:00.001Z") == 1


def test_a_claims_evidence_is_the_insurers_own(mirror: TestClient, archive: FakeMirror) -> None:
    path = f"/v1/claims/{examples.DIGEST}/evidence"
    assert mirror.get(path, headers=INSURER).content == b"evidence"
    assert archive.calls[-1] == ("claim_evidence", "hospital-b", examples.DIGEST)
    problem(mirror.get(path, params={"insurer": "insurer-a"}, headers=INSURER), 404, "claim_unknown")
    assert mirror.get(path, params={"insurer": "insurer-a"}, headers=AUDITOR).content == b"evidence"
    for claim in ("0" * 63, "G" * 64, "%00" * 21):
        assert mirror.get(f"/v1/claims/{claim}/evidence", headers=INSURER).status_code == 404


def test_an_operations_proof_is_a_file(mirror: TestClient) -> None:
    answer = mirror.get(f"/v1/operations/{examples.DIGEST}/proof", headers=CASHIER)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    for digest in ("0" * 64, "x"):
        problem(mirror.get(f"/v1/operations/{digest}/proof", headers=CASHIER), 404, "operation_unknown")


def test_a_keys_proof_is_a_file(mirror: TestClient) -> None:
    path = f"/v1/keys/{examples.DIGEST}/proof"
    answer = mirror.get(path, params={"organisation": "hospital-a"}, headers=AUDITOR)
    assert (answer.status_code, answer.content) == (200, b"key")
    problem(mirror.get(path, params={"organisation": "hospital-b"}, headers=AUDITOR), 404, "not_found")
    problem(mirror.get(path, headers=AUDITOR), 400, "parameter_missing")
    problem(mirror.get("/v1/keys/x/proof", params={"organisation": "hospital-a"}, headers=AUDITOR), 404, "not_found")


def test_rows_of_a_batch_are_answered_in_their_order(gateway: TestClient, mirror: TestClient) -> None:
    """At gateway and mirror; as many as are allowed."""
    right, wrong = examples.CLAIMED, {**examples.CLAIMED, "check_code": "000000"}
    rows = [right, wrong] * (VERIFICATIONS_MAX // 2)
    answer = mirror.post("/v1/verifications:batch", json={"rows": rows}, headers=INSURER)
    assert answer.status_code == 200
    assert [row["verdict"] for row in answer.json()["results"]] == ["genuine", "no_match"] * (VERIFICATIONS_MAX // 2)
    assert gateway.post("/v1/verifications:batch", json={"rows": [right]}, headers=INSURER).status_code == 200


@pytest.mark.parametrize(
    ("rows", "code", "pointer"),
    [
        ([], "invalid_value", "/rows"),
        ([examples.CLAIMED] * (VERIFICATIONS_MAX + 1), "invalid_value", "/rows"),
        ([examples.CLAIMED, {"bill_id": "1", "check_code": "a"}], "invalid_value", "/rows/1/bill_id"),
        (
            [examples.CLAIMED, {**examples.CLAIMED, "business_date": "2026-02-30"}],
            "invalid_value",
            "/rows/1/business_date",
        ),
        ([{**examples.CLAIMED, "more": 1}], "unknown_field", "/rows/0/more"),
        ([{**examples.CLAIMED, "check_code": "e\u0301"}], "text_refused", "/rows/0/check_code"),
        ([7], "wrong_type", "/rows/0"),
        ({}, "wrong_type", "/rows"),
    ],
)
def test_a_row_that_is_written_wrong_is_named(mirror: TestClient, rows: Any, code: str, pointer: str) -> None:
    answer = mirror.post("/v1/verifications:batch", json={"rows": rows}, headers=INSURER)
    problem(answer, 422, code, pointer)


def test_accounting_takes_one_booking_of_the_paths_bill(mirror: TestClient, archive: FakeMirror) -> None:
    archive.reaches = "recorded"
    path = f"/v1/bills/{examples.BILL_ID}/accounting"

    def signed(*operations: Any) -> bytes:
        entries = [Entry(False, operation) for operation in operations]
        return encode(sign_transaction(bytes(32), "employer-a", KEY, 9, entries))

    booking = BookBill(examples.BILL_ID, 2, 12_850, bytes(32))
    answer = mirror.post(path, content=signed(booking), headers={**BYTES, "Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["status"]) == (201, "recorded")
    assert mirror.post(path, content=signed(booking), headers=BYTES).status_code == 202
    other = BookBill("330601260000000002", 2, 12_850, bytes(32))
    for operations in ((other,), (booking, other), (VoidBill(examples.BILL_ID, "x"),)):
        problem(mirror.post(path, content=signed(*operations), headers=BYTES), 422, "transaction_malformed")
    problem(mirror.post(path, content=b"\xc1", headers=BYTES), 400, "malformed")


def test_public_names_open_nothing(gateway: TestClient, desk: FakeGateway) -> None:
    """`total,date,issuer` stand in every proof; a detail is opened."""
    bill = gateway.post("/v1/bills", json=examples.BILL, headers=CASHIER).json()["bill_id"]
    query = {"fields": "total,date,issuer,payer_name"}
    assert gateway.get(f"/v1/bills/{bill}/proof", params=query, headers=CASHIER).status_code == 200
    assert desk.calls[-1][3] == ["payer_name"]
