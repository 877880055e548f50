"""Bills of a CSV file: all rows with one business number are one bill, a row is a line of it. Columns: `csv_columns.py`.

1. What is of the bill stands in any of its rows; two that differ are refused. 2. Rows of one charge code make one charge, whose
amount is their sum; a row with `item_name` is a detail under it, and then all rows of that charge are. 3. Cash is what is
left of the total where it is not stated. 4. A bill is issued at its own time, or now when the ledger would find that too long ago.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.intake.document import ARITHMETIC, Element, Read, build_request, fen, units
from api.intake.errors import FormatRefused
from api.intake.his_body import CHINA
from chain.bill import BillRequest
from cli.formats.csv_columns import BILL, COLUMNS, KINDS, PAYER_TYPES, VISIT_AMOUNTS, VISIT_TEXTS
from cli.formats.csv_file import CsvFile, Row, load_csv

DAYS_BEHIND_MAX = 3  # a business date further behind the import is not claimed; keep it within genesis' own bound
LOCAL_TIME = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[ T](\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
ZONED_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})", re.ASCII)
CASHIER = "import"
OF_BILL = tuple(column.name for column in COLUMNS if column.of == BILL)


def read(path: Path, *, as_cny: bool, now: str, place_code: str) -> Read:
    """The bills of a file; the figures are yuan whatever `as_cny` says. `place_code` serves bills that name none."""
    try:
        file = load_csv(path)
    except FormatRefused as refusal:
        yield "", refusal
        return
    yield from bills_of(file, now, place_code)


def bills_of(file: CsvFile, now: str, place_code: str) -> Read:
    """The bills of a file that was read, in the order of their first rows; each business number once."""
    groups: dict[str, list[Row]] = {}
    for row in file.rows:
        groups.setdefault(row.values.get("business_no", ""), []).append(row)
    oldest = datetime.fromisoformat(now).astimezone(CHINA).date() - timedelta(days=DAYS_BEHIND_MAX)
    for business_no, rows in groups.items():
        try:
            if file.refusal is not None:
                raise file.refusal
            yield business_no, _bill(business_no, rows, len(file.heading), now, oldest.isoformat(), place_code)
        except FormatRefused as refusal:
            yield business_no, refusal


def _bill(business_no: str, rows: list[Row], width: int, now: str, oldest: str, place_code: str) -> BillRequest:
    first = _at(rows[0], "")
    if not business_no:
        raise FormatRefused("member_missing", _at(rows[0], "business_no").pointer)
    for row in rows:
        if any(cell.strip() for cell in row.cells[width:]):
            raise FormatRefused("row_malformed", _at(row, "").pointer, "more cells than the header has")
    bill = _of_bill(rows)
    total = fen(bill["total"].decimal(written=True)) if "total" in bill else None
    if total is None:
        raise FormatRefused("member_missing", f"{first.pointer}/total")
    if total <= 0:
        raise FormatRefused("total_not_positive", bill["total"].pointer)
    payments = {f"{name}_fen": _fen(bill, name) for name in ("insurance_fund", "personal_account", "other")}
    payments["cash_fen"] = _fen(bill, "cash") if "cash" in bill else total - sum(payments.values())
    if payments["cash_fen"] < 0:
        raise FormatRefused("sum_mismatch", f"{first.pointer}/total", "the payments exceed the total")
    own_time = _time(bill["business_time"]) if "business_time" in bill else now
    charges, items = _lines(rows)
    visit: dict[str, Any] = {name: bill[name].text() for name in VISIT_TEXTS if name in bill}
    visit |= {f"{name}_fen": _fen(bill, name) for name in VISIT_AMOUNTS if name in bill}
    fields = {
        "kind": _one_of(bill, "kind", KINDS),
        "business_no": business_no,
        "business_time": own_time if own_time[:10] >= oldest else now,
        "place_code": _text(bill, "place_code") or place_code,
        "payer": {
            "type": _one_of(bill, "payer_type", PAYER_TYPES) if "payer_type" in bill else "person",
            "name": _text(bill, "payer_name"),
            "id_type": _text(bill, "payer_id_type"),
            "id_number": _text(bill, "payer_id_number"),
        },
        "total_fen": total,
        "payments": payments,
        "self_paid_fen": _fen(bill, "self_paid"),
        "self_funded_fen": _fen(bill, "self_funded"),
        "charges": charges,
        "items": items,
        "visit": visit,
        "cashier": _text(bill, "cashier") or CASHIER,
        "checker": _text(bill, "checker"),
        "remark": _text(bill, "remark"),
        "group": _text(bill, "group"),
    }
    return build_request(fields, first)


def _at(row: Row, name: str) -> Element:
    """A cell and where it stands: line of the file, column."""
    place = f"/{row.line}/{name}" if name else f"/{row.line}"
    return Element(row.values.get(name, ""), place)


def _of_bill(rows: list[Row]) -> dict[str, Element]:
    """What is stated of the bill. Raises FormatRefused (rows_differ)."""
    found: dict[str, Element] = {}
    for row in rows:
        for name in OF_BILL:
            value = row.values.get(name, "")
            if not value:
                continue
            known = found.setdefault(name, _at(row, name))
            if known.value != value:
                raise FormatRefused("rows_differ", _at(row, name).pointer, "another row of this bill says otherwise")
    return found


def _text(bill: dict[str, Element], name: str) -> str:
    return bill[name].text() if name in bill else ""


def _fen(bill: dict[str, Element], name: str) -> int:
    return fen(bill[name].decimal(written=True)) if name in bill else 0


def _one_of(bill: dict[str, Element], name: str, words: dict[str, str]) -> str:
    """An English word, or the Chinese one for it; what is neither goes on, to be refused with all else."""
    text = _text(bill, name)
    return words.get(text, text)


def _time(place: Element) -> str:
    """RFC 3339; without a zone it is China's. Raises FormatRefused (time_malformed)."""
    text = place.text()
    try:
        if ZONED_TIME.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(CHINA).isoformat(timespec="milliseconds")
        local = LOCAL_TIME.fullmatch(text)
        if local is None:
            raise ValueError
        year, month, day, hour, minute, second = (int(part or 0) for part in local.groups())
        return datetime(year, month, day, hour, minute, second, tzinfo=CHINA).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError):
        raise FormatRefused("time_malformed", place.pointer, "2026-03-01 09:30:00 belongs here") from None


def _lines(rows: list[Row]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Charges and details (rule 2)."""
    charges: dict[str, dict[str, Any]] = {}
    has_details: dict[str, bool] = {}  # charge code -> whether its rows are details
    items = []
    for row, code, name in _charged(rows):
        amount = fen(_need(row, "amount").decimal(written=True))
        is_detail = bool(row.values.get("item_name"))
        if has_details.setdefault(code, is_detail) != is_detail:
            raise FormatRefused(
                "member_missing", _at(row, "item_name").pointer, "other rows of this charge are details"
            )
        charge = charges.setdefault(code, {"code": code, "name": name, "amount_fen": 0})
        charge["amount_fen"] += amount
        if is_detail:
            items.append(_item(row, code, amount))
        elif row.values.get("unit") and "unit" not in charge:
            charge |= {"unit": _at(row, "unit").text(), "quantity_milli": _quantity(row)}
    return list(charges.values()), items


def _charged(rows: list[Row]) -> Iterator[tuple[Row, str, str]]:
    for row in rows:
        yield row, _need(row, "charge_code").text(), _need(row, "charge_name").text()


def _need(row: Row, name: str) -> Element:
    place = _at(row, name)
    if not place.value:
        raise FormatRefused("member_missing", place.pointer)
    return place


def _quantity(row: Row) -> int:
    """In 1/1,000; 1 when empty."""
    place = _at(row, "quantity")
    return units(place.decimal(written=True), 3) if place.value else 1000


def _item(row: Row, charge_code: str, amount_fen: int) -> dict[str, Any]:
    quantity, price = _quantity(row), _at(row, "price")
    if price.value:
        price_e4 = units(price.decimal(written=True), 4)
    else:  # 1/100 yuan by 1/1,000 of the unit is 10 yuan
        price_e4 = units(ARITHMETIC.divide(Decimal(amount_fen * 10), Decimal(quantity)), 4) if quantity else 0
    return {
        "charge_code": charge_code,
        "code": _at(row, "item_code").text(),
        "name": _need(row, "item_name").text(),
        "specification": _at(row, "specification").text(),
        "unit": _at(row, "unit").text(),
        "quantity_milli": quantity,
        "unit_price_e4": price_e4,
        "amount_fen": amount_fen,
    }
