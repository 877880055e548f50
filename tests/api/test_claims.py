"""Claims: what a mirror tells insurers, and what an insurer's service tells the people whom it insures."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.schemas import claim_examples, examples
from node.services.desks import BILLS_MAX, ClaimStanding, ClaimWish
from tests.api.conftest import AUDITOR, CASHIER, bearer, problem, serve
from tests.api.fake_desk import FakeInsurer

INSURER_CLERK = bearer("insurer_clerk", "insurer-a")
PATIENT = bearer("patient", "finance-city")
CLAIM = f"/v1/claims/{examples.DIGEST}"


@pytest.fixture
def insurer() -> FakeInsurer:
    return FakeInsurer()


@pytest.fixture
def service(insurer: FakeInsurer) -> TestClient:
    return serve(insurer)


def wish(count: int = 1) -> dict[str, Any]:
    return {"bills": [{"bill_id": f"{int(examples.BILL_ID) + place}"} for place in range(count)]}


# ── a mirror ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_insurer_is_shown_its_own_claims_and_no_other_is(mirror: TestClient) -> None:
    assert mirror.get(CLAIM, headers=INSURER_CLERK).json()["state"] == "locked"
    assert mirror.get(CLAIM, headers=AUDITOR, params={"insurer": "insurer-a"}).status_code == 200
    other = bearer("insurer_clerk", "insurer-b")
    problem(mirror.get(CLAIM, headers=other, params={"insurer": "insurer-a"}), 404, "claim_unknown")
    assert mirror.get("/v1/claims", headers=other, params={"insurer": "insurer-a"}).json()["data"] == []
    problem(mirror.get(CLAIM, headers=CASHIER), 403, "role_forbidden")
    problem(mirror.get("/v1/claims/xyz", headers=INSURER_CLERK), 404, "claim_unknown")


def test_claims_are_chosen_by_a_state_that_there_is(mirror: TestClient) -> None:
    rows = mirror.get("/v1/claims", headers=INSURER_CLERK, params={"state": "locked"}).json()["data"]
    assert [row["claim"] for row in rows] == [examples.DIGEST]
    assert "evidence" not in rows[0]["links"]  # there is no decision yet
    assert mirror.get("/v1/claims", headers=INSURER_CLERK, params={"state": "paid"}).json()["data"] == []
    problem(mirror.get("/v1/claims", headers=INSURER_CLERK, params={"state": "x"}), 400, "parameter_invalid")


def test_foresight_is_for_insurers_and_answers_in_order(mirror: TestClient) -> None:
    unknown = {"bill_id": claim_examples.OTHER_BILL, "amount_fen": 1}
    body = {"claims": [unknown, *claim_examples.FORESIGHT_REQUEST["claims"]]}
    answer = mirror.post("/v1/claims:foresee", json=body, headers=INSURER_CLERK)
    assert [row["code"] for row in answer.json()["claims"]] == ["bill_unknown", None]
    problem(mirror.post("/v1/claims:foresee", json=body, headers=PATIENT), 403, "role_forbidden")
    problem(mirror.post("/v1/claims:foresee", json={"claims": []}, headers=INSURER_CLERK), 422, "invalid_value")


# ── an insurer's service ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_service_serves_its_own_paths_and_no_nodes(service: TestClient, mirror: TestClient) -> None:
    assert service.get("/v1/claim-terms").json() == claim_examples.TERMS
    problem(service.get("/v1/network"), 404, "not_found")
    problem(service.get("/v/anything"), 404, "not_found")
    problem(mirror.post("/v1/claims:batch", json=wish(), headers=PATIENT), 404, "not_found")


def test_a_refusal_has_its_reason_in_the_askers_language(service: TestClient, insurer: FakeInsurer) -> None:
    insurer.became[examples.BILL_ID] = ClaimStanding(examples.BILL_ID, "refused", "claim_locked", amount_fen=5)
    for language, reason in (("en", "Another claim holds this bill"), ("zh-CN", "票据已被其他报销申请锁定")):
        answer = service.post("/v1/claims:check", json=wish(2), headers={**PATIENT, "Accept-Language": language})
        first, second = answer.json()["claims"]
        assert (first["status"], first["code"], first["reason"]) == ("refused", "claim_locked", reason)
        assert "approved_fen" not in first
        assert (second["status"], second["approved_fen"]) == ("approved", 1)
        assert answer.json()["counts"] == {"approved": 1, "refused": 1}


def test_what_the_ledger_has_not_said_yet_is_accepted(service: TestClient, insurer: FakeInsurer) -> None:
    assert service.post("/v1/claims:batch", json=wish(2), headers=PATIENT).status_code == 200
    insurer.became[examples.BILL_ID] = ClaimStanding(examples.BILL_ID, "queued", claim=examples.DIGEST)
    assert service.post("/v1/claims:batch", json=wish(2), headers=PATIENT).status_code == 202


def test_wishes_arrive_as_they_were_written(service: TestClient, insurer: FakeInsurer) -> None:
    service.post("/v1/claims:batch", json=claim_examples.CLAIMS_REQUEST, headers=PATIENT)
    assert insurer.wishes == [ClaimWish(examples.BILL_ID, None), ClaimWish(claim_examples.OTHER_BILL, 1200)]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"bills": []}, "/bills"),
        (wish(BILLS_MAX + 1), "/bills"),
        ({"bills": [{"bill_id": "12"}]}, "/bills/0/bill_id"),
        ({"bills": [{"bill_id": examples.BILL_ID, "amount_fen": 0}]}, "/bills/0/amount_fen"),
        ({"bills": [{"bill_id": examples.BILL_ID, "amount_fen": -5}]}, "/bills/0/amount_fen"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused_with_its_place(
    service: TestClient, body: dict[str, Any], pointer: str
) -> None:
    for verb in ("check", "batch"):
        problem(service.post(f"/v1/claims:{verb}", json=body, headers=PATIENT), 422, "invalid_value", pointer)


def test_patients_alone_claim(service: TestClient) -> None:
    for headers in (CASHIER, INSURER_CLERK, AUDITOR):
        problem(service.post("/v1/claims:batch", json=wish(), headers=headers), 403, "role_forbidden")
    problem(service.post("/v1/claims:batch", json=wish()), 401, "token_missing")
