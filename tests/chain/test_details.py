"""The private part: committed to whole, shown field by field, and nothing else told (DESIGN 6)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.bill import Charge, Payer, PaymentParts, verify_request
from chain.codec import decode, encode
from chain.details import (
    FIELDS,
    LISTS,
    ROW_VALUES_MAX,
    ROWS_MAX,
    SLOTS,
    Details,
    OpenedField,
    PublicPart,
    business_mac,
    check_code,
    content_mac,
    details_of,
    details_root,
    expand,
    field_values,
    open_fields,
    request_of,
    token,
    verify_opened,
)
from chain.errors import ChainError, Malformed, ProofMalformed, ProofMismatch
from chain.merkle import hash_leaf
from tests.chain.making import bill_id, changed, details, request

BILL = bill_id(1)
PUBLIC = PublicPart("outpatient", "A01", 12_345, PaymentParts(insurance_fund_fen=6_172, cash_fen=6_173), 0, 0)


@pytest.mark.parametrize("name", sorted(FIELDS.values()))
def test_a_field_is_shown_without_the_others(name: str) -> None:
    private = details(BILL)
    (opened,) = open_fields(private, [name])
    verify_opened(opened, BILL, details_root(private))
    shown = encode(opened)
    for other, value in field_values(private).items():
        if other not in (name, "payer_id_type") and isinstance(value, str):  # "test" stands in the diagnosis too
            assert value.encode() not in shown


def test_who_sees_one_field_cannot_guess_another() -> None:
    """Names and identity numbers are few: without the salt each guess could be tried."""
    private = details(BILL)
    opened = open_fields(private, ["payer_type"])[0]
    path = b"".join(opened.path)
    name = field_values(private)["payer_name"]
    salts = [bytes(16), opened.salts[0], b""]
    for salt in salts:
        assert hash_leaf(encode([1, BILL, 3, 0, salt, name])) not in path


@pytest.mark.parametrize(("rows", "slots"), [(0, 16), (1, 16), (16, 16), (17, 32), (33, 64), (700, 1024)])
def test_a_list_is_padded_so_that_no_path_tells_its_length(rows: int, slots: int) -> None:
    lines = [Charge(f"{number}", "line", 1) for number in range(rows)] or [Charge("0", "line", 1)]
    private = details_of(BILL, b"s" * 32, request(charges=lines))
    if not rows:
        private = changed(private, fields=[field for field in private.fields if field[0] != 6])
    (opened,) = open_fields(private, ["charges"])
    assert len(opened.salts) == 1 + slots
    assert len(set(opened.salts)) == 1 + slots
    assert len(opened.path) == 5
    verify_opened(opened, BILL, details_root(private))


def test_another_value_bill_field_salt_or_path_leads_elsewhere() -> None:
    private = details(BILL)
    root = details_root(private)
    name, charges = open_fields(private, ["payer_name", "charges"])
    wrong: list[tuple[OpenedField, str]] = [
        (name, bill_id(2)),
        (changed(name, value="Somebody"), BILL),
        (changed(name, value=None), BILL),
        (changed(name, field=5), BILL),
        (changed(name, field=31), BILL),
        (changed(name, salts=[bytes(16)]), BILL),
        (changed(name, salts=[]), BILL),
        (changed(name, path=name.path[::-1]), BILL),
        (changed(charges, value=charges.value[::-1]), BILL),
        (changed(charges, value=[*charges.value, None]), BILL),
        (changed(charges, value=[*charges.value] * 20), BILL),
        (changed(charges, value="text"), BILL),
        (changed(charges, salts=charges.salts[1:]), BILL),
        (changed(name, value=[1, {2: 3.0}]), BILL),
    ]
    for opened, bill in wrong:
        with pytest.raises(ProofMismatch):
            verify_opened(opened, bill, root)
    with pytest.raises(ProofMalformed):
        verify_opened(changed(name, path=name.path[1:]), BILL, root)
    with pytest.raises(Malformed):
        verify_opened(changed(name, value=2**70), BILL, root)


def test_seed_and_bill_make_every_salt_and_code_their_own() -> None:
    one, other_seed = details(BILL), changed(details(BILL), seed=b"x" * 32)
    other_bill = changed(details(BILL), bill=bill_id(2))
    assert len({details_root(each) for each in (one, other_seed, other_bill)}) == 3
    assert check_code(one.seed, BILL) != check_code(one.seed, bill_id(2))
    assert len(check_code(one.seed, BILL)) == 6
    assert len(token(one.seed, BILL)) == 32
    assert len({expand(one.seed, name, 8160) for name in (b"a", b"b")}) == 2


def test_a_name_that_no_field_has_is_not_opened() -> None:
    with pytest.raises(KeyError):
        open_fields(details(BILL), ["password"])


def test_free_slots_and_free_fields_are_there_and_empty() -> None:
    """32 fixed slots: how many are filled cannot be told from a path."""
    private = changed(details(BILL), fields=[])
    for opened in open_fields(private, list(FIELDS.values())):
        assert len(opened.path) == 5
        assert opened.value == ([] if FIELDS[opened.field] in LISTS else None)
        verify_opened(opened, BILL, details_root(private))


# ── back to the request ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_office_adds_up_the_request_that_the_details_came_from() -> None:
    """DESIGN 6: the sealer checks the details' digest and adds them up again."""
    private = decode(encode(details(BILL)), Details)
    again = request_of(private, PUBLIC)
    assert again == request()
    verify_request(again)


@pytest.mark.parametrize("field", [0, 1, 3, 6, 10])
def test_details_without_a_needed_field_are_malformed(field: int) -> None:
    private = details(BILL)
    with pytest.raises(Malformed):
        request_of(changed(private, fields=[entry for entry in private.fields if entry[0] != field]), PUBLIC)


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@pytest.mark.parametrize(
    "value",
    [5, None, b"a", 1.5, True, {}, ["a"], [1], [[["a"]]], [["a", None]], [["a", 1.5]], [["a", True]], [[b"a"]], [[{}]]],
)
def test_a_value_is_text_or_rows_of_text_and_integers(value: Any) -> None:
    """Seen while decoding, so that nothing deep is ever built of a peer's bytes."""
    with pytest.raises(Malformed):
        decode(encode(changed(details(BILL), fields=[(6, value)])), Details)


@pytest.mark.parametrize(
    ("fields", "is_allowed"),
    [
        ([(6, [["a", 1]] * ROWS_MAX)], True),
        ([(6, [["a", 1]] * (ROWS_MAX + 1))], False),
        ([(6, [[1] * ROW_VALUES_MAX])], True),
        ([(6, [[1] * (ROW_VALUES_MAX + 1)])], False),
        ([(6, [])] * SLOTS, True),
        ([(6, [])] * (SLOTS + 1), False),
    ],
)
def test_fields_rows_and_values_are_bounded_while_decoding(fields: list[Any], is_allowed: bool) -> None:
    data = encode(changed(details(BILL), fields=fields))
    if is_allowed:
        assert encode(decode(data, Details)) == data
        return
    with pytest.raises(Malformed):
        decode(data, Details)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FIELDS)), junk)
def test_details_of_a_lying_hospital_raise_our_errors_only(field: int, value: Any) -> None:
    private = details(BILL)
    fields = [entry for entry in private.fields if entry[0] != field]
    bad = changed(private, fields=sorted([*fields, (field, value)], key=lambda entry: entry[0]))
    try:
        again = request_of(decode(encode(bad), Details), PUBLIC)
    except ChainError:
        return
    assert isinstance(again.business_no, str)
    assert isinstance(again.payer.name, str)
    assert all(isinstance(charge.amount_fen, int) for charge in again.charges)
    try:
        verify_request(again)
    except ChainError:
        return
    details_root(bad)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 31), junk, st.lists(st.binary(min_size=16, max_size=16), max_size=18))
def test_hostile_opened_fields_raise_our_errors_only(field: int, value: Any, salts: list[bytes]) -> None:
    with pytest.raises(ChainError):
        verify_opened(OpenedField(field, value, salts, [bytes(32)] * 5), BILL, bytes(32))


# ── sameness ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_operators_and_time_are_no_part_of_a_bill_s_content() -> None:
    """DESIGN 6: over the canonical request without number, salts, operator and business time."""
    key = b"k" * 32
    same = [
        request(),
        request(cashier="another", checker="nobody"),
        request(business_time="2026-06-02T00:00:00+08:00"),
    ]
    other = [
        request(total_fen=12_346),
        request(business_no="B-2"),
        request(place_code="A02"),
        request(payer=Payer("Another Person")),
        request(remark="x"),
        request(kind="inpatient"),
        request(self_paid_fen=1),
        request(charges=[Charge("01", "all", 12_345)]),
        request(items=[]),
    ]
    assert len({content_mac(key, each) for each in same}) == 1
    assert len({content_mac(key, each) for each in [same[0], *other]}) == 1 + len(other)
    assert content_mac(key, same[0]) != content_mac(b"l" * 32, same[0])
    assert business_mac(key, "B-1") != business_mac(b"l" * 32, "B-1")
    assert business_mac(key, "B-1") != business_mac(key, "B-2")
