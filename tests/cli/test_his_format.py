"""Bill bodies of hospital systems become bills, or say where they do not; the sample bodies are what their script writes."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chain.bill import BillRequest, verify_request
from cli.formats import READERS, FormatRefused

NOW = "2026-10-14T10:00:00+08:00"
SAMPLES = Path(__file__).parents[2] / "samples"
FILES = sorted((SAMPLES / "his").glob("*.json"))


def results(path: Path, **options: Any) -> list[tuple[str, BillRequest | FormatRefused]]:
    return list(READERS["his"](path, **({"as_cny": False, "now": NOW, "place_code": "Z9"} | options)))


def body(**changes: Any) -> dict[str, Any]:
    """One body of 12.50 yuan; None takes a member away."""
    members = {
        "busNo": "MZ1",
        "busType": "02",
        "payer": "样例",
        "busDateTime": "20261013081500123",
        "placeCode": "A01",
        "payee": "收费员01",
        "totalAmt": "12.50",
        "fundPay": "5.00",
        "accountPay": 2.5,
        "chargeDetail": [{"chargeCode": "09", "chargeName": "西药费", "number": 1, "amt": "12.50"}],
        "listDetail": [
            {"chargeCode": "09", "code": "a", "name": "药一", "std": "3.3330", "number": "3.00", "amt": "9.9990"},
            {"chargeCode": "09", "code": "b", "name": "药二", "std": "2.5010", "number": "1.00", "amt": "2.5010"},
        ],
    } | changes
    return {name: value for name, value in members.items() if value is not None}


def written(folder: Path, *bodies: Any) -> Path:
    path = folder / "bodies.json"
    path.write_text(json.dumps(bodies, ensure_ascii=True), encoding="utf-8")
    return path


def only_bill(folder: Path, **changes: Any) -> BillRequest:
    ((_, found),) = results(written(folder, body(**changes)))
    assert isinstance(found, BillRequest), found
    return found


def test_the_script_writes_the_committed_samples_byte_for_byte(tmp_path: Path) -> None:
    """Seeded, and the same on every Python."""
    script = SAMPLES / "make_his_bills.py"
    subprocess.run([sys.executable, "-I", str(script), "--out", str(tmp_path)], check=True, timeout=60)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in FILES
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_sample_body_becomes_a_bill_of_its_own_total(path: Path) -> None:
    """Totals and parts are taken from the file by code of the test's own."""
    bodies = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    found = results(path)
    assert [no for no, _ in found] == [one["busNo"] for one in bodies]
    for one, (_, request) in zip(bodies, found, strict=True):
        assert isinstance(request, BillRequest), request
        verify_request(request)
        assert request.total_fen == Decimal(one["totalAmt"]) * 100
        assert request.total_fen == sum(Decimal(line["amt"]) for line in one["chargeDetail"]) * 100
        assert request.total_fen == sum(Decimal(line["payChannelValue"]) for line in one["payChannelDetail"]) * 100
        assert request.payments.insurance_fund_fen == Decimal(one["fundPay"]) * 100
        assert request.payments.cash_fen == Decimal(one["selfCashPay"]) * 100
        assert request.self_funded_fen == Decimal(one["ownPay"]) * 100


def test_the_samples_hold_what_hospitals_send() -> None:
    """Both hospitals and all kinds, lines of nothing, rounding lines, a group of bills, units as payers."""
    requests = [request for path in FILES for _, request in results(path) if isinstance(request, BillRequest)]
    assert len(requests) >= 240
    assert {request.place_code for request in requests} == {"A01", "A02", "B01"}
    assert {request.kind for request in requests} == {"outpatient", "inpatient", "registration", "checkup"}
    assert {request.payer.type for request in requests} == {"person", "unit"}
    assert any(item.amount_fen == 0 for request in requests for item in request.items)
    roundings = [charge.amount_fen for request in requests for charge in request.charges if charge.name == "货币误差"]
    assert min(roundings) < 0 < max(roundings)
    assert sum("同笔业务" in request.remark for request in requests) == 3
    assert len({request.business_no for request in requests}) == len(requests)


def test_a_body_becomes_a_bill(tmp_path: Path) -> None:
    """DOMAIN 2.3: names of the interface to names of the ledger."""
    request = only_bill(
        tmp_path,
        idCardNo="990000196506124585",
        medCareTypeCode="01",
        ownPay=1,
        selfPayAmt="4.00",
        checker="复核员",
        sex="女",
    )
    assert (request.kind, request.business_no, request.place_code) == ("outpatient", "MZ1", "A01")
    assert request.business_time == "2026-10-13T08:15:00.123+08:00"
    assert (request.payer.id_type, request.payer.id_number) == ("resident_identity_card", "990000196506124585")
    assert request.payments.insurance_fund_fen == 500
    assert request.payments.personal_account_fen == 250
    assert request.payments.cash_fen == 500
    assert (request.self_funded_fen, request.self_paid_fen) == (100, 400)
    assert (request.visit.insurance_type, request.visit.visit_date) == ("城镇职工基本医疗保险", "2026-10-13")
    assert (request.cashier, request.checker, request.visit.sex) == ("收费员01", "复核员", "女")


def test_detail_lines_of_four_decimals_add_up_to_their_charge(tmp_path: Path) -> None:
    """Three lines of 0.335 are 1.005, hence a charge of 1.01; none is off by more than a fen."""
    lines = [{"chargeCode": "09", "name": "药", "std": "0.3350", "number": 1, "amt": "0.3350"}] * 3
    charge = [{"chargeCode": "09", "chargeName": "西药费", "amt": 1.01}]
    request = only_bill(tmp_path, totalAmt=1.01, fundPay=0, accountPay=0, listDetail=lines, chargeDetail=charge)
    assert [item.amount_fen for item in request.items] == [34, 33, 34]


def test_a_rounding_line_may_take_something_away(tmp_path: Path) -> None:
    """DOMAIN 2.4: the line for the difference of currency absorbs fractions."""
    charges = [*body()["chargeDetail"], {"chargeCode": "HBWC", "chargeName": "货币误差", "amt": "-0.04"}]
    assert only_bill(tmp_path, chargeDetail=charges, totalAmt="12.46").charges[1].amount_fen == -4


@pytest.mark.parametrize(
    ("code", "kind"),
    [("01", "inpatient"), ("02", "outpatient"), ("03", "outpatient"), ("04", "outpatient"), ("05", "checkup"), ("06", "registration")],
)  # fmt: skip
def test_the_business_type_gives_the_kind(tmp_path: Path, code: str, kind: str) -> None:
    """DOMAIN 2.3, code list."""
    assert only_bill(tmp_path, busType=code).kind == kind


def test_an_inpatient_bill_tells_what_was_deposited(tmp_path: Path) -> None:
    """DOMAIN 1.4: deposit, top-up and refund stand on the face."""
    visit = only_bill(
        tmp_path, busType="01", hospitalNo="Z1", inHospitalDate="2026-10-10", outHospitalDate="2026-10-13",
        cashPay="100", chequePay="50.5", cashRefund="7.25", bedNo="3床",
    ).visit  # fmt: skip
    assert (visit.deposit_paid_fen, visit.top_up_fen, visit.refund_fen) == (15050, 0, 725)
    assert (visit.admission_no, visit.admitted, visit.discharged, visit.bed_no) == (
        "Z1",
        "2026-10-10",
        "2026-10-13",
        "3床",
    )


def test_a_body_of_long_ago_is_issued_now(tmp_path: Path) -> None:
    """The ledger refuses business dates far behind; nothing else in the bill depends on the time of import."""
    path = written(tmp_path, body())
    ((_, early),) = results(path)
    ((_, late),) = results(path, now="2027-01-05T00:00:00+08:00")
    assert isinstance(early, BillRequest)
    assert isinstance(late, BillRequest)
    assert (early.business_time[:10], late.business_time) == ("2026-10-13", "2027-01-05T00:00:00+08:00")
    assert late.visit == early.visit
    assert late.remark == early.remark


def test_a_body_without_an_issuing_point_takes_the_one_of_the_import(tmp_path: Path) -> None:
    """Older systems send none."""
    assert only_bill(tmp_path, placeCode=None).place_code == "Z9"


@pytest.mark.parametrize(
    ("changed", "code", "pointer"),
    [
        (7, "wrong_type", "/0"),
        (body(busNo=None), "member_missing", "/0/busNo"),
        (body(busNo=17), "wrong_type", "/0/busNo"),
        (body(busNo="x" * 51), "field_refused", "/0"),
        (body(busType="07"), "kind_not_a_bill", "/0/busType"),
        (body(busDateTime="2026-10-13"), "time_malformed", "/0/busDateTime"),
        (body(busDateTime="20261332081500123"), "time_malformed", "/0/busDateTime"),
        (body(totalAmt="12,50"), "wrong_type", "/0/totalAmt"),
        (body(totalAmt="NaN"), "wrong_type", "/0/totalAmt"),
        (body(totalAmt=True), "wrong_type", "/0/totalAmt"),
        (body(totalAmt=10**13), "amount_out_of_range", "/0/totalAmt"),
        (body(totalAmt="0.00"), "total_not_positive", "/0/totalAmt"),
        (body(totalAmt="-12.50"), "total_not_positive", "/0/totalAmt"),
        (body(totalAmt="12.51"), "sum_mismatch", "/0"),
        (body(fundPay="20"), "field_refused", "/0"),
        (body(selfCashPay="5.01"), "sum_mismatch", "/0/selfCashPay"),
        (body(payChannelDetail=[{"payChannelCode": "02", "payChannelValue": "12.49"}]), "sum_mismatch", "/0/payChannelDetail"),
        (body(payerType="3"), "field_refused", "/0/payerType"),
        (body(payer="a\u0007"), "text_refused", "/0"),
        (body(payer="a\ud800"), "text_refused", "/0"),
        (body(placeCode="nowhere at all, much too long"), "field_refused", "/0"),
        (body(chargeDetail={}), "wrong_type", "/0/chargeDetail"),
        (body(chargeDetail=None), "field_refused", "/0"),
        (body(listDetail=[{"chargeCode": "09", "name": "x", "std": 1, "amt": 1}]), "sum_mismatch", "/0"),
        (body(listDetail=[{"chargeCode": "99", "name": "x", "std": 1, "amt": 1}]), "charge_unknown", "/0"),
        (body(listDetail=[{"chargeCode": "09", "name": "x", "std": 1, "number": 2, "amt": 12.5}]), "line_mismatch", "/0"),
    ],
)  # fmt: skip
def test_an_odd_body_is_refused_where_it_is_odd_and_the_next_one_is_read(
    tmp_path: Path, changed: Any, code: str, pointer: str
) -> None:
    """A refusal names its place and repeats nothing of the patient; a good body after it still becomes a bill."""
    (_, refusal), (good_no, good) = results(written(tmp_path, changed, body(busNo="GOOD")))
    assert isinstance(refusal, FormatRefused)
    assert (refusal.code, refusal.pointer) == (code, pointer)
    assert "样例" not in str(refusal)
    assert good_no == "GOOD"
    assert isinstance(good, BillRequest)


@pytest.mark.parametrize(
    ("content", "code"), [(b"[{]", "file_damaged"), (b"{}", "not_a_list"), (b"\xd5\xd4", "file_damaged")]
)
def test_a_damaged_file_is_one_refusal_that_names_it(tmp_path: Path, content: bytes, code: str) -> None:
    """Nothing is raised; GBK is not UTF-8."""
    path = tmp_path / "damaged.json"
    path.write_bytes(content)
    ((business_no, refusal),) = results(path)
    assert business_no == ""
    assert isinstance(refusal, FormatRefused)
    assert (refusal.code, "damaged.json" in str(refusal)) == (code, True)
