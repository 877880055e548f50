"""Row 48: bill, medical-insurance settlement and the fund's payment stand against each other, over a network of real processes."""

from __future__ import annotations

import csv
import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from chain.operation import JoinSettlement, PayFund, Payments
from tests.features.acting import act, agreed, clerk, life, post, verified
from tests.network.running import Network, bill_request

pytestmark = pytest.mark.processes

RIGHT, CASH_ONLY = 44, 3
CANARY = "JS-CANARY-48"  # every settlement's number begins with it
PATH = "/audit/settlements"
JOIN = ("settlement_no", "bill_id", "insurance_fund", "personal_account", "other", "cash")
PAY = ("settlement_no", "hospital", "amount", "paid_date", "payment_no")


def parts(number: int) -> dict[str, int]:
    fund = 6_000 + number
    return {"insurance_fund_fen": fund, "personal_account_fen": 500, "other_fen": 45, "cash_fen": 10_000 - fund - 545}


def issued(network: Network, requests: list[dict[str, Any]], via: str = "hospital-a") -> list[str]:
    answer = network.api(via).post("/bills:batch", json={"bills": requests}, headers={"Prefer": "wait=30"}).json()
    assert {outcome["status"] for outcome in answer["outcomes"]} == {"sealed"}, answer
    return [outcome["bill_id"] for outcome in answer["outcomes"]]


def request(number: int, via: str = "hospital-a", **changes: Any) -> dict[str, Any]:
    place = "B01" if via == "hospital-b" else "A01"
    asked = bill_request(f"features-48-{number}", 10_000, place_code=place, payments=parts(number), **changes)
    return {**asked, "visit": {"department": "内科", "insurance_settlement_no": f"{CANARY}-{number}"}}


def yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02d}"


class Bureau:
    """What its two files of the day say, row by row."""

    def __init__(self, network: Network, folder: Path) -> None:
        self.network, self.folder = network, folder
        self.joins: list[list[str]] = []
        self.payments: list[list[str]] = []

    def join(self, number: int, bill: str, **stated: int) -> None:
        says = {**parts(number), **stated}
        self.joins.append([f"{CANARY}-{number}", bill, *(yuan(fen) for fen in says.values())])

    def pay(self, number: int, amount_fen: int | None = None, hospital: str = "hospital-a") -> None:
        due = parts(number)["insurance_fund_fen"] if amount_fen is None else amount_fen
        self.payments.append([f"{CANARY}-{number}", hospital, yuan(due), "2026-04-20", f"ZF-{number}"])

    def settle(self, number: int, bill: str, hospital: str = "hospital-a") -> None:
        """As it should be."""
        self.join(number, bill)
        self.pay(number, hospital=hospital)

    def send(self, command: str, expect: int = 0) -> dict[str, Any]:
        heading, rows = (JOIN, self.joins) if command == "join" else (PAY, self.payments)
        path = self.folder / f"{command}.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([heading, *rows])
        home = ("--organisation", "insurance", "--home", str(self.network.home))
        return dict(self.network.json("settlement", command, str(path), *home, expect=expect))


def listed(client: Any, query: str) -> list[dict[str, Any]]:
    """All parts of the list."""
    rows: list[dict[str, Any]] = []
    path = f"{PATH}{query}"
    while True:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        rows += answer.json()["data"]
        if answer.json()["next"] is None:
            return rows
        path = answer.headers["link"].removeprefix("<").partition(">")[0].removeprefix("/v1")


def differing(client: Any, query: str) -> dict[str, list[str]]:
    """Bill, or the settlement's name where there is no bill -> differences."""
    return {row["bill_id"] or row["settlement"]: row["differences"] for row in listed(client, query)}


def test_48_settlements_that_do_not_match_are_exactly_the_planted_ones(own_network: Network, tmp_path: Path) -> None:
    """Nine faults, one of each class, among forty-four bills that are right and three without insurance."""
    network, bureau = own_network, Bureau(own_network, tmp_path)
    network.up()
    right = issued(network, [request(number) for number in range(32)])
    right += issued(network, [request(number, "hospital-b") for number in range(32, RIGHT)], "hospital-b")
    issued(network, [bill_request(f"features-48-cash-{number}", 100) for number in range(CASH_ONLY)])
    faulty = issued(network, [request(100 + number) for number in range(8)])
    for number, bill in enumerate(right[:40]):
        bureau.settle(number, bill, "hospital-a" if number < 32 else "hospital-b")
    for number in range(40, RIGHT):  # one settlement of four bills
        bureau.joins.append([f"{CANARY}-40", right[number], *(yuan(fen) for fen in parts(number).values())])
    bureau.pay(40, sum(parts(number)["insurance_fund_fen"] for number in range(40, RIGHT)), "hospital-b")

    never, fund, account, rest, unpaid, otherwise, reversed_bill, void = faulty
    bureau.join(101, fund, insurance_fund_fen=parts(101)["insurance_fund_fen"] - 1)
    bureau.pay(101, parts(101)["insurance_fund_fen"] - 1)
    bureau.join(102, account, personal_account_fen=499)
    bureau.join(103, rest, cash_fen=1)
    bureau.join(104, unpaid)
    bureau.join(105, otherwise)
    bureau.pay(105, parts(105)["insurance_fund_fen"] + 1)
    for number, bill in ((106, reversed_bill), (107, void)):
        bureau.settle(number, bill)
    for number in (102, 103, 108):  # of 108 no bill is known
        bureau.pay(number)
    report = bureau.send("join")
    assert (report["rows"], report["recorded"], report["refused"]) == (RIGHT + 7, RIGHT + 7, [])
    report = bureau.send("pay")
    assert (report["rows"], report["recorded"], report["refused"]) == (41 + 7, 41 + 7, [])
    asked = post(network, f"/bills/{reversed_bill}/reversal", {"reason": "wrong payer", "operator": "收费员01"})[1]
    assert agreed(network, asked)[0] == 201
    assert post(network, f"/bills/{void}/void", {"reason": "mistyped"})[0] == 201
    auditor = network.api("archive", "auditor")
    for bill, validity in ((reversed_bill, "reversed"), (void, "void")):
        network.until(
            lambda bill=bill, validity=validity: auditor.get(f"/bills/{bill}").json()["validity"] == validity, validity
        )

    (lone,) = [row["settlement"] for row in listed(auditor, "?difference=settlement_without_bill")]
    planted = {
        never: ["no_settlement"],
        fund: ["fund_differs"],
        account: ["account_differs"],
        rest: ["rest_differs"],
        unpaid: ["not_paid"],
        otherwise: ["paid_differs"],
        reversed_bill: ["bill_reversed"],
        void: ["bill_void"],
        lone: ["settlement_without_bill"],
    }
    assert differing(auditor, "?unmatched") == planted
    office = network.api("archive", "finance_clerk")
    assert differing(office, "?unmatched=true") == planted
    assert differing(auditor, "?unmatched&limit=2") == planted
    matching = {row["bill_id"] for row in listed(auditor, "") if not row["differences"]}
    assert matching == set(right)
    for bill, names in planted.items():
        assert differing(auditor, f"?difference={names[0]}") == {bill: names}
    assert differing(auditor, "?unmatched&issuer=hospital-b") == {}
    assert differing(auditor, "?unmatched&issuer=hospital-a&to=2026-04-30") == {lone: ["settlement_without_bill"]}
    (row,) = listed(auditor, "?difference=paid_differs")
    assert (row["due_fen"], row["paid_fen"], row["bureau"]) == (6_105, 6_106, "insurance")
    home = ("--home", str(network.home))
    told = json.loads(
        network.medbill("audit", "settlements", "--unmatched", "--from", "2026-01-01", *home, "--json", expect=3)
    )
    assert {row["bill_id"] or row["settlement"]: row["differences"] for row in told["data"]} == planted

    # who may see it, and what of it
    own = {bill: names for bill, names in planted.items() if bill != never}
    assert differing(clerk(network, "archive", "insurance"), "?unmatched") == own
    assert differing(network.api("archive", "auditor", "insurance"), "?unmatched") == planted
    assert listed(clerk(network, "archive"), "") == []  # an insurance company has no settlements
    for role, organisation in (
        ("cashier", "hospital-a"),
        ("hospital_admin", "hospital-a"),
        ("finance_clerk", "finance"),
    ):
        assert network.api("archive", role, organisation).get(PATH).status_code == 403

    # once, and only by the bureau
    assert (bureau.send("join")["same"], bureau.send("pay")["same"]) == (RIGHT + 7, 48)
    stated = Payments(**parts(0))
    assert act(network, "insurance", JoinSettlement(secrets.token_bytes(32), right[0], stated)) == ["already_joined"]
    assert act(network, "insurer-a", JoinSettlement(secrets.token_bytes(32), never, stated)) == [
        "not_an_insurance_bureau"
    ]
    late = PayFund(bytes.fromhex(lone), "hospital-a", 1, 20260420, secrets.token_bytes(32))
    assert act(network, "insurance", late) == ["fund_already_paid"]
    assert differing(auditor, "?unmatched") == planted

    # the stamps on a bill's life, each with its proof
    rows = auditor.get(f"/bills/{right[0]}/history").json()["data"]
    stamps = [row for row in rows if row["role"] == "insurance_bureau"]
    assert [(row["event"], row["amount_fen"]) for row in stamps] == [("settlement_joined", 6_000), ("fund_paid", 6_000)]
    for row in stamps:
        proof = row["links"]["proof"].removeprefix("/v1")
        facts = verified(network, network.api("archive", "cashier", "hospital-a").get(proof).content)
        assert (facts["organisation"], facts["operation"]) == ("insurance", row["operation"])
        assert clerk(network, "archive", "insurance").get(proof).status_code == 200
        assert network.api("archive", "cashier", "hospital-b").get(proof).status_code == 404
    state = life(network, right[0])
    assert (state["settlement"], state["settlement_by"], state["settlement_mac"]) == (
        "paid",
        "insurance",
        stamps[0]["settlement"],
    )
    assert (life(network, unpaid)["settlement"], life(network, never)["settlement"]) == ("joined", "none")

    # what is put right is found no more: the money came back, the bill that was missing is there, what was never joined is
    for number, reason in ((106, "bill_reversed"), (107, "bill_void"), (105, "mistyped")):
        withdraw = ("--settlement", f"{CANARY}-{number}", "--reason", reason, "--organisation", "insurance")
        network.medbill("settlement", "withdraw", *withdraw, *home)
    following = (
        f"{void[:8]}{int(void[8:]) + 1:010d}"  # the next number of this counter; the red bill is of the same one
    )
    bureau.joins, bureau.payments = [], []
    bureau.join(108, f"{void[:8]}{int(void[8:]) + 2:010d}")
    bureau.settle(109, never)
    bureau.joins[-1][2:] = [yuan(fen) for fen in parts(100).values()]
    bureau.payments[-1][2] = yuan(parts(100)["insurance_fund_fen"])
    report = bureau.send("join", expect=6)
    assert [(row["line"], row["code"]) for row in report["refused"]] == [(2, "bill_unknown")]
    assert auditor.get(f"/bills/{following}").json()["validity"] == "red"
    (missing,) = issued(network, [request(108)])
    assert missing == bureau.joins[0][1]
    assert (bureau.send("join")["recorded"], bureau.send("pay")["recorded"]) == (1, 1)
    left = {bill: planted[bill] for bill in (fund, account, rest, unpaid)}
    assert differing(auditor, "?unmatched") == {**left, otherwise: ["no_settlement"]}

    # the numbers themselves are nobody's but the bureau's
    height = stamps[0]["height"]
    for answer in (
        auditor.get(f"/blocks/{height}"),
        auditor.get(PATH),
        network.api("archive", "operator").get("/network"),
    ):
        assert CANARY not in answer.text
    blocks = [
        path for name in ("finance", "archive") for path in (network.node_home(name) / "data" / "blocks").iterdir()
    ]
    assert sum(path.stat().st_size for path in blocks) > 0
    assert all(CANARY.encode() not in path.read_bytes() for path in blocks)


def test_48_a_bureaus_file_at_fault_is_told_row_by_row(own_network: Network, tmp_path: Path) -> None:
    """Bad rows lose nothing of the others, and the node goes on serving."""
    network, bureau = own_network, Bureau(own_network, tmp_path)
    network.up()
    (bill,) = issued(network, [request(0)])
    bureau.join(0, bill)
    bureau.joins += [
        [f"{CANARY}-1", "1234", "1.00", "", "", ""],
        [f"{CANARY}-2", f"{bill[:8]}9999999999", "1.00", "", "", ""],
        [f"{CANARY}-3", bill, "-1.00", "", "", ""],
        [f"{CANARY}-4", bill, "1.00", "", "", ""],
    ]
    report = bureau.send("join", expect=6)
    assert (report["recorded"], [(row["line"], row["code"]) for row in report["refused"]]) == (
        1,
        [(3, "field_refused"), (4, "bill_unknown"), (5, "amount_not_positive"), (6, "already_joined")],
    )
    with (tmp_path / "join.outcome.csv").open(encoding="utf-8", newline="") as stream:
        assert [row["status"] for row in csv.DictReader(stream)] == ["recorded", *["refused"] * 4]
    bureau.pay(0, hospital="hospital-b")
    bureau.pay(9, hospital="nobody")
    report = bureau.send("pay", expect=6)
    assert [row["code"] for row in report["refused"]] == ["settlement_of_other_hospital", "organisation_unknown"]
    (tmp_path / "join.csv").write_text("医保结算号,姓名\nx,y\n", "utf-8")
    command = (
        "settlement",
        "join",
        str(tmp_path / "join.csv"),
        "--organisation",
        "insurance",
        "--home",
        str(network.home),
    )
    assert "column_unknown" in network.medbill(*command, "--json", expect=2)
    auditor = network.api("archive", "auditor")
    for query in ("?unmatched=maybe", "?difference=lost", "?from=yesterday", "?bureau=insurance", "?cursor=x"):
        assert auditor.get(f"{PATH}{query}").status_code == 400
    assert differing(auditor, "?unmatched") == {bill: ["not_paid"]}
