"""Rows 34, 35, 37 and 98 over REST: numbers, visits without a cashier and their minutes, over a network of real processes.

What waits for a date (three no-shows, overdue credit) is told with a set clock: `tests/node/test_appointment_desk.py`,
`tests/node/test_visit_desk.py`.
"""

from __future__ import annotations

import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chain.operation import LineRef, OpenLine, PublishProduct
from tests.features.acting import Patient, act, post
from tests.features.test_credit import DAY_MS, TERMS, bill
from tests.features.test_payments import billed, made, pay, shown
from tests.network.running import Network

pytestmark = pytest.mark.processes

WAIT = {"Prefer": "wait=15"}


@pytest.fixture(scope="module")
def lending(network: Network) -> Network:
    """The example network, whose lender has a product for these stories."""
    (code,) = act(network, "lender-a", PublishProduct("visits", 1, TERMS))
    assert code in ("recorded", "already_recorded")  # by another file of stories
    return network


def published(
    network: Network, number: str, numbers: int = 1, fee_fen: int = 0, begins: timedelta | None = None
) -> str:
    """A session of three hours, tomorrow unless it is said when it begins."""
    starts = datetime.now(UTC) + (timedelta(days=1) if begins is None else begins)
    wish: dict[str, Any] = {
        "schedule_no": number,
        "department": f"dep-{number}",
        "staff": "医生07",
        "session": "am",
        "starts": starts.isoformat(),
        "ends": (starts + timedelta(hours=3)).isoformat(),
        "book_until": (starts + timedelta(hours=3)).isoformat(),
        "pools": [{"channel": "app", "count": numbers}],
        "pay_within_minutes": 1,
        "fee_fen": fee_fen,
    }
    if fee_fen:
        charges = [{"code": "01", "name": "挂号费", "amount_fen": fee_fen}]
        wish["bill"] = {"kind": "registration", "place_code": "A01", "cashier": "自助机01", "charges": charges}
    answer = network.api("hospital-a", "hospital_admin").post("/schedules", json=wish, headers=WAIT)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["name"])


def book(network: Network, schedule: str, patient: Patient, via: str = "hospital-a") -> tuple[int, Any]:
    wish = {"appointment_no": "features-34", "schedule": schedule, "channel": "app"}
    answer = patient.at(network, via).post("/appointments", json=wish, headers=WAIT)
    return answer.status_code, answer.json()


def borrower(network: Network, number: str) -> tuple[Patient, str]:
    """A patient with a line, and what they have signed at the hospital."""
    patient, line = Patient("示例甲"), LineRef("lender-a", secrets.token_bytes(32))
    until_ms = int(time.time() * 1000) + 365 * DAY_MS
    opened = OpenLine(line.line, "visits", 1, until_ms, secrets.token_bytes(32), ["hospital-a"])
    assert act(network, "lender-a", opened) == ["recorded"]
    wish = {
        "agreement_no": number,
        "payer": patient.payer,
        "lender": "lender-a",
        "line": line.line.hex(),
        "cap_fen": 100_000,
        "consent": f"consent {number}",
    }
    return patient, made(network, "/credit-agreements", wish)


def test_34_two_patients_ask_two_gateways_for_the_last_number(network: Network) -> None:
    """At the same moment, five times: 201 and 409 slot_taken, and who has it sees it."""
    for place in range(5):
        schedule = published(network, f"features-34-{place}")
        patients = [Patient("示例甲"), Patient("示例乙")]
        with ThreadPoolExecutor(2) as people:
            told = list(
                people.map(
                    lambda asked: book(network, schedule, *asked),  # noqa: B023 - done before the next one
                    zip(patients, ("hospital-a", "hospital-a-2"), strict=True),
                )
            )
        assert sorted((status, answer.get("code")) for status, answer in told) == [(201, None), (409, "slot_taken")]
        assert shown(network, f"/schedules/{schedule}")["free"] == {"app": []}
    via = ("hospital-a", "hospital-a-2")[[status for status, _ in told].index(201)]
    winner = patients[via == "hospital-a-2"].at(network, via)
    (mine,) = winner.get("/me/appointments").json()["data"]
    assert (mine["state"], mine["number"], mine["schedule"]) == ("held", 1, schedule)
    path = f"/appointments/{mine['appointment']}"
    assert patients[via == "hospital-a"].at(network, via).get(path).status_code == 404
    assert winner.post(f"{path}/confirmation", json={}, headers=WAIT).status_code == 201
    assert winner.post(f"{path}/cancellation", json={}, headers=WAIT).status_code == 201
    page = shown(network, f"/schedules/{schedule}")
    assert (page["free"], page["returned"]) == ({"app": [1]}, 1)


@pytest.mark.waits
def test_34_unpaid_it_is_back_in_the_pool_and_paid_it_is_confirmed(network: Network) -> None:
    """A minute to pay: by then the number is free again, without anybody's call; who pays has theirs, and the fee's bill."""
    schedule = published(network, "features-34-fee", fee_fen=5_000)
    late, quick = Patient("示例甲"), Patient("示例乙")
    status, held = book(network, schedule, late)
    assert status == 201, held
    assert book(network, schedule, quick)[1]["code"] == "slot_taken"
    network.until(lambda: shown(network, f"/schedules/{schedule}")["free"] == {"app": [1]}, "it is back", 90)
    assert shown(network, f"/appointments/{held['name']}")["state"] == "expired"
    status, held = book(network, schedule, quick)
    assert status == 201, held
    asked = {"parts": [{"channel": "card", "amount_fen": 5_000}]}
    fee = quick.at(network, "hospital-a").post(f"/appointments/{held['name']}/fee", json=asked, headers=WAIT)
    assert fee.status_code == 201, fee.text
    order = fee.json()["name"]
    assert pay(network, order, 0, "features-34-slip", 5_000)[0] == 201
    path = f"/appointments/{held['name']}"
    network.until(lambda: shown(network, path)["state"] == "confirmed", "it is confirmed")
    paid = billed(network, shown(network, f"/payment-orders/{order}")["notices"][0])
    assert shown(network, f"/bills/{paid}")["total_fen"] == 5_000
    day = {"department": "dep-features-34-fee", "date": shown(network, f"/schedules/{schedule}")["date"]}
    (row,) = network.api("hospital-a").get("/schedules", params=day).json()["data"]
    assert (row["schedule"], row["returned"]) == (schedule, 1)


def test_35_a_visit_without_a_cashier(lending: Network) -> None:
    """The patient agreed once: held at check-in, three steps deducted, three notices, one bill at the end; no payment of a counter."""
    patient, signed = borrower(lending, "features-35")
    schedule = published(lending, "features-35", begins=timedelta(minutes=1))
    status, held = book(lending, schedule, patient)
    assert status == 201, held
    path = f"/appointments/{held['name']}"
    assert patient.at(lending, "hospital-a").post(f"{path}/confirmation", json={}, headers=WAIT).status_code == 201
    wish = {
        "visit_no": "features-35",
        "kind": "outpatient",
        "payer": patient.payer,
        "cap_fen": 60_000,
        "appointment": held["name"],
        "agreement": signed,
    }
    name = made(lending, "/visits", wish)
    assert shown(lending, path)["visit"] == name
    amounts = {"consultation": 5_000, "test": 18_000, "drug": 26_430}
    for number, (kind, amount_fen) in enumerate(amounts.items()):
        lines = [{"kind": kind, "amount_fen": amount_fen, "title": f"{kind} 项目"}]
        charge = {"charge_no": f"features-35-{number}", "lines": lines}
        status, answer = post(lending, f"/visits/{name}/charges", charge)
        assert status == 201, answer
    over = {"charge_no": "features-35-x", "lines": [{"kind": "drug", "amount_fen": 10_571}]}
    status, answer = post(lending, f"/visits/{name}/charges", over)
    assert (status, answer["code"]) == (409, "credit_line_exceeded")
    assert post(lending, f"/visits/{name}/close", {"bill": bill(49_430)})[0] == 201
    lending.until(lambda: shown(lending, f"/visits/{name}")["bill_id"] is not None, "the bill follows")
    (visit,) = patient.at(lending, "hospital-a").get("/me/visits").json()["data"]
    assert [charge["parts"] for charge in visit["charges"]] == [
        [{"channel": "credit", "amount_fen": amount_fen}] for amount_fen in amounts.values()
    ]
    assert (visit["state"], visit["charged_fen"], visit["left_fen"]) == ("closed", 49_430, 10_570)
    assert shown(lending, f"/bills/{visit['bill_id']}")["total_fen"] == 49_430
    notices = patient.at(lending, "hospital-a").get("/me/fee-notices").json()["data"]
    assert [(row["state"], row["total_fen"], row["bill_id"]) for row in notices] == [
        ("settled", amount_fen, visit["bill_id"]) for amount_fen in amounts.values()
    ]
    assert shown(lending, f"/credit-holds/{visit['hold']}")["state"] == "released"
    (account,) = patient.at(lending, "hospital-a").get("/me/credit-accounts").json()["data"]
    assert (account["owed_fen"], account["left_fen"]) == (49_430, 50_570)


def test_37_a_visit_tells_its_minutes(network: Network) -> None:
    patient = Patient("示例甲")
    now = datetime.now(UTC)
    began = now - timedelta(minutes=60)
    wish = {"visit_no": "features-37", "kind": "outpatient", "payer": patient.payer, "cap_fen": 10_000}
    name = made(network, "/visits", wish | {"at": began.isoformat()})
    for minutes, step in ((12, "called"), (20, "tested"), (40, "called")):
        stamp = {"step": step, "at": (began + timedelta(minutes=minutes)).isoformat()}
        assert post(network, f"/visits/{name}/stamps", stamp)[0] == 201
    early = {"step": "called", "at": began.isoformat()}
    status, answer = post(network, f"/visits/{name}/stamps", early)
    assert (status, answer["code"]) == (422, "stamp_before_former")
    assert post(network, f"/visits/{name}/close", {"at": (began + timedelta(minutes=45)).isoformat()})[0] == 201
    answer = patient.at(network, "hospital-a").get(f"/visits/{name}/timeline")
    page = answer.json()
    assert (page["queued"], page["treated"], page["tested"], page["total"], page["closed"]) == (12, 13, 20, 45, True)
    assert Patient("示例乙").at(network, "hospital-a").get(f"/visits/{name}/timeline").status_code == 404


def test_98_an_emergency_visit_within_its_own_line(lending: Network) -> None:
    """Above the emergency line's limit nothing is opened; within, it is, and who declared it is on record."""
    patient, signed = borrower(lending, "features-98v")
    wish = {"visit_no": "features-98v", "kind": "emergency", "payer": patient.payer, "agreement": signed}
    status, answer = post(lending, "/visits", wish | {"cap_fen": 50_000})
    assert (status, answer["code"]) == (422, "emergency_undeclared")
    declared = wish | {"declared_by": "急诊医生01"}
    status, answer = post(lending, "/visits", declared | {"cap_fen": 50_001})
    assert (status, answer["code"]) == (409, "credit_line_exceeded")
    name = made(lending, "/visits", declared | {"cap_fen": 50_000})
    page = shown(lending, f"/visits/{name}")
    assert (page["emergency"], page["declared_by"]) == (True, "急诊医生01")
    assert shown(lending, f"/credit-holds/{page['hold']}")["emergency"] is True
