"""Pictures of the phone page as a small phone shows it: python -m tests.features.phone_pictures

Starts the example network, issues bills and writes `docs/phone/*.png`, 360 by 740. Somebody looks at them before they are
committed. A phone has fonts for Chinese; the machine that takes the pictures needs one too, such as Debian's fonts-wqy-microhei.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from cli.demo.altering import altered, of_proofs
from tests.features.acting import agreed, post
from tests.features.browser import chromium, phone
from tests.features.test_phone_page import Scanned, in_proof, scanned, with_another_total
from tests.network.running import ROOT, Network, bill_request

FOLDER = ROOT / "docs" / "phone"
CHARGES = [
    {"code": "02", "name": "诊察费", "quantity_milli": 1000, "unit": "次", "amount_fen": 5_000},
    {"code": "04", "name": "化验费", "quantity_milli": 1000, "unit": "项", "amount_fen": 18_000},
    {"code": "09", "name": "西药费", "quantity_milli": 1000, "unit": "项", "amount_fen": 26_430},
]
PAYMENTS = {"insurance_fund_fen": 31_000, "personal_account_fen": 12_000, "other_fen": 0, "cash_fen": 6_430}


def bill(network: Network, number: str) -> Scanned:
    request = bill_request(
        number, 49_430, charges=CHARGES, payments=PAYMENTS, self_paid_fen=12_000, self_funded_fen=6_430
    )
    answer = network.api("hospital-a").post("/bills", json=request, headers={"Prefer": "wait=20"}).json()
    return scanned(network, answer["bill_id"])


def main() -> None:
    if not subprocess.run(["fc-list", ":lang=zh"], capture_output=True, check=True).stdout:
        sys.exit("no font for Chinese here: the pictures would show boxes")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, chromium() as browser:
        network = Network(Path(directory))
        try:
            network.up()
            _take(network, browser)
        finally:
            network.down()


def _take(network: Network, browser: object) -> None:
    genuine, reversed_ = bill(network, "picture-1"), bill(network, "picture-2")
    agreed(
        network, post(network, f"/bills/{reversed_.bill}/reversal", {"reason": "患者退费", "operator": "收费员01"})[1]
    )
    with altered(genuine.node, of_proofs(in_proof(bill=with_another_total))) as liar:
        scenes = {
            "green-zh": ("zh-CN", genuine.at()),
            "green-en": ("en-GB", genuine.at()),
            "reversed-zh": ("zh-CN", reversed_.at()),
            "red-zh": ("zh-CN", genuine.at(liar)),
        }
        for name, (locale, address) in scenes.items():
            with phone(browser, locale) as held:
                held.open(address)
                held.page.screenshot(path=FOLDER / f"{name}.png")
                print(f"docs/phone/{name}.png: {held.state}")


if __name__ == "__main__":
    main()
