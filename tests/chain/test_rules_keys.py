"""Keys of organisations (DESIGN 5): every code of adding and ending one, and what may be signed at which height."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest

from chain import keyspace
from chain.errors import BlockInvalid
from chain.operation import AddKey, EndKey, Renew
from chain.records import FOR_EVER, SEAL, UNIT, VOTE, HolderBody, KeyBody, KeysBody
from chain.rules import keys
from chain.signature import SMALL_ORDER_KEYS
from chain.transaction import key_id
from tests.chain.making import Chain, changed, genesis, issue_bill, key_of, vote_key_of


@pytest.fixture
def chain() -> Chain:
    return Chain()


def added(chain: Chain, name: str = "hospital-a/unit-2", **fields: Any) -> AddKey:
    values = {"public": key_of(name).public, "purpose": UNIT, "suite": 1, "from_height": chain.height + 2}
    return AddKey(**{**values, **fields})


def ended(chain: Chain, name: str, until: int | None = None) -> EndKey:
    return EndKey(key_id(key_of(name).public), chain.height + 2 if until is None else until)


def body(chain: Chain, organisation: str, name: str) -> KeyBody:
    found = chain.body(keyspace.key(organisation, key_id(key_of(name).public)), KeyBody)
    assert isinstance(found, KeyBody)
    return found


def listed(chain: Chain, organisation: str) -> list[bytes]:
    return list(chain.body(keyspace.keys(organisation), KeysBody).ids)


# ── adding ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_signs_from_the_height_that_it_was_added_for(chain: Chain) -> None:
    """DESIGN 5: changed from the next height on."""
    assert chain.run("hospital-a", added(chain, from_height=3)) == ["recorded"]
    second = key_of("hospital-a/unit-2")
    assert body(chain, "hospital-a", "hospital-a/unit-2") == KeyBody(second.public, UNIT, 1, 3, FOR_EVER)
    assert chain.body(keyspace.holder(key_id(second.public)), HolderBody) == HolderBody("hospital-a")
    assert listed(chain, "hospital-a") == sorted(key_id(key_of(f"hospital-a/{n}").public) for n in ("unit", "unit-2"))
    with pytest.raises(BlockInvalid, match="key_not_in_force"):
        chain.run("hospital-a", issue_bill(), key=second)
    chain.block()
    assert chain.run("hospital-a", issue_bill(), key=second) == ["lease_unknown"]


def test_the_same_again_and_another_s(chain: Chain) -> None:
    operation = added(chain)
    assert chain.run("hospital-a", operation) == ["recorded"]
    assert chain.run("hospital-a", operation) == ["already_recorded"]
    assert chain.run("hospital-a", added(chain)) == ["key_used"]  # the same key from another height
    assert chain.run("hospital-b", operation) == ["key_used"]


@pytest.mark.parametrize(
    ("code", "organisation", "fields"),
    [
        ("purpose_unknown", "finance", {"purpose": VOTE, "suite": 2}),  # vote keys come with seats
        ("suite_unknown", "finance", {"suite": 2, "public": min(SMALL_ORDER_KEYS)}),
        ("key_refused", "finance", {"public": min(SMALL_ORDER_KEYS), "from_height": 0}),
        ("key_used", "finance", {"public": vote_key_of("health").public, "from_height": 0}),
        ("not_entitled", "hospital-a", {"purpose": SEAL, "from_height": 0}),
        ("not_entitled", "health", {"purpose": SEAL}),
        ("height_passed", "finance-city", {"purpose": SEAL, "from_height": 1}),
        ("recorded", "finance-city", {"purpose": SEAL}),
        ("recorded", "finance", {"purpose": SEAL}),
    ],
)
def test_what_may_be_added(chain: Chain, code: str, organisation: str, fields: dict[str, Any]) -> None:
    assert chain.run(organisation, added(chain, "some/key", **fields)) == [code]


def test_a_finance_office_that_supervises_nobody_may_not_seal() -> None:
    start = genesis()
    alone = [
        changed(entry, supervisor="finance" if entry.supervisor == "finance-city" else entry.supervisor)
        for entry in start.organisations
    ]
    chain = Chain(changed(start, organisations=alone))
    assert chain.run("finance-city", added(chain, "finance-city/seal-2", purpose=SEAL)) == ["not_entitled"]
    assert chain.run("finance", added(chain, "finance/seal-2", purpose=SEAL)) == ["recorded"]


def test_a_seal_key_adds_and_ends_nothing(chain: Chain) -> None:
    seal = key_of("finance-city/seal")
    assert chain.run("finance-city", added(chain, purpose=VOTE), key=seal) == ["wrong_key"]
    assert chain.run("finance-city", ended(chain, "finance-city/seal", 1), key=seal) == ["wrong_key"]


def test_an_organisation_has_so_many_keys_at_a_time(chain: Chain) -> None:
    """Ended ones make room; what a change walks stays short."""
    with patch.object(keys, "KEYS_MAX", 3):
        for number in (2, 3):
            assert chain.run("hospital-a", added(chain, f"hospital-a/unit-{number}")) == ["recorded"]
        assert chain.run("hospital-a", added(chain, "hospital-a/unit-4")) == ["directory_full"]
        assert chain.run("hospital-a", ended(chain, "hospital-a/unit-2")) == ["recorded"]
        assert chain.run("hospital-a", added(chain, "hospital-a/unit-4")) == ["recorded"]
    assert len(listed(chain, "hospital-a")) == 3


# ── ending ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_ended_key_signs_up_to_its_end_and_its_record_stays(chain: Chain) -> None:
    chain.run("hospital-a", added(chain))
    first = key_of("hospital-a/unit")
    operation = ended(chain, "hospital-a/unit", chain.height + 3)
    assert chain.run("hospital-a", operation) == ["recorded"]
    assert chain.run("hospital-a", operation, key=first) == ["already_recorded"]  # block 3, its last one
    with pytest.raises(BlockInvalid, match="key_not_in_force"):
        chain.run("hospital-a", issue_bill(), key=first)
    assert chain.run("hospital-a", issue_bill(), key=key_of("hospital-a/unit-2")) == ["lease_unknown"]
    assert body(chain, "hospital-a", "hospital-a/unit").until_height == 4


def test_what_may_be_ended(chain: Chain) -> None:
    assert chain.run("hospital-a", ended(chain, "hospital-b/unit")) == ["key_unknown"]
    assert chain.run("hospital-a", ended(chain, "nobody/unit")) == ["key_unknown"]
    assert chain.run("health", ended(chain, "health/vote")) == ["key_unknown"]  # it ends with its seat
    assert chain.run("finance", ended(chain, "finance/seal", chain.height + 1)) == ["height_passed"]
    assert chain.run("finance", ended(chain, "finance/seal", 50)) == ["recorded"]  # no seal key is needed
    assert chain.run("finance", ended(chain, "finance/seal", 51)) == ["key_ended"]
    assert chain.run("finance", ended(chain, "finance/seal", 49)) == ["recorded"]  # earlier is possible
    assert body(chain, "finance", "finance/seal").until_height == 49


def test_the_last_unit_key_stays(chain: Chain) -> None:
    assert chain.run("hospital-a", ended(chain, "hospital-a/unit")) == ["last_key"]
    chain.run("hospital-a", added(chain, from_height=20))
    assert chain.run("hospital-a", ended(chain, "hospital-a/unit", 19)) == ["last_key"]  # nobody at 19
    assert chain.run("hospital-a", ended(chain, "hospital-a/unit", 20)) == ["recorded"]
    assert chain.run("hospital-a", ended(chain, "hospital-a/unit-2", 1000)) == ["last_key"]


def test_two_keys_cannot_end_one_behind_the_other(chain: Chain) -> None:
    """Each end alone would leave the other key; together nobody could sign from block 100 on."""
    chain.run("hospital-a", added(chain))
    assert chain.run("hospital-a", ended(chain, "hospital-a/unit-2", 100)) == ["recorded"]
    assert chain.run("hospital-a", ended(chain, "hospital-a/unit", 50)) == ["last_key"]


def test_a_seal_key_is_no_unit_key(chain: Chain) -> None:
    assert chain.run("finance-city", ended(chain, "finance-city/unit")) == ["last_key"]


def test_a_unit_key_that_was_rotated_votes_on_membership(chain: Chain) -> None:
    chain.run("health", added(chain, "health/unit-2"))
    chain.run("health", ended(chain, "health/unit"))
    with pytest.raises(BlockInvalid, match="key_not_in_force"):
        chain.run("health", Renew(b"1" * 32))
    assert chain.run("health", Renew(b"1" * 32), key=key_of("health/unit-2")) == ["recorded"]
