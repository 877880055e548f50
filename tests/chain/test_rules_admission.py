"""Admission of an organisation after genesis: every code, which comes first, and what it may do from the next block on."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec
import pytest

from chain import keyspace
from chain.operation import (
    PERSONS_TAGS,
    AdmitOrganisation,
    AllotRange,
    Operation,
    RangeRef,
    SuspendOrganisation,
    TakeLease,
)
from chain.records import ACTIVE, AdmittedBody, AuthorityBody, KeyBody, OrganisationBody, RangeBody, SupervisedBody
from chain.transaction import key_id
from tests.chain.making import CODE, Chain, bill_id, genesis, issue_bill, key_of

BOTH = sorted(sha256(name).digest() for name in (b"clerk", b"checker"))
OFFICE = RangeRef("finance-city", CODE, 1)
NEW = "hospital-c"


def admission(**changes: Any) -> AdmitOrganisation:
    asked = AdmitOrganisation(
        NEW, "第三医院", "hospital", "330601", ["C01", "C02"], key_of(f"{NEW}/unit").public, b"certificate", []
    )
    return msgspec.structs.replace(asked, **changes)


def refused(chain: Chain, operation: Operation, organisation: str = "finance-city", key: str = "unit") -> str:
    before = chain.ledger.state.root
    (code,) = chain.run(organisation, operation, key=key_of(f"{organisation}/{key}"))
    assert code != "recorded"
    assert chain.ledger.state.root == before
    return code


def test_an_admitted_hospital_stands_like_one_of_genesis_and_issues() -> None:
    chain = Chain()
    heard: list[str] = []
    chain.ledger.on_admitted.append(heard.append)
    assert chain.run("finance-city", admission()) == ["recorded"]
    state, name = chain.ledger.state, key_id(key_of(f"{NEW}/unit").public)
    body = state.get(keyspace.organisation(NEW), OrganisationBody)
    assert body is not None
    assert (body.kind, body.supervisor, body.state, body.places, body.level) == (
        "hospital",
        "finance-city",
        ACTIVE,
        ["C01", "C02"],
        4,
    )
    key = state.get(keyspace.key(NEW, name), KeyBody)
    assert key is not None
    assert key.from_height == chain.height + 1
    supervised = state.get(keyspace.supervised("finance-city"), SupervisedBody)
    assert supervised is not None
    assert supervised.organisations == ["hospital-a", "hospital-b", NEW]
    assert state.get(keyspace.authority(NEW), AuthorityBody) == AuthorityBody(b"certificate")
    assert state.get(keyspace.ADMITTED, AdmittedBody) == AdmittedBody([NEW])
    assert (heard, chain.ledger.admitted()) == ([NEW], [NEW])

    held = chain.ledger.state.get(keyspace.number_range(OFFICE), RangeBody)
    assert held is not None
    assert chain.run("finance-city", AllotRange(OFFICE, held.next, 100, NEW, [])) == ["recorded"]
    first = held.next
    lease = TakeLease(RangeRef(NEW, CODE, first), first, 50, NEW, "C01")
    assert chain.run(NEW, lease) == ["recorded"]
    bill = issue_bill(serial=first, issuer=NEW, lease_first=first, place="C01")
    assert chain.run(NEW, bill, key=key_of(f"{NEW}/unit")) == ["recorded"]
    assert bill.bill == bill_id(first)
    assert chain.run("finance-city", SuspendOrganisation(NEW, "key_lost", 0, [])) == ["recorded"]
    again = issue_bill("B-2", serial=first + 1, issuer=NEW, lease_first=first, place="C01")
    assert refused(chain, again, NEW) == "organisation_suspended"


def test_the_same_admission_again_is_told_from_another_one() -> None:
    chain = Chain()
    assert chain.run("finance-city", admission()) == ["recorded"]
    assert refused(chain, admission()) == "already_recorded"
    assert refused(chain, admission(name="另一医院")) == "organisation_known"
    assert refused(chain, admission(organisation="hospital-a")) == "organisation_known"  # of genesis


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "finance"}, "kind_not_admissible"),  # whoever may vote or seal stands in genesis
        ({"kind": "audit"}, "kind_not_admissible"),
        ({"region": "440300"}, "region_foreign"),
        ({"places": []}, "places_malformed"),
        ({"places": ["C02", "C01"]}, "places_malformed"),
        ({"places": ["C01", "C01"]}, "places_malformed"),
        ({"kind": "insurer"}, "places_malformed"),  # an insurer has no issuing points
        ({"name": "a\u202eb"}, "text_refused"),
        ({"key": bytes(32)}, "key_refused"),
        ({"key": key_of("hospital-a/unit").public}, "key_used"),
    ],
)
def test_what_cannot_be_admitted(changes: dict[str, Any], code: str) -> None:
    assert refused(Chain(), admission(**changes)) == code


def test_codes_come_in_their_order() -> None:
    """Each request is wrong in everything that comes later, too."""
    wrong: dict[str, Any] = {"kind": "finance", "region": "440300", "places": [], "key": bytes(32)}
    two = Chain(genesis(two_persons=[PERSONS_TAGS["admit_organisation"]]))
    assert refused(two, admission(organisation="hospital-a", **wrong), "hospital-a") == "organisation_known"
    assert refused(two, admission(**wrong), key="seal") == "wrong_key"
    assert refused(two, admission(**wrong), "hospital-a") == "second_person_missing"
    assert refused(two, admission(persons=BOTH[::-1], **wrong)) == "persons_malformed"
    assert refused(two, admission(persons=[BOTH[0]] * 2, **wrong)) == "same_person"
    assert refused(two, admission(persons=BOTH, **wrong), "hospital-a") == "not_a_finance_office"
    assert refused(two, admission(persons=BOTH, **wrong)) == "kind_not_admissible"
    del wrong["kind"]
    assert refused(two, admission(persons=BOTH, **wrong)) == "region_foreign"
    del wrong["region"]
    assert refused(two, admission(persons=BOTH, **wrong)) == "places_malformed"
    del wrong["places"]
    assert refused(two, admission(persons=BOTH, name="a\u202eb", **wrong)) == "text_refused"
    assert refused(two, admission(persons=BOTH, **wrong)) == "key_refused"
    assert two.run("finance-city", admission(persons=BOTH)) == ["recorded"]


def test_an_insurer_comes_without_issuing_points() -> None:
    chain = Chain()
    asked = admission(organisation="insurer-z", kind="insurer", places=[], authority=b"")
    assert chain.run("finance-city", asked) == ["recorded"]
    assert chain.ledger.admitted() == ["insurer-z"]
