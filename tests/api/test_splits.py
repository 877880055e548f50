"""Payees, splits and supervised accounts over REST: what is asked for, parts of the list, what is refused before the desk hears of it."""

from __future__ import annotations

from starlette.testclient import TestClient

from api.schemas import split_examples as examples
from node.money.split_requests import ShareReturnWish, SplitRulesWish, SplitWish
from tests.api.conftest import CASHIER, bearer, problem
from tests.api.fake_desk import FakeGateway

CHIEF = bearer("hospital_admin", "hospital-a")
AUDITOR = bearer("auditor", "audit-office")


def test_a_split_says_who_served_or_each_share(gateway: TestClient, desk: FakeGateway) -> None:
    assert gateway.post("/v1/splits", json=examples.SPLIT_WISH, headers=CASHIER).status_code == 202
    _, wish, target = desk.calls[-1]
    assert isinstance(wish, SplitWish)
    assert ([one.payee for one in wish.payees], wish.shares, target) == (
        [examples.DOCTOR, examples.PLATFORM, examples.SUPPLIER, examples.COURIER],
        [],
        "",
    )
    for wrong in (
        {"payees": [{"payee": "doctor-7"}]},
        {"payees": [{"payee": examples.DOCTOR, "paper": "张三"}]},
        {"shares": [{"line": "drug", "rule": 0, "payee": examples.DOCTOR, "amount_fen": -1}]},
        {"order": examples.ORDER.upper()},
        {"version": 0},
    ):
        problem(gateway.post("/v1/splits", json=examples.SPLIT_WISH | wrong, headers=CASHIER), 422, "invalid_value")
    surplus = examples.SPLIT_WISH | {"total_fen": 33_630}
    problem(gateway.post("/v1/splits", json=surplus, headers=CASHIER), 422, "unknown_field")


def test_rules_are_published_by_who_answers_for_them(gateway: TestClient, desk: FakeGateway) -> None:
    problem(gateway.post("/v1/split-rules", json=examples.RULES_WISH, headers=CASHIER), 403, "role_forbidden")
    assert gateway.post("/v1/split-rules", json=examples.RULES_WISH, headers=CHIEF).status_code == 202
    _, wish, _ = desk.calls[-1]
    assert isinstance(wish, SplitRulesWish)
    assert [(share.to, share.rest, share.parts, share.cap_parts) for share in wish.lines[0].shares] == [
        ("doctor", True, None, 70),
        ("platform", False, 30, None),
    ]
    assert gateway.get("/v1/split-rules/visit/1", headers=AUDITOR).json() == examples.RULES
    assert desk.calls[-1] == ("show", "split_rules", "visit/1")


def test_a_share_is_taken_back_by_its_place(gateway: TestClient, desk: FakeGateway) -> None:
    path = f"/v1/splits/{examples.NAME}/returns"
    assert gateway.post(path, json=examples.SHARE_RETURN_WISH, headers=CASHIER).status_code == 202
    assert desk.calls[-1] == ("do", ShareReturnWish("TH20260302000001", 0, 1000), examples.NAME)
    for wrong in ({"share": 50}, {"amount_fen": 0}, {"return_no": ""}):
        asked = examples.SHARE_RETURN_WISH | wrong
        problem(gateway.post(path, json=asked, headers=CASHIER), 422, "invalid_value")


def test_the_list_of_payees_goes_on_where_it_was(gateway: TestClient, desk: FakeGateway) -> None:
    first = gateway.get("/v1/payees", params={"limit": "1"}, headers=CASHIER).json()
    assert (first["data"], first["has_more"]) == ([examples.PAYEE], True)
    rest = gateway.get("/v1/payees", params={"limit": "1", "cursor": first["next"]}, headers=CASHIER).json()
    assert not rest["has_more"]
    assert desk.calls[-1] == ("rows", "payee", "17", 1)
    problem(gateway.get("/v1/payees", params={"cursor": "x"}, headers=CASHIER), 400, "cursor_invalid")


def test_supervised_accounts_are_asked_for_by_organisation_days_and_finding(mirror: TestClient) -> None:
    path = "/v1/audit/supervised"
    asked = {"organisation": "hospital-a", "from": "2026-03-01", "to": "2026-03-31"}
    answer = mirror.get(path, params=asked | {"finding": "supervised_balance_mismatch"}, headers=AUDITOR)
    assert answer.json()["data"] == [examples.SUPERVISED]
    for wrong in ({"from": "yesterday"}, {"organisation": "a b"}, {"finding": "other"}):
        problem(mirror.get(path, params=wrong, headers=AUDITOR), 400, "parameter_invalid")
    problem(mirror.get(path, params={"bank": "bank-a"}, headers=AUDITOR), 400, "parameter_unknown")
    problem(mirror.get(path, headers=bearer("cashier", "hospital-a")), 403, "role_forbidden")
