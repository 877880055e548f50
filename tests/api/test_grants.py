"""A patient lets an organisation read (FEATURES 31): how the requests are written, and how they are answered."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.schemas import examples
from node.service import GrantWish
from tests.api.conftest import bearer, problem
from tests.api.fake_desk import FakeMirror

PATIENT = bearer("patient", "finance-city")
UNTIL_MS = 1_798_732_799_000  # 2026-12-31 23:59:59 +08:00


def asked(**changes: Any) -> dict[str, Any]:
    return {**examples.GRANTS_REQUEST, **changes}


def test_a_grant_is_kept_or_recorded_as_the_client_waits(mirror: TestClient, archive: FakeMirror) -> None:
    answer = mirror.post("/v1/me/grants", json=asked(), headers=PATIENT)
    assert answer.status_code == 202
    assert archive.calls == [
        ("give_grants", [examples.BILL_ID], GrantWish("insurer-a", ["charges", "items"], "reimbursement", UNTIL_MS))
    ]
    (given,) = answer.json()["grants"]
    assert (given["status"], given["bill_id"], given["grant"]) == ("queued", examples.BILL_ID, examples.DIGEST)
    assert given["links"]["revocation"] == f"/v1/me/grants/{examples.DIGEST}/revocation"

    archive.reaches = "recorded"
    waited = mirror.post("/v1/me/grants", json=asked(), headers={**PATIENT, "Prefer": "wait=3"})
    assert (waited.status_code, waited.headers["preference-applied"]) == (201, "wait=3")
    assert waited.json()["grants"][0]["height"] == archive.height
    archive.reaches, archive.outcome_code = "refused", "too_many_grants"
    refused = mirror.post("/v1/me/grants", json=asked(), headers={**PATIENT, "Prefer": "wait=3"})
    problem(refused, 409, "too_many_grants")


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"bill_ids": []}, "invalid_value", "/bill_ids"),
        ({"bill_ids": [examples.BILL_ID] * 101}, "invalid_value", "/bill_ids"),
        ({"bill_ids": ["1"]}, "invalid_value", "/bill_ids/0"),
        ({"bill_ids": examples.BILL_ID}, "wrong_type", "/bill_ids"),
        ({"to": "Insurer A"}, "invalid_value", "/to"),
        ({"fields": ["a b"]}, "invalid_value", "/fields/0"),
        ({"fields": "items"}, "wrong_type", "/fields"),
        ({"purpose": "because I say so"}, "invalid_value", "/purpose"),
        ({"until": "2026-12-31"}, "invalid_time", "/until"),
        ({"until": "2026-12-31T23:59:59"}, "invalid_time", "/until"),
        ({"until": "for ever"}, "invalid_time", "/until"),
        ({"more": 1}, "unknown_field", "/more"),
    ],
)
def test_a_grant_must_be_written_right(
    mirror: TestClient, archive: FakeMirror, change: dict[str, Any], code: str, pointer: str
) -> None:
    problem(mirror.post("/v1/me/grants", json=asked(**change), headers=PATIENT), 422, code, pointer)
    assert archive.calls == []


def test_a_bill_that_is_nobodys_or_anothers_is_not_there(mirror: TestClient) -> None:
    other = asked(bill_ids=[examples.BILL_ID, "330601269999999999"])
    problem(mirror.post("/v1/me/grants", json=other, headers=PATIENT), 404, "bill_unknown", "/bill_ids/1")
    for method, path in (("POST", "/v1/me/grants"), ("GET", "/v1/me/grants")):
        stranger = mirror.request(method, path, json=asked(), headers=bearer("cashier", "hospital-a"))
        problem(stranger, 403, "role_forbidden")


def test_grants_are_listed_part_by_part(mirror: TestClient, archive: FakeMirror) -> None:
    first = mirror.get("/v1/me/grants", params={"limit": 2}, headers=PATIENT).json()
    assert [row["state"] for row in first["data"]] == ["revoked", "granted"]
    assert "revocation" not in first["data"][0]["links"]
    assert first["data"][1]["links"]["revocation"].endswith("/revocation")
    rest = mirror.get("/v1/me/grants", params={"limit": 2, "cursor": first["next"]}, headers=PATIENT).json()
    assert (rest["has_more"], archive.calls[-1]) == (False, ("my_grants", "hospital-a/1/1", 2))
    stolen = bearer("patient", "finance-city", subject="person-2")
    problem(mirror.get("/v1/me/grants", params={"cursor": first["next"]}, headers=stolen), 400, "cursor_invalid")


def test_a_grant_is_taken_back_by_its_name(mirror: TestClient, archive: FakeMirror) -> None:
    path = f"/v1/me/grants/{examples.DIGEST}/revocation"
    archive.reaches = "recorded"
    answer = mirror.post(path, json={}, headers={**PATIENT, "Prefer": "wait=3"})
    assert (answer.status_code, answer.json()["status"]) == (201, "recorded")
    assert archive.calls == [("revoke_grant", examples.DIGEST, "holder_asked")]
    mirror.post(path, json={"reason": "claim_paid"}, headers=PATIENT)
    assert archive.calls[-1] == ("revoke_grant", examples.DIGEST, "claim_paid")
    for name in ("ab" * 32, "AB" * 32, "x"):
        unknown = mirror.post(f"/v1/me/grants/{name}/revocation", json={}, headers=PATIENT)
        problem(unknown, 404, "grant_unknown")
    problem(mirror.post(path, json={"reason": "No!"}, headers=PATIENT), 422, "invalid_value", "/reason")
