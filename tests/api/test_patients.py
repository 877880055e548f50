"""What is a patient's own: a bill claimed by its slip, who looked it up, and disputes with the office's list of them."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from api.schemas import examples
from node.identity import Identity
from tests.api.conftest import AUDITOR, CASHIER, CLERK, bearer, bill, problem
from tests.api.fake_desk import FakeGateway, FakeMirror

PATIENT = bearer("patient", "finance-city")
OTHER = bearer("patient", "finance-city", subject="person-2", identity=Identity("01", "SYNTHETIC-0002", "Other"))
NOBODY = bearer("patient", "finance-city", subject="person-3", identity=None)
SLIP = {"bill_id": examples.BILL_ID, "secret": examples.CHECK_CODE}
BILL = f"/v1/bills/{examples.BILL_ID}"


def test_a_slip_makes_a_bill_somebodys_once(mirror: TestClient, archive: FakeMirror) -> None:
    """FEATURES 29: 200 when it is theirs, 202 while nobody can say, 409 for who comes second."""
    answer = mirror.post("/v1/me/bills", json=SLIP, headers={**PATIENT, "Prefer": "wait=0"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    archive.binding.holder, archive.reaches = "", "recorded"
    answer = mirror.post("/v1/me/bills", json=SLIP, headers=PATIENT)
    assert (answer.status_code, answer.json()["status"]) == (200, "recorded")
    assert archive.waits[-1] > 5  # who says nothing of waiting is told how it ended
    again = mirror.post("/v1/me/bills", json=SLIP, headers=PATIENT)
    assert (again.status_code, again.json()["operation"]) == (200, answer.json()["operation"])
    problem(mirror.post("/v1/me/bills", json=SLIP, headers=OTHER), 409, "already_claimed")
    problem(mirror.post("/v1/me/bills", json={**SLIP, "secret": "AAAAAA"}, headers=PATIENT), 404, "bill_unknown")
    problem(mirror.post("/v1/me/bills", json=SLIP, headers=NOBODY), 403, "identity_missing")
    assert archive.calls[-1] == ("claim", examples.BILL_ID, examples.CHECK_CODE, "testclient")


def test_who_lost_the_race_is_told_after_the_wait(mirror: TestClient, archive: FakeMirror) -> None:
    archive.reaches, archive.outcome_code = "refused", "already_claimed"
    problem(mirror.post("/v1/me/bills", json=SLIP, headers=PATIENT), 409, "already_claimed")
    archive.binding.holder, archive.outcome_code = "", "already_recorded"  # the same person, asked twice at once
    assert mirror.post("/v1/me/bills", json=SLIP, headers=PATIENT).status_code == 200


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"bill_id": "12"}, "/bill_id"), ({"secret": ""}, "/secret"), ({"secret": "x" * 33}, "/secret")],
)
def test_a_slip_is_written_right(change: dict[str, str], pointer: str, mirror: TestClient) -> None:
    answer = mirror.post("/v1/me/bills", json={**SLIP, **change}, headers=PATIENT)
    problem(answer, 422, "invalid_value", pointer)


def test_look_ups_are_their_holders_and_the_issuers(
    gateway: TestClient, desk: FakeGateway, mirror: TestClient, archive: FakeMirror
) -> None:
    """FEATURES 26: an institution's token says who looked, and any other is as good as none."""
    for headers in ({}, PATIENT, bearer("operator", "finance"), bearer("insurer_clerk", "finance"), AUDITOR):
        answer = mirror.post("/v1/verifications", json=examples.CLAIMED, headers=headers)
        assert answer.json()["lookups"] == examples.GENUINE["lookups"]
    assert [asker.role if asker else "" for asker in archive.askers] == ["", "", "", "insurer_clerk", "auditor"]
    clerk = bearer("insurer_clerk", "finance")
    assert mirror.post("/v1/verifications:batch", json={"rows": [examples.CLAIMED]}, headers=clerk).status_code == 200
    assert archive.askers[-1] is not None
    problem(
        mirror.post("/v1/verifications", json=examples.CLAIMED, headers={"Authorization": "Bearer x"}),
        401,
        "token_invalid",
    )
    assert mirror.get(f"{BILL}/lookups", headers=PATIENT).json() == examples.LOOKUPS
    gateway.post("/v1/bills", json=bill(), headers=CASHIER)
    assert gateway.get(f"{BILL}/lookups", headers=CASHIER).json() == examples.LOOKUPS
    problem(gateway.get(f"{BILL}/lookups", headers=bearer("cashier", "hospital-b")), 404, "bill_unknown")
    problem(mirror.get(f"{BILL}/lookups", headers=AUDITOR), 403, "role_forbidden")
    problem(mirror.get(f"/v1/bills/{'9' * 18}/lookups", headers=PATIENT), 404, "bill_unknown")
    problem(mirror.get(f"{BILL}/lookups?x=1", headers=PATIENT), 400, "parameter_unknown")


def test_a_dispute_is_said_by_its_holder_and_settled_by_the_office(mirror: TestClient, archive: FakeMirror) -> None:
    archive.reaches = "recorded"
    wait = {"Prefer": "wait=2"}
    said = mirror.post(f"{BILL}/disputes", json={"reason": "not_me"}, headers={**PATIENT, **wait})
    assert (said.status_code, said.json()["status"]) == (201, "recorded")
    problem(
        mirror.post(f"/v1/bills/{'9' * 18}/disputes", json={"reason": "not_me"}, headers=PATIENT), 404, "bill_unknown"
    )
    problem(
        mirror.post(f"{BILL}/disputes", json={"reason": "It was not me!"}, headers=PATIENT),
        422,
        "invalid_value",
        "/reason",
    )
    settled = mirror.post(f"{BILL}/disputes:settle", json={"outcome": "dismissed"}, headers={**CLERK, **wait})
    assert (settled.status_code, settled.json()["status"]) == (201, "recorded")
    problem(
        mirror.post(f"{BILL}/disputes:settle", json={"outcome": "dismissed"}, headers=PATIENT), 403, "role_forbidden"
    )
    problem(
        mirror.post(f"/v1/bills/{'9' * 18}/disputes:settle", json={"outcome": "upheld"}, headers=CLERK),
        409,
        "not_disputed",
    )


def test_open_disputes_are_listed_part_by_part(mirror: TestClient, archive: FakeMirror) -> None:
    bills, query = [], {}
    for _ in range(3):
        page = mirror.get("/v1/disputes", params=query, headers=AUDITOR).json()
        bills += [row["bill_id"] for row in page["data"]]
        query = {"cursor": page["next"]} if page["next"] else {}
    assert (bills, query) == (archive.disputes.open_ones, {})
    problem(mirror.get("/v1/disputes?limit=0", headers=CLERK), 400, "parameter_invalid")
    problem(mirror.get("/v1/disputes?cursor=x", headers=CLERK), 400, "cursor_invalid")
