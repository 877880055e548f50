"""A key's record as a file, and results of reconciliations that carry it."""

from __future__ import annotations

import random
from typing import Any, cast

import msgspec
import pytest

from chain import keyspace
from chain.certified import CurrentRecord
from chain.codec import encode
from chain.key_proof import KEY_PROOF, KeyProof
from chain.operation import AddKey, EndKey
from chain.proof_kinds import check_any
from chain.reconciliation_result import ReconciliationStatement, Side, Suspended, sign_result
from chain.records import SEAL, UNIT
from chain.signature import ED25519
from chain.state import record_of
from chain.transaction import key_id
from chain.verdict import Wanted
from node.proof_desk import ProofDesk
from tests.chain.making import Chain, changed, genesis, key_of

LATER = "hospital-a/unit-2"  # a key that genesis does not name


@pytest.fixture
def chain() -> Chain:
    """Hospital A adds a key, and its first one ends."""
    chain = Chain()
    first = key_id(key_of("hospital-a/unit").public)
    chain.run("hospital-a", AddKey(key_of(LATER).public, UNIT, ED25519, chain.height + 2))
    chain.run("hospital-a", EndKey(first, chain.height + 2))
    chain.block()
    return chain


def record(chain: Chain, name: str, organisation: str = "hospital-a") -> CurrentRecord:
    entry = chain.ledger.state.entry(keyspace.key(organisation, key_id(key_of(name).public)))
    assert entry is not None
    return ProofDesk(chain.ledger, cast(Any, None)).current(entry[0], record_of(entry[1]))


def proof(chain: Chain, name: str) -> KeyProof:
    return KeyProof(KEY_PROOF, [], "hospital-a", record(chain, name))


def statement(chain: Chain, **changes: Any) -> ReconciliationStatement:
    """Of a day on which nothing happened."""
    nothing, none = Side(0, 0, 0, 0, 0), Suspended(0, 0, 0, 0)
    stated = ReconciliationStatement(
        chain.genesis.digest(), "hospital-a", "alipay", 20260420, 480, 1_800_000, 1, [], nothing, nothing, 0, 0, 0, 0,
        none, none, 0, [], [], 0, b"\0" * 32, [],
    )  # fmt: skip
    return msgspec.structs.replace(stated, **changes)


def failed(chain: Chain, data: bytes, wanted: Wanted | None = None) -> str:
    """The check that did not hold."""
    verdict = check_any(data, chain.genesis, wanted)
    assert not verdict.valid
    return verdict.checks[-1].name


def test_a_key_that_came_later_is_proven(chain: Chain) -> None:
    verdict = check_any(encode(proof(chain, LATER)), chain.genesis)
    assert verdict.valid, verdict.checks[-1]
    facts = verdict.bill
    assert (facts["organisation"], facts["purpose"], facts["in_force"]) == ("hospital-a", "unit", True)
    assert facts["public"] == key_of(LATER).public.hex()


def test_a_key_that_ended_is_proven_as_ended(chain: Chain) -> None:
    facts = check_any(encode(proof(chain, "hospital-a/unit")), chain.genesis).bill
    assert (facts["in_force"], facts["until_height"]) == (False, 3)


def test_another_organisation_or_key_is_not_proven_by_it(chain: Chain) -> None:
    told = proof(chain, LATER)
    assert failed(chain, encode(changed(told, organisation="hospital-b"))) == "key"
    other = record(chain, "hospital-a/unit")
    swapped = changed(told, key=changed(told.key, record=other.record))
    assert failed(chain, encode(swapped)) == "key"
    elsewhere = Chain(genesis(name="another province"))
    assert not check_any(encode(told), elsewhere.genesis).valid


def test_an_altered_byte_of_a_keys_proof_is_found(chain: Chain) -> None:
    data = encode(proof(chain, LATER))
    draw = random.Random(10)
    for place in draw.sample(range(len(data)), 200):
        altered = bytearray(data)
        altered[place] ^= 1 << draw.randrange(8)
        assert not check_any(bytes(altered), chain.genesis).valid, place


def test_a_keys_proof_speaks_as_of_its_block_and_may_be_too_old(chain: Chain) -> None:
    data = encode(proof(chain, LATER))
    assert failed(chain, data, Wanted(at_height=1)) == "in force"
    assert failed(chain, data, Wanted(max_age_ms=1, now_ms=2**52)) == "age"


# ── results that carry it ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_result_signed_with_a_later_key_holds_with_its_record(chain: Chain) -> None:
    result = sign_result(statement(chain), key_of(LATER), [record(chain, LATER)], [])
    verdict = check_any(encode(result), chain.genesis)
    assert verdict.valid, verdict.checks[-1]
    assert verdict.bill["as_of"]["height"] == chain.height
    assert failed(chain, encode(changed(result, key=[]))) == "key"  # genesis does not name it


def test_a_result_signed_with_an_ended_key_is_refused_by_its_record(chain: Chain) -> None:
    first = key_of("hospital-a/unit")
    assert failed(chain, encode(sign_result(statement(chain), first, [record(chain, "hospital-a/unit")], []))) == "key"
    without = check_any(encode(sign_result(statement(chain), first, [], [])), chain.genesis)
    assert without.valid  # what became of the key, such a file does not show:
    assert "what became of it since, the file does not show" in without.checks[3].detail


@pytest.mark.parametrize("fault", ["another's record", "a seal key", "another's name", "two records", "unsigned"])
def test_a_result_whose_key_does_not_fit_is_refused(chain: Chain, fault: str) -> None:
    good, stated = record(chain, LATER), statement(chain)
    result = sign_result(stated, key_of(LATER), [good], [])
    match fault:
        case "another's record":
            result = sign_result(
                stated, key_of("hospital-b/unit"), [record(chain, "hospital-b/unit", "hospital-b")], []
            )
        case "a seal key":
            stated = statement(chain, organisation="finance-city")
            seal = record(chain, "finance-city/seal", "finance-city")
            result = sign_result(stated, key_of("finance-city/seal"), [seal], [])
        case "another's name":
            result = sign_result(statement(chain, organisation="hospital-b"), key_of(LATER), [good], [])
        case "two records":
            result = changed(result, key=[good, good])
        case "unsigned":
            result = changed(result, signature=b"\0" * 64)
    assert failed(chain, encode(result)) == ("signature" if fault == "unsigned" else "key")


def test_a_seal_key_of_genesis_signs_no_result(chain: Chain) -> None:
    assert any(entry.purpose == SEAL for entry in chain.genesis.keys)
    stated = statement(chain, organisation="finance-city")
    assert failed(chain, encode(sign_result(stated, key_of("finance-city/seal"), [], []))) == "key"


def test_a_result_speaks_as_of_no_block_and_its_age_is_its_records(chain: Chain) -> None:
    without = encode(sign_result(statement(chain), key_of("hospital-a/unit"), [], []))
    assert failed(chain, without, Wanted(at_height=1)) == "in force"
    assert failed(chain, without, Wanted(max_age_ms=1, now_ms=2**52)) == "age"
    with_record = encode(sign_result(statement(chain), key_of(LATER), [record(chain, LATER)], []))
    assert failed(chain, with_record, Wanted(max_age_ms=1, now_ms=2**52)) == "age"
    assert check_any(with_record, chain.genesis, Wanted(max_age_ms=2**52, now_ms=2**52)).valid
