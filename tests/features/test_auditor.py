"""Rows of the auditor."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import msgspec
import pytest

from chain.codec import decode, encode
from chain.operation import (
    AcknowledgeReversal,
    BookBill,
    DecideClaim,
    IssueBill,
    LockClaim,
    PayClaim,
    Payments,
    RangeRef,
    ReleaseClaim,
    ReportUnused,
    TakeLease,
)
from chain.record_version import VersionProof
from chain.records import PAYER, BillBody
from cli.exit_codes import ExitCode
from cli.proof_check import verdict_exit_code
from tests.features.acting import act, agreed, post, sealed_bill, verified
from tests.network.running import Network

pytestmark = pytest.mark.processes

COUNT = 10
CASHIER = {"reason": "wrong payer", "operator": "收费员01"}


def test_63_a_planted_gap_is_found_and_nothing_else(network: Network) -> None:
    """Of a lease of ten, the numbers 1, 2, 4 and 7 are used and 5 is reported; 3 and 6 nobody explains."""
    sealed_bill(network, via="hospital-b")
    now = time.time() + 8 * 3600
    year = int(time.strftime("%Y", time.gmtime(now)))
    home = ("--home", str(network.home), "--year", str(year), "--issuer", "hospital-b")
    assert json.loads(network.medbill("numbers", "gaps", *home, "--json"))["missing"] == 0

    code = f"330604{year % 100:02d}"
    ranges = network.api("archive", "auditor").get("/number-ranges", params={"holder": "hospital-b"}).json()["data"]
    own = next(row for row in ranges if row["code"] == code)
    first = own["next"]
    lease = TakeLease(RangeRef("hospital-b", code, own["first"]), first, COUNT, "hospital-b", "B01")
    assert act(network, "hospital-b", lease) == ["recorded"]
    date = int(time.strftime("%Y%m%d", time.gmtime(now)))

    def bill(offset: int) -> IssueBill:
        return IssueBill(
            f"{code}{first + offset:010d}", 4, "B01", date, time.time_ns() // 1_000_000, 100, Payments(0, 0, 0, 100), 0, 0,
            first, secrets.token_bytes(32), secrets.token_bytes(32), secrets.token_bytes(32),
        )  # fmt: skip

    assert act(network, "hospital-b", *(bill(offset) for offset in (0, 1, 3, 6))) == ["recorded"] * 4
    assert act(network, "hospital-b", ReportUnused(f"{code}{first + 4:010d}", first, "spoilt")) == ["recorded"]
    found = json.loads(network.medbill("numbers", "gaps", *home, "--json", expect=3))
    assert found["missing"] == 2
    (row,) = [row for row in found["data"] if row["missing"]]
    assert (row["code"], row["used"], row["unused"], row["highest"]) == (code, 4, 1, first + 6)
    assert row["gaps"] == [[first + 2, first + 2], [first + 5, first + 5]]
    assert (
        act(network, "hospital-b", *(ReportUnused(f"{code}{first + n:010d}", first, "spoilt") for n in (2, 5)))
        == ["recorded"] * 2
    )
    assert json.loads(network.medbill("numbers", "gaps", *home, "--json"))["missing"] == 0


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def history(network: Network, bill: str) -> list[dict[str, Any]]:
    return list(network.api("archive", "auditor").get(f"/bills/{bill}/history").json()["data"])


def test_59_what_the_ledger_said_at_an_earlier_moment(network: Network, tmp_path: Path) -> None:
    """Issued, later reversed: before, between and after, with the path; a version that was altered is found out."""
    issued_after = datetime.now(UTC)
    bill = sealed_bill(network)
    status, answer = agreed(network, post(network, f"/bills/{bill}/reversal", CASHIER)[1])
    assert status == 201, answer
    network.until(lambda: len(history(network, bill)) == 3, "the archive has the reversal")
    rows = {row["event"]: row for row in history(network, bill)}
    recorded, reversed_at = moment(rows["recorded"]["at"]), moment(rows["reversed"]["at"])
    home, file = ("--home", str(network.home)), tmp_path / "between.version"

    def show(at: datetime, expect: int = 0, *more: str) -> Any:
        told = network.medbill("audit", "show", bill, "--at", at.isoformat(), *home, *more, "--json", expect=expect)
        return json.loads(told)

    assert show(issued_after - timedelta(minutes=5), 4)["code"] == "not_yet_recorded"
    assert show(recorded - timedelta(milliseconds=1), 4)["code"] == "not_yet_recorded"
    for at in (recorded, reversed_at - timedelta(milliseconds=1)):
        facts = show(at, 0, "--out", str(file))["bill"]
        assert (facts["version"], facts["status"], facts["total_fen"]) == (1, "normal", 10_000)
        assert (facts["type"], facts["organisation"]) == ("IssueBill", "hospital-a")
        in_force = facts["in_force"]
        assert (in_force["from_height"], in_force["until_height"]) == (
            rows["recorded"]["height"],
            rows["reversed"]["height"],
        )
    facts = show(reversed_at)["bill"]
    assert (facts["version"], facts["status"], facts["related"]) == (2, "reversed", answer["bill_id"])
    later = show(datetime.now(UTC) + timedelta(hours=1))
    assert later["valid"]
    assert [check["name"] for check in later["checks"] if check["ok"] is None] == ["until then"]  # and it is said

    # the file stands by itself, for its own span and no other
    genesis = ("--genesis", str(network.home / "genesis.json"))
    network.medbill("proof", "verify", str(file), *genesis, "--at", recorded.isoformat())
    network.medbill("proof", "verify", str(file), *genesis, "--at", str(rows["reversed"]["height"] - 1))
    network.medbill("proof", "verify", str(file), *genesis, "--at", reversed_at.isoformat(), expect=3)
    network.medbill("proof", "verify", str(file), *genesis, "--at", str(rows["reversed"]["height"]), expect=3)

    # another total in the version, spelt as canonically as the true one
    proof = decode(file.read_bytes(), VersionProof)
    altered = encode(with_other_total(proof))
    (tmp_path / "altered.version").write_bytes(altered)
    told = json.loads(
        network.medbill("proof", "verify", str(tmp_path / "altered.version"), *genesis, "--json", expect=3)
    )
    assert [check["name"] for check in told["checks"] if check["ok"] is False] == ["versions"]
    trusted = (network.home / "genesis.json").read_bytes()
    for place in range(len(file.read_bytes())):
        changed = bytearray(file.read_bytes())
        changed[place] ^= 1 << place % 8
        assert verdict_exit_code(bytes(changed), trusted) is ExitCode.INVALID, place

    # and from a mirror that lies
    with lying_mirror(network, tmp_path / "home", lambda _true: altered) as lied:
        told = network.medbill(
            "audit", "show", bill, "--at", recorded.isoformat(), "--home", str(lied), "--json", expect=3
        )
        assert not json.loads(told)["valid"]


def with_other_total(proof: VersionProof) -> VersionProof:
    first = proof.record.versions[0]
    body = msgspec.structs.replace(decode(first.body, BillBody), total_fen=99)
    versions = [msgspec.structs.replace(first, body=encode(body)), *proof.record.versions[1:]]
    return msgspec.structs.replace(proof, record=msgspec.structs.replace(proof.record, versions=versions))


@contextmanager
def lying_mirror(network: Network, home: Path, alter: Callable[[bytes], bytes]) -> Iterator[Path]:
    """A directory of the network whose archive is a server that passes questions on, and alters the answers."""
    true_port = network.nodes["archive"]["api_port"]

    class Liar(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {"Authorization": self.headers["Authorization"]}
            answer = httpx2.get(f"http://127.0.0.1:{true_port}{self.path}", headers=headers, trust_env=False)
            data = alter(answer.content)
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_words: Any) -> None:
            """Nothing to tell."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        keys = home / "organisations" / "finance-city"
        keys.mkdir(parents=True)
        shutil.copy(network.home / "organisations" / "finance-city" / "token.key", keys)
        shutil.copy(network.home / "genesis.json", home)
        text = (network.home / "network.json").read_text("utf-8")
        (home / "network.json").write_text(
            text.replace(f'"api_port": {true_port}', f'"api_port": {server.server_port}'), "utf-8"
        )
        assert str(server.server_port) in (home / "network.json").read_text("utf-8")
        yield home
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_60_the_whole_history_of_a_bill_on_one_page(network: Network, tmp_path: Path) -> None:
    """Each stamp says who, in which role, when, and leads to a file that proves it without a network."""
    bill, claim, form = (
        sealed_bill(network, own_fen=4_000),
        secrets.token_bytes(32),
        f"P{secrets.randbelow(10**12):012d}",
    )
    voucher = secrets.token_bytes(32)
    until_ms = time.time_ns() // 1_000_000 + 600_000
    steps: list[Callable[[], object]] = [
        lambda: post(network, f"/bills/{bill}/deliveries", {"channel": "sms"}),
        lambda: post(network, f"/bills/{bill}/paper-copies", {"paper": form}),
        lambda: act(network, "insurer-a", LockClaim(claim, bill, 3_000, until_ms)),
        lambda: act(network, "insurer-a", DecideClaim(claim, 2_500)),
        lambda: act(network, "insurer-a", PayClaim(claim, secrets.token_bytes(32))),
        lambda: act(network, "employer-a", BookBill(bill, PAYER, 10_000, voucher)),
        lambda: post(network, f"/bills/{bill}/paper-copies:end", {"paper": form, "reason": "returned"}),
        lambda: act(network, "insurer-a", ReleaseClaim(claim, "paid_back")),
        lambda: act(network, "employer-a", AcknowledgeReversal(bill)),
        lambda: agreed(network, post(network, f"/bills/{bill}/reversal", CASHIER)[1]),
    ]
    for step in steps:
        step()
    network.until(lambda: history(network, bill)[-1]["event"] == "reversed", "the archive has it all")
    rows = history(network, bill)
    hospital, insurer, employer = ("hospital-a", "issuer"), ("insurer-a", "insurer"), ("employer-a", "paying_unit")
    assert [(row["event"], (row["organisation"], row["role"])) for row in rows] == [
        ("recorded", hospital),
        ("sealed", ("finance-city", "supervising_office")),
        ("delivered", hospital),
        ("paper_printed", hospital),
        ("claim_locked", insurer),
        ("claim_decided", insurer),
        ("claim_paid", insurer),
        ("booked", employer),
        ("paper_ended", hospital),
        ("claim_released", insurer),
        ("acknowledged", employer),
        ("reversed", hospital),
    ]
    assert [row["height"] for row in rows] == sorted(row["height"] for row in rows)
    assert [row["version"] for row in rows if "version" in row] == [1, 2]
    assert [row["amount_fen"] for row in rows if "amount_fen" in row] == [3_000, 2_500, 10_000]

    archive, cashier = network.api("archive", "auditor"), network.api("archive", "cashier", "hospital-a")
    stranger = network.api("archive", "cashier", "hospital-b")
    assert cashier.get(f"/bills/{bill}/history").json()["data"] == rows
    assert stranger.get(f"/bills/{bill}/history").status_code == 404
    genesis = (network.home / "genesis.json").read_bytes()
    for row in rows:
        path = row["links"]["proof"].removeprefix("/v1")
        answer = archive.get(path)
        assert answer.status_code == 200, answer.text
        facts = verified(network, answer.content)
        for name in ("operation", "organisation", "height"):
            assert facts[name] == row[name]
        assert verified(network, answer.content, at_height=row["height"])
        assert cashier.get(path).content == answer.content  # the bill's hospital may keep what others did to it
        if row["event"] != "sealed":  # a seal is of all hospitals whose heights it covers
            assert stranger.get(path).status_code == 404
        for place in range(0, len(answer.content), 7):
            changed = bytearray(answer.content)
            changed[place] ^= 1 << place % 8
            assert verdict_exit_code(bytes(changed), genesis) is ExitCode.INVALID, place

    # at both of the hospital's own gateways: what it did itself, and the seals, with proofs of its own making
    own = ["recorded", "sealed", "delivered", "paper_printed", "paper_ended", "reversed"]
    for node in ("hospital-a", "hospital-a-2"):
        gateway = network.api(node)
        network.until(
            lambda gateway=gateway: gateway.get(f"/bills/{bill}").json()["related"], f"{node} has the reversal"
        )
        told = gateway.get(f"/bills/{bill}/history").json()["data"]
        assert [row["event"] for row in told] == ["issued", *own]
        for row in told[1:]:
            (same,) = [other for other in rows if other["operation"] == row["operation"]]
            assert {**same, **row} == same
            facts = verified(network, gateway.get(row["links"]["proof"].removeprefix("/v1")).content)
            assert (facts["operation"], facts["organisation"]) == (row["operation"], row["organisation"])
        foreign = rows[4]["links"]["proof"].removeprefix("/v1")
        assert gateway.get(foreign).status_code == 404  # an insurer's lock: a mirror has it

    file = tmp_path / "claim.proof"
    file.write_bytes(archive.get(rows[6]["links"]["proof"].removeprefix("/v1")).content)
    told = network.medbill("proof", "verify", str(file), "--genesis", str(network.home / "genesis.json"))
    assert "PayClaim" in told
    assert "claim_released" in network.medbill("audit", "history", bill, "--home", str(network.home))
