"""Rows 86 and 87: one order over the fund, the insured's account and a wallet; notices that come again, late or never.

The other sides are simulated by a process of their own, with keys of their own, over HTTP; nothing here has reached a real gateway.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.features.acting import Patient, post
from tests.features.test_payments import billed, made, notice, order, shown
from tests.network.running import ROOT, Network

pytestmark = pytest.mark.processes


@dataclass
class OtherSides:
    addresses: dict[str, str]
    insured: list[str]

    def control(self, side: str, path: str, **said: Any) -> dict[str, Any]:
        answer = httpx2.post(f"{self.addresses[side]}/control/{path}", json=said, timeout=10, trust_env=False)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


@pytest.fixture(scope="module")
def paying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Network, OtherSides]]:
    """A network whose first hospital takes money by all channels."""
    folder = tmp_path_factory.mktemp("channels")
    network = Network(tmp_path_factory.mktemp("paying"))
    notify = f"http://127.0.0.1:{network.nodes['hospital-a']['api_port']}/v1/channel-notices"
    command = [sys.executable, "-m", "node.channels.simulators", "--directory", str(folder), "--notify", notify]
    (folder / "keys").mkdir()
    process = subprocess.Popen([*command, "--schedule", "0,0.3,0.3,0.3,0.3"], cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        config = network.node_home("hospital-a") / "config"
        shutil.copytree(told["keys"], config / "channels", dirs_exist_ok=True)
        settings = yaml.safe_load((config / "node.yaml").read_text("utf-8"))
        settings |= yaml.safe_load(Path(told["configuration"]).read_text("utf-8"))
        (config / "node.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), "utf-8")
        network.up()
        yield network, OtherSides(told["addresses"], told["insured"])
    finally:
        network.down()
        process.terminate()
        process.wait(10)


def invited(network: Network, asked: str, part: int, **details: str) -> dict[str, Any]:
    answer = network.api("hospital-a").post(
        f"/payment-orders/{asked}/invitations", json={"part": part, "details": details}
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_86_one_order_over_fund_account_and_wallet(paying: tuple[Network, OtherSides]) -> None:
    """Fund 120 + account 30 + wallet 50: paid only when all three are."""
    network, sides = paying
    name = made(network, "/fee-notices", notice("features-86c", Patient("示例甲"), test=20_000))
    asked = order(network, "features-86c", name, fund=12_000, account=3_000, wechat=5_000)
    person = {"psn_no": sides.insured[0], "mdtrt_id": "V202611270001"}
    invitation = invited(network, asked, 2)
    assert (invitation["kind"], invitation["state"]) == ("qr_code", "invited")
    assert invited(network, asked, 0, medfee_sumamt="200.00", **person)["state"] == "paid"
    sides.control("wechat", "pay", order_no=invitation["order_no"])

    def paid() -> list[bool]:
        page = shown(network, f"/payment-orders/{asked}")
        return [part["payment"] is not None for part in page["parts"]]

    network.until(lambda: paid() == [True, False, True], "fund and wallet have paid")
    assert shown(network, f"/payment-orders/{asked}")["state"] == "open"
    assert invited(network, asked, 1, **person)["state"] == "paid"
    payments = shown(network, f"/bills/{billed(network, name)}")["payments"]
    assert (payments["insurance_fund_fen"], payments["personal_account_fen"], payments["cash_fen"]) == (
        12_000,
        3_000,
        5_000,
    )


def test_85_what_is_owed_is_paid_from_a_phone(paying: tuple[Network, OtherSides]) -> None:
    """Seen, paid and billed by the patient alone: no cashier asks for anything after the notice."""
    network, sides = paying
    patient, other = Patient("示例丁"), Patient("示例戊")
    phone = patient.at(network, "hospital-a")
    made(network, "/fee-notices", notice("features-85-phone", patient, test=10_000))
    (owed,) = phone.get("/me/fee-notices").json()["data"]
    wanted = {
        "order_no": "1",
        "notices": [owed["notice"]],
        "parts": [{"channel": "alipay", "amount_fen": owed["total_fen"]}],
    }
    answer = other.at(network, "hospital-a").post("/payment-orders", json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (404, "notice_unknown")
    answer = phone.post("/payment-orders", json=wanted, headers={"Prefer": "wait=15"})
    assert answer.status_code == 201, answer.text
    asked = answer.json()["name"]
    invitation = phone.post(f"/payment-orders/{asked}/invitations", json={"part": 0}).json()
    sides.control("alipay", "scan", order_no=invitation["order_no"])
    sides.control("alipay", "pay", order_no=invitation["order_no"])
    network.until(lambda: phone.get(f"/payment-orders/{asked}").json()["state"] == "paid", "the wallet has paid")
    network.until(lambda: phone.get("/me/fee-notices").json()["data"][0]["bill_id"] is not None, "the bill follows")
    bill = phone.get("/me/fee-notices").json()["data"][0]["bill_id"]

    def collected() -> list[str]:
        return [row["bill_id"] for row in patient.at(network).get("/me/bills").json()["data"]]

    network.until(lambda: collected() == [bill], "the patient collects it")


def test_87_notices_again_and_late_are_never_a_second_payment(paying: tuple[Network, OtherSides]) -> None:
    network, sides = paying
    before = network.api("hospital-a").get("/network").json()["head"]["height"]
    name = made(network, "/fee-notices", notice("features-87", Patient("示例甲"), test=10_000))
    asked = order(network, "features-87", name, alipay=10_000)
    invitation = invited(network, asked, 0)
    sides.control("alipay", "scan", order_no=invitation["order_no"])
    sides.control("alipay", "pay", order_no=invitation["order_no"])
    for _ in range(4):
        sides.control("alipay", "tell", order_no=invitation["order_no"])
    network.until(lambda: shown(network, f"/payment-orders/{asked}")["state"] == "paid", "the wallet has paid")
    billed(network, name)

    def taken(after: int) -> list[str]:
        answer = network.api("archive", "auditor").get(f"/events?after={after}&types=payment").json()
        return [row["type"] for row in answer["data"] if row["organisation"] == "hospital-a"]

    assert taken(before) == ["payment.taken"]
    head = network.api("hospital-a").get("/network").json()["head"]["height"]

    late = made(network, "/fee-notices", notice("features-87-late", Patient("示例甲"), test=700))
    closed = order(network, "features-87-late", late, wechat=700)
    invitation = invited(network, closed, 0)
    assert post(network, f"/payment-orders/{closed}/closure", {"reason": "unpaid"})[0] == 201
    sides.control("wechat", "pay", order_no=invitation["order_no"])

    network.until(lambda: taken(head) == ["payment.strayed", "payment.refunded"], "it goes back by itself")
    assert shown(network, f"/payment-orders/{closed}")["state"] == "closed"
    assert shown(network, f"/fee-notices/{late}")["state"] == "owed"
    order_row = next(
        row
        for row in httpx2.get(f"{sides.addresses['wechat']}/control/orders", trust_env=False).json()["orders"]
        if row["order_no"] == invitation["order_no"]
    )
    assert order_row["amount_fen"] == 700
