"""Bills of one settlement, and a payer who is bound later, as the REST layer speaks of them (FEATURES 8)."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from api.schemas import examples
from chain.bill import Payer
from tests.api.conftest import ADMINISTRATOR, CASHIER, OTHER_CASHIER, bill, problem
from tests.api.fake_desk import TOKEN, FakeGateway

PAYER = f"/v1/bills/{examples.BILL_ID}/payer"


def test_bills_of_a_settlement_come_part_by_part(gateway: TestClient) -> None:
    for number in range(5):
        gateway.post("/v1/bills", json=bill(business_no=f"B{number}", group="G 1/2"), headers=CASHIER)
    gateway.post("/v1/bills", json=bill(business_no="B9"), headers=CASHIER)
    query: dict[str, Any] = {"issuer": "hospital-a", "group": "G 1/2"}
    whole = gateway.get("/v1/bills", params=query, headers=CASHIER).json()
    assert ([row["business_no"] for row in whole["data"]], whole["has_more"]) == (
        [f"B{one}" for one in range(5)],
        False,
    )
    assert whole["data"][0]["links"]["proof"].endswith("/proof")
    first = gateway.get("/v1/bills", params={**query, "limit": 2}, headers=CASHIER)
    assert first.json()["has_more"]
    assert 'rel="next"' in first.headers["link"]
    query["cursor"] = first.json()["next"]
    rest = gateway.get("/v1/bills", params={**query, "limit": 100}, headers=CASHIER).json()
    assert [row["business_no"] for row in first.json()["data"] + rest["data"]] == [f"B{one}" for one in range(5)]
    problem(gateway.get("/v1/bills", params={**query, "group": "G2"}, headers=CASHIER), 400, "cursor_invalid")
    assert gateway.get("/v1/bills", params={**query, "cursor": ""}, headers=OTHER_CASHIER).json()["data"] == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"issuer": "hospital-a"}, "parameter_missing"),
        ({"group": "G1"}, "parameter_missing"),
        ({"issuer": "hospital-a", "group": "G1", "business_no": "B1"}, "parameter_invalid"),
        ({"issuer": "hospital-a", "group": "G" * 51}, "parameter_invalid"),
        ({"issuer": "hospital-a", "group": "a\u0007"}, "parameter_invalid"),
        ({"issuer": "hospital-a", "group": "G1", "limit": "0"}, "parameter_invalid"),
        ({"issuer": "hospital-a", "group": "G1", "limit": "101"}, "parameter_invalid"),
        ({"issuer": "hospital-a", "group": "G1", "cursor": "x"}, "cursor_invalid"),
        ({"issuer": "hospital-a", "group": "G1", "settlement": "1"}, "parameter_unknown"),
    ],
)
def test_what_is_asked_for_is_one_thing(gateway: TestClient, query: dict[str, str], code: str) -> None:
    problem(gateway.get("/v1/bills", params=query, headers=CASHIER), 400, code)


def test_a_payer_is_bound_once(gateway: TestClient, desk: FakeGateway) -> None:
    gateway.post("/v1/bills", json=bill(payer={"type": "unknown", "name": "无名氏"}), headers=CASHIER)
    answer = gateway.post(PAYER, json=examples.PAYER, headers=CASHIER)
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    (call,) = [one for one in desk.calls if one[0] == "bind_payer"]
    assert call[2:] == (Payer("示例乙", "person", "other", "EXAMPLE-0002"), "收费员01")
    again = problem(gateway.post(PAYER, json=examples.PAYER, headers=CASHIER), 409, "payer_already_bound")
    assert again["links"] == {"bill": f"/v1/bills/{examples.BILL_ID}"}
    problem(gateway.post("/v1/bills/1/payer", json=examples.PAYER, headers=CASHIER), 404, "bill_unknown")


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"type": "unknown"}, "invalid_value", "/type"),
        ({"name": ""}, "invalid_value", "/name"),
        ({"name": "n" * 129}, "invalid_value", "/name"),
        ({"id_number": "1" * 33}, "invalid_value", "/id_number"),
        ({"name": "a\u0007"}, "text_refused", "/name"),
        ({"operator": 7}, "wrong_type", "/operator"),
        ({"age": "7"}, "unknown_field", "/age"),
    ],
)
def test_who_pays_is_somebody(gateway: TestClient, change: dict[str, Any], code: str, pointer: str) -> None:
    problem(gateway.post(PAYER, json={**examples.PAYER, **change}, headers=CASHIER), 422, code, pointer)


def test_the_file_about_a_payer_goes_to_readers_and_holders(gateway: TestClient, desk: FakeGateway) -> None:
    gateway.post("/v1/bills", json=bill(), headers=CASHIER)
    path = f"{PAYER}/proof"
    for headers in (ADMINISTRATOR, {"Medbill-Check-Code": examples.CHECK_CODE}, {"Medbill-Check-Code": TOKEN}):
        answer = gateway.get(path, headers=headers)
        assert (answer.status_code, answer.content) == (200, b"payer")
        assert answer.headers["content-disposition"] == f'attachment; filename="{examples.BILL_ID}-payer.proof"'
    problem(gateway.get(path, headers=OTHER_CASHIER), 404, "bill_unknown")
    problem(gateway.get(path, headers={"Medbill-Check-Code": "000000"}), 404, "bill_unknown")
    problem(gateway.get(path), 404, "bill_unknown")
    desk.payer = None
    problem(gateway.get(path, headers=CASHIER), 404, "payer_not_bound")
