"""A hospital's bills over REST: issue, repeat, wait, look up, reverse."""

from __future__ import annotations

import json

from starlette.testclient import TestClient

from api.schemas import examples
from tests.api.conftest import AUDITOR, CASHIER, OTHER_CASHIER, bill, problem, serve
from tests.api.fake_desk import FakeGateway


def test_a_bill_has_its_number_at_once(gateway: TestClient) -> None:
    """DESIGN 1.8: without Prefer it answers 202 as soon as the bill is kept."""
    answer = gateway.post("/v1/bills", json=bill(), headers=CASHIER)
    assert answer.status_code == 202
    assert answer.json() == {
        "operation": answer.json()["operation"],
        "status": "queued",
        "bill_id": examples.BILL_ID,
        "check_code": examples.CHECK_CODE,
        "links": {
            "operation": f"/v1/operations/{answer.json()['operation']}",
            "bill": f"/v1/bills/{examples.BILL_ID}",
            "history": f"/v1/bills/{examples.BILL_ID}/history",
            "proof": f"/v1/bills/{examples.BILL_ID}/proof",
        },
    }
    assert answer.headers["location"] == f"/v1/bills/{examples.BILL_ID}"
    assert answer.headers["cache-control"] == "private, no-store"
    assert "etag" not in answer.headers


def test_the_same_bill_again_is_the_same_bill(gateway: TestClient) -> None:
    """DESIGN 10: (issuer, business_no) is unique: same content 200, other content 409."""
    first = gateway.post("/v1/bills", json=bill(), headers=CASHIER).json()
    again = gateway.post("/v1/bills", json=bill(), headers=CASHIER)
    assert (again.status_code, again.json()["bill_id"]) == (200, first["bill_id"])
    waited = gateway.post("/v1/bills", json=bill(), headers={**CASHIER, "Prefer": "wait=1"})
    assert waited.status_code == 200
    other = gateway.post("/v1/bills", json=bill(remark="another"), headers=CASHIER)
    refusal = problem(other, 409, "business_no_conflict")
    assert refusal["links"] == {"bill": f"/v1/bills/{first['bill_id']}"}


def test_who_prefers_to_wait_is_answered_when_sealed(gateway: TestClient, desk: FakeGateway) -> None:
    """RFC 7240; DESIGN 10: 201 if recorded or sealed, else 202."""
    for place, (reached, status) in enumerate({"sealed": 201, "recorded": 201, "queued": 202}.items()):
        desk.reaches = reached  # type: ignore[assignment]
        headers = {**CASHIER, "Prefer": "respond-async, wait=5"}
        answer = gateway.post("/v1/bills", json=bill(business_no=f"B{place}"), headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (status, reached)
        assert answer.headers["preference-applied"] == "wait=5"
    assert all(4.9 < seconds <= 5 for seconds in desk.waits)


def test_nobody_waits_longer_than_the_cap(gateway: TestClient, desk: FakeGateway) -> None:
    answer = gateway.post("/v1/bills", json=bill(), headers={**CASHIER, "Prefer": "wait=86400"})
    assert answer.headers["preference-applied"] == "wait=30"
    assert desk.waits[0] <= 30


def test_a_preference_that_is_no_number_is_ignored(gateway: TestClient, desk: FakeGateway) -> None:
    """RFC 7240, 2: preferences that cannot be understood are ignored."""
    answer = gateway.post("/v1/bills", json=bill(), headers={**CASHIER, "Prefer": "wait=soon"})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers
    assert desk.waits == []


def test_when_too_many_wait_the_next_is_answered_at_once(desk: FakeGateway) -> None:
    gateway = serve(desk, waiting_max=0)
    answer = gateway.post("/v1/bills", json=bill(), headers={**CASHIER, "Prefer": "wait=5"})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers


def test_a_bill_that_the_ledger_refuses_is_a_problem_with_its_operation(gateway: TestClient, desk: FakeGateway) -> None:
    desk.reaches, desk.outcome_code = "refused", "number_used"
    answer = gateway.post("/v1/bills", json=bill(), headers={**CASHIER, "Prefer": "wait=1"})
    refusal = problem(answer, 409, "number_used")
    assert refusal["operation"]
    assert refusal["height"] == desk.height
    assert refusal["bill_id"] == examples.BILL_ID


def test_a_refused_bill_asked_for_again_is_still_refused(gateway: TestClient, desk: FakeGateway) -> None:
    """That it was kept before makes no success of it."""
    desk.reaches, desk.outcome_code = "refused", "number_used"
    headers = {**CASHIER, "Prefer": "wait=1"}
    for _ in range(2):
        problem(gateway.post("/v1/bills", json=bill(), headers=headers), 409, "number_used")
    answer = gateway.post("/v1/bills:batch", json={"bills": [bill()]}, headers=headers)
    (outcome,) = answer.json()["outcomes"]
    assert (outcome["status"], outcome["code"], outcome.get("repeated", False)) == ("refused", "number_used", False)


def test_a_bill_that_another_gateway_has_issued_is_no_refusal(gateway: TestClient, desk: FakeGateway) -> None:
    """DESIGN 6: on `already_issued` the losing gateway answers with the winner's number."""
    desk.reaches, desk.outcome_code = "refused", "already_issued"
    answer = gateway.post("/v1/bills", json=bill(), headers={**CASHIER, "Prefer": "wait=1"})
    assert (answer.status_code, answer.json()["code"]) == (200, "already_issued")


def test_without_numbers_nothing_is_kept(desk: FakeGateway) -> None:
    desk.numbers = 0
    answer = serve(desk).post("/v1/bills", json=bill(), headers=CASHIER)
    problem(answer, 503, "no_numbers")
    assert answer.headers["retry-after"] == "5"


def test_one_bad_bill_spoils_no_other(gateway: TestClient) -> None:
    """Wrong in type, wrong in sum, and good: an outcome for each, in order."""
    bills = [
        bill(business_no="B1"),
        bill(business_no="B2", total_fen=12850.0),
        bill(business_no="B3", total_fen=12851),
        bill(business_no="B4", colour="red"),
        bill(business_no="B5"),
    ]
    answer = gateway.post("/v1/bills:batch", json={"bills": bills}, headers=CASHIER)
    assert answer.status_code == 202
    outcomes = answer.json()["outcomes"]
    assert [outcome["index"] for outcome in outcomes] == [0, 1, 2, 3, 4]
    assert [outcome.get("code") for outcome in outcomes] == [None, "wrong_type", "sum_mismatch", "unknown_field", None]
    assert [outcome.get("pointer") for outcome in outcomes] == [None, "/total_fen", "/charges", "/colour", None]
    assert [outcome.get("bill_id") for outcome in outcomes] == [
        "330601260000000001",
        None,
        None,
        None,
        "330601260000000002",
    ]


def test_a_batch_waits_once_for_all(gateway: TestClient, desk: FakeGateway) -> None:
    desk.reaches = "sealed"
    bills = [bill(business_no=f"B{place}") for place in range(5)]
    answer = gateway.post("/v1/bills:batch", json={"bills": bills}, headers={**CASHIER, "Prefer": "wait=5"})
    assert answer.status_code == 200
    assert {outcome["status"] for outcome in answer.json()["outcomes"]} == {"sealed"}
    assert answer.headers["preference-applied"] == "wait=5"
    again = gateway.post("/v1/bills:batch", json={"bills": bills}, headers=CASHIER)
    assert all(outcome["repeated"] for outcome in again.json()["outcomes"])


def test_a_batch_has_1_to_1000_bills(gateway: TestClient, desk: FakeGateway) -> None:
    problem(gateway.post("/v1/bills:batch", json={"bills": []}, headers=CASHIER), 422, "invalid_value", "/bills")
    bills = [bill(business_no=f"B{place}") for place in range(1001)]
    problem(gateway.post("/v1/bills:batch", json={"bills": bills}, headers=CASHIER), 422, "invalid_value", "/bills")
    assert desk.requests == {}
    answer = gateway.post("/v1/bills:batch", json={"bills": bills[:1000]}, headers=CASHIER)
    assert len(answer.json()["outcomes"]) == 1000


def test_a_batch_of_which_nothing_could_be_kept_is_a_503(desk: FakeGateway) -> None:
    desk.numbers = 0
    gateway = serve(desk)
    bills = [bill(business_no="B1"), bill(business_no="B2")]
    problem(gateway.post("/v1/bills:batch", json={"bills": bills}, headers=CASHIER), 503, "no_numbers")
    desk.numbers = 1
    assert gateway.post("/v1/bills:batch", json={"bills": bills}, headers=CASHIER).status_code == 202


def test_what_is_wrong_with_the_list_itself_is_said_of_the_whole(gateway: TestClient) -> None:
    def send(content: bytes | str) -> object:
        return gateway.post("/v1/bills:batch", content=content, headers={**CASHIER, "Content-Type": "application/json"})

    problem(send("{}"), 422, "missing_field", "/bills")
    problem(send('{"bills":[],"more":1}'), 422, "unknown_field", "/more")
    problem(send('{"bills":7}'), 422, "wrong_type", "/bills")
    problem(send('{"bills":[7]}'), 422, "wrong_type", "/bills/0")
    problem(send("[]"), 422, "wrong_type", "")
    problem(send('{"bills":[{}],"bills":[{}]}'), 422, "duplicate_field", "/bills")
    problem(send('{"bills":[{}'), 400, "malformed_json")
    problem(send(b'{"\xff":1}'), 400, "malformed_json")
    problem(send(b'{"bills":[{"a":1},'), 400, "malformed_json")
    problem(send('{"bills":' + "[" * 200_000), 400, "malformed_json")
    problem(send('{"bills":[{"a":' + "[" * 200_000), 400, "malformed_json")


def test_a_bill_that_is_not_text_spoils_no_other(gateway: TestClient) -> None:
    """Bytes that are not UTF-8 concern their bill; an escape that no JSON may have makes the whole unreadable."""
    good = json.dumps(bill()).encode()
    bad = [good.replace(b'"A01"', text) for text in (b'"\xff"', b'"\xed\xa0\x80"')]
    headers = {**CASHIER, "Content-Type": "application/json"}
    content = b'{"bills":[' + b",".join([*bad, good]) + b"]}"
    outcomes = gateway.post("/v1/bills:batch", content=content, headers=headers).json()["outcomes"]
    assert [outcome.get("code") for outcome in outcomes] == ["malformed_json", "malformed_json", None]
    content = b'{"bills":[' + good + b"," + good.replace(b'"A01"', b'"\\ud800"') + b"]}"
    problem(gateway.post("/v1/bills:batch", content=content, headers=headers), 400, "malformed_json")


def test_a_bill_is_found_by_number_and_by_business_number(gateway: TestClient) -> None:
    number = gateway.post("/v1/bills", json=bill(), headers=CASHIER).json()["bill_id"]
    shown = gateway.get(f"/v1/bills/{number}", headers=CASHIER)
    assert shown.status_code == 200
    assert shown.json()["links"]["proof"] == f"/v1/bills/{number}/proof"
    asked = {"issuer": "hospital-a", "business_no": examples.BILL["business_no"]}
    found = gateway.get("/v1/bills", params=asked, headers=CASHIER).json()
    assert [row["bill_id"] for row in found["data"]] == [number]
    assert (found["has_more"], found["next"]) == (False, None)
    assert gateway.get("/v1/bills", params={**asked, "business_no": "B?"}, headers=CASHIER).json()["data"] == []
    history = gateway.get(f"/v1/bills/{number}/history", headers=CASHIER).json()
    assert [row["version"] for row in history["data"]] == [1]


def test_unknown_malformed_and_forbidden_bills_look_the_same(gateway: TestClient) -> None:
    """DESIGN 10: nobody learns which numbers exist."""
    number = gateway.post("/v1/bills", json=bill(), headers=CASHIER).json()["bill_id"]
    bodies = []
    for text, reader in ((number, OTHER_CASHIER), ("9" * 18, CASHIER), ("12", CASHIER), ("３" * 18, CASHIER)):
        for part in ("", "/history", "/proof"):
            body = problem(gateway.get(f"/v1/bills/{text}{part}", headers=reader), 404, "bill_unknown")
            bodies.append({name: value for name, value in body.items() if name != "request_id"})
    assert all(body == bodies[0] for body in bodies)
    assert gateway.get(f"/v1/bills/{number}", headers=AUDITOR).status_code == 200


def test_a_bill_is_reversed_once(gateway: TestClient) -> None:
    number = gateway.post("/v1/bills", json=bill(), headers=CASHIER).json()["bill_id"]
    path = f"/v1/bills/{number}/reversal"
    red = gateway.post(path, json=examples.REVERSAL, headers=CASHIER)
    assert (red.status_code, red.json()["status"]) == (202, "queued")
    problem(gateway.post(path, json=examples.REVERSAL, headers=CASHIER), 409, "already_reversed")
    red_path = f"/v1/bills/{red.json()['bill_id']}/reversal"
    problem(gateway.post(red_path, json=examples.REVERSAL, headers=CASHIER), 409, "bill_is_red")
    problem(
        gateway.post(f"/v1/bills/{'9' * 18}/reversal", json=examples.REVERSAL, headers=CASHIER), 404, "bill_unknown"
    )


def test_a_reversal_says_why_and_by_whom(gateway: TestClient) -> None:
    path = f"/v1/bills/{examples.BILL_ID}/reversal"
    problem(gateway.post(path, json={"reason": "x"}, headers=CASHIER), 422, "missing_field", "/operator")
    problem(gateway.post(path, json={"reason": "", "operator": "x"}, headers=CASHIER), 422, "invalid_value", "/reason")
    problem(
        gateway.post(path, json={"reason": "a\nb", "operator": "x"}, headers=CASHIER), 422, "text_refused", "/reason"
    )
