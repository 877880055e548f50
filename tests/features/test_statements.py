"""Rows 97 and 99: the lender's service, a process of its own, states by itself when its product's time comes."""

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


def test_97_the_days_debt_is_stated_at_the_products_minute_without_anybody(
    lending: Lending,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Daily, some minute from now instead of 20:00; the service is killed before, and makes it up; once."""
    local = datetime.now(UTC) + timedelta(hours=8)
    minute = (local + timedelta(seconds=90)).strftime("%H:%M")  # 30 s from now at least
    terms: dict[str, Any] = json.loads((ROOT / "samples" / "credit" / "anxin.json").read_text("utf-8"))
    file = tmp_path / "daily.json"
    file.write_text(json.dumps({**terms, "product": "daily", "statement_day": "daily", "statement_time": minute}))
    home = ("--organisation", "lender-a", "--home", str(lending.network.home))
    published = lending.network.json("credit", "product", "publish", str(file), *home)
    assert published["status"] in ("recorded", "sealed")
    patient, person = Patient("示例甲"), "pseudonym-97"
    line = lending.enrol(person, attested(person, 700), product="daily")[1]["line"]
    status, held = hold(lending, agreement(lending, line, patient, "statements-97"), 30_000)
    assert status == 201, held
    charge(lending, held["name"], "statements-97-1", 12_345)
    assert dues(lending, person, line) == []
    lending.running.close()  # stopped while the time passes
    lending.network.until(
        lambda: (datetime.now(UTC) + timedelta(hours=8)).strftime("%H:%M") >= minute, "the minute has come", 130
    )
    lending.restart()
    lending.network.until(lambda: dues(lending, person, line), "it is stated", 40)
    assert dues(lending, person, line) == [12_345]
    lending.restart()
    again = lending.medbill("statement", "--line", line)
    assert again["repeated"] is True
    assert dues(lending, person, line) == [12_345]
