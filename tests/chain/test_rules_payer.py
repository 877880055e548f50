"""The payer of a bill that was issued for an unknown one is bound once, on record (FEATURES 8)."""

from __future__ import annotations

from typing import Any

import pytest

from chain import keyspace
from chain.bill import Payer
from chain.codec import encode
from chain.details import content_mac, details_of, details_root, field_values, open_fields, payer_details, verify_opened
from chain.errors import ProofMismatch
from chain.operation import BindPayer, DeliverBill, Operation, VoidBill, operation_digest
from chain.payer_proof import PAYER_PROOF, PayerProof
from chain.proof_kinds import check_any
from chain.proving import recorded_at
from chain.records import PayerBody
from tests.chain.making import NOON_MS, Chain, bill_id, details, issue_bill, key_of, linked, request, reverse_bill

BILL, SEED = bill_id(1), b"p" * 32
PERSON = payer_details(
    BILL, SEED, Payer("Somebody Found", "person", "test", "TEST-9"), "cashier one", "2026-06-02T09:00:00+08:00"
)
BOUND = BindPayer(BILL, details_root(PERSON))
OTHER = BindPayer(BILL, b"o" * 32)


@pytest.fixture
def chain() -> Chain:
    chain = Chain()
    chain.lease("hospital-a")
    chain.lease("hospital-b")
    assert chain.run("hospital-a", issue_bill("B-1"), issue_bill("B-2", serial=2, total_fen=100)) == ["recorded"] * 2
    return chain


def code(chain: Chain, operation: Operation, organisation: str = "hospital-a", **how: Any) -> str:
    (found,) = chain.run(organisation, operation, **how)
    return found


def test_the_first_payer_stands_for_ever(chain: Chain) -> None:
    assert code(chain, BOUND) == "recorded"
    body = chain.body(keyspace.payer(BILL), PayerBody)
    assert (body.payer_root, body.height) == (BOUND.payer_root, chain.ledger.head.height)
    assert code(chain, BOUND) == "already_recorded"
    assert code(chain, OTHER) == "payer_already_bound"
    assert chain.body(keyspace.payer(BILL), PayerBody) == body
    assert code(chain, BindPayer(bill_id(2), OTHER.payer_root)) == "recorded"  # each bill has its own


def test_two_in_one_block_and_one_with_the_bill_itself(chain: Chain) -> None:
    assert chain.run("hospital-a", BOUND, OTHER, BOUND) == ["recorded", "payer_already_bound", "already_recorded"]
    bill = issue_bill("B-3", serial=3)
    both = linked(bill, BindPayer(bill.bill, OTHER.payer_root))
    assert chain.run("hospital-a", entries=both) == ["recorded", "recorded"]


def test_only_a_bill_that_stands_gets_a_payer(chain: Chain) -> None:
    red = reverse_bill(issue_bill("B-1"), serial=3)
    assert code(chain, red) == "recorded"
    assert code(chain, VoidBill(bill_id(2), "mistyped")) == "recorded"
    for number in (BILL, bill_id(2), red.bill):
        assert code(chain, BindPayer(number, OTHER.payer_root)) == "bill_not_normal"
        assert chain.ledger.state.get(keyspace.payer(number), PayerBody) is None


def test_who_was_bound_stays_bound_when_the_bill_is_reversed(chain: Chain) -> None:
    assert code(chain, BOUND) == "recorded"
    assert code(chain, DeliverBill(BILL, "sms", NOON_MS)) == "recorded"
    assert code(chain, reverse_bill(issue_bill("B-1"), serial=3)) == "recorded"
    assert code(chain, OTHER) == "payer_already_bound"  # before anything else is looked at
    assert code(chain, OTHER, "hospital-b") == "payer_already_bound"


def test_only_its_issuer_binds_a_bills_payer(chain: Chain) -> None:
    assert code(chain, BOUND, "hospital-b") == "not_issuer"
    assert code(chain, BOUND, "finance-city", key=key_of("finance-city/seal")) == "wrong_key"
    assert code(chain, BindPayer(bill_id(9), OTHER.payer_root)) == "bill_unknown"
    assert code(chain, BindPayer(bill_id(9), OTHER.payer_root), "hospital-b") == "bill_unknown"
    assert code(chain, BOUND) == "recorded"


# ── the private part, and its proof ──────────────────────────────────────────────────────────────────────────────────


def test_a_payers_fields_lead_to_the_root_and_to_no_other_bills() -> None:
    (name,) = open_fields(PERSON, ["payer_name"])
    assert name.value == "Somebody Found"
    verify_opened(name, BILL, BOUND.payer_root)
    for bill, root in ((bill_id(2), BOUND.payer_root), (BILL, details_root(details(BILL)))):
        with pytest.raises(ProofMismatch):
            verify_opened(name, bill, root)
    assert not {"check_code", "token"} & set(field_values(PERSON))  # it opens nothing by itself


def test_a_group_changes_a_bills_content_and_root_and_none_changes_nothing() -> None:
    """What was issued before there were groups keeps its MACs and roots: `tests/vectors/details.json` pins them."""
    plain, grouped, other = request(), request(group="G-1"), request(group="G-2")
    assert len({content_mac(SEED, one) for one in (plain, grouped, other)}) == 3
    roots = [details_root(details_of(BILL, SEED, one)) for one in (plain, grouped, other)]
    assert len(set(roots)) == 3
    assert "group" not in field_values(details_of(BILL, SEED, plain))
    assert field_values(details_of(BILL, SEED, grouped))["group"] == "G-1"


def payer_proof(chain: Chain, operation: BindPayer, names: list[str]) -> PayerProof:
    """As nodes make it: of a binding in the newest block."""
    ledger = chain.ledger
    view, before = ledger.final(ledger.head.height), ledger.final(ledger.head.height - 1)
    assert view is not None
    (recorded,) = recorded_at(view, before.header if before else None, 0, [0])
    assert recorded.entry.operation == operation
    return PayerProof(PAYER_PROOF, [], recorded, open_fields(PERSON, names))


def test_a_payers_proof_shows_what_was_chosen_and_nothing_else(chain: Chain) -> None:
    assert code(chain, BOUND) == "recorded"
    data = encode(payer_proof(chain, BOUND, ["payer_name", "payer_type"]))
    verdict = check_any(data, chain.genesis)
    assert verdict.valid, verdict.checks[-1]
    assert verdict.bill["opened"] == {"payer_type": "person", "payer_name": "Somebody Found"}
    assert (verdict.bill["bill_id"], verdict.bill["organisation"]) == (BILL, "hospital-a")
    assert b"TEST-9" not in data
    for place in range(0, len(data), 7):
        altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert not check_any(altered, chain.genesis).valid, place


def test_a_payers_proof_is_of_a_binding_and_of_its_own_payer(chain: Chain) -> None:
    stated = details(BILL, business_no="B-1")
    foreign = payer_details(BILL, b"q" * 32, Payer("Somebody Else"), "cashier one", "2026-06-02T09:00:00+08:00")
    assert code(chain, BOUND) == "recorded"
    good = payer_proof(chain, BOUND, [])

    def opened(*some: Any) -> tuple[bool, str, str]:
        proof = PayerProof(PAYER_PROOF, [], good.recorded, list(some))
        verdict = check_any(encode(proof), chain.genesis)
        last = verdict.checks[-1]
        return verdict.valid, last.name, last.detail

    assert opened()[0]
    assert opened(*open_fields(foreign, ["payer_name"]))[:2] == (False, "opened fields")
    assert opened(*open_fields(stated, ["business_no"])) == (False, "opened fields", "a field that no payer has")
    name, kind = open_fields(PERSON, ["payer_name"])[0], open_fields(PERSON, ["payer_type"])[0]
    assert opened(name, kind) == (False, "opened fields", "fields twice or out of order")
    assert opened(name, name) == (False, "opened fields", "fields twice or out of order")

    assert code(chain, DeliverBill(BILL, "sms", NOON_MS)) == "recorded"
    ledger = chain.ledger
    view, before = ledger.final(ledger.head.height), ledger.final(ledger.head.height - 1)
    assert view is not None
    assert before is not None
    (delivery,) = recorded_at(view, before.header, 0, [0])
    verdict = check_any(encode(PayerProof(PAYER_PROOF, [], delivery, [])), chain.genesis)
    assert (verdict.valid, verdict.checks[-1].detail) == (False, "the operation binds no payer")


def test_the_binding_is_known_by_its_digest(chain: Chain) -> None:
    """The same bytes are the same operation; another root is another."""
    assert operation_digest(BOUND) == operation_digest(BindPayer(BILL, details_root(PERSON)))
    assert operation_digest(BOUND) != operation_digest(OTHER)
