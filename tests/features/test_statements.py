"""Rows 97 and 99: who bears the risk states by itself when the product's time comes: a lender's service, a hospital's gateway."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.features.acting import Patient
from tests.features.test_credit_lender import Lending, agreement, attested, charge, hold, lending  # noqa: F401 - fixture
from tests.network.running import ROOT

pytestmark = pytest.mark.processes


def dues(lending: Lending, person: str, line: str) -> list[int]:  # noqa: F811
    page = lending.at(person).get(f"/credit-accounts/{line}").json()
    return [due["amount_fen"] for due in page["dues"]]


@pytest.mark.waits
def test_97_the_days_debt_is_stated_at_the_products_minute_without_anybody(
    lending: Lending,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Daily, some minute from now instead of 20:00: the lender's service, stopped before, makes it up, once; the hospital's gateway
    states where the hospital has the risk."""
    moment = (datetime.now(UTC) + timedelta(seconds=100)).replace(second=0, microsecond=0)  # 40 s from now at least
    minute = (moment + timedelta(hours=8)).strftime("%H:%M")
    terms: dict[str, Any] = json.loads((ROOT / "samples" / "credit" / "anxin.json").read_text("utf-8"))
    terms |= {"statement_day": "daily", "statement_time": minute}
    home = ("--organisation", "lender-a", "--home", str(lending.network.home))
    for product, bearer in (("daily", "lender"), ("pilot", "hospital")):
        file = tmp_path / f"{product}.json"
        file.write_text(json.dumps({**terms, "product": product, "bearer": bearer}))
        published = lending.network.json("credit", "product", "publish", str(file), *home)
        assert published["status"] in ("recorded", "sealed")
    patient, person = Patient("示例甲"), "pseudonym-97"
    line = lending.enrol(person, attested(person, 700), product="daily")[1]["line"]
    status, held = hold(lending, agreement(lending, line, patient, "statements-97"), 30_000)
    assert status == 201, held
    charge(lending, held["name"], "statements-97-1", 12_345)
    other, risky = Patient("示例乙"), "pseudonym-97-2"
    at_risk = lending.enrol(risky, attested(risky, 700), product="pilot")[1]["line"]
    status, held = hold(lending, agreement(lending, at_risk, other, "statements-97-2"), 30_000)
    assert status == 201, held
    charge(lending, held["name"], "statements-97-2", 678)
    assert (dues(lending, person, line), dues(lending, risky, at_risk)) == ([], [])
    lending.running.close()  # stopped while the time passes
    lending.network.until(lambda: datetime.now(UTC) >= moment, "the minute has come", 110)
    lending.restart()
    lending.network.until(lambda: dues(lending, person, line), "it is stated", 40)
    assert dues(lending, person, line) == [12_345]
    lending.restart()

    def at_the_gateway() -> Any:
        (account,) = other.at(lending.network, "hospital-a").get("/me/credit-accounts").json()["data"]
        return [due["amount_fen"] for due in account["dues"]]

    assert lending.network.until(at_the_gateway, "the gateway has stated", 30) == [678]
    again = lending.medbill("statement", "--line", line)
    assert again["repeated"] is True
    assert dues(lending, person, line) == [12_345]
