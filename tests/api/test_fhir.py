"""A bill as FHIR: for whoever may have its proof with details, and for nobody else."""

from __future__ import annotations

import json

from starlette.testclient import TestClient

from api.schemas import examples
from tests.api.conftest import ADMINISTRATOR, AUDITOR, CASHIER, CLERK, OTHER_CASHIER, bill, problem
from tests.api.fake_desk import TOKEN, FakeGateway, FakeMirror
from tests.exports.bills import claim

PATH = f"/v1/bills/{examples.BILL_ID}/fhir"


def test_a_reader_of_details_gets_the_bundle(mirror: TestClient, archive: FakeMirror) -> None:
    answer = mirror.get(PATH, headers=AUDITOR)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/fhir+json")
    assert answer.headers["cache-control"] == "private, no-store"
    first = answer.json()["entry"][0]["resource"]
    assert (first["resourceType"], first["id"]) == ("Invoice", examples.BILL_ID)
    (asked,) = [call for call in archive.calls if call[0] == "proof"]
    assert "payer_name" in asked[3]
    assert not {"check_code", "token", "diagnosis"} & set(asked[3])


def test_the_holder_shows_check_code_or_token(mirror: TestClient) -> None:
    for header in (examples.CHECK_CODE, TOKEN):
        assert mirror.get(PATH, headers={"Medbill-Check-Code": header}).status_code == 200
    problem(mirror.get(PATH, headers={"Medbill-Check-Code": "000000"}), 404, "bill_unknown")
    problem(mirror.get(PATH), 404, "bill_unknown")


def test_another_hospital_sees_no_bill(gateway: TestClient, desk: FakeGateway) -> None:
    gateway.post("/v1/bills", json=bill(), headers=CASHIER)
    assert gateway.get(PATH, headers=ADMINISTRATOR).status_code == 200
    problem(gateway.get(PATH, headers=OTHER_CASHIER), 404, "bill_unknown")
    problem(gateway.get("/v1/bills/1/fhir", headers=CASHIER), 404, "bill_unknown")


def test_claims_and_benefits_only_where_the_ledger_knows_one(mirror: TestClient, archive: FakeMirror) -> None:
    for kind in ("Claim", "ExplanationOfBenefit"):
        problem(mirror.get(PATH, params={"kind": kind}, headers=CLERK), 404, "claim_unknown")
    archive.claimed = [claim("locked")]
    shown = mirror.get(PATH, params={"kind": "Claim"}, headers=CLERK)
    assert shown.json()["entry"][0]["resource"]["total"] == {"value": 0.3, "currency": "CNY"}
    assert '"value":0.30,' in shown.text  # as it is written, no float in between
    problem(mirror.get(PATH, params={"kind": "ExplanationOfBenefit"}, headers=CLERK), 404, "claim_unknown")
    archive.claimed = [claim("paid")]
    shown = mirror.get(PATH, params={"kind": "ExplanationOfBenefit"}, headers=CLERK)
    assert shown.json()["entry"][0]["resource"]["payment"]["amount"]["value"] == 0.2


def test_a_gateway_that_cannot_say_where_the_bill_stands_says_so(gateway: TestClient, desk: FakeGateway) -> None:
    """A reversed bill must not go out as issued."""
    gateway.post("/v1/bills", json=bill(), headers=CASHIER)
    desk.proves_current = False
    problem(gateway.get(PATH, headers=ADMINISTRATOR), 503, "unavailable")


def test_parameters_are_strict(mirror: TestClient) -> None:
    problem(mirror.get(PATH, params={"kind": "Patient"}, headers=AUDITOR), 400, "parameter_invalid")
    problem(mirror.get(PATH, params={"fields": "token"}, headers=AUDITOR), 400, "parameter_unknown")


def test_day_books_of_a_month_at_most(mirror: TestClient, archive: FakeMirror) -> None:
    answer = mirror.get("/v1/audit/day-books?issuer=hospital-a&from=2026-03-01&to=2026-03-31", headers=AUDITOR)
    assert (answer.content, answer.headers["content-type"]) == (b"day books", "application/octet-stream")
    assert archive.calls == [("day_books", "hospital-a", "2026-03-01", "2026-03-31")]
    for query, code in (
        ("from=2026-03-01", "parameter_missing"),
        ("issuer=hospital-a", "parameter_missing"),
        ("issuer=hospital-a&from=2026-03-01&to=2026-04-01", "parameter_invalid"),
        ("issuer=Hospital%20A&from=2026-03-01", "parameter_invalid"),
        ("issuer=a%2Fb&from=2026-03-01", "parameter_invalid"),
    ):
        problem(mirror.get(f"/v1/audit/day-books?{query}", headers=AUDITOR), 400, code)
    problem(mirror.get("/v1/audit/day-books?issuer=hospital-a&from=2026-03-01", headers=CASHIER), 403, "role_forbidden")


def test_the_bundle_is_json_that_says_what_it_is(mirror: TestClient) -> None:
    bundle = json.loads(mirror.get(PATH, headers=AUDITOR).content)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "collection")
