"""Rows 14, 16, 34, 35, 37, 85, 86 and 96 by `medbill` alone: whole visits at a counter, over a network of real processes."""

from __future__ import annotations

import json
import re
import secrets
import shlex
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chain.operation import LineRef, OpenLine
from tests.features.acting import Patient, act
from tests.features.test_credit import DAY_MS, bill
from tests.features.test_visits import lending  # noqa: F401 - fixture
from tests.network.running import ROOT, Network

pytestmark = pytest.mark.processes

README = (ROOT / "README.md").read_text("utf-8")


class Counter:
    """Commands at hospital-a's gateway, for one patient."""

    def __init__(self, network: Network, directory: Path) -> None:
        self.network, self.directory, self.patient = network, directory, Patient("示例甲")
        self.payer = self.file("payer.json", self.patient.payer)
        made = network.json(
            *("token", "issue", "--organisation", "finance-city", "--role", "patient", "--subject", "pseudonym-35"),
            *("--id-type", "passport", "--id-number", self.patient.number, "--name", self.patient.name),
            *("--home", str(network.home)),
        )
        self.token = directory / "token"
        self.token.write_text(made["token"] + "\n")

    def file(self, name: str, document: dict[str, Any]) -> str:
        path = self.directory / name
        path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")
        return str(path)

    def run(self, *words: str, expect: int = 0) -> Any:
        return self.network.json(*words, *self._place(), expect=expect)

    def text(self, *words: str) -> str:
        return self.network.medbill(*words, *self._place())

    def made(self, *words: str) -> str:
        answer = self.run(*words)
        assert answer["status"] in ("recorded", "sealed"), answer
        return str(answer["name"])

    def mine(self, *words: str) -> list[dict[str, Any]]:
        return list(self.run(*words, "list", "--token", str(self.token))["data"])

    def until(self, asked: tuple[str, ...], reached: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            page = self.run(*asked)
            return page if reached(page) else None

        return dict(self.network.until(look, what))

    def _place(self) -> tuple[str, ...]:
        return ("--home", str(self.network.home), "--via", "hospital-a")

    def charge(self, visit: str, number: str, kind: str, amount_fen: int, expect: int = 0, **more: Any) -> Any:
        lines = [{"kind": kind, "amount_fen": amount_fen, "title": f"{kind} 项目"}]
        file = self.file(f"charge-{number}.json", {"charge_no": number, "lines": lines, **more})
        return self.run("visit", "charge", visit, file, expect=expect)


@pytest.fixture
def counter(network: Network, tmp_path: Path) -> Counter:
    return Counter(network, tmp_path)


def test_85_86_66_the_pages_commands_run_as_they_stand(network: Network, tmp_path: Path) -> None:
    """README.md, "Money and the visit": a name in capitals is what a command before was told."""
    page = README.partition("\n### Money and the visit\n")[2]
    (tmp_path / "notice.json").write_text(page.partition("```json\n")[2].partition("```")[0], "utf-8")
    filled = {"net": str(network.home), "notice.json": str(tmp_path / "notice.json")}
    lines = page.partition("```sh\n")[2].partition("```")[0].splitlines()
    assert [line.split()[1:3] for line in lines[:2]] == [["notice", "issue"], ["order", "place"]]
    shown = ""
    for line in lines:
        words = shlex.split(line)[1:]
        if "BILL_ID" in words:  # it follows by itself
            asked = ("notice", "show", filled["NOTICE"], "--home", str(network.home), "--via", "hospital-a")
            network.until(lambda: network.json(*asked)["bill_id"], "the bill follows")  # noqa: B023 - done at once
            filled["BILL_ID"] = network.json(*asked)["bill_id"]
        shown = network.medbill(*(filled.get(word, word) for word in words))
        made = re.search(r"^name +([0-9a-f]{64})$", shown, re.M)
        if made is not None and words[1] in ("issue", "place"):
            filled[words[0].upper()] = made[1]
    assert {"NOTICE", "ORDER", "BILL_ID"} <= set(filled)
    assert shown.splitlines()[-1] == "balanced"
    assert f"{filled['BILL_ID']} of hospital-a, 50.50, normal" in shown


def test_35_a_whole_visit_on_credit_by_the_command_line(
    lending: Network,  # noqa: F811
    counter: Counter,
) -> None:
    """A number and its fee, an agreement, a hold at the opening, two steps without a cashier, one bill, minutes; and all of it back."""
    now = datetime.now(UTC)
    schedule = {
        "schedule_no": "commands-35",
        "department": "dep-commands",
        "staff": "医生07",
        "session": "am",
        "starts": (now + timedelta(minutes=1)).isoformat(),
        "ends": (now + timedelta(hours=3)).isoformat(),
        "book_until": (now + timedelta(hours=3)).isoformat(),
        "pools": [{"channel": "app", "count": 2}],
        "fee_fen": 5_000,
        "bill": {
            "kind": "registration",
            "place_code": "A01",
            "cashier": "自助机01",
            "charges": [{"code": "01", "name": "挂号费", "amount_fen": 5_000}],
        },
    }
    published = counter.made("schedule", "publish", counter.file("schedule.json", schedule))
    day = counter.run("schedule", "show", published)["date"]
    (row,) = counter.run("schedule", "list", "--date", day, "--department", "dep-commands")["data"]
    assert (row["schedule"], row["free"]) == (published, {"app": [1, 2]})

    own = ("--token", str(counter.token))
    named = ("appointment", "book", "--number", "commands-35", "--schedule", published, "--channel", "app")
    number = counter.made(*named, *own)
    assert counter.run(*named, *own)["name"] == number
    order = counter.made("appointment", "fee", number, "--part", "card=50.00", *own)
    pay = ("order", "pay", order, "--part", "0", "--receipt", "commands-35")
    assert counter.run(*pay, "--amount", "49.99", expect=6)["code"] == "amount_differs"
    counter.run(*pay, "--amount", "50.00")
    counter.until(("appointment", "show", number, *own), lambda page: page["state"] == "confirmed", "it is confirmed")

    line = LineRef("lender-a", secrets.token_bytes(32))
    opened = OpenLine(
        line.line, "visits", 1, int(time.time() * 1000) + 365 * DAY_MS, secrets.token_bytes(32), ["hospital-a"]
    )
    assert act(lending, "lender-a", opened) == ["recorded"]
    signed = counter.made(
        *("credit", "agreement", "sign", "--number", "commands-35", "--payer", counter.payer, "--lender", "lender-a"),
        *("--line", line.line.hex(), "--cap", "1,000.00", "--consent", "C-35"),
    )
    visit = counter.made(
        *("visit", "open", "--number", "commands-35", "--kind", "outpatient", "--payer", counter.payer),
        *("--cap", "600.00", "--appointment", number, "--agreement", signed),
    )
    counter.run("visit", "stamp", visit, "--step", "called")
    assert counter.charge(visit, "commands-35-1", "consultation", 5_000)["status"] in ("recorded", "sealed")
    counter.run("visit", "stamp", visit, "--step", "tested")
    assert counter.charge(visit, "commands-35-2", "test", 18_000)["status"] in ("recorded", "sealed")
    assert counter.charge(visit, "commands-35-3", "drug", 37_001, expect=6)["code"] == "credit_line_exceeded"
    counter.run("visit", "close", visit, "--bill", counter.file("bill.json", bill(23_000)))
    page = counter.until(("visit", "show", visit), lambda page: page["bill_id"], "the bill follows")
    assert (page["state"], page["charged_fen"], page["left_fen"]) == ("closed", 23_000, 37_000)
    text = counter.text("visit", "show", visit)
    assert "credit 50.00" in text
    assert "180.00" in text
    assert counter.run("visit", "show", "ab" * 32, expect=4)["code"] == "visit_unknown"
    steps = counter.run("visit", "timeline", visit)["steps"]
    assert [step["step"] for step in steps][-2:] == ["called", "tested"]

    assert [row["bill_id"] for row in counter.mine("visit")] == [page["bill_id"]]
    assert [row["state"] for row in counter.mine("notice")] == ["settled"] * 3
    assert [row["visit"] for row in counter.mine("appointment")] == [visit]
    (account,) = counter.mine("credit", "agreement")
    assert (account["owed_fen"], account["left_fen"]) == (23_000, 77_000)
    assert counter.run("credit", "hold", "show", page["hold"])["state"] == "released"

    counter.until(("bill", "show", page["bill_id"]), lambda shown: shown["status"] == "sealed", "it is sealed")
    reverse = ("bill", "reverse", page["bill_id"], "--reason", "退费", "--operator", "收费员01")
    asked = counter.run(*reverse, "--refund", "proportional")
    red = counter.run("approvals", "agree", asked["approval"], "--person", "复核员02")["bill_id"]
    back = counter.run("order", "show-refund", red)
    assert (back["total_fen"], {row["channel"] for row in back["refunds"]}) == (23_000, {"credit"})
    assert [row["owed_fen"] for row in counter.mine("credit", "agreement")] == [0]
    counter.run("credit", "agreement", "end", signed)
    late = ("credit", "hold", "place", "--number", "commands-35", "--agreement", signed, "--amount", "1.00")
    assert counter.run(*late, expect=6)["code"] == "agreement_ended"


def test_16_a_stay_with_a_deposit_by_the_command_line(counter: Counter) -> None:
    """5,000.00 kept, 3,200.00 of a notice paid from it and 100.05 by card; 1,800.00 go back; an order that comes to nothing."""
    deposit = counter.made("deposit", "open", "--number", "commands-16", "--payer", counter.payer)
    counter.run("deposit", "pay", deposit, "--channel", "card", "--receipt", "commands-16", "--amount", "5,000.00")
    wish = {
        "notice_no": "commands-16",
        "payer": counter.patient.payer,
        "lines": [{"kind": "ward", "amount_fen": 330_005, "title": "床位"}],
        "bill": bill(330_005),
    }
    notice = counter.made("notice", "issue", counter.file("notice.json", wish))
    assert counter.run("notice", "issue", str(counter.directory / "notice.json"))["name"] == notice
    place = ("order", "place", "--notice", notice, "--part", "deposit=3,200.00", "--part", "card=100.05")
    given_up = counter.made(*place, "--number", "commands-16")
    assert counter.run(*place, "--number", "commands-16-2", expect=6)["code"] == "notice_in_order"
    counter.run("order", "close", given_up, "--reason", "unpaid")
    order = counter.made(*place, "--number", "commands-16-3")
    counter.run("deposit", "use", deposit, "--order", order, "--part", "0")
    counter.run("order", "pay", order, "--part", "1", "--receipt", "commands-16-3", "--amount", "100.05")
    assert counter.run("order", "show", order)["state"] == "paid"
    page = counter.until(("notice", "show", notice), lambda page: page["bill_id"], "the bill follows")
    assert page["total_fen"] == 330_005
    assert "1,800.00" in counter.text("deposit", "show", deposit)
    counter.run("deposit", "settle", deposit)
    assert counter.run("deposit", "settle", deposit, expect=6)["code"] == "deposit_settled"
    shown = counter.run("deposit", "show", deposit)
    assert (shown["state"], shown["vouchers"][0]["refunded_fen"]) == ("settled", 180_000)
    wrong = counter.made("notice", "issue", counter.file("wrong.json", {**wish, "notice_no": "commands-16-w"}))
    counter.run("notice", "withdraw", wrong, "--reason", "mistyped")
    assert counter.run("notice", "show", wrong)["state"] == "withdrawn"
