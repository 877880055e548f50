"""What a bill's own figures and texts must agree on before it may use a number."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.bill import LINES_MAX, BillRequest, verify_request
from chain.codec import verify_text
from chain.errors import ContentRefused, TextRefused


def fields(**changes: Any) -> dict[str, Any]:
    """A request over 100.00 yuan: two charges, the second with two lines."""
    return {
        "kind": "outpatient",
        "business_no": "MZ-1",
        "business_time": "2026-11-21T10:00:00+08:00",
        "place_code": "A01",
        "payer": {"type": "person", "name": "样例"},
        "total_fen": 10_000,
        "payments": {"insurance_fund_fen": 6_000, "personal_account_fen": 1_000, "other_fen": 500, "cash_fen": 2_500},
        "self_paid_fen": 2_000,
        "self_funded_fen": 1_500,
        "charges": [
            {"code": "02", "name": "诊察费", "amount_fen": 4_000},
            {"code": "09", "name": "西药费", "amount_fen": 6_000},
            {"code": "14", "name": "其他费", "amount_fen": 0},
        ],
        "items": [
            {"charge_code": "09", "code": "a", "name": "药一", "quantity_milli": 3_000, "unit_price_e4": 133_333, "amount_fen": 4_000},
            {"charge_code": "09", "code": "b", "name": "药二", "quantity_milli": 500, "unit_price_e4": 400_000, "amount_fen": 2_000},
            {"charge_code": "14", "code": "c", "name": "减免", "quantity_milli": 1_000, "unit_price_e4": 0, "amount_fen": 0},
        ],
        "cashier": "收费员01",
    } | changes  # fmt: skip


def request(**changes: Any) -> BillRequest:
    return msgspec.convert(fields(**changes), BillRequest)


def refusal(**changes: Any) -> tuple[str, str]:
    with pytest.raises(ContentRefused) as caught:
        verify_request(request(**changes))
    return caught.value.code, caught.value.pointer


def changed(list_name: str, place: int, **changes: Any) -> dict[str, Any]:
    """The request's list with one entry changed."""
    entries = fields()[list_name]
    entries[place] |= changes
    return {list_name: entries}


def test_a_bill_whose_figures_agree_is_accepted() -> None:
    """With lines of 0, a charge without items, and a price that thirds."""
    verify_request(request())
    verify_request(request(items=[]))


@pytest.mark.parametrize("total", [0, -1, -10_000])
def test_a_bill_is_over_more_than_nothing(total: int) -> None:
    """Rule 1."""
    assert refusal(total_fen=total) == ("total_not_positive", "/total_fen")


@pytest.mark.parametrize("difference", [-1, 1])
def test_charges_off_by_one_fen_are_refused(difference: int) -> None:
    """Rule 2."""
    assert refusal(**changed("charges", 0, amount_fen=4_000 + difference)) == ("sum_mismatch", "/charges")


@pytest.mark.parametrize("part", ["insurance_fund_fen", "personal_account_fen", "other_fen", "cash_fen"])
@pytest.mark.parametrize("difference", [-1, 1])
def test_payments_off_by_one_fen_are_refused(part: str, difference: int) -> None:
    """Rule 3: every part counts."""
    payments = fields()["payments"]
    payments[part] += difference
    assert refusal(payments=payments) == ("sum_mismatch", "/payments")


def test_the_own_parts_fit_in_the_total() -> None:
    """Rule 4: together up to the total, and not a fen more."""
    verify_request(request(self_paid_fen=8_500))
    assert refusal(self_paid_fen=8_501) == ("own_part_exceeds_total", "/self_paid_fen")


@pytest.mark.parametrize("difference", [-1, 1])
def test_items_off_by_one_fen_name_their_charge(difference: int) -> None:
    """Rule 5: the pointer is the charge's, also when it is the last one."""
    assert refusal(**changed("items", 1, amount_fen=2_000 + difference)) == ("sum_mismatch", "/charges/1")
    assert refusal(**changed("items", 2, amount_fen=difference)) == ("sum_mismatch", "/charges/2")


def test_an_item_belongs_to_a_charge_of_the_bill() -> None:
    """Rule 5."""
    assert refusal(**changed("items", 1, charge_code="10")) == ("charge_unknown", "/items/1/charge_code")


def test_a_charge_code_stands_on_a_bill_once() -> None:
    """Rule 5: else items would not know which is theirs."""
    assert refusal(**changed("charges", 2, code="02")) == ("charge_repeated", "/charges/2/code")


def test_quantity_times_price_may_differ_by_a_fen_and_no_more() -> None:
    """Rule 6: 3 times 13.3333 yuan is 39.9999."""
    verify_request(request(**changed("items", 0, unit_price_e4=133_366)))  # 40.0098
    verify_request(request(**changed("items", 1, unit_price_e4=400_200)))  # 20.0100, a fen exactly
    assert refusal(**changed("items", 1, unit_price_e4=400_201)) == ("line_mismatch", "/items/1")
    assert refusal(**changed("items", 1, unit_price_e4=399_799)) == ("line_mismatch", "/items/1")


def test_a_rounding_line_may_be_negative() -> None:
    """DOMAIN 2.4; its sum still has to be right."""
    charges = [*fields()["charges"], {"code": "HBWC", "name": "货币误差", "amount_fen": -4}]
    payments = {"cash_fen": 9_996}
    verify_request(request(charges=charges, payments=payments, total_fen=9_996))
    assert refusal(charges=charges) == ("sum_mismatch", "/charges")


@pytest.mark.parametrize(
    "text",
    ["a\ud800", "\udfffa", "a\x00", "a\n", "a\tb", "\x1b[31m", "a\x7f", "a\x85", "a\u2028b", "e\u0301", "\u212b", "a\uffff"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"payer": {"name": "TEXT"}}, "/payer/name"),
        ({"business_no": "TEXT"}, "/business_no"),
        ({"cashier": "TEXT"}, "/cashier"),
        ({"remark": "TEXT"}, "/remark"),
        ({"visit": {"diagnosis": "TEXT"}}, "/visit/diagnosis"),
        (changed("charges", 2, unit="TEXT"), "/charges/2/unit"),
        (changed("items", 1, name="TEXT"), "/items/1/name"),
    ],
)
def test_a_text_that_may_not_be_stored_is_refused_wherever_it_stands(
    text: str, changes: dict[str, Any], pointer: str
) -> None:
    """Rule 7: lone surrogates, control characters, unassigned ones, and what is not in normal form C."""

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: put(entry) for name, entry in value.items()}
        if isinstance(value, list):
            return [put(entry) for entry in value]
        return text if value == "TEXT" else value

    assert refusal(**put(changes)) == ("text_refused", pointer)


def test_a_refusal_repeats_no_text_of_the_bill() -> None:
    """DESIGN 1, principle 6: no personal data in an error."""
    with pytest.raises(ContentRefused) as caught:
        verify_request(request(payer={"name": "王样例\n"}))
    assert "王" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"unknown": 1},
        {"kind": "dental"},
        {"business_no": ""},
        {"business_no": "x" * 51},
        {"place_code": "A 01"},
        {"place_code": ""},
        {"payer": {"name": ""}},
        {"payer": {"name": "a", "type": "robot"}},
        {"total_fen": 10_000.0},
        {"total_fen": "10000"},
        {"total_fen": True},
        {"total_fen": 10**15 + 1},
        {"payments": {"cash_fen": -1, "other_fen": 10_001}},
        {"payments": {"gold_fen": 1}},
        {"self_paid_fen": -1},
        {"charges": []},
        {"charges": [{"code": "1", "name": "a", "amount_fen": 0}] * (LINES_MAX + 1)},
        {"charges": {"code": "1"}},
        changed("items", 0, quantity_milli=1.5),
        changed("items", 0, quantity_milli=-1),
        changed("items", 0, quantity_milli=10**15 + 1),
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_shape_is_no_request(changes: dict[str, Any]) -> None:
    """Unknown members, other types, floats where whole numbers belong, more than the bounds."""
    with pytest.raises(msgspec.ValidationError):
        request(**changes)


lines = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 10**6), st.integers(0, 10**8)),  # charge, quantity, price
    min_size=1,
    max_size=12,
)


@given(lines, st.tuples(*[st.integers(0, 10**6)] * 3), st.integers(-1, 1))
@settings(max_examples=200, deadline=None)
def test_a_bill_is_accepted_exactly_when_its_sums_agree(
    chosen: list[tuple[int, int, int]], shares: tuple[int, int, int], difference: int
) -> None:
    """Whatever the quantities and prices: sums made from the lines hold, and fail when any one is off by a fen."""
    items = [
        {
            "charge_code": f"{charge:02d}",
            "code": str(place),
            "name": "x",
            "quantity_milli": quantity,
            "unit_price_e4": price,
            "amount_fen": (quantity * price + 50_000) // 100_000,
        }
        for place, (charge, quantity, price) in enumerate(chosen)
    ]
    charges = [
        {"code": code, "name": "x", "amount_fen": sum(item["amount_fen"] for item in items if item["charge_code"] == code)}
        for code in sorted({str(item["charge_code"]) for item in items})
    ]  # fmt: skip
    total = sum(charge["amount_fen"] for charge in charges)
    fund, account, other = (min(share, total // 3) for share in shares)
    payments = {
        "insurance_fund_fen": fund,
        "personal_account_fen": account,
        "other_fen": other,
        "cash_fen": total - fund - account - other,
    }
    good = fields(items=items, charges=charges, payments=payments, total_fen=total, self_paid_fen=0, self_funded_fen=0)
    if total == 0:
        assert refusal(**good) == ("total_not_positive", "/total_fen")
        return
    verify_request(request(**good))
    if difference:
        assert refusal(**good | {"total_fen": total + difference})[0] in {"sum_mismatch", "total_not_positive"}
        moved = [
            charge | {"amount_fen": charge["amount_fen"] + difference * (place == 0)}
            for place, charge in enumerate(charges)
        ]
        paid = payments | {"cash_fen": payments["cash_fen"] + difference}
        if paid["cash_fen"] >= 0 and total + difference > 0:
            wrong = good | {"charges": moved, "payments": paid, "total_fen": total + difference}
            assert refusal(**wrong) == ("sum_mismatch", "/charges/0")


@given(text=st.text(max_size=20), other=st.text(max_size=6))
def test_a_request_is_refused_for_exactly_the_texts_that_may_not_be_stored(text: str, other: str) -> None:
    """They are looked at together first: neither what JSON escapes nor what meets at a border may change the verdict."""
    given_fields = fields(remark=text, checker=other)
    request = msgspec.structs.replace(
        msgspec.convert(fields(), BillRequest), remark=given_fields["remark"], checker=given_fields["checker"]
    )

    def may_be_stored(one: str) -> bool:
        try:
            verify_text(one)
        except TextRefused:
            return False
        return True

    bad = [f"/{name}" for name in ("checker", "remark") if not may_be_stored(given_fields[name])]
    if not bad:
        verify_request(request)
        return
    with pytest.raises(ContentRefused) as refused:
        verify_request(request)
    assert (refused.value.code, refused.value.pointer) == ("text_refused", bad[0])


def test_an_unknown_payer_has_no_number() -> None:
    """Rule 7: an emergency's patient; whose number is known is known."""
    verify_request(request(payer={"type": "unknown", "name": "无名氏"}))
    for number in ({"id_number": "TEST-1"}, {"id_type": "passport"}):
        payer = {"type": "unknown", "name": "无名氏", **number}
        assert refusal(payer=payer) == ("payer_has_number", "/payer/id_number")
    with pytest.raises(msgspec.ValidationError):
        request(payer={"type": "nobody", "name": "无名氏"})
