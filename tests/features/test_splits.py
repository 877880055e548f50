"""Rows 88 to 91, 94: an order's money divided to the fen, over a network of real processes: by operations that a platform signs
and gives to a mirror, and over REST at a platform's gateway and a hospital's.

What waits for months (the window's end) is told with a set clock: `tests/chain/test_rules_splits.py`. A bank's word of a day that
is over is waited for: the network's own midnight is put one or two minutes ahead. The three models of row 93: `test_split_models.py`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from chain.operation import (
    AccountRef,
    AttestBalance,
    IssueNotice,
    LineRule,
    LineSum,
    OpenAccount,
    OrderPart,
    PlaceOrder,
    ResumePayee,
    SuspendPayee,
    TakePayment,
    Transfer,
)
from chain.records import UNLIMITED
from chain.rules import money_places
from chain.rules.accounts import Books
from tests.chain.making import issue_bill, mac
from tests.chain.splitting import (
    NOTHING,
    PLATFORM,
    SHARES,
    bind,
    own_of,
    part,
    pay_out,
    platform_rules,
    remainder,
    split,
    take_back,
)
from tests.features.acting import Patient, act, agreed, post, verified
from tests.features.test_payments import billed, notice, order, pay, reversed_by
from tests.network.running import Network, bill_request

pytestmark = pytest.mark.processes

DAY_MS = 86_400_000
WINDOW_S = 30  # from the payment on nothing is split for so long


def code(network: Network, operation: Any, by: str = PLATFORM) -> str:
    (found,) = act(network, by, operation)
    return found


@pytest.mark.waits
def test_88_to_94_what_a_patient_paid_is_divided_among_who_shares_in_it(network: Network) -> None:
    """336.30: doctor 42.00, platform 18.00, supplier 264.30, courier 12.00; and everything that is none of it."""
    home = ("--home", str(network.home))
    request = network.json(
        "organisation", "init", PLATFORM, "--title", "互联网诊所", "--kind", "platform", "--region", "331000", *home
    )
    asked = network.json("organisation", "admit", request["request"], *home)
    assert agreed(network, asked, "archive")[1]["status"] == "recorded"
    now_ms = int(time.time() * 1000)
    lines = [LineSum("consultation", 6_000), LineSum("delivery", 1_200), LineSum("drug", 26_430)]
    operations = [
        IssueNotice(mac("n"), "medical", mac("patient"), lines, now_ms + DAY_MS, mac("details")),
        PlaceOrder(mac("o"), [mac("n")], [OrderPart("alipay", 33_630)], now_ms + 3_600_000),
        TakePayment(mac("p"), mac("o"), 0, 33_630, mac("evidence")),
        bind("doctor"),
        bind("supplier"),
        bind("courier"),
        bind("platform", account=own_of(PLATFORM)),
        platform_rules(),
        OpenAccount(mac("till"), "own", UNLIMITED, True),
    ]
    assert act(network, PLATFORM, *operations) == ["recorded"] * len(operations)
    paid_s = time.monotonic()
    assert code(network, split("early", "o")) == "split_too_early"

    forbidden = [LineRule("drug", 100, [part("doctor", 5, cap=5), remainder("supplier")])]
    assert code(network, platform_rules(2, lines=forbidden)) == "share_forbidden"  # 89: a commission on drugs
    collected = money_places.collected(Books(NOTHING, None), PLATFORM)  # type: ignore[arg-type]
    withdrawal = Transfer(mac("t"), collected, AccountRef(PLATFORM, mac("till")), 1, "mine", [], [])
    assert code(network, withdrawal) == "account_guarded"  # 91
    bill = issue_bill("B-1", issuer=PLATFORM, serial=99_999_901)  # that no bill of this network has
    assert code(network, bill) == "issuer_not_entitled"  # 94

    time.sleep(max(0.0, paid_s + WINDOW_S + 2 - time.monotonic()))
    unbound = [SHARES[0], *SHARES[1:3], replace(SHARES[3], payee=mac("nobody"))]
    assert code(network, split("unbound", "o", *unbound)) == "payee_not_bound"  # 88
    assert code(network, SuspendPayee(mac("courier"), "licence_ended", 0)) == "recorded"
    assert code(network, split("halted", "o")) == "payee_suspended"
    assert code(network, ResumePayee(mac("courier"), 1)) == "recorded"
    more = [replace(SHARES[0], amount_fen=4_199), replace(SHARES[1], amount_fen=1_801), *SHARES[2:]]
    assert code(network, split("more", "o", *more)) == "split_above_cap"  # 89
    less = [replace(SHARES[0], amount_fen=4_201), replace(SHARES[1], amount_fen=1_799), *SHARES[2:]]
    assert code(network, split("less", "o", *less)) == "split_differs"
    assert code(network, split("s", "o")) == "recorded"
    assert code(network, split("s", "o", *SHARES[:3])) == "split_exists"
    assert code(network, split("again", "o")) == "line_split"
    for payee, amount_fen in (("doctor", 4_200), ("supplier", 26_430), ("courier", 1_200)):
        too_much = code(network, pay_out(f"{payee} too much", payee, amount_fen + 1))
        assert too_much in ("exceeds_credits", "exceeds_payee")

    assert code(network, take_back("b", "s", 0, 4_201)) == "exceeds_share"  # 90
    assert code(network, pay_out("doctor paid", "doctor", 4_000)) == "recorded"
    assert code(network, take_back("b", "s", 0, 1_000)) == "recorded"  # 200 are there: 800 are owed by name
    assert code(network, pay_out("doctor again", "doctor", 1)) != "recorded"


# ── over REST ────────────────────────────────────────────────────────────────────────────────────────────────────────

KINDS = ("doctor", "platform", "supplier", "courier")
LINES = {"consultation": 6_000, "delivery": 1_200, "drug": 26_430}
RULES = {
    "rules": "features",
    "version": 1,
    "lines": [
        {
            "kind": "consultation",
            "shares": [{"to": "doctor", "rest": True, "cap_parts": 70}, {"to": "platform", "parts": 30}],
        },
        {"kind": "delivery", "shares": [{"to": "courier", "rest": True, "cap_parts": 100}]},
        {"kind": "drug", "shares": [{"to": "supplier", "rest": True, "cap_parts": 100}]},
    ],
}


class Sharing:
    """People of an organisation at its gateway, with four payees and their rules."""

    def __init__(self, network: Network, via: str, tag: str) -> None:
        self.network, self.via, self.tag = network, via, tag
        self.payees: dict[str, str] = {}  # kind -> name

    def step(self, path: str, body: dict[str, Any], role: str = "hospital_admin") -> tuple[int, Any]:
        client = self.network.api(self.via, role)
        answer = client.post(path, json=body, headers={"Prefer": "wait=15"})
        return answer.status_code, answer.json()

    def made(self, path: str, body: dict[str, Any], role: str = "hospital_admin") -> str:
        status, answer = self.step(path, body, role)
        assert status == 201, answer
        return str(answer.get("name"))

    def refused(self, path: str, body: dict[str, Any], role: str = "hospital_admin") -> tuple[int, str]:
        status, answer = self.step(path, body, role)
        return status, str(answer.get("code"))

    def shown(self, path: str) -> dict[str, Any]:
        answer = self.network.api(self.via).get(path)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def begin(self, own: str = "") -> None:
        """`own`: of this kind is the organisation itself, with its own money."""
        for kind in KINDS:
            wish = {
                "payee_no": f"{self.tag}-{kind}",
                "kind": kind,
                "title": f"示例{kind}",
                "consent": f"{self.tag} {kind}",
            }
            self.payees[kind] = self.made("/payees", wish | ({"is_signer": True} if kind == own else {}))
        self.made("/split-rules", RULES)

    def wish(self, order_name: str, number: str = "") -> dict[str, Any]:
        serving = [
            {"payee": self.payees[kind], "paper": f"2611200000001234567{place}"} for place, kind in enumerate(KINDS)
        ]
        head = {"split_no": number or self.tag, "order": order_name, "rules": RULES["rules"], "version": 1}
        return {**head, "payees": serving}

    def said(self, order_name: str, **amounts: int) -> dict[str, Any]:
        """The same with each share said, which is refused where a fen differs."""
        given = {"doctor": 4_200, "platform": 1_800, "courier": 1_200, "supplier": 26_430} | amounts
        places = (
            ("consultation", 0, "doctor"),
            ("consultation", 1, "platform"),
            ("delivery", 0, "courier"),
            ("drug", 0, "supplier"),
        )
        shares = [
            {"line": line, "rule": rule, "payee": self.payees[kind], "amount_fen": given[kind]}
            for line, rule, kind in places
        ]
        return {k: v for k, v in self.wish(order_name, f"{self.tag}-said").items() if k != "payees"} | {
            "shares": shares
        }

    def have(self) -> list[int]:
        return [self.shown(f"/payees/{self.payees[kind]}")["balance_fen"] for kind in KINDS]


@pytest.fixture(scope="module")
def clinic(network: Network) -> Iterator[Sharing]:
    """An online clinic, taken in as a platform, with a gateway of its own."""
    home = ("--home", str(network.home))
    request = network.json(
        "organisation", "init", "clinic-r", "--title", "云诊所", "--kind", "platform", "--region", "331000", *home
    )
    asked = network.json("organisation", "admit", request["request"], *home)
    assert agreed(network, asked, "archive")[1]["status"] == "recorded"
    network.add_gateway("clinic-r", "archive")
    network.up("clinic-r")
    sharing = Sharing(network, "clinic-r", "features-88")
    sharing.begin(own="platform")
    yield sharing
    network.stop("clinic-r")


@pytest.mark.waits
def test_88_to_94_a_platform_divides_what_a_patient_paid_at_its_own_gateway(clinic: Sharing) -> None:
    """336.30 as above, by people and over REST; each refusal with its status."""
    patient = Patient("示例甲")
    asked = {key: value for key, value in notice("features-88", patient, **LINES).items() if key != "bill"}
    owed = clinic.made("/fee-notices", asked, "cashier")
    with_bill = notice("features-88-bill", patient, **LINES)
    assert clinic.refused("/fee-notices", with_bill, "cashier") == (403, "issuer_not_entitled")
    assert clinic.refused("/bills", bill_request("features-94"), "cashier") == (403, "issuer_not_entitled")  # 94
    parts = [{"channel": "card", "amount_fen": 33_630}]
    name = clinic.made("/payment-orders", {"order_no": "features-88", "notices": [owed], "parts": parts}, "cashier")
    paid = {"part": 0, "channel_no": "features-88", "amount_fen": 33_630}
    clinic.made(f"/payment-orders/{name}/payments", paid, "cashier")
    paid_s = time.monotonic()
    wish = clinic.wish(name)
    assert clinic.refused("/splits", wish, "cashier") == (409, "split_too_early")

    commission = {
        "kind": "drug",
        "shares": [{"to": "doctor", "parts": 5}, {"to": "supplier", "rest": True, "cap_parts": 100}],
    }
    assert clinic.refused("/split-rules", RULES | {"version": 2, "lines": [commission]}) == (409, "share_forbidden")
    assert clinic.refused(f"/payment-orders/{name}/finish", {}) == (403, "rest_not_yours")  # 91
    assert clinic.refused("/payees", {"payee_no": "x", "kind": "doctor", "consent": "x"}, "cashier") == (
        403,
        "role_forbidden",
    )
    courier = f"/payees/{clinic.payees['courier']}"
    clinic.made(f"{courier}/suspension", {"reason": "licence_ended"})
    time.sleep(max(0.0, paid_s + WINDOW_S + 2 - time.monotonic()))
    assert clinic.refused("/splits", wish, "cashier") == (409, "payee_suspended")
    clinic.made(f"{courier}/resumption", {})
    unbound = wish | {"payees": [*wish["payees"][:3], {"payee": "0" * 64}]}
    assert clinic.refused("/splits", unbound, "cashier") == (409, "payee_not_bound")  # 88
    for_him = clinic.said(name)
    for_him["shares"][3] |= {"payee": clinic.payees["doctor"]}
    assert clinic.refused("/splits", for_him, "cashier") == (409, "share_forbidden")  # 89
    assert clinic.refused("/splits", clinic.said(name, doctor=4_199, platform=1_801), "cashier") == (
        409,
        "split_above_cap",
    )
    assert clinic.refused("/splits", clinic.said(name, supplier=26_429, courier=1_201), "cashier") == (
        409,
        "split_differs",
    )
    assert clinic.have() == [0, 0, 0, 0]
    split = clinic.made("/splits", wish, "cashier")
    assert clinic.have() == [4_200, 1_800, 26_430, 1_200]
    assert clinic.step("/splits", wish, "cashier")[0] == 200
    assert clinic.refused("/splits", wish | {"split_no": "another"}, "cashier") == (409, "line_split")
    page = clinic.shown(f"/splits/{split}")
    assert {share["payee"]: (share["amount_fen"], share["paper"]) for share in page["shares"]} == {
        clinic.payees[kind]: (amount_fen, f"2611200000001234567{place}")
        for place, (kind, amount_fen) in enumerate(zip(KINDS, (4_200, 1_800, 26_430, 1_200), strict=True))
    }
    proof = clinic.network.api("clinic-r").get(f"/splits/{split}/proof")
    assert proof.status_code == 200, proof.text
    facts = verified(clinic.network, proof.content)
    assert (facts["operation"], facts["organisation"]) == (page["operation"], "clinic-r")

    assert clinic.refused(f"{courier}/payouts", {"payout_no": "t", "amount_fen": 1_201, "bank_no": "b"}) == (
        409,
        "exceeds_credits",
    )
    back = {"refund_no": "features-90", "amount_fen": 1_200}
    assert clinic.refused(f"/fee-notices/{owed}/refund", back, "cashier") == (409, "exceeds_order")
    clinic.made(f"/splits/{split}/returns", {"return_no": "features-90", "share": 2, "amount_fen": 1_200}, "cashier")
    clinic.made(f"/fee-notices/{owed}/refund", back, "cashier")
    assert clinic.have() == [4_200, 1_800, 26_430, 0]
    assert clinic.shown(f"/payment-orders/{name}/division")["free_fen"] == 0


@pytest.mark.waits
def test_90_66_shares_come_back_for_a_refund_and_the_auditor_follows_every_fen(network: Network) -> None:
    """A hospital's order, its bill reversed: what the doctor has not got any more he owes by name; Σ in = Σ out after each step."""
    hospital = Sharing(network, "hospital-a", "features-90h")
    hospital.begin()
    owed = hospital.made("/fee-notices", notice("features-90h", Patient("示例甲"), **LINES), "cashier")
    name = order(network, "features-90h", owed, card=33_630)
    assert pay(network, name, 0, "features-90h", 33_630)[0] == 201
    paid_s = time.monotonic()
    bill = billed(network, owed)
    auditor = network.api("archive", "auditor")

    def division() -> dict[str, Any]:
        trail = auditor.get(f"/audit/trails/{bill}").json()
        (step,) = [step for step in trail["steps"] if step["step"] == "payments_and_division"]
        parts = ("free_fen", "shared_fen", "rest_fen", "owed_fen", "refunded_fen")
        assert (step["in_fen"], step["out_fen"]) == (33_630, sum(step[part] for part in parts))
        assert all(one["balanced"] for one in trail["steps"] if one["step"] != "bill_and_notices")
        return {part: step[part] for part in parts if step[part]}

    def told(**parts: int) -> None:
        network.until(lambda: division() == parts, f"the archive has {parts}")

    told(free_fen=33_630)
    time.sleep(max(0.0, paid_s + WINDOW_S + 2 - time.monotonic()))
    split = hospital.made("/splits", hospital.wish(name), "cashier")
    assert hospital.have() == [4_200, 1_800, 26_430, 1_200]
    told(shared_fen=33_630)
    doctor = f"/payees/{hospital.payees['doctor']}"
    hospital.made(f"{doctor}/payouts", {"payout_no": "features-90h", "amount_fen": 4_000, "bank_no": "features-90h"})
    red = reversed_by(network, bill)
    status, answer = post(network, f"/bills/{red}/refund", {"amount_fen": 6_000})
    assert (status, answer["code"]) == (409, "exceeds_order")
    returns = f"/splits/{split}/returns"
    above = {"return_no": "features-90h-0", "share": 0, "amount_fen": 4_201}
    assert hospital.refused(returns, above, "cashier") == (409, "exceeds_share")
    hospital.made(returns, {"return_no": "features-90h-1", "share": 0, "amount_fen": 4_200}, "cashier")
    told(free_fen=200, shared_fen=29_430, owed_fen=4_000)
    page = hospital.shown(doctor)
    assert (page["balance_fen"], page["owed"]) == (0, [{"order": name, "amount_fen": 4_000}])
    seen = network.api("hospital-a", "auditor", "finance-city").get(doctor)
    assert (seen.status_code, seen.json()["owed_fen"], "title" in seen.json()) == (200, 4_000, False)
    assert (page["title"], page["kind"]) == ("示例doctor", "doctor")
    hospital.made(returns, {"return_no": "features-90h-2", "share": 1, "amount_fen": 1_800}, "cashier")
    assert post(network, f"/bills/{red}/refund", {"amount_fen": 2_000})[0] == 201
    told(shared_fen=27_630, owed_fen=4_000, refunded_fen=2_000)
    hospital.made(f"{doctor}/debt-payments", {"repayment_no": "features-90h", "amount_fen": 4_000})
    assert hospital.shown(doctor)["owed_fen"] == 0
    told(free_fen=4_000, shared_fen=27_630, refunded_fen=2_000)


# ── the bank ─────────────────────────────────────────────────────────────────────────────────────────────────────────

BEGIN_S = 60.0  # at least, until the network is up and both hospitals were paid


@pytest.fixture
def near_midnight(tmp_path: Path) -> Iterator[tuple[Network, float]]:
    """A network of a time zone where a day ends within two minutes, and when that is."""
    midnight_s = (time.time() + BEGIN_S) // 60 * 60 + 60
    minutes = -int(midnight_s // 60) % 1_440
    offset = minutes if minutes <= 720 else minutes - 1_440
    network = Network(tmp_path, lambda text: text.replace("utc_offset_minutes: 480", f"utc_offset_minutes: {offset}"))
    try:
        network.up()
        yield network, midnight_s
    finally:
        network.down()


@pytest.mark.waits
def test_91_a_banks_signed_balance_that_is_off_by_a_fen_is_a_finding(near_midnight: tuple[Network, float]) -> None:
    """Two hospitals with one bank: what it attests of the one is the ledger's sum, of the other a fen less."""
    network, midnight_s = near_midnight
    home = ("--home", str(network.home))
    request = network.json(
        "organisation", "init", "bank-r", "--title", "示例银行", "--kind", "bank", "--region", "331000", *home
    )
    asked = network.json("organisation", "admit", request["request"], *home)
    assert agreed(network, asked, "archive")[1]["status"] == "recorded"
    for via, amount_fen in (("hospital-a", 33_630), ("hospital-b", 7_000)):
        hospital = Sharing(network, via, f"features-91-{via}")
        assert hospital.refused("/supervised-account", {"bank": "finance-city"}) == (422, "bank_not_entitled")
        hospital.made("/supervised-account", {"bank": "bank-r"})
        asked_for = {k: v for k, v in notice("features-91", Patient("示例甲"), test=amount_fen).items() if k != "bill"}
        owed = hospital.made("/fee-notices", asked_for, "cashier")
        parts = [{"channel": "card", "amount_fen": amount_fen}]
        name = hospital.made(
            "/payment-orders", {"order_no": "features-91", "notices": [owed], "parts": parts}, "cashier"
        )
        paid = {"part": 0, "channel_no": "features-91", "amount_fen": amount_fen}
        hospital.made(f"/payment-orders/{name}/payments", paid, "cashier")
        assert hospital.shown("/supervised-account")["balance_fen"] == amount_fen
    assert time.time() < midnight_s, "the network took too long to come up"
    auditor = network.api("archive", "auditor")

    def supervised(**asked: str) -> list[dict[str, Any]]:
        answer = auditor.get("/audit/supervised", params=asked)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["data"])

    rows = supervised()
    assert [(row["organisation"], row["bank"], row["ledger_fen"], row["state"]) for row in rows] == [
        ("hospital-a", "bank-r", 33_630, "open"),
        ("hospital-b", "bank-r", 7_000, "open"),
    ]
    day = int(rows[0]["day"].replace("-", ""))
    right = AttestBalance("hospital-b", day, 7_000, secrets.token_bytes(32))
    assert act(network, "bank-r", right) == ["day_not_over"]
    time.sleep(max(0.0, midnight_s + 2 - time.time()))
    wrong = AttestBalance("hospital-a", day, 33_629, secrets.token_bytes(32))
    assert act(network, "hospital-b", replace(wrong, balance_fen=33_630)) == ["not_the_bank"]
    assert act(network, "bank-r", wrong, replace(right, statement=wrong.statement)) == ["recorded", "recorded"]
    assert act(network, "bank-r", replace(wrong, balance_fen=33_631)) == ["already_attested"]
    assert [(row["organisation"], row["difference_fen"], row["finding"]) for row in supervised()] == [
        ("hospital-a", -1, "supervised_balance_mismatch"),
        ("hospital-b", 0, None),
    ]
    (found,) = supervised(finding="supervised_balance_mismatch")
    assert (found["ledger_fen"], found["attested_fen"], found["statement"]) == (33_630, 33_629, wrong.statement.hex())
    proof = auditor.get(f"/operations/{found['operation']}/proof")
    assert verified(network, proof.content)["organisation"] == "bank-r"
    (mine,) = network.api("hospital-a").get("/supervised-account").json()["days"]
    assert mine["finding"] == "supervised_balance_mismatch"
