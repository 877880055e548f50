"""The columns of an insurance bureau's files: settlements joined to bills, and payments of the fund; docs/settlements.md shows them.

A row is a settlement's part of one bill, or one payment. Amounts are yuan. A settlement list of the national platform has them all: the
hospital states the code and number of its bill in it.
"""

from __future__ import annotations

import re
from datetime import date

from api.intake.document import Element, fen
from api.intake.errors import FormatRefused
from cli.formats.csv_columns import LINE, Column
from cli.formats.csv_file import Row

JOIN_COLUMNS: tuple[Column, ...] = (
    Column("settlement_no", "医保结算号", LINE, True, "the bureau's own; on the ledger a keyed digest of it"),
    Column("bill_id", "票据号码", LINE, True, "18 digits: code and number"),
    Column("insurance_fund", "医保统筹基金支付", LINE, True, "yuan, of this bill"),
    Column("personal_account", "个人账户支付", LINE, False, "yuan; 0 if empty"),
    Column("other", "其他支付", LINE, False, "yuan; 0 if empty"),
    Column("cash", "个人现金支付", LINE, False, "yuan; 0 if empty"),
)
PAY_COLUMNS: tuple[Column, ...] = (
    Column("settlement_no", "医保结算号", LINE, True, "as it was joined"),
    Column("hospital", "医疗机构", LINE, True, "organisation id"),
    Column("amount", "基金支付金额", LINE, True, "yuan, for the whole settlement"),
    Column("paid_date", "支付日期", LINE, True, "2026-03-20"),
    Column("payment_no", "支付流水号", LINE, True, "the payment's own; on the ledger a keyed digest of it"),
)
OUTCOME = (  # columns that an outcome file has more
    ("status", "recorded, same (it was there already), refused, queued (the same file again tells), not_sent"),
    ("code", "why it was refused"),
    ("detail", "where in the file, or the block that tells"),
)
BILL_ID = re.compile(r"[0-9]{18}", re.ASCII)
HOSPITAL = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}", re.ASCII)
DAY = re.compile(r"[2-9][0-9]{3}-[01][0-9]-[0-3][0-9]", re.ASCII)
NUMBER_CHARACTERS_MAX = 64  # of a settlement, of a payment


def text_of(row: Row, name: str, form: re.Pattern[str] | None = None) -> str:
    """A cell that must be filled. Raises FormatRefused (member_missing, field_refused)."""
    place = _at(row, name)
    text = place.text()
    if not text:
        raise FormatRefused("member_missing", place.pointer)
    if not (form.fullmatch(text) if form is not None else len(text) <= NUMBER_CHARACTERS_MAX):
        raise FormatRefused("field_refused", place.pointer)
    return text


def fen_of(row: Row, name: str, needed: bool = False) -> int:
    """Raises FormatRefused (member_missing, wrong_type, amount_out_of_range)."""
    place = _at(row, name)
    if not place.value:
        if needed:
            raise FormatRefused("member_missing", place.pointer)
        return 0
    return fen(place.decimal(written=True))


def date_of(row: Row, name: str) -> int:
    """yyyymmdd. Raises FormatRefused (member_missing, field_refused)."""
    text = text_of(row, name, DAY)
    try:
        date.fromisoformat(text)
    except ValueError:
        raise FormatRefused("field_refused", _at(row, name).pointer) from None
    return int(text.replace("-", ""))


def _at(row: Row, name: str) -> Element:
    return Element(row.values.get(name, ""), f"/{row.line}/{name}")
