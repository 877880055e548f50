"""Purposes, the log of accesses, and proxies, as REST speaks of them."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from api.schemas import examples
from node.purposes import PURPOSES
from node.service import ProxyAsked
from tests.api.conftest import AUDITOR, CASHIER, CLERK, bearer, problem
from tests.api.fake_desk import FakeGateway, FakeMirror

PATIENT = bearer("patient", "finance-city")
SEARCHES = (
    "/v1/audit/bills?issuer=hospital-a",
    f"/v1/audit/signed-by?key_id={'ab' * 32}",
    "/v1/audit/accesses",
)


@pytest.mark.parametrize("path", SEARCHES)
def test_an_audit_search_names_its_purpose(mirror: TestClient, path: str) -> None:
    """FEATURES 33."""
    for headers in (AUDITOR, CLERK):
        assert mirror.get(path, headers=headers).status_code == 200
        for empty in ({}, {"Purpose": ""}, {"Purpose": "  "}):
            token = {"Authorization": headers["Authorization"]}
            problem(mirror.get(path, headers={**token, **empty}), 400, "purpose_missing")
    for purpose in ("curiosity", "Audit", "audit, supervision", "audit;x"):
        problem(mirror.get(path, headers={**AUDITOR, "Purpose": purpose}), 400, "purpose_invalid")


def test_sums_and_what_is_public_need_none(mirror: TestClient) -> None:
    token = {"Authorization": AUDITOR["Authorization"]}
    for path in ("/v1/audit/day-totals?from=2026-03-01", "/v1/audit/number-gaps?year=2026", "/v1/blocks"):
        assert mirror.get(path, headers=token).status_code == 200


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_purpose_and_an_auditors_case_get_to_the_node(
    mirror: TestClient, archive: FakeMirror, purpose: str
) -> None:
    headers = {**AUDITOR, "Purpose": purpose, "Case-Number": "2026(B)-0017/1"}
    assert mirror.get(SEARCHES[0], headers=headers).status_code == 200
    reader = archive.searched_by
    assert reader is not None
    assert (reader.purpose, reader.case_number) == (purpose, "2026(B)-0017/1")


def test_a_case_is_an_auditors_and_has_a_number(mirror: TestClient) -> None:
    for headers in (CLERK, CASHIER, PATIENT):
        answer = mirror.get(f"/v1/bills/{examples.BILL_ID}", headers={**headers, "Case-Number": "2026-1"})
        problem(answer, 400, "case_number_invalid")
    for number in ("x" * 65, "a b", "-1", "<1>"):
        problem(mirror.get(SEARCHES[0], headers={**AUDITOR, "Case-Number": number}), 400, "case_number_invalid")


def test_the_log_is_read_by_number(mirror: TestClient, archive: FakeMirror) -> None:
    first = mirror.get("/v1/audit/accesses?limit=1", headers=AUDITOR).json()
    assert (first["data"][0]["number"], first["has_more"], first["next"]) == (1, True, "1")
    mirror.get("/v1/audit/accesses?after=1&limit=1000", headers=AUDITOR)
    assert archive.calls == [("accesses", 0, 1), ("accesses", 1, 1000)]
    for query in ("after=-1", "after=x", "after=1e3", f"after={'9' * 400}", "limit=0", "limit=1001"):
        problem(mirror.get(f"/v1/audit/accesses?{query}", headers=AUDITOR), 400, "parameter_invalid")
    problem(mirror.get("/v1/audit/accesses?before=1", headers=AUDITOR), 400, "parameter_unknown")


def test_the_anchor_is_a_file_once_there_is_one(mirror: TestClient, archive: FakeMirror) -> None:
    assert mirror.get("/v1/audit/accesses/anchor", headers=AUDITOR).content == b"anchor"
    asked = mirror.post("/v1/audit/accesses:anchor", json={}, headers=AUDITOR)
    assert (asked.status_code, asked.json()["status"]) == (202, "queued")
    archive.anchor = None
    problem(mirror.get("/v1/audit/accesses/anchor", headers=AUDITOR), 404, "anchor_unknown")
    nothing = mirror.post("/v1/audit/accesses:anchor", json={}, headers=AUDITOR)
    assert (nothing.status_code, nothing.json()["data"]) == (200, [])


def test_a_patients_lists_for_whom_it_reads(mirror: TestClient, archive: FakeMirror) -> None:
    page = mirror.get("/v1/me/accesses?limit=1", headers=PATIENT).json()
    assert (page["data"], page["has_more"]) == ([examples.ACCESS], True)
    mirror.get("/v1/me/accesses", params={"cursor": page["next"], "for": ""}, headers=PATIENT)
    mirror.get("/v1/me/accesses", params={"for": examples.DIGEST}, headers=PATIENT)
    assert archive.calls == [
        ("my_accesses", None, 1, None),
        ("my_accesses", "17", 20, None),
        ("my_accesses", None, 20, examples.DIGEST),
    ]
    for path in ("/v1/me/accesses", "/v1/me/bills"):
        for proxy in ("ab" * 32, "x", "AB" * 32, "9" * 400):
            problem(mirror.get(path, params={"for": proxy}, headers=PATIENT), 404, "proxy_unknown")
        # the cursor of one list, or of one person, is no good for another
        for headers, query in ((PATIENT, {"for": examples.DIGEST}), (bearer("patient", "finance"), {})):
            answer = mirror.get(path, params={"cursor": page["next"], **query}, headers=headers)
            problem(answer, 400, "cursor_invalid")
    problem(mirror.get("/v1/me/bills", params={"cursor": page["next"]}, headers=PATIENT), 400, "cursor_invalid")


def test_a_proxy_ends_with_its_day_where_the_ledger_is(mirror: TestClient, archive: FakeMirror) -> None:
    for until, until_ms in (
        ("2026-12-31", 1_798_732_800_000),  # 2027-01-01 00:00 +08:00
        ("2026-12-31T12:00:00+08:00", 1_798_689_600_000),
    ):
        body = {**examples.PROXY_REQUEST, "until": until}
        answer = mirror.post("/v1/me/proxies", json=body, headers=PATIENT)
        assert (answer.status_code, answer.json()["proxy"]) == (202, examples.DIGEST)
        name, asked = archive.calls[-1]
        assert isinstance(asked, ProxyAsked)
        assert (name, asked.until_ms, asked.principal, asked.agent.name) == ("grant", until_ms, None, "示例甲")
    for until in ("2026-13-01", "31.12.2026", "2026-12-31T12:00:00", "9999-12-31", "tomorrow!!"):
        body = {**examples.PROXY_REQUEST, "until": until}
        problem(mirror.post("/v1/me/proxies", json=body, headers=PATIENT), 422, "invalid_value", "/until")


def test_a_child_is_registered_by_a_clerk(mirror: TestClient, archive: FakeMirror, gateway: TestClient) -> None:
    body = {**examples.PROXY_REQUEST, "relationship": "child"}
    problem(mirror.post("/v1/me/proxies", json=body, headers=PATIENT), 403, "counter_only")
    answer = mirror.post("/v1/proxies", json=examples.COUNTER_PROXY_REQUEST, headers=CLERK)
    assert answer.status_code == 202
    asked = archive.calls[-1][1]
    assert (asked.principal.name, asked.evidence) == ("示例丙", "birth_certificate")
    without = {name: value for name, value in examples.COUNTER_PROXY_REQUEST.items() if name != "evidence"}
    problem(mirror.post("/v1/proxies", json=without, headers=CLERK), 422, "missing_field")
    problem(mirror.post("/v1/proxies", json=examples.COUNTER_PROXY_REQUEST, headers=CASHIER), 403, "role_forbidden")
    problem(gateway.post("/v1/proxies", json=examples.COUNTER_PROXY_REQUEST, headers=CLERK), 404, "not_found")


def test_what_is_said_of_a_person_is_checked(mirror: TestClient) -> None:
    agent = examples.PROXY_REQUEST["agent"]
    for change, code, pointer in (
        ({"agent": {**agent, "name": ""}}, "invalid_value", "/agent/name"),
        ({"agent": {**agent, "id_number": "x" * 33}}, "invalid_value", "/agent/id_number"),
        ({"agent": {**agent, "born": "1990"}}, "unknown_field", None),
        ({"relationship": "friend"}, "invalid_value", "/relationship"),
        ({"agent": {**agent, "name": "a\u202eb"}}, "text_refused", None),
    ):
        answer = mirror.post("/v1/me/proxies", json={**examples.PROXY_REQUEST, **change}, headers=PATIENT)
        problem(answer, 422, code, pointer)


def test_a_relation_is_ended_by_its_name(mirror: TestClient) -> None:
    for path, headers in (("/v1/me/proxies", PATIENT), ("/v1/proxies", CLERK)):
        assert mirror.post(f"{path}/{examples.DIGEST}/end", json={}, headers=headers).status_code == 202
        for name in ("ab" * 32, "x", "AB" * 32):
            problem(mirror.post(f"{path}/{name}/end", json={}, headers=headers), 404, "proxy_unknown")


def test_a_gateway_takes_a_purpose_and_needs_none(gateway: TestClient, desk: FakeGateway) -> None:
    assert gateway.post("/v1/bills", json=examples.BILL, headers={**CASHIER, "Purpose": "nonsense"}).status_code == 202
    number = next(iter(desk.bills))
    assert gateway.get(f"/v1/bills/{number}", headers=CASHIER).status_code == 200
    assert gateway.get(f"/v1/bills/{number}", headers={**CASHIER, "Purpose": "complaint"}).status_code == 200
