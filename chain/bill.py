"""A bill as its hospital states it: the request of `POST /v1/bills`, and whether its own figures agree.

Only a small part of it goes on the chain (`operation.IssueBill`); the rest are private details (`details.py`).
Sources: DA/T 95-2022 table B.10; the common face block of provincial bills (DOMAIN 1.3, 1.4).
"""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, Literal

import msgspec

from chain.codec import PlaceCode, verify_text
from chain.errors import ContentRefused, TextRefused

KINDS: dict[str, int] = {"outpatient": 1, "inpatient": 2, "registration": 3, "checkup": 4}
KIND_NAMES = {number: name for name, number in KINDS.items()}

Text = Annotated[str, msgspec.Meta(max_length=128)]
ShortText = Annotated[str, msgspec.Meta(max_length=32)]
RequiredText = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
BusinessNo = Annotated[str, msgspec.Meta(min_length=1, max_length=50)]
Group = Annotated[str, msgspec.Meta(max_length=50)]
Amount = Annotated[int, msgspec.Meta(ge=0, le=10**15)]  # fen
SignedAmount = Annotated[int, msgspec.Meta(ge=-(10**15), le=10**15)]  # fen; a rounding line may be negative
Quantity = Annotated[int, msgspec.Meta(ge=0, le=10**15)]  # 1/1,000 of the unit
Price = Annotated[int, msgspec.Meta(ge=-(10**15), le=10**15)]  # 1/10,000 yuan

LINES_MAX = 1_000


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False, omit_defaults=True):
    """Base of the parts of a request. JSON objects; unknown fields are refused."""


class Payer(Part, frozen=True):
    """Who pays. `unknown`: an emergency's patient of whom nobody knows yet who it is; `name` is what the hospital calls him."""

    name: RequiredText
    type: Literal["person", "unit", "unknown"] = "person"
    id_type: ShortText = ""  # resident identity card, passport, unified social credit code …
    id_number: ShortText = ""


class PaymentParts(Part, frozen=True):
    """Who pays how much; together the total."""

    insurance_fund_fen: Amount = 0
    personal_account_fen: Amount = 0
    other_fen: Amount = 0
    cash_fen: Amount = 0


class Charge(Part, frozen=True):
    """A line of the face: a charge category."""

    code: ShortText
    name: RequiredText
    amount_fen: SignedAmount
    quantity_milli: Quantity = 1000
    unit: ShortText = ""


class Item(Part, frozen=True):
    """A line of the detail list: a drug or service, under a charge."""

    charge_code: ShortText
    code: ShortText
    name: RequiredText
    quantity_milli: Quantity
    unit_price_e4: Price
    amount_fen: SignedAmount
    specification: Text = ""
    unit: ShortText = ""


class Visit(Part, frozen=True):
    """The visit that the bill is for (DOMAIN 1.4); which fields are filled depends on the kind."""

    institution_type: Text = ""
    sex: ShortText = ""
    age: ShortText = ""
    insurance_type: Text = ""
    insurance_id: Text = ""
    insurance_settlement_no: Text = ""
    outpatient_no: Text = ""
    visit_date: ShortText = ""
    medical_record_no: Text = ""
    admission_no: Text = ""
    department: Text = ""
    ward: Text = ""
    bed_no: ShortText = ""
    admitted: ShortText = ""  # dates as text, as the hospital writes them
    discharged: ShortText = ""
    days: ShortText = ""
    billable_start: ShortText = ""
    billable_end: ShortText = ""
    diagnosis: Text = ""
    deposit_paid_fen: Amount = 0
    top_up_fen: Amount = 0
    refund_fen: Amount = 0


class BillRequest(Part, frozen=True):
    """One bill to issue. Times are RFC 3339 with zone; money is whole fen."""

    kind: Literal["outpatient", "inpatient", "registration", "checkup"]
    business_no: BusinessNo  # the hospital's own serial: unique per hospital for ever
    business_time: Annotated[str, msgspec.Meta(max_length=35)]
    place_code: PlaceCode  # issuing point
    payer: Payer
    total_fen: Annotated[int, msgspec.Meta(ge=-(10**15), le=10**15)]
    payments: PaymentParts
    charges: Annotated[list[Charge], msgspec.Meta(min_length=1, max_length=LINES_MAX)]
    cashier: RequiredText
    items: Annotated[list[Item], msgspec.Meta(max_length=LINES_MAX)] = []
    self_paid_fen: Amount = 0
    self_funded_fen: Amount = 0
    visit: Visit = msgspec.field(default_factory=Visit)
    checker: Text = ""
    remark: Text = ""
    group: Group = ""  # the hospital's own number of the settlement that several bills belong to


def verify_request(request: BillRequest) -> None:
    """Check that a bill's figures agree and its texts may be stored. Uses no number and knows no state.

    1. the total is positive; 2. the charges add up to it; 3. so do the payments; 4. the own parts fit in it;
    5. items add up to their charges; 6. quantity times price is the amount, within 1 fen; 7. a payer who is unknown has
    no number; 8. texts are storable.
    Raises ContentRefused with a JSON pointer to the list or field that differs.
    """
    if request.total_fen <= 0:  # 1
        raise ContentRefused("total_not_positive", "/total_fen", "a bill is over more than nothing")
    charged = sum(charge.amount_fen for charge in request.charges)
    if charged != request.total_fen:  # 2
        raise ContentRefused(
            "sum_mismatch", "/charges", f"they add up to {charged} fen, the total is {request.total_fen}"
        )
    parts = request.payments
    paid = parts.insurance_fund_fen + parts.personal_account_fen + parts.other_fen + parts.cash_fen
    if paid != request.total_fen:  # 3
        raise ContentRefused(
            "sum_mismatch", "/payments", f"they add up to {paid} fen, the total is {request.total_fen}"
        )
    if request.self_paid_fen + request.self_funded_fen > request.total_fen:  # 4
        raise ContentRefused(
            "own_part_exceeds_total", "/self_paid_fen", "own share and uncovered part exceed the total"
        )
    _verify_lines(request)  # 5, 6
    payer = request.payer
    if payer.type == "unknown" and (payer.id_type or payer.id_number):  # 7
        raise ContentRefused("payer_has_number", "/payer/id_number", "whose number is known is no unknown payer")
    _verify_texts(request)  # 8


def _verify_lines(request: BillRequest) -> None:
    places: dict[str, int] = {}
    for index, charge in enumerate(request.charges):
        if charge.code in places:
            raise ContentRefused("charge_repeated", f"/charges/{index}/code", "each charge code once")
        places[charge.code] = index
    sums: dict[str, int] = {}
    for index, item in enumerate(request.items):
        if item.charge_code not in places:
            raise ContentRefused("charge_unknown", f"/items/{index}/charge_code", "no charge has this code")
        sums[item.charge_code] = sums.get(item.charge_code, 0) + item.amount_fen
        # 1/1,000 times 1/10,000 yuan is 1/100,000 fen
        if abs(item.quantity_milli * item.unit_price_e4 - item.amount_fen * 100_000) > 100_000:
            raise ContentRefused("line_mismatch", f"/items/{index}", "quantity times price is not the amount")
    for code, total in sums.items():
        index = places[code]
        if total != request.charges[index].amount_fen:
            raise ContentRefused(
                "sum_mismatch",
                f"/charges/{index}",
                f"its items add up to {total} fen, the charge is {request.charges[index].amount_fen}",
            )


def _verify_texts(request: BillRequest) -> None:
    with contextlib.suppress(UnicodeError, OverflowError, TextRefused):  # then one by one, for the pointer
        together = msgspec.json.encode(request).decode()  # what JSON escapes is a quotation mark, or to be looked at
        if "\\" not in together:
            verify_text(together)
            return

    def walk(value: Any, pointer: str) -> None:
        if isinstance(value, str):
            try:
                verify_text(value)
            except TextRefused as refusal:
                raise ContentRefused("text_refused", pointer, str(refusal)) from None
        elif isinstance(value, list):
            for index, entry in enumerate(value):
                walk(entry, f"{pointer}/{index}")
        elif isinstance(value, msgspec.Struct):
            for name in value.__struct_fields__:
                walk(getattr(value, name), f"{pointer}/{name}")

    walk(request, "")
