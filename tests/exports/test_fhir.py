"""Exported bundles are FHIR R4, by the models of fhir-resources (R4B, the same for these resources), and lead back to the proof."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chain.bill import BillRequest
from chain.errors import ProofMismatch
from chain.proof import check_proof
from cli.formats import fhir as reading
from exports import fhir
from exports.proven_bill import ProvenBill, with_payer
from tests.chain.making import genesis
from tests.exports.bills import claim, inpatient, normal, red, reversed_one, unit_paid, unknown, void
from tests.exports.fhir_models import read_bundle, validated

TITLES = {"insurer-a": "Insurer A", "finance-city": "Finance bureau of the city"}
BILLS = [normal(), red(), reversed_one(), void(), inpatient(), unit_paid()]
NOW = "2026-06-01T12:30:00+08:00"


def exported(bill: ProvenBill, kind: str = fhir.INVOICE, claims: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """As it goes out, read again: its numbers as they are written."""
    bundle = fhir.build_bundle(bill, kind, claims or [], TITLES)
    assert bundle is not None
    return read_bundle(msgspec.json.encode(bundle).decode())


@pytest.mark.parametrize("bill", BILLS, ids=lambda bill: bill.validity + bill.bill_id)
def test_an_invoice_is_valid(bill: ProvenBill) -> None:
    found = validated(exported(bill))
    (invoice,) = found["Invoice"]
    assert invoice["totalGross"] == {"value": Decimal(bill.total_fen) / 100, "currency": "CNY"}
    assert invoice["totalNet"]["value"] == Decimal(bill.payments.cash_fen) / 100


@pytest.mark.parametrize("kind", [fhir.CLAIM, fhir.BENEFIT])
@pytest.mark.parametrize("bill", [normal(), unit_paid()], ids=["person", "unit"])
def test_claims_and_benefits_are_valid(kind: str, bill: ProvenBill) -> None:
    claims = [claim("paid"), claim("approved", "insurer-b"), claim("rejected", "insurer-c")]
    found = validated(exported(bill, kind, claims))
    assert len(found[kind]) == 3
    assert len(found["Coverage"]) == 3


@pytest.mark.parametrize(
    ("member", "value"),
    [("status", "written"), ("status", None), ("colour", "red"), ("totalGross", 12), ("lineItem", {})],
)
def test_the_models_refuse_what_is_no_invoice(member: str, value: Any) -> None:
    """Else the tests above would pass for anything."""
    bundle = exported(normal())
    invoice = bundle["entry"][0]["resource"]
    invoice[member] = value
    if value is None:
        del invoice[member]
    with pytest.raises(ValueError, match=member):
        validated(bundle)


def test_every_reference_leads_to_an_entry() -> None:
    for kind, claims in ((fhir.INVOICE, []), (fhir.CLAIM, [claim()]), (fhir.BENEFIT, [claim()])):
        for bill in (normal(), unit_paid()):
            bundle = exported(bill, kind, claims)
            known = {entry["fullUrl"] for entry in bundle["entry"]}
            assert len(known) == len(bundle["entry"])
            found: list[str] = []
            _references(bundle, found)
            assert found
            assert set(found) <= known


def _references(value: Any, found: list[str]) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            found.append(value["reference"])
        for entry in value.values():
            _references(entry, found)
    elif isinstance(value, list):
        for entry in value:
            _references(entry, found)


def test_provenance_names_chain_block_and_operation_and_the_proof_holds() -> None:
    bill = normal()
    found = validated(exported(bill))
    (provenance,), (document,) = found["Provenance"], found["DocumentReference"]
    named = {entity["what"]["display"]: entity["what"] for entity in provenance["entity"]}
    assert named["ledger"]["identifier"]["value"] == genesis().digest().hex()
    assert named["block"]["identifier"]["value"] == str(bill.height)
    assert named["operation"]["identifier"]["value"] == bill.operation
    attached = base64.b64decode(document["content"][0]["attachment"]["data"])
    verdict = check_proof(attached, genesis())
    assert verdict.valid
    assert verdict.bill["total_fen"] == bill.total_fen


def test_where_a_bill_stands_is_told() -> None:
    assert validated(exported(reversed_one()))["Invoice"][0]["status"] == "cancelled"
    assert red().bill_id in validated(exported(reversed_one()))["Invoice"][0]["cancelledReason"]
    assert validated(exported(void()))["Invoice"][0]["status"] == "cancelled"
    (taken_back,) = validated(exported(red()))["Invoice"]
    assert taken_back["extension"][0]["valueReference"]["identifier"]["value"] == red().original


def test_neither_check_code_nor_diagnosis_goes_out() -> None:
    text = json.dumps(exported(normal()), default=str)
    assert "none, this is a test" not in text
    assert not {"check_code", "token", "diagnosis"} & set(fhir.OPENED)


def test_without_a_claim_that_counts_there_is_none() -> None:
    for claims in ([], [claim("released")]):
        assert fhir.build_bundle(normal(), fhir.CLAIM, claims, TITLES) is None
    assert fhir.build_bundle(normal(), fhir.BENEFIT, [claim("locked")], TITLES) is None


def read_back(bundle: dict[str, Any], tmp_path: Path) -> list[tuple[str, BillRequest]]:
    file = tmp_path / "bundle.json"
    file.write_text(json.dumps(bundle, default=float))
    found = list(reading.read(file, as_cny=False, now=NOW, place_code="A01"))
    for _number, request in found:
        assert isinstance(request, BillRequest), request
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("bill", [normal(), inpatient(), unit_paid()], ids=lambda bill: bill.bill_id)
def test_an_invoice_is_read_back_with_the_same_amounts(bill: ProvenBill, tmp_path: Path) -> None:
    ((business_no, request),) = read_back(exported(bill), tmp_path)
    assert business_no == bill.text("business_no")
    assert (request.kind, request.total_fen) == (bill.kind, bill.total_fen)
    assert msgspec.structs.asdict(request.payments) == msgspec.structs.asdict(bill.payments)
    assert (request.self_paid_fen, request.self_funded_fen) == (bill.self_paid_fen, bill.self_funded_fen)
    assert [(line.code, line.name, line.amount_fen) for line in request.charges] == [
        (line.code, line.name, line.amount_fen) for line in bill.charges
    ]
    assert [(item.code, item.quantity_milli, item.unit_price_e4, item.amount_fen) for item in request.items] == [
        (item.code, item.quantity_milli, item.unit_price_e4, item.amount_fen) for item in bill.items
    ]
    assert (request.payer.name, request.payer.type) == (bill.text("payer_name"), bill.text("payer_type"))


def test_a_benefit_is_read_back_with_total_and_payment(tmp_path: Path) -> None:
    ((_number, request),) = read_back(exported(normal(), fhir.BENEFIT, [claim("paid", approved_fen=20)]), tmp_path)
    assert request.total_fen == normal().total_fen
    assert request.payments.insurance_fund_fen == 20


def test_a_red_or_cancelled_invoice_is_not_issued_again(tmp_path: Path) -> None:
    for bill, code in ((red(), "total_not_positive"), (reversed_one(), "status_not_billable")):
        file = tmp_path / "bundle.json"
        file.write_text(json.dumps(exported(bill), default=float))
        ((_number, refusal),) = reading.read(file, as_cny=False, now=NOW, place_code="A01")
        assert getattr(refusal, "code", None) == code


def test_who_was_bound_later_is_the_patient() -> None:
    """FEATURES 8: from a proof of its own, which must be of this very bill."""
    bill, bound = unknown()
    before = validated(exported(bill))["Patient"][0]
    assert before["name"] == [{"text": "无名氏"}]
    assert "identifier" not in before
    (patient,) = validated(exported(with_payer(bill, bound)))["Patient"]
    assert patient["name"] == [{"text": "Found Person"}]
    assert patient["identifier"][0]["value"] == "TEST-9"
    assert with_payer(bill, b"") is bill
    with pytest.raises(ProofMismatch):
        with_payer(normal(), bound)
