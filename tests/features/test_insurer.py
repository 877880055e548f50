"""Rows of insurers and employers: locked, decided, paid, booked; each once."""

from __future__ import annotations

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chain.operation import BookBill, DecideClaim, LockClaim, PayClaim
from chain.records import PAYER
from tests.features.acting import act, life, post, sealed_bill
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
