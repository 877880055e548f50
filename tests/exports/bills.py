"""Proven bills to export: each from a real proof of a ledger in memory."""

from __future__ import annotations

import functools
from hashlib import sha256
from typing import Any

import msgspec

from chain.bill import Payer
from chain.codec import encode
from chain.details import Details, details_root, open_fields, payer_details, reversal_details
from chain.operation import BindPayer, IssueBill, VoidBill, operation_digest
from chain.payer_proof import PAYER_PROOF, PayerProof
from chain.proving import recorded_at
from exports import fhir
from exports.proven_bill import ProvenBill, read_proven
from tests.chain.making import Chain, details, issue_bill, reverse_bill

OFFSET = 480
PAYER_NAMES = ("payer_type", "payer_name", "payer_id_type", "payer_id_number")
_BOUND: list[bytes] = []  # the proof of the payer of `unknown`
INPATIENT = "33060226"


@functools.lru_cache(maxsize=1)
def _story() -> dict[str, ProvenBill]:
    chain = Chain()
    chain.lease("hospital-a")
    chain.lease("hospital-a", code=INPATIENT)
    private: dict[str, Details] = {}

    def issue(serial: int, code: str = "33060126", **stated: Any) -> IssueBill:
        bill = issue_bill(f"B-{serial}-{code}", serial=serial, code=code)
        opened = details(bill.bill, business_no=f"B-{serial}-{code}", **stated)
        private[bill.bill] = opened
        fields = {name: getattr(bill, name) for name in bill.__struct_fields__}
        bill = IssueBill(**{**fields, "details_root": details_root(opened)})
        assert chain.run("hospital-a", bill) == ["recorded"]
        return bill

    bills = {"normal": issue(1).bill, "void": "", "inpatient": issue(1, INPATIENT, kind="inpatient").bill}
    first, withdrawn = issue(2), issue(4)
    taken_back = reverse_bill(first, serial=3)
    assert chain.run("hospital-a", taken_back) == ["recorded"]
    seed = sha256(taken_back.bill.encode()).digest()
    private[taken_back.bill] = reversal_details(taken_back.bill, seed, "wrong payer", "cashier one", "now")
    assert chain.run("hospital-a", VoidBill(withdrawn.bill, "mistyped")) == ["recorded"]
    unit = Payer("Some Unit", "unit", "unified_social_credit_code", "TEST-UNIT-1")
    bills |= {"reversed": first.bill, "red": taken_back.bill, "void": withdrawn.bill, "unit": issue(5, payer=unit).bill}
    bills["unknown"] = issue(6, payer=Payer("无名氏", "unknown")).bill
    bound = payer_details(
        bills["unknown"], b"p" * 32, Payer("Found Person", "person", "passport", "TEST-9"), "cashier", "now"
    )
    assert chain.run("hospital-a", BindPayer(bills["unknown"], details_root(bound))) == ["recorded"]
    view, before = chain.view(chain.height), chain.view(chain.height - 1)
    (binding,) = recorded_at(view, before.header, 0, [0])
    _BOUND.append(encode(PayerProof(PAYER_PROOF, [], binding, open_fields(bound, list(PAYER_NAMES)))))
    seal = chain.seal(["hospital-a"])
    assert chain.run_seal(seal) == "recorded"
    titles = {entry.id: entry.name for entry in chain.genesis.organisations}
    found = {}
    for name, number in bills.items():
        proof = chain.proof(number, seal=operation_digest(seal), opened=private[number], fields=list(fhir.OPENED))
        found[name] = read_proven(encode(proof), titles, OFFSET)
    return found


def normal(**changed_details: str) -> ProvenBill:
    bill = _story()["normal"]
    return msgspec.structs.replace(bill, details={**bill.details, **changed_details})


def red() -> ProvenBill:
    return _story()["red"]


def reversed_one() -> ProvenBill:
    return _story()["reversed"]


def void() -> ProvenBill:
    return _story()["void"]


def inpatient() -> ProvenBill:
    return _story()["inpatient"]


def unit_paid() -> ProvenBill:
    return _story()["unit"]


def unknown() -> tuple[ProvenBill, bytes]:
    """A bill that was issued for an unknown payer, and the proof of who was bound to it."""
    return _story()["unknown"], _BOUND[0]


def claim(
    state: str = "paid", insurer: str = "insurer-a", locked_fen: int = 30, approved_fen: int = 20
) -> dict[str, Any]:
    """As a node shows it."""
    return {
        "insurer": insurer,
        "claim": sha256(insurer.encode()).hexdigest(),
        "bill_id": normal().bill_id,
        "state": state,
        "locked_fen": locked_fen,
        "approved_fen": approved_fen,
        "locked_until": "2026-06-01T05:00:00.000Z",
        "height": 5,
    }
