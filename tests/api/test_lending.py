"""Credit over REST: a mirror's products and lines, and a lender's own service."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.schemas import lending_examples
from node.service import ServiceRefused
from node.services.desks import InstalmentWish
from tests.api.conftest import AUDITOR, CASHIER, OPERATOR, bearer, problem, serve
from tests.api.fake_desk import FakeLender

LINE = lending_examples.LINE["line"]
ACCOUNT = f"/v1/credit-accounts/{LINE}"
PATIENT = bearer("patient", "finance-city")
STAFF = bearer("operator", "lender-a")


@pytest.fixture
def lender() -> FakeLender:
    return FakeLender()


@pytest.fixture
def service(lender: FakeLender) -> TestClient:
    return serve(lender)


# ── at a mirror ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_product_says_who_bears_the_risk_to_auditors(mirror: TestClient) -> None:
    """FEATURES 97."""
    path = "/v1/credit-products/lender-a/anxin"
    assert mirror.get(path, headers=AUDITOR).json()["terms"]["bearer"] == "lender"
    assert mirror.get(path, headers=AUDITOR, params={"version": 1}).status_code == 200
    problem(mirror.get(path, headers=AUDITOR, params={"version": 2}), 404, "product_unknown")
    problem(mirror.get(path, headers=AUDITOR, params={"version": "x"}), 400, "parameter_invalid")
    problem(mirror.get("/v1/credit-products/lender-a/other", headers=AUDITOR), 404, "product_unknown")


def test_lines_are_for_their_lender_and_auditors(mirror: TestClient) -> None:
    assert [row["line"] for row in mirror.get("/v1/credit-lines", headers=STAFF).json()["data"]] == [LINE]
    assert mirror.get("/v1/credit-lines", headers=OPERATOR, params={"lender": "lender-a"}).json()["data"] == []
    assert mirror.get(f"/v1/credit-lines/{LINE}", headers=STAFF).json()["owed_fen"] == 49_430
    problem(
        mirror.get(f"/v1/credit-lines/{LINE}", headers=OPERATOR, params={"lender": "lender-a"}), 404, "line_unknown"
    )
    problem(mirror.get("/v1/credit-lines/xyz", headers=STAFF), 404, "line_unknown")
    problem(mirror.get("/v1/credit-lines", headers=STAFF, params={"owing": "some"}), 400, "parameter_invalid")


# ── at a lender's service ────────────────────────────────────────────────────────────────────────────────────────────


def test_who_enrols_gets_a_line_and_the_same_one_again(service: TestClient, lender: FakeLender) -> None:
    answer = service.post("/v1/credit-accounts", json=lending_examples.ENROL_REQUEST, headers=PATIENT)
    assert (answer.status_code, answer.headers["location"]) == (201, ACCOUNT)
    assert (answer.json()["line"], answer.json()["line_fen"]) == (LINE, 100_000)
    lender.repeated = True
    assert service.post("/v1/credit-accounts", json=lending_examples.ENROL_REQUEST, headers=PATIENT).status_code == 200
    assert lender.asked[0] == (
        *("enrol", "person-1", "anxin"),
        *(lending_examples.ENROL_REQUEST["attestation"], ["hospital-a"]),
    )


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("not_eligible", 409),
        ("attestation_invalid", 422),
        ("attestation_expired", 422),
        ("attestation_of_other", 403),
        ("product_unknown", 404),
        ("unavailable", 503),
    ],
)
def test_a_refusal_repeats_nothing_of_an_attestation(
    service: TestClient, lender: FakeLender, code: str, status: int
) -> None:
    lender.refusal = ServiceRefused(code)
    answer = service.post("/v1/credit-accounts", json=lending_examples.ENROL_REQUEST, headers=PATIENT)
    problem(answer, status, code)
    assert lending_examples.ENROL_REQUEST["attestation"] not in answer.text


@pytest.mark.parametrize("attestation", ["", "a b", "信用", "x" * 4097, 7])
def test_what_cannot_be_an_attestation_is_refused_and_not_repeated(service: TestClient, attestation: Any) -> None:
    body = {"product": "anxin", "attestation": attestation, "hospitals": ["hospital-a"]}
    answer = service.post("/v1/credit-accounts", json=body, headers=PATIENT)
    assert answer.status_code == 422, answer.text
    assert not (isinstance(attestation, str) and attestation and attestation in answer.text)


@pytest.mark.parametrize("hospitals", [None, [], "hospital-a", ["Hospital A"], [f"hospital-{n}" for n in range(17)]])
def test_a_line_for_nowhere_or_anywhere_is_not_asked_for(
    service: TestClient, lender: FakeLender, hospitals: Any
) -> None:
    body = {key: value for key, value in lending_examples.ENROL_REQUEST.items() if key != "hospitals"}
    if hospitals is not None:
        body["hospitals"] = hospitals
    assert service.post("/v1/credit-accounts", json=body, headers=PATIENT).status_code == 422
    assert lender.asked == []


def test_staff_states_collects_and_agrees(service: TestClient, lender: FakeLender) -> None:
    for verb, body in (
        ("repayments", lending_examples.REPAYMENT_REQUEST),
        ("paybacks", lending_examples.PAYBACK_REQUEST),
        ("instalments", lending_examples.INSTALMENTS_REQUEST),
        ("revocation", {"reason": "revoked"}),
    ):
        assert service.post(f"{ACCOUNT}/{verb}", json=body, headers=STAFF).status_code == 201
    assert service.post(f"{ACCOUNT}/statements", headers=STAFF).status_code == 201
    plan = [InstalmentWish("2026-04-30", 24_715), InstalmentWish("2026-05-31", 24_715)]
    assert lender.asked == [
        ("repay", LINE, "HK-20260320-1", "alipay", 20_000),
        ("pay_back", LINE, "TK-20260321-1", "alipay", 5_000),
        ("agree", LINE, "FQ-1", plan),
        ("revoke", LINE, "revoked"),
        ("state", LINE),
    ]
    lender.repeated = True
    answer = service.post(f"{ACCOUNT}/repayments", json=lending_examples.REPAYMENT_REQUEST, headers=STAFF)
    assert (answer.status_code, answer.json()["repeated"]) == (200, True)


def test_statements_of_all_come_part_by_part(service: TestClient, lender: FakeLender) -> None:
    first = service.post("/v1/credit-statements", headers=STAFF).json()
    assert (first["counts"], first["owed_fen"], first["next"]) == ({"recorded": 1, "refused": 1}, 5, "more")
    assert service.post("/v1/credit-statements", headers=STAFF, params={"after": "more"}).json()["next"] is None
    assert lender.asked == [("state_all", None), ("state_all", "more")]


@pytest.mark.parametrize(
    ("verb", "body", "pointer"),
    [
        ("repayments", {**lending_examples.REPAYMENT_REQUEST, "amount_fen": 0}, "/amount_fen"),
        ("repayments", {**lending_examples.REPAYMENT_REQUEST, "channel": "Ali Pay"}, "/channel"),
        ("paybacks", {**lending_examples.PAYBACK_REQUEST, "amount_fen": 0}, "/amount_fen"),
        ("paybacks", {**lending_examples.PAYBACK_REQUEST, "channel": "Ali Pay"}, "/channel"),
        ("instalments", {"plan_no": "1", "instalments": []}, "/instalments"),
        (
            "instalments",
            {"plan_no": "1", "instalments": [{"due": "2026-4-1", "amount_fen": 1}]},
            "/instalments/0/due",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_place(
    service: TestClient, lender: FakeLender, verb: str, body: dict[str, Any], pointer: str
) -> None:
    problem(service.post(f"{ACCOUNT}/{verb}", json=body, headers=STAFF), 422, "invalid_value", pointer)
    assert lender.asked == []


def test_collecting_is_the_lenders_own_staffs_and_enrolling_a_patients(service: TestClient) -> None:
    repayment, payback = lending_examples.REPAYMENT_REQUEST, lending_examples.PAYBACK_REQUEST
    for verb, body in (("repayments", repayment), ("paybacks", payback)):
        problem(service.post(f"{ACCOUNT}/{verb}", json=body, headers=PATIENT), 403, "role_forbidden")
        problem(service.post(f"{ACCOUNT}/{verb}", json=body, headers=OPERATOR), 403, "organisation_forbidden")
    for headers in (CASHIER, STAFF, AUDITOR):
        answer = service.post("/v1/credit-accounts", json=lending_examples.ENROL_REQUEST, headers=headers)
        problem(answer, 403, "role_forbidden")
    problem(service.get(ACCOUNT), 401, "token_missing")


def test_a_service_serves_its_own_paths_and_no_nodes(service: TestClient, mirror: TestClient) -> None:
    assert service.get(ACCOUNT, headers=PATIENT).json()["dues"] == lending_examples.LINE["dues"]
    problem(service.get(f"/v1/credit-accounts/{'0' * 64}", headers=PATIENT), 404, "line_unknown")
    problem(service.get("/v1/credit-accounts/x", headers=PATIENT), 404, "line_unknown")
    problem(service.get("/v1/claim-terms"), 404, "not_found")
    answer = mirror.post("/v1/credit-accounts", json=lending_examples.ENROL_REQUEST, headers=PATIENT)
    problem(answer, 404, "not_found")
