"""Rows 14, 16, 66, 85, 86: what is owed, paid over many channels, billed by itself, given back; over a network of real processes."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from chain.operation import BankChannel
from tests.features.acting import Patient, act, agreed, post
from tests.network.running import Network

pytestmark = pytest.mark.processes

CHARGE = {"code": "05", "name": "化验费"}


def notice(number: str, patient: Patient, **lines: int) -> dict[str, Any]:
    total_fen = sum(lines.values())
    return {
        "notice_no": number,
        "payer": patient.payer,
        "lines": [{"kind": kind, "amount_fen": amount, "title": f"{kind} 项目"} for kind, amount in lines.items()],
        "bill": {
            "kind": "outpatient",
            "place_code": "A01",
            "cashier": "自助机01",
            "charges": [{**CHARGE, "amount_fen": total_fen}],
        },
    }


def made(network: Network, path: str, body: dict[str, Any]) -> str:
    """The name of what was made, once it is recorded."""
    status, answer = post(network, path, body)
    assert status == 201, answer
    return str(answer["name"])


def order(network: Network, number: str, *notices: str, **parts: int) -> str:
    asked = [{"channel": channel, "amount_fen": amount} for channel, amount in parts.items()]
    return made(network, "/payment-orders", {"order_no": number, "notices": list(notices), "parts": asked})


def pay(network: Network, name: str, part: int, number: str, amount_fen: int) -> tuple[int, Any]:
    body = {"part": part, "channel_no": number, "amount_fen": amount_fen}
    return post(network, f"/payment-orders/{name}/payments", body)


def shown(network: Network, path: str) -> dict[str, Any]:
    answer = network.api("hospital-a").get(path)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def billed(network: Network, name: str) -> str:
    """The bill that follows by itself, once the office has sealed it."""
    network.until(lambda: shown(network, f"/fee-notices/{name}")["bill_id"] is not None, "the bill follows")
    bill = str(shown(network, f"/fee-notices/{name}")["bill_id"])
    network.until(lambda: shown(network, f"/bills/{bill}")["status"] == "sealed", "the bill is sealed")
    return bill


def reversed_by(network: Network, bill: str) -> str:
    asked = post(network, f"/bills/{bill}/reversal", {"reason": "wrong payer", "operator": "收费员01"})[1]
    status, answer = agreed(network, asked)
    assert status == 201, answer
    return str(answer["bill_id"])


def test_85_a_notice_is_paid_once_and_its_bill_follows_by_itself(network: Network) -> None:
    patient, other = Patient("示例甲"), Patient("示例乙")
    name = made(network, "/fee-notices", notice("features-85", patient, consultation=5_000, test=7_850))
    answer = patient.at(network, "hospital-a").get("/me/fee-notices")
    assert answer.status_code == 200, answer.text
    mine = answer.json()["data"]
    assert [(row["notice"], row["state"], row["total_fen"]) for row in mine] == [(name, "owed", 12_850)]
    assert mine[0]["titles"] == ["consultation 项目", "test 项目"]
    assert other.at(network, "hospital-a").get("/me/fee-notices").json()["data"] == []
    assert other.at(network, "hospital-a").get(f"/fee-notices/{name}").status_code == 404
    asked = order(network, "features-85", name, cash=12_850)
    assert pay(network, asked, 0, "features-85", 12_850)[0] == 201
    bill = billed(network, name)
    assert shown(network, f"/bills/{bill}")["total_fen"] == 12_850
    (row,) = patient.at(network, "hospital-a").get("/me/fee-notices").json()["data"]
    assert (row["state"], row["bill_id"]) == ("settled", bill)
    again = [{"channel": "cash", "amount_fen": 12_850}]
    status, answer = post(network, "/payment-orders", {"order_no": "features-85-2", "notices": [name], "parts": again})
    assert (status, answer["code"]) == (409, "already_settled")
    status, answer = pay(network, asked, 0, "features-85-2", 12_850)
    assert (status, answer["code"]) == (409, "already_settled")
    mine_there = patient.at(network).get("/me/bills").json()["data"]
    assert [row["bill_id"] for row in mine_there] == [bill]


def test_86_an_order_over_three_channels_is_paid_only_when_all_are(network: Network) -> None:
    name = made(network, "/fee-notices", notice("features-86", Patient("示例甲"), test=20_000))
    asked = order(network, "features-86", name, fund=12_000, account=3_000, card=5_000)
    for part, amount_fen in ((0, 12_000), (1, 3_000)):
        assert pay(network, asked, part, f"features-86-{part}", amount_fen)[0] == 201
        page = shown(network, f"/payment-orders/{asked}")
        assert (page["state"], page["paid"]) == ("open", None)
    status, answer = pay(network, asked, 2, "features-86-2", 4_999)
    assert (status, answer["code"]) == (409, "amount_differs")
    assert pay(network, asked, 2, "features-86-2", 5_000)[0] == 201
    page = shown(network, f"/payment-orders/{asked}")
    assert page["state"] == "paid"
    assert sum(part["amount_fen"] for part in page["parts"]) == page["total_fen"]
    payments = shown(network, f"/bills/{billed(network, name)}")["payments"]
    assert payments == {
        "insurance_fund_fen": 12_000,
        "personal_account_fen": 3_000,
        "other_fen": 0,
        "cash_fen": 5_000,
    }


def test_14_a_refund_goes_back_the_way_the_money_came(network: Network) -> None:
    """60 by card and 40 in cash; 50 go back: 30 and 20, and never above what each channel paid."""
    name = made(network, "/fee-notices", notice("features-14", Patient("示例甲"), test=10_000))
    asked = order(network, "features-14", name, card=6_000, cash=4_000)
    assert pay(network, asked, 0, "features-14-0", 6_000)[0] == 201
    assert pay(network, asked, 1, "features-14-1", 4_000)[0] == 201
    bill = billed(network, name)
    red = reversed_by(network, bill)
    status, answer = post(network, f"/bills/{bill}/refund", {})
    assert (status, answer["code"]) == (409, "red_bill_differs")
    status, answer = post(network, f"/bills/{red}/refund", {"amount_fen": 10_001})
    assert (status, answer["code"]) == (409, "exceeds_notice")
    assert post(network, f"/bills/{red}/refund", {"amount_fen": 5_000})[0] == 201
    page = shown(network, f"/bills/{red}/refund")
    assert {row["channel"]: (row["paid_fen"], row["amount_fen"]) for row in page["refunds"]} == {
        "card": (6_000, 3_000),
        "cash": (4_000, 2_000),
    }
    assert post(network, f"/bills/{red}/refund", {"amount_fen": 5_000})[0] == 200
    assert shown(network, f"/fee-notices/{name}")["refunded_fen"] == 5_000


def test_14_a_red_bill_and_its_refund_are_one_step(network: Network) -> None:
    """Asked for by one person and agreed to by another: both in one block; too much back, and nobody is asked."""
    name = made(network, "/fee-notices", notice("features-14b", Patient("示例甲"), test=10_000))
    asked = order(network, "features-14b", name, card=6_000, cash=4_000)
    assert pay(network, asked, 0, "features-14b-0", 6_000)[0] == 201
    assert pay(network, asked, 1, "features-14b-1", 4_000)[0] == 201
    bill = billed(network, name)
    wish = {"reason": "wrong test", "operator": "收费员01", "refund": {"policy": "proportional"}}
    too_much = {**wish, "refund": {"amount_fen": 10_001}}
    status, answer = post(network, f"/bills/{bill}/reversal", too_much)
    assert (status, answer["code"]) == (409, "exceeds_notice")
    status, red = agreed(network, post(network, f"/bills/{bill}/reversal", wish)[1])
    assert status == 201, red
    page = shown(network, f"/bills/{red['bill_id']}/refund")
    assert {row["channel"]: row["amount_fen"] for row in page["refunds"]} == {"card": 6_000, "cash": 4_000}
    owed = shown(network, f"/fee-notices/{name}")
    assert (owed["refunded_fen"], owed["height"]) == (10_000, red["height"])


def test_16_a_deposit_from_voucher_to_bill_to_refund(network: Network) -> None:
    """5,000.00 in two vouchers, a bill of 3,200.00, 1,800.00 back; settled again: 409."""
    patient = Patient("示例甲")
    deposit = made(network, "/deposits", {"deposit_no": "features-16", "payer": patient.payer})
    for number, channel, amount_fen in ((1, "card", 300_000), (2, "cash", 200_000)):
        voucher = {"channel": channel, "channel_no": f"features-16-{number}", "amount_fen": amount_fen}
        assert post(network, f"/deposits/{deposit}/payments", voucher)[0] == 201
    name = made(network, "/fee-notices", notice("features-16", patient, ward=320_000))
    asked = order(network, "features-16", name, deposit=320_000)
    assert post(network, f"/deposits/{deposit}/use", {"order": asked, "part": 0})[0] == 201
    billed(network, name)
    assert shown(network, f"/deposits/{deposit}")["balance_fen"] == 180_000
    assert post(network, f"/deposits/{deposit}/settlement", {})[0] == 201
    page = shown(network, f"/deposits/{deposit}")
    assert (page["state"], page["balance_fen"]) == ("settled", 0)
    assert [voucher["refunded_fen"] for voucher in page["vouchers"]] == [0, 180_000]
    status, answer = post(network, f"/deposits/{deposit}/settlement", {})
    assert (status, answer["code"]) == (409, "deposit_settled")


def test_66_the_money_of_a_bill_is_followed_from_bill_to_bank(network: Network) -> None:
    """Bill, notice, order, payments, the channel's day at the bank: at each step what goes in comes out."""
    name = made(network, "/fee-notices", notice("features-66", Patient("示例甲"), consultation=6_000, drug=4_000))
    asked = order(network, "features-66", name, account=10_000)
    assert pay(network, asked, 0, "features-66", 10_000)[0] == 201
    bill = billed(network, name)
    auditor = network.api("archive", "auditor")

    def trail() -> dict[str, Any]:
        answer = auditor.get(f"/audit/trails/{bill}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    steps = {step["step"]: step for step in trail()["steps"]}
    assert list(steps) == [
        "bill_and_notices",
        "notices_and_order",
        "order_and_payments",
        "payments_and_division",
        "channel_and_bank",
    ]
    assert trail()["balanced"]
    assert steps["channel_and_bank"]["pending"]
    assert network.json("audit", "trail", bill, "--home", str(network.home)) == trail()
    day = steps["channel_and_bank"]["rows"][0]
    banked = BankChannel(secrets.token_bytes(32), "account", int(day["day"].replace("-", "")), day["taken_fen"] - 1, 0)
    assert act(network, "hospital-a", banked) == ["recorded"]
    last = trail()["steps"][-1]
    assert (trail()["balanced"], last["balanced"], last["in_fen"] - last["out_fen"]) == (False, False, 1)
    fee = BankChannel(secrets.token_bytes(32), "account", banked.day, 0, 1)
    assert act(network, "hospital-a", fee) == ["recorded"]
    assert trail()["balanced"]
    assert auditor.get("/audit/trails/330601260000999999").status_code == 404
