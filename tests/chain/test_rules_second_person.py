"""Two persons, and organisations that are suspended, resumed and closed: every code, and which comes first."""

from __future__ import annotations

from hashlib import sha256

import pytest

from chain import keyspace
from chain.errors import GenesisRefused
from chain.genesis import verify_genesis
from chain.operation import (
    PERSONS_TAGS,
    AllotRange,
    CloseOrganisation,
    Operation,
    RangeRef,
    ResumeOrganisation,
    SuspendOrganisation,
)
from chain.records import ACTIVE, CLOSED, SUSPENDED, OrganisationBody
from tests.chain.making import CODE, Chain, genesis, issue_bill, key_of, mac, reverse_bill

CASHIER, CHECKER = sorted(sha256(name).digest() for name in (b"cashier", b"checker"))
BOTH = [CASHIER, CHECKER]
OFFICE = RangeRef("finance-city", CODE, 1)


def chain_of(*names: str) -> Chain:
    return Chain(genesis(two_persons=sorted(PERSONS_TAGS[name] for name in names)))


def refused(chain: Chain, organisation: str, operation: Operation, key: str = "unit") -> str:
    before = chain.ledger.state.root
    (code,) = chain.run(organisation, operation, key=key_of(f"{organisation}/{key}"))
    assert code != "recorded"
    assert chain.ledger.state.root == before
    return code


@pytest.mark.parametrize(
    ("persons", "code"),
    [
        ([], "second_person_missing"),
        ([CASHIER], "second_person_missing"),
        ([CHECKER, CASHIER], "persons_malformed"),
        ([CASHIER, CASHIER], "same_person"),
    ],
)
def test_what_genesis_names_needs_two_different_people(persons: list[bytes], code: str) -> None:
    chain = chain_of("reverse_bill", "allot_range", "suspend_organisation")
    chain.lease("hospital-a")
    bill = issue_bill(serial=1)
    assert chain.run("hospital-a", bill) == ["recorded"]
    assert refused(chain, "hospital-a", reverse_bill(bill, serial=2, persons=persons)) == code
    assert refused(chain, "finance-city", AllotRange(OFFICE, 200_001, 10, "hospital-a", persons)) == code
    assert refused(chain, "finance-city", SuspendOrganisation("hospital-a", "key_lost", 0, persons)) == code

    assert chain.run("hospital-a", reverse_bill(bill, serial=2, persons=BOTH)) == ["recorded"]
    assert chain.run("finance-city", AllotRange(OFFICE, 200_001, 10, "hospital-a", BOTH)) == ["recorded"]
    assert chain.run("finance-city", SuspendOrganisation("hospital-a", "key_lost", 0, BOTH)) == ["recorded"]


def test_where_genesis_names_nothing_one_person_does_and_the_same_one_twice_is_still_refused() -> None:
    chain = chain_of()
    assert chain.run("finance-city", AllotRange(OFFICE, 200_001, 10, "hospital-a", [CASHIER])) == ["recorded"]
    assert refused(chain, "finance-city", AllotRange(OFFICE, 200_011, 10, "hospital-a", [CASHIER] * 2)) == "same_person"


def test_genesis_names_only_operations_that_carry_persons() -> None:
    for tags in ([300], [301, 200], [200, 200]):
        with pytest.raises(GenesisRefused, match="two_persons"):
            verify_genesis(genesis(two_persons=tags))


def test_a_suspended_hospital_issues_nothing_and_what_it_issued_stands() -> None:
    chain = chain_of()
    chain.lease("hospital-a")
    first, second = issue_bill(serial=1), issue_bill(serial=2, business_mac=mac("second"))
    assert chain.run("hospital-a", first) == ["recorded"]
    assert chain.run("finance-city", SuspendOrganisation("hospital-a", "key_lost", 0, [])) == ["recorded"]
    body = chain.body(keyspace.organisation("hospital-a"), OrganisationBody)
    assert (body.state, body.reason) == (SUSPENDED, "key_lost")
    assert refused(chain, "hospital-a", second) == "organisation_suspended"
    assert refused(chain, "hospital-a", reverse_bill(first, serial=3)) == "organisation_suspended"
    assert refused(chain, "finance-city", SuspendOrganisation("hospital-a", "key_lost", 0, [])) == "standing_moved"
    assert refused(chain, "finance-city", SuspendOrganisation("hospital-a", "key_lost", 1, [])) == "already_suspended"

    assert chain.run("finance-city", ResumeOrganisation("hospital-a", 1, [])) == ["recorded"]
    body = chain.body(keyspace.organisation("hospital-a"), OrganisationBody)
    assert (body.state, body.reason) == (ACTIVE, "")
    assert chain.run("hospital-a", second) == ["recorded"]
    assert refused(chain, "finance-city", ResumeOrganisation("hospital-a", 2, [])) == "not_suspended"
    again = SuspendOrganisation("hospital-a", "key_lost", 2, [])  # the same words, and another operation
    assert chain.run("finance-city", again) == ["recorded"]


def test_a_closed_organisation_stays_closed() -> None:
    chain = chain_of()
    chain.lease("hospital-b")
    assert chain.run("finance-city", CloseOrganisation("hospital-b", "merged", 0, [])) == ["recorded"]
    assert chain.body(keyspace.organisation("hospital-b"), OrganisationBody).state == CLOSED
    for step in (
        ResumeOrganisation("hospital-b", 1, []),
        SuspendOrganisation("hospital-b", "again", 1, []),
        CloseOrganisation("hospital-b", "again", 1, []),
    ):
        assert refused(chain, "finance-city", step) == "organisation_closed"


def test_only_who_supervises_an_organisation_stops_it() -> None:
    chain = chain_of()
    step = SuspendOrganisation("hospital-a", "key_lost", 0, [])
    assert refused(chain, "finance-city", step, "seal") == "wrong_key"
    assert refused(chain, "finance-city", SuspendOrganisation("nobody", "x", 0, [CASHIER] * 2)) == "same_person"
    assert refused(chain, "finance-city", SuspendOrganisation("nobody", "x", 0, [])) == "organisation_unknown"
    for name in ("hospital-a", "hospital-b", "finance"):
        assert refused(chain, name, step) == "not_supervised"
