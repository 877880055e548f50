"""Rows 96 to 99: treatment on credit over a network of real processes; the lender signs with its own key and gives it to a mirror.

What waits for a date (overdue, instalments that fall due) is told with a set clock: `tests/chain/test_rules_credit.py`,
`tests/node/test_credit_desk.py`.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

import pytest

from chain.operation import (
    AgreeInstalments,
    CreditTerms,
    EndLine,
    Instalment,
    LineRef,
    OpenLine,
    PublishProduct,
    RepayLine,
    StateLine,
)
from chain.records import HOSPITAL_BEARS, LENDER
from tests.features.acting import Patient, act, agreed, post
from tests.features.test_payments import billed, made, shown
from tests.network.running import Network

pytestmark = pytest.mark.processes

DAY_MS = 86_400_000
TERMS = CreditTerms(650, 100_000, 100_000, 50_000, LENDER, 2, 20, 1200, 10, 12, 30 * DAY_MS)


@pytest.fixture(scope="module")
def lending(network: Network) -> Network:
    """The example network, whose lender has two products."""
    risky = CreditTerms(650, 300_000, 300_000, 0, HOSPITAL_BEARS, 2, 0, 1200, 1, 0, 30 * DAY_MS)
    products = [PublishProduct("anxin", 1, TERMS), PublishProduct("hospital-risk", 1, risky)]
    assert act(network, "lender-a", *products) == ["recorded"] * 2
    return network


@dataclass
class Borrower:
    network: Network
    patient: Patient
    line: LineRef
    agreement: str

    def hold(self, amount_fen: int, **more: Any) -> tuple[int, Any]:
        wish = {"hold_no": secrets.token_hex(8), "agreement": self.agreement, "amount_fen": amount_fen, **more}
        return post(self.network, "/credit-holds", wish)

    def charge(self, hold: str, number: str, amount_fen: int, **more: Any) -> tuple[int, Any]:
        wish = {"charge_no": number, "lines": [{"kind": "test", "amount_fen": amount_fen}], **more}
        return post(self.network, f"/credit-holds/{hold}/charges", wish)

    def account(self) -> dict[str, Any]:
        rows = self.patient.at(self.network, "hospital-a").get("/me/credit-accounts").json()["data"]
        return dict(rows[-1])


def borrower(network: Network, number: str, product: str = "anxin") -> Borrower:
    """A patient whom the lender has given a line, and who has signed at the hospital."""
    patient, line = Patient("示例甲"), LineRef("lender-a", secrets.token_bytes(32))
    until_ms = int(time.time() * 1000) + 365 * DAY_MS
    opened = OpenLine(line.line, product, 1, until_ms, secrets.token_bytes(32), ["hospital-a"])
    assert act(network, "lender-a", opened) == ["recorded"]
    wish = {
        "agreement_no": number,
        "payer": patient.payer,
        "lender": "lender-a",
        "line": line.line.hex(),
        "cap_fen": 300_000 if product == "hospital-risk" else 100_000,
        "consent": f"consent {number}",
    }
    return Borrower(network, patient, line, made(network, "/credit-agreements", wish))


def bill(amount_fen: int) -> dict[str, Any]:
    charges = [{"code": "05", "name": "化验费", "amount_fen": amount_fen}]
    return {"kind": "outpatient", "place_code": "A01", "cashier": "自助机01", "charges": charges}


def test_96_97_a_visit_is_deducted_step_by_step_and_the_lender_pays_at_once(lending: Network) -> None:
    """1,000.00 held; 50 + 180 + 264.30 without a cashier; 600 is refused, 505.70 are left."""
    one = borrower(lending, "features-96")
    status, held = one.hold(100_000)
    assert status == 201, held
    for number, amount_fen in (("1", 5_000), ("2", 18_000), ("3", 26_430)):
        status, answer = one.charge(held["name"], f"features-96-{number}", amount_fen)
        assert status == 201, answer
    page = shown(lending, f"/credit-holds/{held['name']}")
    assert (page["captured_fen"], page["left_fen"]) == (49_430, 50_570)
    status, answer = one.charge(held["name"], "features-96-4", 60_000)
    assert (status, answer["code"]) == (409, "credit_line_exceeded")
    assert "50570" in answer["detail"]
    events = lending.api("archive", "auditor").get("/events?types=credit.captured").json()["data"]
    assert {event["subject"] for event in events if event["height"] > held["height"]} == {"lender-a"}


def test_97_at_the_hospitals_risk_nothing_is_collected_until_the_patient_pays(lending: Network) -> None:
    one = borrower(lending, "features-97", "hospital-risk")
    held = one.hold(20_000)[1]["name"]
    assert one.charge(held, "features-97-1", 20_000)[0] == 201
    notices = one.patient.at(lending, "hospital-a").get("/me/fee-notices").json()["data"]
    order = shown(lending, f"/payment-orders/{notices[-1]['order']}")
    assert (order["state"], order["total_fen"], order["free_fen"]) == ("paid", 20_000, 0)
    repaid = RepayLine(one.line, secrets.token_bytes(32), "alipay", 20_000, secrets.token_bytes(32))
    assert act(lending, "lender-a", repaid) == ["not_the_bearer"]
    assert act(lending, "hospital-a", repaid) == ["recorded"]


def test_98_an_emergency_has_a_line_of_its_own_and_a_name_behind_it(lending: Network) -> None:
    one = borrower(lending, "features-98")
    assert one.hold(100_000)[0] == 201
    status, answer = one.hold(50_001, declared_by="急诊医生01")
    assert (status, answer["code"]) == (409, "credit_line_exceeded")
    status, held = one.hold(50_000, declared_by="急诊医生01")
    assert status == 201, held
    assert one.charge(held["name"], "features-98-1", 30_000, release=True)[0] == 201  # at discharge
    page = shown(lending, f"/credit-holds/{held['name']}")
    assert (page["emergency"], page["declared_by"], page["captured_fen"], page["left_fen"]) == (
        True,
        "急诊医生01",
        30_000,
        0,
    )
    assert (
        post(lending, f"/credit-holds/{held['name']}/review", {"outcome": "upheld"})[0] == 403
    )  # not the cashier's to say
    chief = lending.api("hospital-a", "hospital_admin", person="chief-01")
    wait = {"Prefer": "wait=15"}
    answer = chief.post(f"/credit-holds/{held['name']}/review", json={"outcome": "upheld"}, headers=wait)
    assert (answer.status_code, shown(lending, f"/credit-holds/{held['name']}")["review"]) == (201, "upheld")


def test_99_a_refund_restores_the_line_and_a_revoked_one_keeps_its_debt(lending: Network) -> None:
    one = borrower(lending, "features-99")
    held = one.hold(60_000)[1]["name"]
    assert one.charge(held, "features-99-1", 40_000, bill=bill(40_000))[0] == 201
    assert one.charge(held, "features-99-2", 20_000)[0] == 201
    notices = one.patient.at(lending, "hospital-a").get("/me/fee-notices").json()["data"]
    paid = billed(lending, notices[0]["notice"])
    wish = {"reason": "wrong test", "operator": "收费员01", "refund": {}}
    status, answer = agreed(lending, post(lending, f"/bills/{paid}/reversal", wish)[1])
    assert status == 201, answer
    red = answer["bill_id"]
    notices = one.patient.at(lending, "hospital-a").get("/me/fee-notices").json()["data"]
    assert (notices[0]["refunded_fen"], notices[0]["height"]) == (40_000, answer["height"])  # the red bill's own block
    refunds = shown(lending, f"/bills/{red}/refund")
    assert [(row["channel"], row["amount_fen"]) for row in refunds["refunds"]] == [("credit", 40_000)]
    due_ms = int(time.time() * 1000) + 11 * DAY_MS
    wrong, right = (StateLine(one.line, secrets.token_bytes(32), fen, due_ms) for fen in (60_000, 20_000))
    assert act(lending, "lender-a", wrong) == ["owed_differs"]
    assert act(lending, "lender-a", right) == ["recorded"]
    plan = [Instalment(due_ms + month * 30 * DAY_MS, 10_000) for month in (0, 1)]
    assert act(lending, "lender-a", AgreeInstalments(one.line, secrets.token_bytes(32), plan)) == ["recorded"]
    first = RepayLine(one.line, secrets.token_bytes(32), "alipay", 10_000, secrets.token_bytes(32))
    assert act(lending, "lender-a", first, EndLine(one.line.line, "revoked")) == ["recorded"] * 2
    status, answer = one.hold(1)
    assert (status, answer["code"]) == (409, "line_ended")
    rest = StateLine(one.line, secrets.token_bytes(32), 10_000, due_ms)
    assert act(lending, "lender-a", rest) == ["recorded"]  # the debt stays
