"""A hospital's rows: what happens to a bill after its issue."""

from __future__ import annotations

import secrets
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from chain.operation import AcknowledgeReversal, BookBill, DecideClaim, LockClaim, PayClaim, ReleaseClaim
from chain.records import PAYER
from tests.features.acting import act, agreed, life, post, sealed_bill, verified
from tests.network.running import Network, bill_request

pytestmark = pytest.mark.processes

OWN_FEN = 4_000
KINDS = {"outpatient": "01", "inpatient": "02", "registration": "03", "checkup": "04"}


def test_01_the_answer_leads_to_a_proof_without_a_network(network: Network, tmp_path: Path) -> None:
    """Every kind of bill, one by one and many at once; the link in the answer gives the file."""
    api = network.api("hospital-a")
    for kind, code in KINDS.items():
        body = bill_request(f"features-01-{kind}-{secrets.token_hex(4)}", kind=kind)
        answer = api.post("/bills", json=body, headers={"Prefer": "wait=5"})
        said = answer.json()
        assert (answer.status_code, said["status"]) == (201, "sealed"), said
        assert said["bill_id"][4:6] == code
        assert len(said["check_code"]) == 6
        proof = api.get(said["links"]["proof"].removeprefix("/v1"))
        assert (proof.status_code, proof.headers["content-type"]) == (200, "application/octet-stream")
        file = tmp_path / f"{kind}.proof"
        file.write_bytes(proof.content)
        verdict = network.json("proof", "verify", str(file), "--genesis", str(network.home / "genesis.json"))
        assert verdict["valid"]
        facts = verdict["bill"]
        assert (facts["bill_id"], facts["height"], facts["sealed"]) == (said["bill_id"], said["height"], True)

    bills = [bill_request(f"features-01-{secrets.token_hex(6)}", 100 + number) for number in range(20)]
    bills[7]["total_fen"] += 1
    answer = api.post("/bills:batch", json={"bills": bills}, headers={"Prefer": "wait=15"})
    outcomes = answer.json()["outcomes"]
    assert [outcome["index"] for outcome in outcomes] == list(range(20))
    assert (outcomes[7]["status"], outcomes[7]["code"]) == ("refused", "sum_mismatch")
    for outcome in outcomes[:7] + outcomes[8:]:
        assert outcome["status"] == "sealed", outcome
    last = api.get(outcomes[-1]["links"]["proof"].removeprefix("/v1")).content
    assert verified(network, last)["total_fen"] == 119


def test_10_a_cashier_alone_reverses_nothing(network: Network) -> None:
    """Two people of the hospital, once, and the red bill is the negative of the other."""
    bill = sealed_bill(network, 12_300)
    reversal = {"reason": "wrong payer", "operator": "收费员01"}
    status, asked = post(network, f"/bills/{bill}/reversal", reversal)
    assert (status, asked["status"]) == (202, "awaiting_second")
    path = asked["links"]["approval"].removeprefix("/v1")
    alone = network.api("hospital-a").post(path, json={})
    assert (alone.status_code, alone.json()["code"]) == (403, "same_person")
    assert network.api("hospital-a").get(f"/bills/{bill}").json()["validity"] == "normal"

    network.stop("hospital-a")  # what waits for a second person survives the gateway
    network.up("hospital-a")
    status, red = agreed(network, asked)
    assert (status, red["status"]) == (201, "sealed")
    pages = {number: network.api("hospital-a").get(f"/bills/{number}").json() for number in (bill, red["bill_id"])}
    assert pages[red["bill_id"]]["total_fen"] == -pages[bill]["total_fen"] == -12_300
    status, again = post(network, f"/bills/{bill}/reversal", reversal)
    assert (status, again["code"]) == (409, "already_reversed")

    operation = network.api("archive", "auditor").get(f"/blocks/{red['height']}").json()["body"]
    (persons,) = [
        one["content"]["persons"]
        for transaction in operation
        for one in transaction["operations"]
        if one["content"].get("bill") == red["bill_id"]
    ]
    assert len(set(persons)) == 2
    assert not any("test" in person or "checker" in person for person in persons)


def test_11_preconditions_of_a_reversal_in_their_order(network: Network) -> None:
    """Paper back, no open claim, accounting acknowledged: one after the other is taken away, and the code moves on."""
    bill, claim = sealed_bill(network, own_fen=OWN_FEN), secrets.token_bytes(32)
    form = f"P{secrets.randbelow(10**12):012d}"
    assert post(network, f"/bills/{bill}/paper-copies", {"paper": form})[0] == 201
    until_ms = time.time_ns() // 1_000_000 + 600_000
    assert act(network, "insurer-a", LockClaim(claim, bill, OWN_FEN, until_ms)) == ["recorded"]
    assert act(network, "employer-a", BookBill(bill, PAYER, 10_000, secrets.token_bytes(32))) == ["recorded"]
    before = network.api("hospital-a").get("/number-leases").json()["data"]

    reversal = {"reason": "wrong payer", "operator": "收费员01"}

    def refused() -> str:
        status, answer = post(network, f"/bills/{bill}/reversal", reversal)
        assert status == 409, answer
        return str(answer["code"])

    assert refused() == "paper_copy_outstanding"
    assert post(network, f"/bills/{bill}/paper-copies:end", {"paper": form, "reason": "returned"})[0] == 201
    assert refused() == "claim_open"
    assert (
        act(network, "insurer-a", DecideClaim(claim, OWN_FEN), PayClaim(claim, secrets.token_bytes(32)))
        == ["recorded"] * 2
    )
    assert refused() == "claim_paid"
    assert act(network, "insurer-a", ReleaseClaim(claim, "paid_back")) == ["recorded"]
    assert refused() == "accounting_not_acknowledged"
    assert network.api("hospital-a").get("/number-leases").json()["data"] == before  # no number was spent on refusals
    assert act(network, "employer-a", AcknowledgeReversal(bill)) == ["recorded"]
    status, answer = agreed(network, post(network, f"/bills/{bill}/reversal", reversal)[1])
    assert (status, answer["status"]) == (201, "sealed")


def test_13_a_bill_is_withdrawn_only_before_it_was_delivered(network: Network) -> None:
    bill = sealed_bill(network)
    status, answer = post(network, f"/bills/{bill}/void", {"reason": "mistyped"})
    assert (status, answer["status"]) == (201, "recorded")
    archive = network.api("archive", "auditor")
    network.until(
        lambda: archive.get(f"/bills/{bill}").json()["validity"] == "void", "it is void, and stays to be seen"
    )
    assert post(network, f"/bills/{bill}/void", {"reason": "mistyped"})[0] == 200
    assert post(network, f"/bills/{bill}/deliveries", {"channel": "sms"})[1]["code"] == "bill_is_void"

    delivered = sealed_bill(network)
    assert post(network, f"/bills/{delivered}/deliveries", {"channel": "sms"})[0] == 201
    status, answer = post(network, f"/bills/{delivered}/void", {"reason": "mistyped"})
    assert (status, answer["code"]) == (409, "delivered_use_reversal")


def test_15_one_paper_copy_is_alive(network: Network) -> None:
    bill = sealed_bill(network)
    first, second, third = (f"P{secrets.randbelow(10**12):012d}" for _ in range(3))
    status, answer = post(network, f"/bills/{bill}/paper-copies", {"paper": first})
    assert (status, answer["status"]) == (201, "recorded")
    assert post(network, f"/bills/{bill}/paper-copies", {"paper": first})[0] == 200  # the same again
    status, answer = post(network, f"/bills/{bill}/paper-copies", {"paper": second})
    assert (status, answer["code"]) == (409, "paper_copy_exists")
    network.until(lambda: life(network, bill)["paper"] == "out", "the archive has it")
    assert (
        post(network, f"/bills/{bill}/reversal", {"reason": "x", "operator": "y"})[1]["code"]
        == "paper_copy_outstanding"
    )
    assert post(network, f"/bills/{bill}/paper-copies:end", {"paper": first, "reason": "damaged"})[0] == 201
    assert post(network, f"/bills/{bill}/paper-copies", {"paper": second})[0] == 201
    network.until(lambda: life(network, bill)["paper_copies"] == 2, "the archive has it")
    found = life(network, bill)
    assert (found["paper"], found["paper_form"]) == ("out", second)

    assert post(network, "/paper-forms:void", {"papers": [third], "reason": "lost"})[0] == 201
    other = sealed_bill(network)
    status, answer = post(network, f"/bills/{other}/paper-copies", {"paper": third})
    assert (status, answer["code"]) == (409, "form_used")


def test_17_a_bill_in_arrears_does_not_circulate_until_it_is_paid(network: Network) -> None:
    bill = sealed_bill(network, own_fen=OWN_FEN)
    assert post(network, f"/bills/{bill}/arrears", {"reason": "fees_owed"})[0] == 201
    network.until(lambda: life(network, bill).get("held_for") == "fees_owed", "the archive has it")
    until_ms = time.time_ns() // 1_000_000 + 600_000
    lock = LockClaim(secrets.token_bytes(32), bill, OWN_FEN, until_ms)
    assert act(network, "insurer-a", lock) == ["bill_in_arrears"]
    assert act(network, "employer-a", BookBill(bill, PAYER, 1, secrets.token_bytes(32))) == ["bill_in_arrears"]
    status, answer = post(network, f"/bills/{bill}/paper-copies", {"paper": f"P{secrets.randbelow(10**12):012d}"})
    assert (status, answer["code"]) == (409, "bill_in_arrears")
    assert post(network, f"/bills/{bill}/make-up-payment", {})[0] == 201
    again = LockClaim(secrets.token_bytes(32), bill, OWN_FEN, until_ms)
    assert act(network, "insurer-a", again) == ["recorded"]


def test_18_a_delivery_is_stamped_once_for_each_channel(network: Network) -> None:
    bill = sealed_bill(network)
    status, answer = post(network, f"/bills/{bill}/deliveries", {"channel": "sms"})
    assert (status, answer["status"]) == (201, "recorded")
    network.until(lambda: life(network, bill)["circulation"] == "delivered", "the archive has it")
    assert post(network, f"/bills/{bill}/deliveries", {"channel": "sms"})[1]["code"] == "already_delivered"
    assert post(network, f"/bills/{bill}/deliveries", {"channel": "mail"})[0] == 201
    wrong = network.api("hospital-a").post(f"/bills/{bill}/deliveries", json={"channel": "13800000000"})
    assert wrong.status_code == 422  # a channel is a code: no number can slip in


def test_steps_wait_in_the_outbox_for_their_bill(network: Network) -> None:
    """Two of four are away: a bill and its copy are kept, and both are recorded in their order when they are back."""
    network.stop("insurance", "bigdata")
    try:
        issued = (
            network.api("hospital-b")
            .post(
                "/bills",
                json=bill_request(f"features-{secrets.token_hex(4)}", place_code="B01"),
                headers={"Prefer": "wait=0"},
            )
            .json()
        )
        bill, form = issued["bill_id"], f"P{secrets.randbelow(10**12):012d}"
        status, answer = post(network, f"/bills/{bill}/paper-copies", {"paper": form}, via="hospital-b", wait_s=0)
        assert (status, answer["status"]) == (202, "queued")
        assert post(network, f"/bills/{bill}/paper-copies", {"paper": form}, via="hospital-b", wait_s=0)[0] == 200
    finally:
        network.up("insurance", "bigdata")
    network.until(lambda: _paper(network, bill) == "out", "the copy is recorded", 60)


def _paper(network: Network, bill: str) -> str | None:
    answer = network.api("archive", "auditor").get(f"/bills/{bill}")
    return answer.json()["life"]["paper"] if answer.status_code == 200 else None


def test_19_a_day_closes_when_every_line_agrees(network: Network, tmp_path: Path) -> None:
    """One planted gap: the close names its business number and exits 3; issued, the day agrees. The ledger's side is proven."""
    place = "A02"  # nobody else of these rows issues there
    today = datetime.now(timezone(timedelta(hours=8))).date().isoformat()
    api = network.api("hospital-a")
    bills = [
        bill_request(f"features-19-{secrets.token_hex(4)}", 1_000 + number, place_code=place) for number in range(4)
    ]
    for bill in bills[:3]:
        assert api.post("/bills", json=bill, headers={"Prefer": "wait=20"}).json()["status"] == "sealed"
    file = tmp_path / "his.csv"
    rows = [f"{bill['business_no']},{bill['total_fen'] / 100:.2f}" for bill in bills]
    file.write_text("business_no,total\n" + "\n".join(rows) + "\n", "utf-8")
    close = ("day", "close", "--his", str(file), "--date", today, "--place", place)
    where = ("--via", "hospital-a", "--home", str(network.home))
    said = network.json(*close, *where, expect=3)
    (gap,) = said["differences"]
    assert (gap["business_no"], gap["code"], gap["his_fen"]) == (bills[3]["business_no"], "not_issued", 1_003)
    assert "medbill bill import" in gap["repair"]
    assert (said["his"]["count"], said["ledger"]["count"], said["surplus"]["count"]) == (4, 3, 0)

    assert api.post("/bills", json=bills[3], headers={"Prefer": "wait=20"}).json()["status"] == "sealed"
    said = network.json(*close, *where)
    assert said["agrees"]
    assert said["his"] == said["ledger"] == {"count": 4, "total_fen": 4_006}
    assert "agrees, as of block" in network.medbill(*close, *where)

    extra = bill_request(f"features-19-{secrets.token_hex(4)}", 77, place_code=place)
    assert api.post("/bills", json=extra, headers={"Prefer": "wait=20"}).json()["status"] == "sealed"
    said = network.json(*close, *where, expect=3)
    assert (said["differences"], said["surplus"]) == ([], {"count": 1, "total_fen": 77})
    other = network.api("archive", "hospital_admin", "hospital-b")
    answer = other.get("/audit/day-books", params={"issuer": "hospital-a", "from": today})
    assert (answer.status_code, answer.json()["code"]) == (403, "organisation_forbidden")
