"""Files of settlements and payments: every row an outcome, one row's fault stops no other, running again is harmless."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from api.intake.errors import FormatRefused
from chain.operation import JoinSettlement, PayFund, Payments
from cli.failures import CommandFailed
from cli.formats.csv_file import Row
from cli.formats.settlement_columns import BILL_ID, HOSPITAL, JOIN_COLUMNS, PAY_COLUMNS, date_of, fen_of, text_of
from cli.settlement_file import ROWS_AT_ONCE, SettlementReport, send_file
from docs import settlements as page
from node.service import DIFFERENCES
from tests.chain.making import bill_id, mac

HEADING = "医保结算号,票据号码,医保统筹基金支付,个人账户支付,其他支付,个人现金支付"


class Ledger:
    """Records whatever it is sent, unless told otherwise; knows what it had before."""

    def __init__(self) -> None:
        self.height = 10
        self.recorded: dict[Any, int] = {}
        self.refusals: dict[str, str] = {}  # bill -> code
        self.batches: list[int] = []
        self.falls_silent_after = 99

    def send(self, operations: Sequence[Any]) -> tuple[list[dict[str, Any]], int]:
        if len(self.batches) >= self.falls_silent_after:
            raise CommandFailed("unreachable", "nobody answers")
        self.batches.append(len(operations))
        before = self.height
        self.height += 1
        answers: list[dict[str, Any]] = []
        for operation in operations:
            code = self.refusals.get(getattr(operation, "bill", ""))
            if code is not None:
                answers.append({"status": "refused", "code": code, "height": self.height})
                continue
            answers.append({"status": "recorded", "height": self.recorded.setdefault(operation, self.height)})
        return answers, before


def join(row: Row) -> JoinSettlement:
    parts = (fen_of(row, "insurance_fund", needed=True), fen_of(row, "personal_account"))
    stated = Payments(*parts, fen_of(row, "other"), fen_of(row, "cash"))
    return JoinSettlement(mac(text_of(row, "settlement_no")), text_of(row, "bill_id", BILL_ID), stated)


def pay(row: Row) -> PayFund:
    amount_fen = fen_of(row, "amount", needed=True)
    number, hospital = text_of(row, "settlement_no"), text_of(row, "hospital", HOSPITAL)
    return PayFund(mac(number), hospital, amount_fen, date_of(row, "paid_date"), mac(text_of(row, "payment_no")))


def written(folder: Path, *rows: str, heading: str = HEADING, encoding: str = "utf-8") -> Path:
    path = folder / "day.csv"
    path.write_bytes("\r\n".join([heading, *rows, ""]).encode(encoding))
    return path


def sent(path: Path, ledger: Ledger) -> SettlementReport:
    return send_file(path, JOIN_COLUMNS, join, ledger.send, lambda _steps, _text: None)


def outcomes(folder: Path, encoding: str = "utf-8") -> list[tuple[str, str]]:
    with (folder / "day.outcome.csv").open(encoding=encoding, newline="") as stream:
        return [(row["status"], row["code"]) for row in csv.DictReader(stream)]


def test_rows_become_operations_and_running_again_is_harmless(tmp_path: Path) -> None:
    ledger = Ledger()
    path = written(tmp_path, f"S-1,{bill_id(1)},60.00,3,0.45,60", f"S-2,{bill_id(2)},0.01,,,", encoding="gb18030")
    report = sent(path, ledger)
    assert (report.rows, report.recorded, report.same, report.queued, report.refused) == (2, 2, 0, 0, [])
    assert list(ledger.recorded) == [
        JoinSettlement(mac("S-1"), bill_id(1), Payments(6_000, 300, 45, 6_000)),
        JoinSettlement(mac("S-2"), bill_id(2), Payments(1, 0, 0, 0)),
    ]
    assert outcomes(tmp_path, "gb18030") == [("recorded", "")] * 2
    again = sent(path, ledger)
    assert (again.recorded, again.same, again.refused) == (0, 2, [])
    assert outcomes(tmp_path, "gb18030") == [("same", "")] * 2


def test_one_rows_fault_stops_no_other(tmp_path: Path) -> None:
    """The place in the file is named, and no value is repeated."""
    ledger = Ledger()
    ledger.refusals[bill_id(3)] = "bill_unknown"
    path = written(
        tmp_path,
        f"S-1,{bill_id(1)},60",
        f",{bill_id(2)},60",
        "S-2,33060126,60",
        f"S-3,{bill_id(3)},60",
        f"S-4,{bill_id(4)},sixty",
        f"S-5,{bill_id(5)},",
        f"{'S' * 65},{bill_id(6)},60",
        f"S-7,{bill_id(7)},60,,,,7",
        f"S-8,{bill_id(8)},99999999999999999999",
        f"S-1,{bill_id(1)},60.00",
        f"S-3,{bill_id(3)},60.00",
        f"S-9,{bill_id(9)},60",
    )
    report = sent(path, ledger)
    assert ledger.batches == [3]
    assert [(row["line"], row["code"], row["detail"]) for row in report.refused] == [
        (3, "member_missing", "/3/settlement_no"),
        (4, "field_refused", "/4/bill_id"),
        (5, "bill_unknown", "block 11"),
        (6, "wrong_type", "/6/insurance_fund"),
        (7, "member_missing", "/7/insurance_fund"),
        (8, "field_refused", "/8/settlement_no"),
        (9, "row_malformed", "/9"),
        (10, "wrong_type", "/10/insurance_fund"),
        (12, "bill_unknown", "block 11"),
    ]
    assert (report.recorded, report.same) == (2, 1)
    assert [status for status, _code in outcomes(tmp_path)] == [
        *("recorded", "refused", "refused", "refused", "refused", "refused", "refused", "refused", "refused"),
        *("same", "refused", "recorded"),
    ]
    ledger.refusals.clear()
    assert sent(path, ledger).recorded == 1  # what was refused for its bill alone


def test_a_run_that_broke_off_is_finished_by_the_next(tmp_path: Path) -> None:
    ledger = Ledger()
    ledger.falls_silent_after = 1
    path = written(tmp_path, *(f"S-{number},{bill_id(number)},1" for number in range(1, ROWS_AT_ONCE + 11)))
    with pytest.raises(CommandFailed):
        sent(path, ledger)
    assert outcomes(tmp_path) == [("recorded", "")] * ROWS_AT_ONCE + [("not_sent", "")] * 10
    ledger.falls_silent_after = 99
    report = sent(path, ledger)
    assert (report.recorded, report.same) == (10, ROWS_AT_ONCE)
    assert ledger.batches == [ROWS_AT_ONCE, ROWS_AT_ONCE, 10]


def test_what_is_on_its_way_is_said_to_be(tmp_path: Path) -> None:
    path = written(tmp_path, f"S-1,{bill_id(1)},1")
    report = send_file(path, JOIN_COLUMNS, join, lambda _ops: ([{"status": "queued"}], 10), lambda _steps, _text: None)
    assert (report.queued, report.refused) == (1, [])
    assert outcomes(tmp_path) == [("queued", "")]


@pytest.mark.parametrize(
    ("heading", "code"),
    [
        ("医保结算号,票据号码", "column_missing"),
        (HEADING + ",姓名", "column_unknown"),
        (HEADING + ",settlement_no", "column_repeated"),
        ("", "file_damaged"),
    ],
)
def test_a_header_at_fault_sends_nothing(heading: str, code: str, tmp_path: Path) -> None:
    ledger = Ledger()
    path = written(tmp_path, *([] if not heading else [f"S-1,{bill_id(1)},1"]), heading=heading)
    with pytest.raises(FormatRefused) as refusal:
        sent(path, ledger)
    assert (refusal.value.code, ledger.batches) == (code, [])
    assert not (tmp_path / "day.outcome.csv").exists()
    with pytest.raises(FormatRefused, match="file_unreadable"):
        sent(tmp_path / "gone.csv", ledger)


def test_payments_name_hospital_day_and_number(tmp_path: Path) -> None:
    ledger = Ledger()
    path = written(
        tmp_path,
        "S-1,hospital-a,60.00,2026-03-20,P-1",
        "S-2,Hospital A,60.00,2026-03-20,P-2",
        "S-3,hospital-a,60.00,2026-02-30,P-3",
        "S-4,hospital-a,60.00,20260320,P-4",
        "S-5,hospital-a,,2026-03-20,P-5",
        "S-6,hospital-a,60.00,2026-03-20,",
        heading="settlement_no,hospital,amount,paid_date,payment_no",
    )
    report = send_file(path, PAY_COLUMNS, pay, ledger.send, lambda _steps, _text: None)
    assert list(ledger.recorded) == [PayFund(mac("S-1"), "hospital-a", 6_000, 20260320, mac("P-1"))]
    assert [(row["code"], row["detail"]) for row in report.refused] == [
        ("field_refused", "/3/hospital"),
        ("field_refused", "/4/paid_date"),
        ("field_refused", "/5/paid_date"),
        ("member_missing", "/6/amount"),
        ("member_missing", "/7/payment_no"),
    ]


def test_the_page_is_the_tables_and_its_examples_are_read(tmp_path: Path) -> None:
    """`python -m docs.settlements` changes nothing."""
    assert page.PAGE.read_text("utf-8") == page.page()
    assert set(page.MEANS) == set(DIFFERENCES)
    for columns, make, example in ((JOIN_COLUMNS, join, page.JOIN_EXAMPLE), (PAY_COLUMNS, pay, page.PAY_EXAMPLE)):
        path = tmp_path / "day.csv"
        path.write_text(example, "utf-8")
        report = send_file(path, columns, make, Ledger().send, lambda _steps, _text: None)
        assert (report.recorded, report.refused) == (report.rows, [])
        assert len({column.name for column in columns} | {column.title for column in columns}) == 2 * len(columns)
