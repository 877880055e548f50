"""Rows of insurers and employers: locked, decided, paid, booked; each once."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chain.codec import encode
from chain.details import FIELD_IDS
from chain.operation import BookBill, DecideClaim, LockClaim, PayClaim, ReleaseClaim
from chain.records import PAYER
from chain.transaction import Entry, sign_transaction
from cli.exit_codes import ExitCode
from cli.proof_check import verdict_exit_code
from cli.signing import organisation_key
from tests.features.acting import act, agreed, clerk, life, post, sealed_bill, verified
from tests.network.running import Network

pytestmark = pytest.mark.processes


def lock(bill: str, amount_fen: int) -> LockClaim:
    return LockClaim(secrets.token_bytes(32), bill, amount_fen, time.time_ns() // 1_000_000 + 600_000)


def test_50_of_two_insurers_one_wins(network: Network) -> None:
    """At the same moment, twenty times; the thousand races are in `tests/chain/test_rules_claims.py`."""
    bills = [sealed_bill(network, own_fen=100) for _ in range(20)]
    with ThreadPoolExecutor(2) as threads:
        for bill in bills:
            asked = [(insurer, lock(bill, 100)) for insurer in ("insurer-a", "insurer-b")]
            codes = list(threads.map(lambda one: act(network, *one)[0], asked))
            assert sorted(codes) == ["claim_locked", "recorded"]
            winner = asked[codes.index("recorded")]
            (claim,) = life(network, bill)["claims"]
            assert (claim["insurer"], claim["claim"], claim["state"]) == (winner[0], winner[1].claim.hex(), "locked")


def test_51_several_payers_share_a_bill_within_its_own_part(network: Network) -> None:
    """60 and 40 of 100; a further fen is refused."""
    bill = sealed_bill(network, own_fen=100)
    first, second = lock(bill, 60), lock(bill, 40)
    assert act(network, "insurer-a", first) == ["recorded"]
    assert act(network, "insurer-a", DecideClaim(first.claim, 60)) == ["recorded"]
    assert act(network, "insurer-b", second) == ["recorded"]
    assert act(network, "insurer-b", DecideClaim(second.claim, 39)) == ["recorded"]
    assert act(network, "insurer-a", lock(bill, 2)) == ["exceeds_reimbursable"]
    last = lock(bill, 1)
    assert act(network, "insurer-a", last) == ["recorded"]
    assert act(network, "insurer-a", DecideClaim(last.claim, 1)) == ["recorded"]
    assert act(network, "insurer-b", lock(bill, 1)) == ["already_reimbursed"]


def test_53_a_paid_bill_is_not_reversed_behind_the_insurers_back(network: Network) -> None:
    bill = sealed_bill(network, own_fen=100)
    claim = lock(bill, 100)
    assert act(network, "insurer-a", claim) == ["recorded"]
    assert act(network, "insurer-a", DecideClaim(claim.claim, 100)) == ["recorded"]
    assert act(network, "insurer-a", PayClaim(claim.claim, secrets.token_bytes(32))) == ["recorded"]
    status, answer = post(network, f"/bills/{bill}/reversal", {"reason": "x", "operator": "y"})
    assert (status, answer["code"]) == (409, "claim_paid")


def test_43_the_same_bill_is_not_booked_by_two_employers(network: Network) -> None:
    """The second one here is an insurer: any unit but the issuer may be the paying one."""
    bill = sealed_bill(network)
    assert act(network, "employer-a", BookBill(bill, PAYER, 10_000, secrets.token_bytes(32))) == ["recorded"]
    assert act(network, "insurer-a", BookBill(bill, PAYER, 10_000, secrets.token_bytes(32))) == ["already_accounted"]


def test_claims_and_accounting_from_the_command_line(network: Network) -> None:
    bill, home = sealed_bill(network, own_fen=100), ("--home", str(network.home))
    claim = ("--organisation", "insurer-a", "--claim", "K-1", *home)
    locked = json.loads(network.medbill("claim", "lock", bill, "--amount-fen", "100", *claim, "--json"))
    assert locked["status"] == "recorded"
    second = ("--organisation", "insurer-b", "--claim", "K-1", *home)
    assert "claim_locked" in network.medbill("claim", "lock", bill, "--amount-fen", "1", *second, "--json", expect=6)
    network.medbill("claim", "decide", "--approved-fen", "80", *claim)
    network.medbill("claim", "pay", "--payment", "P-1", *claim)
    assert [one["state"] for one in life(network, bill)["claims"]] == ["paid"]
    network.medbill("claim", "release", "--reason", "paid_back", *claim)
    assert life(network, bill)["claims"] == []
    booking = ("--organisation", "employer-a", *home)
    network.medbill("accounting", "book", bill, "--amount-fen", "10000", "--voucher", "V-1", *booking)
    network.medbill("accounting", "book", bill, "--amount-fen", "10000", "--voucher", "V-1", *booking)  # the same again
    network.medbill("accounting", "acknowledge", bill, *booking)
    assert life(network, bill)["accounting_payer"] == "acknowledged"
    through = ("--via", "hospital-a", *home)
    network.medbill("paper", "print", bill, "--form", "CLI0001", *through)
    network.medbill("paper", "end", bill, "--form", "CLI0001", "--reason", "returned", *through)
    network.medbill("paper", "void-blanks", "CLI0002", "CLI0003", "--reason", "torn", *through)
    network.medbill("bill", "deliver", bill, "--channel", "counter", *through)
    assert "delivered_use_reversal" in network.medbill(
        "bill", "void", bill, "--reason", "mistyped", *through, "--json", expect=6
    )
    asked = network.json("bill", "reverse", bill, "--reason", "wrong payer", "--operator", "x", *through)
    (waiting,) = [row for row in network.json("approvals", "list", *through)["data"] if row["target"] == bill]
    assert waiting["approval"] == asked["approval"]
    agree = ("approvals", "agree", asked["approval"], *through)
    assert "same_person" in network.medbill(*agree, "--person", "medbill-cli", "--json", expect=6)
    assert network.json(*agree, "--person", "checker-02")["status"] == "sealed"


MEDICAL = {
    "payer": {"type": "person", "name": "示范丁", "id_type": "passport", "id_number": "990000197102028888"},
    "visit": {"department": "精神科", "diagnosis": "示范焦虑症", "outpatient_no": "OP-6603-88"},
    "remark": "长期随访",
    "cashier": "收费员07",
    "checker": "复核员08",
    "charges": [{"code": "05", "name": "心理治疗费", "quantity_milli": 1000, "unit": "次", "amount_fen": 10_000}],
}


def texts_of(value: Any) -> set[str]:
    """All texts of a request that are longer than a code."""
    if isinstance(value, dict):
        return set().union(*(texts_of(entry) for entry in value.values()))
    if isinstance(value, list):
        return set().union(*(texts_of(entry) for entry in value))
    return {value} if isinstance(value, str) and len(value.encode()) > 5 else set()


def test_55_an_employer_books_a_bill_and_learns_nothing_medical(network: Network, tmp_path: Path) -> None:
    """Total, date, genuine, not yet booked: from the file that the patient chose, and the ledger's own answer."""
    bill, other = sealed_bill(network, **MEDICAL), sealed_bill(network, **MEDICAL)
    home, genesis = ("--home", str(network.home)), ("--genesis", str(network.home / "genesis.json"))
    fetched, handed = tmp_path / "all.proof", tmp_path / "handed.proof"
    every = ",".join(name for name in FIELD_IDS if name != "reason")
    network.medbill("proof", "fetch", bill, *home, "--via", "hospital-a", "--show", every, "--out", str(fetched))
    network.medbill("proof", "present", str(fetched), "--show", "total,date,issuer", "--out", str(handed))

    # the employer looks at it on its own machine
    facts = network.json("proof", "verify", str(handed), *genesis)["bill"]
    assert (facts["total_fen"], facts["issuer"], facts["status"], facts["sealed"]) == (
        10_000,
        "hospital-a",
        "normal",
        True,
    )
    learned = [handed.read_bytes(), json.dumps(facts, ensure_ascii=False).encode()]

    # and books it: once
    def book(number: str, organisation: str = "employer-a") -> httpx2.Response:
        head = network.api("archive", "auditor").get("/network").json()["head"]["height"]
        operation = BookBill(number, PAYER, facts["total_fen"], secrets.token_bytes(32))
        own = organisation_key(network.home, organisation)
        signed = sign_transaction(
            bytes.fromhex(network.chain_id), organisation, own, head + 500, [Entry(False, operation)]
        )
        role = "employer_clerk" if organisation == "employer-a" else "insurer_clerk"
        headers = {"Content-Type": "application/octet-stream", "Prefer": "wait=15"}
        return clerk(network, "archive", organisation, role).post(
            f"/bills/{bill}/accounting", content=encode(signed), headers=headers
        )

    booked = book(bill)
    assert (booked.status_code, booked.json()["status"]) == (201, "recorded"), booked.text
    again = book(bill, "insurer-a")
    assert (again.status_code, again.json()["code"]) == (409, "already_accounted")
    assert (book(other).status_code, book(other).json()["code"]) == (
        422,
        "transaction_malformed",
    )  # another bill than the path's
    assert life(network, bill)["accounting_payer_by"] == "employer-a"
    learned += [booked.content, again.content]

    # the command does both: a file that proves nothing of this bill books nothing
    voucher = ("--organisation", "employer-a", "--voucher", "V-55", "--proof", str(handed), *home, "--json")
    assert "already_accounted" in network.medbill("accounting", "book", bill, *voucher, expect=6)
    assert "proof_refused" in network.medbill("accounting", "book", other, *voucher, expect=3)

    # whatever else it asks, as itself
    api = clerk(network, "archive", "employer-a", "employer_clerk")
    operation = booked.json()["operation"]
    height = booked.json()["height"]
    paths = [
        f"/bills/{bill}", f"/bills/{bill}/history", f"/bills/{bill}/proof?fields=diagnosis", f"/bills/{bill}/version?at=2026-01-01T00:00:00Z",
        f"/blocks/{facts['height']}", f"/blocks/{height}", f"/operations/{operation}/proof", "/audit/bills?issuer=hospital-a", "/blocks",
    ]  # fmt: skip
    answers = {path: api.get(path) for path in paths}
    for path, answer in answers.items():
        learned.append(answer.content)
        is_open = path.startswith("/blocks") or path.endswith(f"{operation}/proof")
        assert answer.status_code == 200 if is_open else answer.status_code in (403, 404), (path, answer.text)
    assert (
        network.api("archive", "auditor", "employer-a").get(f"/bills/{bill}").status_code == 401
    )  # nor does its key make auditors

    hidden = texts_of(MEDICAL) | {"OP-6603-88"}
    assert {"精神科", "示范焦虑症", "心理治疗费", "示范丁", "990000197102028888"} <= hidden
    assert all(
        any(text.encode() in data for data in [fetched.read_bytes()]) for text in hidden - {"passport"}
    )  # it looks well
    for data in learned:
        for text in hidden:
            for spelt in (text.encode(), json.dumps(text).encode(), hashlib.sha256(text.encode()).digest()):
                assert spelt.strip(b'"') not in data, text


def test_56_evidence_of_a_decision_outlives_what_came_after(network: Network, tmp_path: Path) -> None:
    """Normal and unclaimed when decided, though it was paid, released and reversed since: one file, without a network."""
    bill, home = sealed_bill(network, own_fen=100), ("--home", str(network.home))
    earlier = lock(bill, 30)  # another insurer grants a part before, and takes it back afterwards
    assert act(network, "insurer-b", earlier) == ["recorded"]
    assert act(network, "insurer-b", DecideClaim(earlier.claim, 30)) == ["recorded"]
    claim = ("--organisation", "insurer-a", "--claim", "K-56", *home)
    network.medbill("claim", "lock", bill, "--amount-fen", "70", *claim)
    file, genesis = tmp_path / "k-56.proof", ("--genesis", str(network.home / "genesis.json"))
    evidence = ("claim", "evidence", *claim, "--out", str(file), "--json")
    assert "claim_undecided" in network.medbill(*evidence, expect=6)
    assert not file.exists()
    network.medbill("claim", "decide", "--approved-fen", "60", *claim)
    network.medbill("claim", "pay", "--payment", "P-56", *claim)
    network.medbill("claim", "release", "--reason", "paid_back", *claim)
    assert act(network, "insurer-b", ReleaseClaim(earlier.claim, "withdrawn")) == ["recorded"]
    status, answer = agreed(network, post(network, f"/bills/{bill}/reversal", {"reason": "x", "operator": "y"})[1])
    assert status == 201, answer
    network.until(
        lambda: network.api("archive", "auditor").get(f"/bills/{bill}").json()["validity"] == "reversed", "it is there"
    )

    facts = json.loads(network.medbill(*evidence))["bill"]
    assert (facts["bill_id"], facts["status"], facts["insurer"]) == (bill, "normal", "insurer-a")
    assert (facts["locked_fen"], facts["approved_fen"]) == (70, 60)
    assert facts["other_claims"] == [{"insurer": "insurer-b", "claim": earlier.claim.hex()}]
    decided = facts["decided_height"]
    network.medbill("proof", "verify", str(file), *genesis, "--at", str(decided))
    network.medbill("proof", "verify", str(file), *genesis)
    for at in (facts["locked_height"] - 1, answer["height"], answer["height"] + 1_000):
        network.medbill("proof", "verify", str(file), *genesis, "--at", str(at), expect=3)
    data, trusted = file.read_bytes(), (network.home / "genesis.json").read_bytes()
    for place in range(0, len(data), 3):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        assert verdict_exit_code(bytes(changed), trusted) is ExitCode.INVALID, place

    # it is the insurer's own
    path = f"/claims/{facts['claim']}/evidence"
    assert clerk(network, "archive").get(path).status_code == 200
    assert clerk(network, "archive", "insurer-b").get(path).status_code == 404
    assert clerk(network, "archive", "insurer-b").get(path, params={"insurer": "insurer-a"}).status_code == 404
    assert network.api("archive", "cashier", "hospital-a").get(path).status_code == 403
    auditor = network.api("archive", "auditor")
    assert auditor.get(path, params={"insurer": "insurer-a"}).status_code == 200

    # a rejection has its evidence too, of a list that no longer names it
    other = sealed_bill(network, own_fen=100)
    rejected = lock(other, 100)
    assert act(network, "insurer-a", rejected) == ["recorded"]
    assert act(network, "insurer-a", DecideClaim(rejected.claim, 0)) == ["recorded"]
    told = clerk(network, "archive").get(f"/claims/{rejected.claim.hex()}/evidence").content
    assert (verified(network, told)["approved_fen"], verified(network, told)["other_claims"]) == (0, [])
