"""The scenes, in their order. Each plays on what the ones before left, prints its commands, and returns its result line.

A scene raises SceneFailed (or CommandFailed) when what it promises does not happen.
"""

from __future__ import annotations

import json
import shlex
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from cli.client import Client
from cli.demo.appointments import last_number
from cli.demo.credit import visit_on_credit
from cli.demo.lives import (
    claims_race,
    correction,
    day_closes,
    employer_sees_three_fields,
    paper_blocks_reversal,
    reversal_once,
)
from cli.demo.phone import phone_page
from cli.demo.reconciliation import money_is_reconciled
from cli.demo.stage import SEALED, TLS_EDIT, SceneFailed, Stage, agreed, bill_body, expect
from cli.demo.vendor import vendor_call
from cli.failures import CommandFailed

LATENCY_BILLS = 40
GAP_BILLS_SECONDS = 6.0


@dataclass(frozen=True, slots=True)
class Scene:
    title: str
    play: Callable[[Stage], str]


def province_comes_up(stage: Stage) -> str:
    stage.say("$ " + shlex.join(["sed", TLS_EDIT, str(stage.original)]) + f" > {stage.config}")
    started = time.monotonic()
    stage.medbill("network", "init", "--config", str(stage.config), "--home", str(stage.home))
    stage.let_his_in()
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
    agreed(stage, asked, ["--home", str(stage.home), "--via", "archive"])
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
        file = stage.file(hospital, bill_body(f"demo-{hospital}", place, 33_630))
        answer = stage.medbill("bill", "issue", file, "--home", str(stage.home), "--via", hospital)
        expect(answer["status"], SEALED)
        stage.count(hospital, 33_630)
        files[hospital] = (file, answer["bill_id"])
    file, bill = files["hospital-a"]
    again = stage.medbill("bill", "issue", file, "--home", str(stage.home), "--via", "hospital-a-2")
    again_id = again.get("superseded_by") or again["bill_id"]
    expect(again_id, bill)
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
                expect(client.post("/v1/bills", body, 10)["status"], SEALED)
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
    expect(answer["status"], "queued")
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
        expect(books.get(hospital), total)
    listed: dict[str, int] = {}
    for hospital in stage.issued_fen:
        bills = stage.medbill("audit", "bills", "--issuer", hospital, "--limit", "100000", "--home", str(stage.home))
        bills = bills["data"] if isinstance(bills, dict) else bills
        listed[hospital] = sum(bill["total_fen"] for bill in bills)
        expect(listed[hospital], books[hospital])
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


SCENES = (
    Scene("The province comes up", province_comes_up),
    Scene("Number ranges are allotted, an overlap is refused", ranges_are_allotted),
    Scene("Bills go in at two hospitals; the same request again is the same bill", bills_go_in),
    Scene("A hospital system calls as it always did, over TLS", vendor_call),
    Scene("A proof is checked by a process that has no network", proof_without_network),
    Scene("A phone checks a bill by itself; an altered gateway turns it red", phone_page),
    Scene("A reversal; a second one is refused", reversal_once),
    Scene("A paper copy stops a reversal until it is back", paper_blocks_reversal),
    Scene("A correction: red bill and new bill in one step", correction),
    Scene("Two insurers race for one bill", claims_race),
    Scene("An employer is shown three fields and books the bill", employer_sees_three_fields),
    Scene("The day closes: one planted gap is named", day_closes),
    Scene("A channel's day is reconciled: five planted faults, midnight is cleared", money_is_reconciled),
    Scene("A visit on credit: no cashier, one bill at the end", visit_on_credit),
    Scene("Two patients ask for the last number at the same moment", last_number),
    Scene("Real-world input is imported", real_input),
    Scene("The primary is killed while bills go in", primary_killed),
    Scene("Two of four agencies are down: the cashier goes on", two_validators_down),
    Scene("The auditor's totals equal the day books", auditor),
)
