"""Finance, auditors and the ledger's own paths: ranges, seals, audit, blocks, operations, transactions."""

from __future__ import annotations

from starlette.testclient import TestClient

from api.schemas import examples
from node.service import WaitingQuery
from tests.api.conftest import AUDITOR, CASHIER, CLERK, OPERATOR, bearer, bill, problem
from tests.api.fake_desk import FakeGateway, FakeMirror

BYTES = {**OPERATOR, "Content-Type": "application/msgpack"}


def test_a_range_is_allotted_and_an_overlap_refused(mirror: TestClient, archive: FakeMirror) -> None:
    archive.reaches = "recorded"
    answer = mirror.post("/v1/number-ranges", json=examples.RANGE_REQUEST, headers={**CLERK, "Prefer": "wait=2"})
    assert (answer.status_code, answer.json()["status"]) == (201, "recorded")
    assert answer.headers["location"] == f"/v1/operations/{answer.json()['operation']}"
    overlap = mirror.post("/v1/number-ranges", json={**examples.RANGE_REQUEST, "first": 7}, headers=CLERK)
    problem(overlap, 409, "range_overlaps", "/first")


def test_an_allotment_must_be_written_right(mirror: TestClient) -> None:
    for change, code, pointer in (
        ({"count": 0}, "invalid_value", "/count"),
        ({"first": -1}, "invalid_value", "/first"),
        ({"first": "1"}, "wrong_type", "/first"),
        ({"parent": "finance-city/33"}, "invalid_value", "/parent"),
        ({"holder": "Hospital A"}, "invalid_value", "/holder"),
    ):
        answer = mirror.post("/v1/number-ranges", json={**examples.RANGE_REQUEST, **change}, headers=CLERK)
        problem(answer, 422, code, pointer)


def test_lists_of_numbers_and_seals(gateway: TestClient, mirror: TestClient) -> None:
    assert gateway.get("/v1/number-leases", headers=CASHIER).json()["data"] == [examples.LEASE]
    problem(gateway.get("/v1/number-leases?x=1", headers=CASHIER), 400, "parameter_unknown")
    assert len(mirror.get("/v1/number-ranges", headers=AUDITOR).json()["data"]) == 2
    assert mirror.get("/v1/seals", params={"issuer": "hospital-a"}, headers=CLERK).json()["data"] == [examples.SEAL]


def test_keys_are_listed_for_whoever_manages_some(gateway: TestClient, mirror: TestClient) -> None:
    rows = mirror.get("/v1/keys", headers=OPERATOR).json()
    assert [row["organisation"] for row in rows["data"]] == ["hospital-a", "hospital-b"]
    assert mirror.get("/v1/keys?organisation=hospital-a", headers=AUDITOR).json()["data"] == [examples.KEY]
    problem(mirror.get("/v1/keys?holder=hospital-a", headers=AUDITOR), 400, "parameter_unknown")
    problem(mirror.get("/v1/keys"), 401, "token_missing")
    problem(gateway.get("/v1/keys", headers=OPERATOR), 404, "not_found")


def test_an_auditor_filters_bills(mirror: TestClient, archive: FakeMirror) -> None:
    filters = {
        "issuer": "hospital-a",
        "from": "2026-03-01",
        "to": "2026-03-31",
        "kind": "inpatient",
        "place": "A01",
        "validity": "red",
    }
    assert mirror.get("/v1/audit/bills", params={**filters, "limit": 1000}, headers=AUDITOR).status_code == 200
    assert archive.calls == [("audit_bills", filters, None, 1000)]
    for change, code in (
        ({"issuer": ""}, "parameter_missing"),
        ({"from": "20260301"}, "parameter_invalid"),
        ({"to": "2026-02-30"}, "parameter_invalid"),
        ({"kind": "dental"}, "parameter_invalid"),
        ({"validity": "gone"}, "parameter_invalid"),
        ({"limit": "0"}, "parameter_invalid"),
        ({"limit": "1001"}, "parameter_invalid"),
        ({"limit": "٣"}, "parameter_invalid"),
        ({"name": "x"}, "parameter_unknown"),
    ):
        problem(mirror.get("/v1/audit/bills", params={**filters, **change}, headers=AUDITOR), 400, code)


def test_settlements_are_matched_for_auditors_and_for_their_own_bureau(mirror: TestClient, archive: FakeMirror) -> None:
    path, filters = "/v1/audit/settlements", {"issuer": "hospital-a", "from": "2026-03-01", "difference": "not_paid"}
    bureau, stranger = bearer("insurer_clerk", "finance"), bearer("insurer_clerk", "finance-city")
    assert mirror.get(f"{path}?unmatched", headers=AUDITOR).json()["data"] == [examples.SETTLEMENT]
    mirror.get(path, params={**filters, "unmatched": "true"}, headers=AUDITOR)
    mirror.get(path, params={"unmatched": "false"}, headers=AUDITOR)
    cursor = mirror.get(path, headers=bureau).json()["next"]
    assert mirror.get(path, params={"cursor": cursor}, headers=bureau).json()["next"] is None
    assert archive.calls == [
        ("audit_settlements", {"unmatched": "true"}, None, None, 20),
        ("audit_settlements", {**filters, "unmatched": "true"}, None, None, 20),
        ("audit_settlements", {}, None, None, 20),
        ("audit_settlements", {}, "finance", None, 20),
        ("audit_settlements", {}, "finance", "bill:hospital-a/20260301/1", 20),
    ]
    for headers in (AUDITOR, stranger):  # another reader's list is another list
        problem(mirror.get(path, params={"cursor": cursor}, headers=headers), 400, "cursor_invalid")
    other = {"cursor": cursor, "unmatched": ""}
    problem(mirror.get(path, params=other, headers=bureau), 400, "cursor_invalid")
    for query, code in (
        ("unmatched=yes", "parameter_invalid"),
        ("unmatched&unmatched=false", "parameter_invalid"),
        ("issuer=hospital-a/", "parameter_invalid"),
        ("from=20260301", "parameter_invalid"),
        ("to=2026-02-30", "parameter_invalid"),
        ("difference=lost", "parameter_invalid"),
        ("limit=1001", "parameter_invalid"),
        ("bureau=insurance", "parameter_unknown"),
    ):
        problem(mirror.get(f"{path}?{query}", headers=AUDITOR), 400, code)
    problem(mirror.get(path, headers=CASHIER), 403, "role_forbidden")


def test_day_totals_are_of_a_day_or_a_span(mirror: TestClient, archive: FakeMirror) -> None:
    assert mirror.get("/v1/audit/day-totals?from=2026-03-01", headers=CLERK).json()["data"] == [examples.DAY_TOTALS]
    mirror.get("/v1/audit/day-totals?from=2026-03-01&to=2026-03-31&issuer=hospital-a", headers=CLERK)
    assert archive.calls == [
        ("day_totals", None, "2026-03-01", "2026-03-01"),
        ("day_totals", "hospital-a", "2026-03-01", "2026-03-31"),
    ]
    for query, code in (
        ("", "parameter_missing"),
        ("from=2026-03-02&to=2026-03-01", "parameter_invalid"),
        ("from=2020-01-01&to=2026-03-01", "parameter_invalid"),
    ):
        problem(mirror.get(f"/v1/audit/day-totals?{query}", headers=CLERK), 400, code)


def test_blocks_go_backwards_to_the_first(mirror: TestClient, archive: FakeMirror) -> None:
    archive.height = 5
    page = mirror.get("/v1/blocks?limit=2").json()
    assert [row["height"] for row in page["data"]] == [5, 4]
    page = mirror.get("/v1/blocks", params={"limit": 2, "cursor": page["next"]}).json()
    assert [row["height"] for row in page["data"]] == [3, 2]
    assert [row["height"] for row in mirror.get("/v1/blocks?before=3").json()["data"]] == [2, 1]
    for query in ("before=x", "before=-1", "limit=101", f"before={'9' * 400}"):
        problem(mirror.get(f"/v1/blocks?{query}"), 400, "parameter_invalid")


def test_a_block_that_is_not_there_yet(mirror: TestClient) -> None:
    assert mirror.get("/v1/blocks/1043").status_code == 200
    for height in ("1044", "0", "-1", "x", "9" * 400):
        problem(mirror.get(f"/v1/blocks/{height}"), 404, "block_unknown")


def test_an_operation_is_asked_for_by_its_digest(gateway: TestClient, desk: FakeGateway) -> None:
    kept = gateway.post("/v1/bills", json=bill(), headers=CASHIER).json()
    shown = gateway.get(kept["links"]["operation"], headers=CASHIER)
    assert (shown.status_code, shown.json()) == (200, kept)
    for digest in ("0" * 64, "0" * 63, "G" * 64, kept["operation"].upper()):
        problem(gateway.get(f"/v1/operations/{digest}", headers=CASHIER), 404, "operation_unknown")


def test_a_signed_transaction_is_taken_by_any_node(gateway: TestClient, mirror: TestClient, desk: FakeGateway) -> None:
    for node in (gateway, mirror):
        answer = node.post("/v1/transactions", content=b"\x93abc", headers=BYTES)
        assert answer.status_code == 202
        assert [outcome["status"] for outcome in answer.json()["outcomes"]] == ["queued"]
    desk.reaches, desk.outcome_code = "refused", "range_moved"
    answer = gateway.post("/v1/transactions", content=b"\x93abc", headers={**BYTES, "Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["outcomes"][0]["code"]) == (200, "range_moved")


def test_a_transaction_that_cannot_be_taken(gateway: TestClient) -> None:
    problem(gateway.post("/v1/transactions", content=b"\xc1", headers=BYTES), 400, "malformed")
    problem(gateway.post("/v1/transactions", content=b"stolen", headers=BYTES), 403, "bad_signature")
    problem(gateway.post("/v1/transactions", json={}, headers=OPERATOR), 415, "media_type_unsupported")


def test_waiting_is_asked_with_the_day_that_splits_it(mirror: TestClient, archive: FakeMirror) -> None:
    """Row 37."""
    path = "/v1/audit/waiting"
    assert mirror.get(f"{path}?split=2026-03-15", headers=AUDITOR).json()["data"] == [examples.MINUTES_WAITED]
    mirror.get(
        f"{path}?split=2026-03-15&from=2026-03-01&to=2026-03-31&hospital=hospital-a&kind=inpatient", headers=CLERK
    )
    asked = [call[1] for call in archive.calls if call[0] == "waiting"]
    assert asked == [
        WaitingQuery("2026-03-15", "outpatient"),
        WaitingQuery("2026-03-15", "inpatient", "2026-03-01", "2026-03-31", "hospital-a"),
    ]
    for query, code in (
        ("from=2026-03-01", "parameter_missing"),
        ("split=2026-02-30", "parameter_invalid"),
        ("split=2026-03-15&to=x", "parameter_invalid"),
        ("split=2026-03-15&kind=x", "parameter_invalid"),
        ("split=2026-03-15&hospital=A%20b", "parameter_invalid"),
        ("split=2026-03-15&issuer=hospital-a", "parameter_unknown"),
    ):
        problem(mirror.get(f"{path}?{query}", headers=AUDITOR), 400, code)
    problem(mirror.get(f"{path}?split=2026-03-15", headers=CASHIER), 403, "role_forbidden")
