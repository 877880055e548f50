"""Row 52: an institution verifies a file of many bills, and keeps an answer that the node signed."""

from __future__ import annotations

import base64
import json
import random
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.features.acting import agreed, clerk, post, sealed_bill, verified
from tests.network.running import Network, bill_request

pytestmark = pytest.mark.processes

ROWS, SECONDS_MAX = 10_000, 10.0
SLOWEST_S_MAX = 0.5  # of an answer that others wait for meanwhile


def two_hundred_bills(network: Network) -> list[dict[str, Any]]:
    """Rows of sealed bills, with date and total where the number is even."""
    bills = [bill_request(f"features-52-{secrets.token_hex(6)}", 1_000 + number) for number in range(200)]
    answer = network.api("hospital-a").post("/bills:batch", json={"bills": bills}, headers={"Prefer": "wait=30"})
    rows = []
    for number, outcome in enumerate(answer.json()["outcomes"]):
        assert outcome["status"] == "sealed", outcome
        row = {"bill_id": outcome["bill_id"], "check_code": outcome["check_code"]}
        rows.append(
            row
            if number % 2
            else {**row, "business_date": bills[number]["business_time"][:10], "total_fen": 1_000 + number}
        )
    return rows


def asked_rows(genuine: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """10,000 rows with what has to be said of each, in no order."""
    rows = []
    for number in range(ROWS):
        row = genuine[number % len(genuine)]
        match number % 20:
            case 0:
                code = row["check_code"]
                rows.append(({**row, "check_code": ("a" if code[0] != "a" else "b") + code[1:]}, "no_match"))
            case 1:
                rows.append(({**row, "bill_id": f"{row['bill_id'][:8]}{9_999_000_000 + number:010d}"}, "no_match"))
            case 2:
                rows.append(({**row, "total_fen": 999}, "no_match"))
            case _:
                rows.append((row, "genuine"))
    random.Random(52).shuffle(rows)
    return rows


def test_52_ten_thousand_bills_in_one_file(network: Network, tmp_path: Path) -> None:
    """Counts per verdict, results in the order of the rows, a manifest that holds; within ten seconds, beside a node that serves."""
    genuine = two_hundred_bills(network)
    status, answer = agreed(
        network, post(network, f"/bills/{genuine[7]['bill_id']}/reversal", {"reason": "x", "operator": "y"})[1]
    )
    assert status == 201, answer
    rows = asked_rows(genuine)
    gone = genuine[7]["bill_id"]
    expected = [
        "genuine_reversed" if verdict == "genuine" and row["bill_id"] == gone else verdict for row, verdict in rows
    ]
    network.until(
        lambda: network.api("archive", "auditor").get(f"/bills/{gone}").json()["validity"] == "reversed", "it is there"
    )
    before = network.counted("medbill_batch_verifications_total", "archive")

    slowest, is_over = [0.0], Event()

    def others() -> None:
        while not is_over.is_set():
            begun = time.monotonic()
            assert network.api("archive", "auditor").get("/blocks", params={"limit": 5}).status_code == 200
            slowest[0] = max(slowest[0], time.monotonic() - begun)

    network.api("archive", "auditor").get("/network")
    client, asked = clerk(network, "archive"), [row for row, _verdict in rows]
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(others)
        begun = time.monotonic()
        answer = client.post("/verifications:batch", json={"rows": asked})
        seconds = time.monotonic() - begun
        is_over.set()
        waiting.result()
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert seconds <= SECONDS_MAX
    assert slowest[0] <= SLOWEST_S_MAX
    assert [result["verdict"] for result in said["results"]] == expected
    assert said["counts"] == dict(Counter(expected))
    assert sum(said["counts"].values()) == ROWS == said["manifest"]["rows"]

    # the manifest says who answered, and to what: by the genesis file alone
    kept, genesis = tmp_path / "result.json", ("--genesis", str(network.home / "genesis.json"))
    kept.write_text(json.dumps({"rows": asked, **said}), "utf-8")
    network.medbill("verify-result", str(kept), *genesis)
    facts = verified(network, base64.b64decode(said["manifest"]["file"]))
    assert (facts["organisation"], facts["rows"]) == ("finance-city", ROWS)
    for changed in (
        {"rows": [{**asked[0], "check_code": "000000"}, *asked[1:]], **said},
        {"rows": asked, **said, "results": [{"verdict": "genuine"}, *said["results"][1:]]},
        {"rows": asked[1:], **said, "results": said["results"][1:]},
        {"rows": asked, **said, "counts": {**said["counts"], "genuine": ROWS}},
    ):
        kept.write_text(json.dumps(changed), "utf-8")
        network.medbill("verify-result", str(kept), *genesis, expect=3)

    # each row counts, and nobody is locked out: the same address asks as one of the public
    after = network.counted("medbill_batch_verifications_total", "archive")
    assert {name: after[name] - before.get(name, 0) for name in said["counts"]} == said["counts"]
    public = {"bill_id": genuine[0]["bill_id"], "check_code": genuine[0]["check_code"]}
    assert network.api("archive", "auditor").post("/verifications", json=public).json()["verdict"] == "genuine"

    # the hospital's own gateway answers too, for its own bills
    own = clerk(network, "hospital-a").post("/verifications:batch", json={"rows": asked[:500]}).json()
    assert [result["verdict"] for result in own["results"]] == expected[:500]
    assert verified(network, base64.b64decode(own["manifest"]["file"]))["organisation"] == "hospital-a"


def test_52_from_the_command_line(network: Network, tmp_path: Path) -> None:
    """A table in, a table and a signed file out; exit 3 where one is not genuine."""
    bills = [sealed_bill(network) for _ in range(3)]
    codes = [network.api("hospital-a").get(f"/bills/{bill}").json()["check_code"] for bill in bills]
    table, out, named = tmp_path / "bills.csv", tmp_path / "result.json", tmp_path / "result.csv"
    lines = ["bill_id,check_code,total_fen", *(f"{bill},{code},10000" for bill, code in zip(bills, codes, strict=True))]
    table.write_text("\n".join(lines) + "\n", "utf-8")
    home = ("--home", str(network.home))
    asked = ("verify-file", str(table), "--organisation", "insurer-a", "--out", str(out), "--csv", str(named), *home)
    assert network.json(*asked)["counts"] == {"genuine": 3}
    network.medbill("verify-result", str(out), "--genesis", str(network.home / "genesis.json"))
    table.write_text("\n".join([*lines[:3], f"{bills[2]},{codes[2]},10001"]) + "\n", "utf-8")
    assert network.json(*asked, expect=3)["counts"] == {"genuine": 2, "no_match": 1}
    assert named.read_text("utf-8").splitlines()[3].split(",")[4] == "no_match"

    api = clerk(network, "archive")
    answer = api.post("/verifications:batch", json={"rows": [{"bill_id": bills[0]}]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/rows/0/check_code")
    too_many = api.post("/verifications:batch", json={"rows": [{"bill_id": bills[0], "check_code": "a"}] * (ROWS + 1)})
    assert (too_many.status_code, too_many.json()["code"]) == (422, "invalid_value")
    patient = network.api("archive", "patient").post("/verifications:batch", json={"rows": []})
    assert (patient.status_code, patient.json()["code"]) == (403, "role_forbidden")
