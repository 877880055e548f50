"""FHIR bundles become bills, or say where they do not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from chain.bill import BillRequest, verify_request
from cli.formats import READERS, FormatRefused

NOW = "2026-11-21T10:00:00+08:00"
SAMPLES = Path(__file__).parents[3] / "shared" / "samples" / "fhir"


def results(path: Path, as_cny: bool = True) -> list[tuple[str, BillRequest | FormatRefused]]:
    return list(READERS["fhir"](path, as_cny=as_cny, now=NOW, place_code="A01"))


def money(value: str, currency: str = "CNY") -> Any:
    """An amount whose digits `bundle` writes as they are."""
    return {"value": f"<{value}>", "currency": currency}


def line(net: str | None = None, *, system: str = "http://snomed.info/sct", encounter: bool = False) -> dict[str, Any]:
    made: dict[str, Any] = {"productOrService": {"coding": [{"system": system, "code": "1"}], "text": "service"}}
    if net is not None:
        made["net"] = money(net)
    if encounter:
        made["encounter"] = [{"reference": "urn:uuid:encounter"}]
    return made


def benefit(total: str, lines: list[dict[str, Any]], paid: str = "0", /, **changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "ExplanationOfBenefit",
        "id": "benefit-1",
        "status": "active",
        "patient": {"reference": "Patient/p"},
        "billablePeriod": {"start": "2020-01-02T03:04:05+00:00", "end": "2020-01-03T03:04:05+00:00"},
        "item": lines,
        "total": [{"category": {"coding": [{"code": "submitted"}]}, "amount": money(total)}],
        "payment": {"amount": money(paid)},
    } | changes


def bundle(folder: Path, *benefits: dict[str, Any], encounter_class: str = "AMB") -> Path:
    patient = {
        "resourceType": "Patient",
        "id": "p",
        "name": [{"use": "maiden", "family": "Old"}, {"use": "official", "family": "Sample", "given": ["Ada", "B"]}],
        "identifier": [
            {"type": {"coding": [{"code": "MR"}]}, "value": "m-1"},
            {"type": {"coding": [{"code": "PPN"}]}, "value": "X0"},
        ],
        "gender": "female",
    }
    encounter = {
        "resourceType": "Encounter",
        "id": "e",
        "class": {"code": encounter_class},
        "period": {"start": "2020-01-02T03:04:05+00:00", "end": "2020-01-05T03:04:05+00:00"},
    }
    entries = [{"resource": patient}, {"fullUrl": "urn:uuid:encounter", "resource": encounter}]
    path = folder / "bundle.json"
    text = json.dumps({"resourceType": "Bundle", "entry": entries + [{"resource": entry} for entry in benefits]})
    path.write_text(re.sub(r'"<([^">]*)>"', r"\1", text))
    return path


def only_bill(path: Path, as_cny: bool = False) -> BillRequest:
    ((_, found),) = results(path, as_cny)
    assert isinstance(found, BillRequest), found
    return found


def only_refusal(path: Path, as_cny: bool = False) -> FormatRefused:
    ((_, found),) = results(path, as_cny)
    assert isinstance(found, FormatRefused)
    return found


def submitted_fen_by_hand() -> Iterator[int]:
    """The submitted totals in fen, by fractions and sharing no code with the importer."""
    for path in SAMPLES.glob("*.json"):
        for entry in json.loads(path.read_text(), parse_float=Fraction, parse_int=Fraction)["entry"]:
            if entry["resource"]["resourceType"] == "ExplanationOfBenefit":
                for total in entry["resource"]["total"]:
                    if total["category"]["coding"][0]["code"] == "submitted":
                        yield int(total["amount"]["value"] * 100 + Fraction(1, 2))


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the Synthea bundles are not beside the project")
def test_every_explanation_of_benefit_of_thirty_patients_becomes_a_bill() -> None:
    """Issue 2, item 7: 546 bills, none refused, and the sum that a script of its own computes."""
    found = [result for path in sorted(SAMPLES.glob("*.json")) for result in results(path)]
    requests = [request for _, request in found if isinstance(request, BillRequest)]
    by_hand = list(submitted_fen_by_hand())

    assert len(found) == len(requests) == len(by_hand) == 546
    assert sum(request.total_fen for request in requests) == sum(by_hand)
    assert [no for no, _ in found] == [request.business_no for request in requests]
    assert len({request.business_no for request in requests}) == 546
    assert {request.business_time for request in requests} == {NOW}
    for request in requests:
        verify_request(request)
        assert request.visit.billable_start
        assert request.payer.name
        assert request.payer.id_number


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the Synthea bundles are not beside the project")
def test_dollars_are_refused_unless_one_asks_to_read_them_as_yuan() -> None:
    """Issue 2, item 7."""
    found = results(sorted(SAMPLES.glob("*.json"))[0], as_cny=False)
    assert {refusal.code for _, refusal in found if isinstance(refusal, FormatRefused)} == {"currency_not_cny"}
    assert all(isinstance(refusal, FormatRefused) for _, refusal in found)


def test_the_first_line_without_an_amount_takes_what_remains(tmp_path: Path) -> None:
    """Issue 2, item 7; further ones are 0, which a bill allows."""
    request = only_bill(bundle(tmp_path, benefit("265.52", [line(encounter=True), line("140.52"), line()], "112.416")))
    assert [item.amount_fen for item in request.items] == [12500, 14052, 0]
    assert (request.payments.insurance_fund_fen, request.payments.cash_fen) == (11242, 15310)
    assert [(charge.code, charge.amount_fen) for charge in request.charges] == [("02", 12500), ("14", 14052)]


def test_the_line_without_an_amount_absorbs_what_rounding_leaves(tmp_path: Path) -> None:
    """Each amount is rounded half up to the fen, and the bill still adds up."""
    request = only_bill(bundle(tmp_path, benefit("1.00", [line("0.335"), line(), line("0.335")])))
    assert [item.amount_fen for item in request.items] == [34, 32, 34]


def test_the_noise_of_binary_floats_does_not_reach_the_bill(tmp_path: Path) -> None:
    """28.104000000000003 is 28.10, and 0.285 is 0.29 although its nearest float lies below."""
    request = only_bill(bundle(tmp_path, benefit("28.38999999999999", [line("28.104000000000003"), line("0.285")])))
    assert [item.amount_fen for item in request.items] == [2810, 29]


@pytest.mark.parametrize(
    ("encounter_class", "kind"), [("IMP", "inpatient"), ("AMB", "outpatient"), ("EMER", "outpatient")]
)
def test_a_stay_in_hospital_makes_an_inpatient_bill(tmp_path: Path, encounter_class: str, kind: str) -> None:
    """Issue 2, item 7: inpatient for IMP, outpatient otherwise."""
    path = bundle(tmp_path, benefit("5", [line(encounter=True)]), encounter_class=encounter_class)
    request = only_bill(path)
    assert request.kind == kind
    assert (request.visit.admitted, request.visit.discharged) == (
        ("2020-01-02", "2020-01-05") if kind == "inpatient" else ("", "")
    )


def test_who_pays_and_when_stand_in_the_bill(tmp_path: Path) -> None:
    """The official name, the most telling identifier, the period of the bill; issued now."""
    request = only_bill(bundle(tmp_path, benefit("5", [line()])))
    assert (request.payer.name, request.payer.type) == ("Ada B Sample", "person")
    assert (request.payer.id_type, request.payer.id_number) == ("passport", "X0")
    assert request.visit.medical_record_no == "m-1"
    assert request.visit.billable_end == "2020-01-03T03:04:05+00:00"
    assert (request.business_time, request.place_code, request.business_no) == (NOW, "A01", "benefit-1")


def test_a_vaccine_is_a_medicine(tmp_path: Path) -> None:
    """What the code system itself says is the only mapping that is made."""
    request = only_bill(bundle(tmp_path, benefit("5", [line("5", system="http://hl7.org/fhir/sid/cvx")])))
    assert [charge.code for charge in request.charges] == ["09"]


@pytest.mark.parametrize(
    ("changed", "code", "pointer"),
    [
        (benefit("1.01", [line("1")]), "sum_mismatch", "/entry/2/resource/item"),
        (benefit("1", [line("1.01"), line()]), "lines_exceed_total", "/entry/2/resource/item"),
        (benefit("1", [line()], "1.01"), "payment_out_of_range", "/entry/2/resource/payment/amount"),
        (benefit("1", [line()], "-0.01"), "payment_out_of_range", "/entry/2/resource/payment/amount"),
        (benefit("0", [line()]), "total_not_positive", "/entry/2/resource/total"),
        (benefit("-5", [line("-5")], payment=None), "total_not_positive", "/entry/2/resource/total"),
        (benefit("1", []), "lines_missing", "/entry/2/resource/item"),
        (benefit("1", [line()], total=[]), "total_missing", "/entry/2/resource/total"),
        (benefit("1", [line()], total={}), "wrong_type", "/entry/2/resource/total"),
        (benefit("1", [line()], status="cancelled"), "status_not_billable", "/entry/2/resource/status"),
        (benefit("1", [line()], patient={"reference": "Patient/q"}), "reference_unknown", "/entry/2/resource/patient"),
        (benefit("1", [line()], patient=None), "member_missing", "/entry/2/resource/patient"),
        (benefit("1", [line()], id=None), "member_missing", "/entry/2/resource/id"),
        (benefit("1", [line()], id="x" * 51), "field_refused", "/entry/2/resource"),
        (benefit("1", [{"net": money("1")}]), "member_missing", "/entry/2/resource/item/0/productOrService"),
        (benefit("1", [line()] * 1001), "field_refused", "/entry/2/resource"),
        (benefit("1e999", [line()]), "amount_out_of_range", "/entry/2/resource/total/0/amount/value"),
        (benefit("1" + "0" * 400, [line()]), "amount_out_of_range", "/entry/2/resource/total/0/amount/value"),
        (benefit("1", [line()], payment={"amount": money("1", "USD")}), "currency_not_cny", "/entry/2/resource/payment/amount/currency"),
        (benefit("1", [line()], payment={"amount": {"value": "1", "currency": "CNY"}}), "wrong_type", "/entry/2/resource/payment/amount/value"),
        (benefit("1", [line()], payment={"amount": {"value": True, "currency": "CNY"}}), "wrong_type", "/entry/2/resource/payment/amount/value"),
    ],
)  # fmt: skip
def test_an_odd_resource_is_refused_where_it_is_odd_and_the_next_one_is_read(
    tmp_path: Path, changed: dict[str, Any], code: str, pointer: str
) -> None:
    """A refusal names its place; a good bill after it still becomes one."""
    (_, refusal), (good_no, good) = results(bundle(tmp_path, changed, benefit("2", [line()], id="good")), as_cny=False)
    assert isinstance(refusal, FormatRefused)
    assert (refusal.code, refusal.pointer) == (code, pointer)
    assert "Sample" not in str(refusal)
    assert good_no == "good"
    assert isinstance(good, BillRequest)


def test_two_currencies_in_one_bill_are_refused_even_when_read_as_yuan(tmp_path: Path) -> None:
    """--as-cny reads figures as yuan; it cannot add dollars to euros."""
    changed = benefit("1", [line()], payment={"amount": money("1", "EUR")})
    assert only_refusal(bundle(tmp_path, changed), as_cny=True).code == "currency_mixed"


def test_a_lone_surrogate_or_a_control_character_is_refused(tmp_path: Path) -> None:
    """Texts that may not be stored never reach a gateway."""
    for text in ("a\ud800", "a\nb"):
        changed = line()
        changed["productOrService"]["text"] = text
        assert only_refusal(bundle(tmp_path, benefit("1", [changed]))).code == "text_refused"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file_damaged"),
        (b"{", "file_damaged"),
        (b"\xff\xfe", "file_damaged"),
        (b'{"resourceType": "Bundle", "entry": [', "file_damaged"),
        (b"[" * 200_000, "file_damaged"),
        (b'{"a": NaN}', "file_damaged"),
        (b'{"a": ' + b"9" * 5000 + b"}", "file_damaged"),
        (b'{"resourceType": "Bundle", "resourceType": "Bundle"}', "file_damaged"),
        (b"[]", "wrong_type"),
        (b'{"resourceType": "Patient"}', "not_a_bundle"),
        (b'{"resourceType": "Bundle", "entry": [1]}', "wrong_type"),
    ],
)
def test_a_damaged_file_is_one_refusal_that_names_it(tmp_path: Path, content: bytes, code: str) -> None:
    """Nothing else is raised, so that the next file goes on."""
    path = tmp_path / "damaged.json"
    path.write_bytes(content)
    ((business_no, refusal),) = results(path)
    assert business_no == ""
    assert isinstance(refusal, FormatRefused)
    assert refusal.code == code
    assert "damaged.json" in str(refusal)


def test_a_file_that_is_not_there_is_a_refusal_too(tmp_path: Path) -> None:
    """Also a folder."""
    for path in (tmp_path / "absent.json", tmp_path):
        assert only_refusal(path).code == "file_unreadable"
