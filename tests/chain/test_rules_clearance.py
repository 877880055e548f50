"""Clearance: every code of `chain/rules/clearance.py`, and what a cleared lease refuses."""

from __future__ import annotations

import pytest

from chain import keyspace
from chain.operation import ClearLease, Operation, ReportUnused
from chain.records import ClearanceBody, LeaseBody
from tests.chain.making import CODE, Chain, bill_id, issue_bill, key_of, mac


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    chain.lease("hospital-a")
    return chain


def refused(chain: Chain, organisation: str, operation: Operation, key: str = "unit") -> str:
    before = chain.ledger.state.root
    (code,) = chain.run(organisation, operation, key=key_of(f"{organisation}/{key}"))
    assert code != "recorded"
    assert chain.ledger.state.root == before
    return code


def whole(chain: Chain, normal: int = 0) -> ClearLease:
    lease = chain.body(keyspace.lease("hospital-a", CODE, 1), LeaseBody)
    return ClearLease("hospital-a", CODE, 1, normal, 0, 0, 0, lease.count - normal)


def test_a_cleared_lease_is_closed(chain: Chain) -> None:
    assert chain.run("hospital-a", issue_bill(serial=1)) == ["recorded"]
    clearing = whole(chain, 1)
    assert chain.run("finance-city", clearing) == ["recorded"]
    assert chain.body(keyspace.clearance("hospital-a", CODE, 1), ClearanceBody) == ClearanceBody(
        "finance-city", 1, 0, 0, 0, clearing.unused
    )
    assert chain.body(keyspace.lease("hospital-a", CODE, 1), LeaseBody).cleared
    assert refused(chain, "hospital-a", issue_bill(serial=2, business_mac=mac("second"))) == "lease_cleared"
    assert refused(chain, "hospital-a", ReportUnused(bill_id(2), 1, "spoilt")) == "lease_cleared"
    assert refused(chain, "finance-city", clearing) == "already_recorded"
    assert refused(chain, "finance-city", whole(chain)) == "already_cleared"


def test_codes_in_their_order(chain: Chain) -> None:
    good = whole(chain)
    wrong = ClearLease("hospital-a", CODE, 1, 1, 0, 0, 0, good.unused)
    assert refused(chain, "finance-city", wrong, "seal") == "wrong_key"
    assert refused(chain, "finance-city", ClearLease("nobody", CODE, 2, 1, 0, 0, 0, 0)) == "organisation_unknown"
    assert refused(chain, "hospital-a", ClearLease("hospital-a", CODE, 2, 1, 0, 0, 0, 0)) == "not_supervised"
    assert refused(chain, "finance-city", ClearLease("hospital-a", CODE, 2, 1, 0, 0, 0, 0)) == "lease_unknown"
    assert refused(chain, "finance-city", wrong) == "counts_mismatch"
    assert chain.run("finance-city", good) == ["recorded"]
