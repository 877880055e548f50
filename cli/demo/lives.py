"""Scenes of what happens to a bill after its issue: reversal, paper, correction, claims, books, the close of a day."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from cli.demo.stage import SEALED, SceneFailed, Stage, agreed, bill_body, expect


def reversal_once(stage: Stage) -> str:
    where = ["--home", str(stage.home), "--via", "hospital-b"]
    bill = stage.medbill("bill", "show", "--business-no", "demo-hospital-b", *where, show=False)
    reverse = ["bill", "reverse", bill["bill_id"], "--reason", "item entered twice", "--operator", "cashier-07", *where]
    asked = stage.medbill(*reverse)
    expect(asked["status"], "awaiting_second")
    agree = ["approvals", "agree", asked["approval"], *where]
    alone = stage.medbill(*agree, "--person", "medbill-cli", expect=6)  # who the command asks as, unless it is told
    expect(alone["code"], "same_person")
    red = stage.medbill(*agree, "--person", "checker-02")
    stage.count("hospital-b", -bill["total_fen"])
    problem = stage.medbill(*reverse, expect=6)
    expect(problem["code"], "already_reversed")
    shown = stage.medbill("bill", "show", bill["bill_id"], *where)
    expect(shown["validity"], "reversed")
    return f"alone: {alone['code']}; two persons: red bill {red['bill_id']}; a second one: {problem['code']}"


def paper_blocks_reversal(stage: Stage) -> str:
    where = ["--home", str(stage.home), "--via", "hospital-a"]
    bill = _issued(stage, "demo-paper", 6_000)
    stage.medbill("paper", "print", bill, "--form", "330600010000000001", *where)
    reverse = ["bill", "reverse", bill, "--reason", "wrong payer", "--operator", "cashier-03", *where]
    problem = stage.medbill(*reverse, expect=6)
    expect(problem["code"], "paper_copy_outstanding")
    stage.medbill("paper", "end", bill, "--form", "330600010000000001", "--reason", "returned", *where)
    agreed(stage, stage.medbill(*reverse), where)
    stage.count("hospital-a", -6_000)
    return f"{problem['code']}; the copy came back, the bill was reversed"


def correction(stage: Stage) -> str:
    where = ["--home", str(stage.home), "--via", "hospital-a"]
    bill = _issued(stage, "demo-to-correct", 10_000)
    file = stage.directory / "corrected.json"
    file.write_text(json.dumps(bill_body("demo-corrected", "A01", 7_400), ensure_ascii=False, indent=1), "utf-8")
    asked = stage.medbill(
        "bill", "correct", bill, str(file), "--reason", "partial refund", "--operator", "cashier-03", *where
    )
    said = agreed(stage, asked, where)
    stage.count("hospital-a", 7_400 - 10_000)
    red, new = said["reversal"], said["bill"]
    expect(red["height"], new["height"])
    return f"red bill {red['bill_id']} and new bill {new['bill_id']} in block {new['height']}, one step"


def claims_race(stage: Stage) -> str:
    """Two insurers at once; then what the ledger shows of it."""
    own = 5_000
    bill = _issued(stage, "demo-claimed", 20_000, self_paid_fen=own)
    races = [
        [
            "claim",
            "lock",
            bill,
            "--organisation",
            name,
            "--claim",
            "K-1",
            "--amount-fen",
            str(own),
            "--home",
            str(stage.home),
        ]
        for name in ("insurer-a", "insurer-b")
    ]
    for arguments in races:
        stage.say("$ medbill " + " ".join(arguments) + " &")
    with ThreadPoolExecutor(2) as threads:
        ran = list(threads.map(lambda arguments: stage.run(*arguments), races))
    codes = sorted(code for code, _said in ran)
    expect(codes, [0, 6])
    winner = races[[code for code, _said in ran].index(0)][4]
    refused = next(said["code"] for code, said in ran if code == 6)
    expect(refused, "claim_locked")
    claim = ["--organisation", winner, "--claim", "K-1", "--home", str(stage.home)]
    stage.medbill("claim", "decide", "--approved-fen", str(own), *claim)
    stage.medbill("claim", "pay", "--payment", "P-1", *claim)
    problem = stage.medbill(
        "bill", "reverse", bill, "--reason", "too late", "--operator", "cashier-03",
        "--home", str(stage.home), "--via", "hospital-a", expect=6,
    )  # fmt: skip
    expect(problem["code"], "claim_paid")
    return f"{winner} holds the bill, the other one: {refused}; paid, and a reversal behind its back: {problem['code']}"


def _issued(stage: Stage, business_no: str, total_fen: int, **fields: Any) -> str:
    """A sealed bill of hospital A."""
    file = stage.directory / f"{business_no}.json"
    file.write_text(
        json.dumps(bill_body(business_no, "A01", total_fen, **fields), ensure_ascii=False, indent=1), "utf-8"
    )
    said = stage.medbill("bill", "issue", str(file), "--home", str(stage.home), "--via", "hospital-a", show=False)
    expect(said["status"], SEALED)
    stage.count("hospital-a", total_fen)
    return str(said["bill_id"])


def employer_sees_three_fields(stage: Stage) -> str:
    """The holder shows total, date and issuer of a bill that has a diagnosis; the employer books it by that file."""
    home = ["--home", str(stage.home)]
    bill = _issued(stage, "demo-employer", 9_900, visit={"department": "精神科", "diagnosis": "焦虑障碍"})
    whole, shown = stage.directory / "whole.proof", stage.directory / "three-fields.proof"
    fields = ["--show", "payer_name,diagnosis,charges"]
    stage.medbill("proof", "fetch", bill, *fields, "--out", str(whole), "--via", "hospital-a", *home)
    stage.medbill("proof", "present", str(whole), "--show", "total,date,issuer", "--out", str(shown))
    private = ("林小满", "焦虑障碍", "西药费")
    if not all(text.encode() in whole.read_bytes() for text in private):
        raise SceneFailed("the holder's own file does not open them")
    if any(text.encode() in shown.read_bytes() for text in private):
        raise SceneFailed("the file tells more than was shown")
    genesis = ["--genesis", str(stage.home / "genesis.json")]
    stage.medbill("proof", "verify", str(shown), *genesis)
    book = ["--amount-fen", "9900", "--voucher", "V-1", "--organisation", "employer-a", *home]
    stage.medbill("accounting", "book", bill, "--proof", str(shown), *book)
    second = ["--amount-fen", "9900", "--voucher", "V-2", "--organisation", "insurer-a", *home]
    problem = stage.medbill("accounting", "book", bill, *second, expect=6)
    expect(problem["code"], "already_accounted")
    return f"{shown.stat().st_size} bytes prove total, date and issuer, and nothing medical; a second unit: {problem['code']}"


def day_closes(stage: Stage) -> str:
    """The hospital's totals against the certified day books, with one bill that was never issued."""
    where = ["--home", str(stage.home), "--via", "hospital-a"]
    numbers = {f"demo-day-{number}": 1_000 + number for number in range(3)}
    file, place = stage.directory / "his.csv", "A02"
    lines = [f"{number},{fen // 100}.{fen % 100:02d}" for number, fen in numbers.items()]
    file.write_text("\n".join(["business_no,total", *lines, ""]), "utf-8")
    *issued, gap = numbers
    close = ["day", "close", "--his", str(file), "--place", place, *where]
    for number in issued:
        _issue_at(stage, place, number, numbers[number])
    said = stage.medbill(*close, expect=3)
    expect([(one["business_no"], one["code"]) for one in said["differences"]], [(gap, "not_issued")])
    _issue_at(stage, place, gap, numbers[gap])
    said = stage.medbill(*close)
    expect(said["ledger"]["count"], len(numbers))
    return f"{gap} was not issued; then {len(numbers)} bills agree with the day books as of block {said['as_of']['height']}"


def _issue_at(stage: Stage, place: str, business_no: str, total_fen: int) -> None:
    file = stage.directory / f"{business_no}.json"
    file.write_text(json.dumps(bill_body(business_no, place, total_fen), ensure_ascii=False), "utf-8")
    said = stage.medbill("bill", "issue", str(file), "--home", str(stage.home), "--via", "hospital-a", show=False)
    expect(said["status"], SEALED)
    stage.count("hospital-a", total_fen)
