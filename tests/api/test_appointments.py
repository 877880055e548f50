"""The list of a day's schedules: what it asks for, and its parts."""

from __future__ import annotations

from starlette.testclient import TestClient

from tests.api.conftest import CASHIER, problem
from tests.api.fake_desk import FakeGateway

PATH = "/v1/schedules"


def test_a_day_is_needed_and_a_department_is_not(gateway: TestClient, desk: FakeGateway) -> None:
    problem(gateway.get(PATH, headers=CASHIER), 400, "parameter_missing")
    problem(gateway.get(PATH, params={"date": "tomorrow"}, headers=CASHIER), 400, "parameter_invalid")
    problem(gateway.get(PATH, params={"date": "2026-03-02", "doctor": "x"}, headers=CASHIER), 400, "parameter_unknown")
    assert gateway.get(PATH, params={"date": "2026-03-02"}, headers=CASHIER).status_code == 200
    assert desk.calls[-1] == ("schedules_of", "", 20260302, None, 20)


def test_the_list_goes_on_where_it_was_and_for_the_same_day_alone(gateway: TestClient, desk: FakeGateway) -> None:
    asked = {"date": "2026-03-02", "department": "cardiology", "limit": "1"}
    first = gateway.get(PATH, params=asked, headers=CASHIER).json()
    assert first["has_more"]
    rest = gateway.get(PATH, params={**asked, "cursor": first["next"]}, headers=CASHIER).json()
    assert not rest["has_more"]
    assert desk.calls[-1] == ("schedules_of", "cardiology", 20260302, "5c", 1)
    other = {**asked, "date": "2026-03-03", "cursor": first["next"]}
    problem(gateway.get(PATH, params=other, headers=CASHIER), 400, "cursor_invalid")
