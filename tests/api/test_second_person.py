"""Asking and agreeing over REST: one person gets 202 `awaiting_second`, the same one 403, another one the step itself."""

from __future__ import annotations

from starlette.testclient import TestClient

from api.schemas import examples
from tests.api.conftest import AUDITOR, CASHIER, CLERK, OTHER_CASHIER, bearer, bill, problem, serve
from tests.api.fake_desk import FakeGateway, FakeMirror

CHECKER = bearer("hospital_admin", "hospital-a", subject="checker-02")


def issued(client: TestClient) -> str:
    return str(client.post("/v1/bills", json=bill(), headers=CASHIER).json()["bill_id"])


def test_a_reversal_waits_for_another_person_of_the_hospital() -> None:
    desk = FakeGateway()
    desk.needs_two = True
    client = serve(desk)
    number = issued(client)
    asked = client.post(f"/v1/bills/{number}/reversal", json=examples.REVERSAL, headers=CASHIER)
    assert (asked.status_code, asked.json()["status"]) == (202, "awaiting_second")
    assert (asked.json()["kind"], asked.json()["target"]) == ("reverse_bill", number)
    path = asked.json()["links"]["approval"]
    assert asked.headers["location"] == path
    assert desk.bills[number]["validity"] == "normal"
    again = client.post(f"/v1/bills/{number}/reversal", json=examples.REVERSAL, headers=CHECKER)
    assert again.json() == asked.json()  # whoever asks again is told what waits already

    rows = client.get("/v1/approvals", headers=CHECKER).json()["data"]
    (row,) = [row for row in rows if row["approval"] == asked.json()["approval"]]
    assert (row["kind"], row["target"], row["asked_by"]) == ("reverse_bill", number, "person-1")
    assert examples.REVERSAL.items() <= row["request"].items()
    problem(client.post(path, json={}, headers=CASHIER), 403, "same_person")
    problem(client.post(path, json={}, headers=OTHER_CASHIER), 403, "organisation_forbidden")
    problem(client.post(path, json={"reason": "x"}, headers=CHECKER), 422, "unknown_field")
    done = client.post(path, json={}, headers=CHECKER)
    assert (done.status_code, desk.bills[done.json()["bill_id"]]["validity"]) == (202, "red")
    persons = [call[1] for call in desk.calls if call[0] == "persons"][-1]
    assert persons == sorted(persons)
    assert len(set(persons)) == 2
    problem(client.post(path, json={}, headers=CHECKER), 404, "approval_unknown")
    problem(
        client.post(f"/v1/bills/{number}/reversal", json=examples.REVERSAL, headers=CASHIER), 409, "already_reversed"
    )


def test_what_cannot_be_kept_goes_on_waiting_and_what_is_refused_does_not() -> None:
    desk = FakeGateway()
    desk.needs_two = True
    client = serve(desk)
    number = issued(client)
    path = client.post(f"/v1/bills/{number}/reversal", json=examples.REVERSAL, headers=CASHIER).json()["links"][
        "approval"
    ]
    desk.refusals = ["outbox_full"]
    problem(client.post(path, json={}, headers=CHECKER), 503, "outbox_full")
    desk.bills[number]["validity"] = "red"
    problem(client.post(path, json={}, headers=CHECKER), 409, "bill_is_red")
    problem(client.post(path, json={}, headers=CHECKER), 404, "approval_unknown")


def test_it_can_be_withdrawn() -> None:
    client = serve(FakeGateway())
    path = f"/v1/approvals/{examples.APPROVAL}"
    problem(client.post(f"{path}/withdrawal", json={}, headers=AUDITOR), 403, "role_forbidden")
    assert client.post(f"{path}/withdrawal", json={}, headers=CASHIER).json()["approval"] == examples.APPROVAL
    problem(client.post(path, json={}, headers=CHECKER), 404, "approval_unknown")


def test_an_office_suspends_with_two_clerks() -> None:
    desk = FakeMirror()
    desk.needs_two = True
    client = serve(desk)
    problem(
        client.post("/v1/organisations/nobody/suspension", json={"reason": "x"}, headers=CLERK),
        422,
        "organisation_unknown",
    )
    asked = client.post("/v1/organisations/hospital-a/suspension", json={"reason": "key_lost"}, headers=CLERK)
    assert (asked.status_code, asked.json()["target"]) == (202, "hospital-a")
    other = bearer("finance_clerk", "finance-city", subject="clerk-two")
    assert client.post(asked.json()["links"]["approval"], json={}, headers=other).status_code == 202
    assert [call[1].organisation for call in desk.calls if call[0] == "supervise"] == ["hospital-a"]


def test_what_a_key_signed_is_read_part_by_part() -> None:
    desk = FakeMirror()
    client = serve(desk)
    first = client.get("/v1/audit/signed-by", params={"key_id": "ab" * 32, "from_height": "7"}, headers=AUDITOR).json()
    assert first["has_more"]
    query = {"key_id": "ab" * 32, "from_height": "7", "cursor": first["next"]}
    second = client.get("/v1/audit/signed-by", params=query, headers=AUDITOR).json()
    assert (second["has_more"], second["data"]) == (False, [examples.SIGNED])
    assert [call[2:4] for call in desk.calls] == [(7, None), (7, "1043/0")]
    for query in ({"key_id": "ab"}, {"key_id": "ab" * 32, "from_height": "-1"}, {"key_id": "zz" * 32}):
        problem(client.get("/v1/audit/signed-by", params=query, headers=AUDITOR), 400, "parameter_invalid")
