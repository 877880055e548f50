"""Catalogues: every code of `chain/rules/catalogues.py`, and what is recorded."""

from __future__ import annotations

from hashlib import sha256

import pytest

from chain import keyspace
from chain.catalogue import (
    BYTES_MAX,
    Catalogue,
    CatalogueVersion,
    ChargeName,
    ChargesCatalogue,
    FacesCatalogue,
    FaceTitle,
    ItemPlace,
    ItemsCatalogue,
)
from chain.operation import PERSONS_TAGS, Operation, PublishCatalogue, SuspendOrganisation
from chain.records import CatalogueBody, CataloguesBody, CatalogueVersions
from tests.chain.making import NOON_MS, TODAY, Chain, at, genesis, key_of

OFFICE, HOSPITAL = "finance-city", "hospital-a"
CHARGES = ChargesCatalogue([ChargeName("02", "诊察费"), ChargeName("09", "西药费")])
ITEMS = ItemsCatalogue([ItemPlace("H1", "09"), ItemPlace("H2", "02")])
FACES = FacesCatalogue([FaceTitle(1, "门诊收费票据", "门诊收费清单")], [], [])
TOMORROW = TODAY + 1


def publish(version: int = 1, from_date: int = TODAY, content: Catalogue = CHARGES, *persons: bytes) -> Operation:
    return PublishCatalogue(version, from_date, content, list(persons))


def refused(chain: Chain, organisation: str, operation: Operation, key: str = "unit") -> str:
    before = chain.ledger.state.root
    (code,) = chain.run(organisation, operation, key=key_of(f"{organisation}/{key}"))
    assert code != "recorded"
    assert chain.ledger.state.root == before
    return code


def test_versions_stay_and_are_listed_in_their_order() -> None:
    chain = Chain()
    later = ChargesCatalogue([ChargeName("02", "诊查费")])
    assert chain.run(OFFICE, publish()) == ["recorded"]
    first_ms = chain.ledger.head.time_ms
    assert chain.run(OFFICE, publish(2, 20270101, later), publish(1, TODAY, FACES)) == ["recorded"] * 2
    second_ms = chain.ledger.head.time_ms
    assert chain.run(HOSPITAL, publish(content=ITEMS)) == ["recorded"]

    assert chain.body(keyspace.catalogue(OFFICE, "charges", 1), CatalogueBody) == CatalogueBody(
        TODAY, first_ms, CHARGES
    )
    assert chain.body(keyspace.catalogue(OFFICE, "charges", 2), CatalogueBody).content == later
    assert chain.body(keyspace.catalogue(HOSPITAL, "items", 1), CatalogueBody).content == ITEMS
    versions = [CatalogueVersion(TODAY, first_ms), CatalogueVersion(20270101, second_ms)]
    assert chain.body(keyspace.catalogues(OFFICE), CataloguesBody) == CataloguesBody(
        [CatalogueVersions("charges", versions), CatalogueVersions("faces", [CatalogueVersion(TODAY, second_ms)])]
    )


def test_the_same_again_is_known_and_another_under_its_number_is_refused() -> None:
    chain = Chain()
    assert chain.run(OFFICE, publish()) == ["recorded"]
    assert refused(chain, OFFICE, publish()) == "already_recorded"
    assert refused(chain, OFFICE, publish(1, TOMORROW)) == "version_moved"
    assert refused(chain, OFFICE, publish(3, TOMORROW)) == "version_moved"
    assert chain.run(OFFICE, publish(2, TOMORROW)) == ["recorded"]


def test_no_version_begins_in_the_past_or_before_the_former() -> None:
    """A day that is over keeps its names; the same day again is a correction. Days are the ledger's: UTC+8."""
    chain = Chain()
    assert refused(chain, OFFICE, publish(1, 20260531)) == "date_passed"
    chain.time_ms = at("2026-06-01 23:59:59.999")
    assert chain.run(OFFICE, publish(1, TODAY)) == ["recorded"]
    chain.time_ms = at("2026-06-02 00:00:00.000")
    assert refused(chain, OFFICE, publish(2, TODAY)) == "date_passed"
    assert chain.run(OFFICE, publish(2, 20270101)) == ["recorded"]
    assert refused(chain, OFFICE, publish(3, 20261231)) == "date_before_former"
    assert chain.run(OFFICE, publish(3, 20270101)) == ["recorded"]
    assert refused(chain, OFFICE, publish(4, 20270230)) == "date_unknown"


@pytest.mark.parametrize(
    "content",
    [
        ChargesCatalogue([]),
        ChargesCatalogue([ChargeName("09", "a"), ChargeName("02", "b")]),
        ChargesCatalogue([ChargeName("02", "a"), ChargeName("02", "b")]),
        ChargesCatalogue([ChargeName("02", "a\nb")]),
        ChargesCatalogue([ChargeName("02", "e\u0301")]),
        ItemsCatalogue([]),
        ItemsCatalogue([ItemPlace("H2", "02"), ItemPlace("H1", "02")]),
        ItemsCatalogue([ItemPlace("H1", "\u202e02")]),
        FacesCatalogue([], [], []),
        FacesCatalogue([FaceTitle(2, "a", "b"), FaceTitle(1, "a", "b")], [], []),
        FacesCatalogue([FaceTitle(1, "a", "b")], ["a", "b", "c"], []),
        FacesCatalogue([FaceTitle(1, "a", "b")], [], ["a"] * 6),
        ChargesCatalogue([ChargeName(f"{number:06d}", "x" * 128) for number in range(BYTES_MAX // 128)]),
    ],
)
def test_what_is_out_of_order_is_not_published(content: Catalogue) -> None:
    chain = Chain(genesis(block_bytes_max=4 << 20))
    publisher = HOSPITAL if isinstance(content, ItemsCatalogue) else OFFICE
    assert refused(chain, publisher, publish(content=content)) == "catalogue_malformed"


def test_codes_in_their_order() -> None:
    """Each has everything that comes later against it as well."""
    cashier, checker = sorted(sha256(name).digest() for name in (b"cashier", b"checker"))
    chain = Chain(genesis(two_persons=[PERSONS_TAGS["publish_catalogue"]]))
    bad = ItemsCatalogue([])
    assert refused(chain, OFFICE, publish(9, 20260230, bad), "seal") == "wrong_key"
    assert refused(chain, OFFICE, publish(9, 20260230, bad, cashier)) == "second_person_missing"
    assert refused(chain, OFFICE, publish(9, 20260230, bad, checker, cashier)) == "persons_malformed"
    assert refused(chain, OFFICE, publish(9, 20260230, bad, cashier, cashier)) == "same_person"
    both = (cashier, checker)
    assert refused(chain, OFFICE, publish(9, 20260230, bad, *both)) == "publisher_not_entitled"
    assert refused(chain, HOSPITAL, publish(9, 20260230, CHARGES, *both)) == "publisher_not_entitled"
    assert refused(chain, "health", publish(9, 20260230, CHARGES, *both)) == "publisher_not_entitled"
    assert chain.run(OFFICE, SuspendOrganisation("hospital-b", "key_lost", 0, [])) == ["recorded"]
    assert refused(chain, "hospital-b", publish(9, 20260230, bad, *both)) == "organisation_suspended"
    assert refused(chain, HOSPITAL, publish(9, 20260230, bad, *both)) == "catalogue_malformed"
    assert refused(chain, HOSPITAL, publish(9, 20260230, ITEMS, *both)) == "date_unknown"
    assert refused(chain, HOSPITAL, publish(9, 20260531, ITEMS, *both)) == "version_moved"
    assert refused(chain, HOSPITAL, publish(1, 20260531, ITEMS, *both)) == "date_passed"
    assert chain.run(HOSPITAL, publish(1, TOMORROW, ITEMS, *both)) == ["recorded"]
    assert refused(chain, HOSPITAL, publish(2, TODAY, ITEMS, *both)) == "date_before_former"
    assert chain.ledger.head.time_ms > NOON_MS


def test_a_list_of_versions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chain.rules.catalogues.CATALOGUE_VERSIONS_MAX", 2)
    chain = Chain()
    assert [chain.run(OFFICE, publish(number)) for number in (1, 2)] == [["recorded"]] * 2
    assert refused(chain, OFFICE, publish(3)) == "directory_full"


def test_a_replay_comes_to_the_same_state() -> None:
    """Every block again, from genesis: the records follow from them alone."""
    chain = Chain()
    chain.run(OFFICE, publish(), publish(1, TODAY, FACES))
    chain.run(HOSPITAL, publish(content=ITEMS))
    again = Chain()
    for height in range(1, chain.height + 1):
        view = chain.view(height)
        again.block(view.block.transactions, view.header.time_ms)
    assert again.roots == chain.roots
