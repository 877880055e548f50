"""The scenes, in their order. Each plays on what the ones before left, prints its commands, and returns its result line.

A scene raises SceneFailed (or CommandFailed) when what it promises does not happen.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cli.client import Client
from cli.demo.stage import SceneFailed, Stage, bill_body
from cli.failures import CommandFailed

LATENCY_BILLS = 40
GAP_BILLS_SECONDS = 6.0
SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class Scene:
    title: str
    play: Callable[[Stage], str]


def province_comes_up(stage: Stage) -> str:
    started = time.monotonic()
    stage.medbill("network", "init", "--config", str(stage.config), "--home", str(stage.home))
    stage.up()
    seconds = time.monotonic() - started
    nodes = stage.statuses()
    stage.measured["network up"] = f"{seconds:.1f} s"
    return f"{len(nodes)} nodes, each a process of its own, ready in {seconds:.1f} s"


def ranges_are_allotted(stage: Stage) -> str:
    home = ["--home", str(stage.home)]
    rows = stage.medbill("numbers", "tree", *home)
    rows = rows["data"] if isinstance(rows, dict) else rows
    own = next(row for row in rows if row["holder"] == "finance-city" and row["code"][4:6] == "01")
    parent = f"finance-city/{own['code']}/{own['first']}"
    allot = ["numbers", "allot", parent, "--to", "hospital-b", "--count", "1000", "--first", str(own["next"]), *home]
    asked = stage.medbill(*allot)
    _agreed(stage, asked, ["--home", str(stage.home), "--via", "archive"])
    overlap = [*allot]
    overlap[overlap.index("1000")] = "500"
    problem = stage.medbill(*overlap, expect=6)
    if problem["code"] != "range_overlaps":
        raise SceneFailed(f"refused with {problem['code']}")
    return f"1,000 numbers from {own['next']} for hospital-b; a piece that overlaps them: {problem['code']}"


def bills_go_in(stage: Stage) -> str:
    recorded, sealed = _latencies(stage)
    files = {}
    for hospital, place in (("hospital-a", "A01"), ("hospital-b", "B01")):
        file = stage.directory / f"{hospital}.json"
        body = bill_body(f"demo-{hospital}", place, 33_630)
        file.write_text(json.dumps(body, ensure_ascii=False, indent=1), "utf-8")
        answer = stage.medbill("bill", "issue", str(file), "--home", str(stage.home), "--via", hospital)
        _expect(answer["status"], SEALED)
        stage.count(hospital, 33_630)
        files[hospital] = (file, answer["bill_id"])
    file, bill = files["hospital-a"]
    again = stage.medbill("bill", "issue", str(file), "--home", str(stage.home), "--via", "hospital-a-2")
    again_id = again.get("superseded_by") or again["bill_id"]
    _expect(again_id, bill)
    stage.measured["one bill, idle, recorded"] = f"p50 {recorded[0]:.0f} ms, p99 {recorded[1]:.0f} ms"
    stage.measured["one bill, idle, sealed"] = f"p50 {sealed[0]:.0f} ms, p99 {sealed[1]:.0f} ms"
    return f"sealed in {sealed[0]:.0f} ms (p50); the same request at the other gateway: the same bill {bill}"


def _latencies(stage: Stage) -> tuple[tuple[float, float], tuple[float, float]]:
    """(p50, p99) in ms until recorded, and until sealed, of single bills on an idle network, seen by the caller."""
    stage.say(f"issuing {LATENCY_BILLS} single bills, one after the other …")
    times: dict[str, list[float]] = {"recorded": [], SEALED: []}
    with stage.client("hospital-a") as client:
        for number in range(LATENCY_BILLS):
            until = SEALED if number % 2 else "recorded"
            body = bill_body(f"demo-idle-{number}", "A01", 1_000 + number)
            started = time.perf_counter()
            if until == SEALED:
                _expect(client.post("/v1/bills", body, 10)["status"], SEALED)
            else:
                standing = client.post("/v1/bills", body)
                while client.get(f"/v1/bills/{standing['bill_id']}")["status"] == "queued":
                    time.sleep(0.001)
            times[until].append((time.perf_counter() - started) * 1000)
            stage.count("hospital-a", 1_000 + number)
    return _percentiles(times["recorded"]), _percentiles(times[SEALED])


def _percentiles(times: list[float]) -> tuple[float, float]:
    return statistics.median(times), sorted(times)[min(len(times) - 1, int(len(times) * 0.99))]


def proof_without_network(stage: Stage) -> str:
    rows = stage.medbill(
        "bill", "show", "--business-no", "demo-hospital-a", "--home", str(stage.home), "--via", "hospital-a"
    )
    file = stage.directory / f"{rows['bill_id']}.proof"
    show = ["--show", "payer_name,charges"]
    where = ["--home", str(stage.home), "--via", "hospital-a"]
    stage.medbill("proof", "fetch", rows["bill_id"], *where, "--out", str(file), *show)
    alone = _without_network()
    genesis = ["--genesis", str(stage.home / "genesis.json")]
    verdict = stage.medbill("proof", "verify", str(file), *genesis, prefix=alone)
    checks = [check for check in verdict["checks"] if check["ok"]]
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    changed = file.with_suffix(".changed.proof")
    changed.write_bytes(data)
    stage.say(f"one bit of byte {len(data) // 2} turned:")
    stage.medbill("proof", "verify", str(changed), *genesis, expect=3, prefix=alone)
    where_run = "in a namespace without network" if alone else "(no namespaces here: with the network there)"
    return f"{len(checks)} checks hold {where_run}; one bit changed: exit 3"


def _without_network() -> tuple[str, ...]:
    """A prefix that takes the network away, or nothing where the system does not allow that."""
    for prefix in (("unshare", "-n"), ("unshare", "-rn")):
        if (
            shutil.which("unshare")
            and subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
        ):
            return prefix
    return ()


def reversal_once(stage: Stage) -> str:
    where = ["--home", str(stage.home), "--via", "hospital-b"]
    bill = stage.medbill("bill", "show", "--business-no", "demo-hospital-b", *where, show=False)
    reverse = ["bill", "reverse", bill["bill_id"], "--reason", "item entered twice", "--operator", "cashier-07", *where]
    asked = stage.medbill(*reverse)
    _expect(asked["status"], "awaiting_second")
    agree = ["approvals", "agree", asked["approval"], *where]
    alone = stage.medbill(*agree, "--person", "medbill-cli", expect=6)  # who the command asks as, unless it is told
    _expect(alone["code"], "same_person")
    red = stage.medbill(*agree, "--person", "checker-02")
    stage.count("hospital-b", -bill["total_fen"])
    problem = stage.medbill(*reverse, expect=6)
    _expect(problem["code"], "already_reversed")
    shown = stage.medbill("bill", "show", bill["bill_id"], *where)
    _expect(shown["validity"], "reversed")
    return f"alone: {alone['code']}; two persons: red bill {red['bill_id']}; a second one: {problem['code']}"


def _agreed(stage: Stage, asked: dict[str, Any], where: list[str]) -> Any:
    """What a second person makes of what a first one asked."""
    _expect(asked["status"], "awaiting_second")
    return stage.medbill("approvals", "agree", asked["approval"], "--person", "checker-02", *where)


def paper_blocks_reversal(stage: Stage) -> str:
    where = ["--home", str(stage.home), "--via", "hospital-a"]
    bill = _issued(stage, "demo-paper", 6_000)
    stage.medbill("paper", "print", bill, "--form", "330600010000000001", *where)
    reverse = ["bill", "reverse", bill, "--reason", "wrong payer", "--operator", "cashier-03", *where]
    problem = stage.medbill(*reverse, expect=6)
    _expect(problem["code"], "paper_copy_outstanding")
    stage.medbill("paper", "end", bill, "--form", "330600010000000001", "--reason", "returned", *where)
    _agreed(stage, stage.medbill(*reverse), where)
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
    said = _agreed(stage, asked, where)
    stage.count("hospital-a", 7_400 - 10_000)
    red, new = said["reversal"], said["bill"]
    _expect(red["height"], new["height"])
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
    _expect(codes, [0, 6])
    winner = races[[code for code, _said in ran].index(0)][4]
    refused = next(said["code"] for code, said in ran if code == 6)
    _expect(refused, "claim_locked")
    claim = ["--organisation", winner, "--claim", "K-1", "--home", str(stage.home)]
    stage.medbill("claim", "decide", "--approved-fen", str(own), *claim)
    stage.medbill("claim", "pay", "--payment", "P-1", *claim)
    problem = stage.medbill(
        "bill", "reverse", bill, "--reason", "too late", "--operator", "cashier-03",
        "--home", str(stage.home), "--via", "hospital-a", expect=6,
    )  # fmt: skip
    _expect(problem["code"], "claim_paid")
    return f"{winner} holds the bill, the other one: {refused}; paid, and a reversal behind its back: {problem['code']}"


def _issued(stage: Stage, business_no: str, total_fen: int, **fields: Any) -> str:
    """A sealed bill of hospital A."""
    file = stage.directory / f"{business_no}.json"
    file.write_text(
        json.dumps(bill_body(business_no, "A01", total_fen, **fields), ensure_ascii=False, indent=1), "utf-8"
    )
    said = stage.medbill("bill", "issue", str(file), "--home", str(stage.home), "--via", "hospital-a", show=False)
    _expect(said["status"], SEALED)
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
    _expect(problem["code"], "already_accounted")
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
        _issued_at(stage, place, number, numbers[number])
    said = stage.medbill(*close, expect=3)
    _expect([(one["business_no"], one["code"]) for one in said["differences"]], [(gap, "not_issued")])
    _issued_at(stage, place, gap, numbers[gap])
    said = stage.medbill(*close)
    _expect(said["ledger"]["count"], len(numbers))
    return f"{gap} was not issued; then {len(numbers)} bills agree with the day books as of block {said['as_of']['height']}"


def _issued_at(stage: Stage, place: str, business_no: str, total_fen: int) -> None:
    file = stage.directory / f"{business_no}.json"
    file.write_text(json.dumps(bill_body(business_no, place, total_fen), ensure_ascii=False), "utf-8")
    said = stage.medbill("bill", "issue", str(file), "--home", str(stage.home), "--via", "hospital-a", show=False)
    _expect(said["status"], SEALED)
    stage.count("hospital-a", total_fen)


def real_input(stage: Stage) -> str:
    said = []
    for hospital in ("hospital-a", "hospital-b"):
        files = sorted((stage.samples / "his").glob(f"{hospital}-*.json"))
        said.append(_import(stage, "his", hospital, [str(file) for file in files]))
    fhir = sorted((stage.samples.parent.parent / "shared" / "samples" / "fhir").glob("*.json"))
    if fhir:
        said.append(_import(stage, "fhir", "hospital-a", [str(file) for file in fhir], "--as-cny"))
    return "; ".join(said)


def _import(stage: Stage, form: str, via: str, files: list[str], *options: str) -> str:
    where = ["--home", str(stage.home), "--via", via]
    started = time.monotonic()
    report = stage.medbill("bill", "import", "--format", form, *options, *where, *files)
    seconds = time.monotonic() - started
    again = stage.medbill("bill", "import", "--format", form, *options, *where, *files, show=False)
    if report["refused"] or again["issued"] or again["already_issued"] != report["issued"]:
        raise SceneFailed(f"import of {form}: {json.dumps(report)[:300]}, again {json.dumps(again)[:300]}")
    stage.count(via, report["total_fen"])
    stage.measured[f"import {form} via {via}"] = (
        f"{report['issued']} bills in {seconds:.1f} s, all sealed ({report['issued'] / seconds:.0f} bills/s, "
        "start of the command included)"
    )
    return f"{form}: {report['issued']} bills at {via}, again: 0"


def primary_killed(stage: Stage) -> str:
    """Bills go on one by one while the primary dies; the gap is the longest wait for a recorded bill."""
    with stage.client("hospital-a") as client:
        primary = next(status["primary"] for status in stage.statuses().values() if status.get("primary"))
        finished, stop = _issue_until(stage, client)
        time.sleep(GAP_BILLS_SECONDS / 3)
        killed = time.monotonic()
        stage.kill(primary)
        time.sleep(GAP_BILLS_SECONDS)
        stop()
        kept = [entry for entry in finished if entry[1]]
        after = [moment for moment, _bill in kept if moment > killed]
        if not after:
            raise SceneFailed("nothing was recorded after the primary's death")
        moments = sorted(moment for moment, _bill in kept)
        gap = max(later - earlier for earlier, later in pairwise(moments) if later > killed)
        lost = [bill for _moment, bill in kept if not _is_sealed(stage, client, bill)]
        if lost:
            raise SceneFailed(f"{len(lost)} bills were lost")
    stage.up(primary)
    stage.measured["primary killed: longest gap"] = f"{gap * 1000:.0f} ms"
    return f"{primary} killed while {len(kept)} bills went in: gap {gap * 1000:.0f} ms, 0 lost"


def _issue_until(stage: Stage, client: Client) -> tuple[list[tuple[float, str]], Callable[[], None]]:
    """A thread that issues bills one after the other; (moment it was sealed, bill id) of each; and how to end it."""
    finished: list[tuple[float, str]] = []
    failures: list[Exception] = []
    ending = threading.Event()

    def issue() -> None:
        number = 0
        while not ending.is_set():
            body = bill_body(f"demo-gap-{number}", "A01", 5_000)
            number += 1
            try:
                answer = client.post("/v1/bills", body, 20)
            except CommandFailed as failure:
                failures.append(failure)
                return
            stage.count("hospital-a", 5_000)
            finished.append((time.monotonic(), answer["bill_id"]))

    thread = threading.Thread(target=issue, daemon=True)
    thread.start()

    def stop() -> None:
        ending.set()
        thread.join(30)
        if failures or thread.is_alive():
            raise SceneFailed(f"a bill was not taken: {failures or 'no answer'}")

    return finished, stop


def _is_sealed(stage: Stage, client: Client, bill: str) -> bool:
    return bool(stage.until(lambda: client.get(f"/v1/bills/{bill}")["status"] == SEALED, f"{bill} is sealed"))


def two_validators_down(stage: Stage) -> str:
    stage.kill("insurance", "bigdata")
    file = stage.directory / "queued.json"
    file.write_text(json.dumps(bill_body("demo-queued", "A02", 8_800), ensure_ascii=False), "utf-8")
    where = ["--home", str(stage.home), "--via", "hospital-a"]
    started = time.perf_counter()
    answer = stage.medbill("bill", "issue", str(file), "--wait", "0", *where)
    answered = time.perf_counter() - started
    _expect(answer["status"], "queued")
    stage.count("hospital-a", 8_800)
    stage.say(
        f"two of four agencies are dead: the cashier has number {answer['bill_id']} after {answered * 1000:.0f} ms"
    )
    back = time.perf_counter()
    stage.up("insurance", "bigdata")
    with stage.client("hospital-a") as client:
        _is_sealed(stage, client, answer["bill_id"])
    seconds = time.perf_counter() - back
    stage.measured["two killed: sealed after their start"] = f"{seconds:.1f} s"
    return f"queued with number {answer['bill_id']}; both back: sealed by itself"


def _day_fen(row: dict[str, Any]) -> int:
    """What a row of a day book says was charged in the end."""
    return int(row["sum_fen"] + row["red_sum_fen"] - row["void_sum_fen"])


def auditor(stage: Stage) -> str:
    rows = stage.medbill("audit", "day-totals", "--home", str(stage.home))
    rows = rows["data"] if isinstance(rows, dict) else rows
    books: dict[str, int] = {}
    for row in rows:
        books[row["issuer"]] = books.get(row["issuer"], 0) + _day_fen(row)
    for hospital, total in stage.issued_fen.items():
        _expect(books.get(hospital), total)
    listed: dict[str, int] = {}
    for hospital in stage.issued_fen:
        bills = stage.medbill("audit", "bills", "--issuer", hospital, "--limit", "100000", "--home", str(stage.home))
        bills = bills["data"] if isinstance(bills, dict) else bills
        listed[hospital] = sum(bill["total_fen"] for bill in bills)
        _expect(listed[hospital], books[hospital])
    roots = {(status["height"], status["state_root"]) for status in _validators_at_rest(stage)}
    said = ", ".join(f"{hospital} {total / 100:,.2f} yuan" for hospital, total in sorted(books.items()))
    return f"day books = bills = what was sent in: {said}; {len(roots)} state root on all validators"


def _validators_at_rest(stage: Stage) -> list[dict[str, Any]]:
    def agreed() -> list[dict[str, Any]]:
        rows = [status for status in stage.statuses().values() if status["kind"] == "validator"]
        roots = {(status["height"], status["state_root"]) for status in rows}
        return rows if len(rows) == 4 and len(roots) == 1 else []

    rows: list[dict[str, Any]] = stage.until(agreed, "all validators at one height with one root")
    return rows


def _expect(actual: Any, expected: Any) -> None:
    if actual != expected:
        raise SceneFailed(f"expected {expected!r}, got {actual!r}")


SCENES = (
    Scene("The province comes up", province_comes_up),
    Scene("Number ranges are allotted, an overlap is refused", ranges_are_allotted),
    Scene("Bills go in at two hospitals; the same request again is the same bill", bills_go_in),
    Scene("A proof is checked by a process that has no network", proof_without_network),
    Scene("A reversal; a second one is refused", reversal_once),
    Scene("A paper copy stops a reversal until it is back", paper_blocks_reversal),
    Scene("A correction: red bill and new bill in one step", correction),
    Scene("Two insurers race for one bill", claims_race),
    Scene("An employer is shown three fields and books the bill", employer_sees_three_fields),
    Scene("The day closes: one planted gap is named", day_closes),
    Scene("Real-world input is imported", real_input),
    Scene("The primary is killed while bills go in", primary_killed),
    Scene("Two of four agencies are down: the cashier goes on", two_validators_down),
    Scene("The auditor's totals equal the day books", auditor),
)
