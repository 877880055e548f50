"""The close of a day: what the hospital's system says against gateway and day books, and the file that it says it in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chain.day_book_proof import DayBooks
from chain.operation import Payments
from chain.records import DayBookBody, KindTotals
from cli.day_close import REPAIRS, Line, Side, close_day, read_lines
from cli.failures import CommandFailed

DAY = "2026-03-01"


def books(count: int, sum_fen: int, point: str = "A01", red: int = 0, void: int = 0) -> DayBooks:
    parts = Payments(0, 0, 0, 0)
    totals = KindTotals(1, count, sum_fen, red, -100 * red, void, 100 * void, parts)
    other = KindTotals(1, 9, 900, 0, 0, 0, 0, parts)
    days = {(point, 20260301): DayBookBody([totals]), (point, 20260302): DayBookBody([other])}
    return DayBooks("hospital-a", 42, 1_772_328_600_000, days, {})


def page(total_fen: int, **fields: Any) -> dict[str, Any]:
    return {
        "bill_id": "330601260000000001", "status": "sealed", "business_date": DAY, "place_code": "A01",
        "validity": "normal", "total_fen": total_fen, **fields,
    }  # fmt: skip


def test_a_day_that_agrees() -> None:
    lines = [Line("a", 100), Line("b", 250)]
    found = {"a": page(100), "b": page(250, validity="reversed")}
    closing = close_day(DAY, None, lines, found.get, books(2, 350, red=1))
    assert closing.agrees
    assert (closing.his, closing.ledger, closing.red) == (Side(2, 350), Side(2, 350), Side(1, -100))
    assert closing.as_of["height"] == 42


@pytest.mark.parametrize(
    ("found", "code", "count", "sum_fen", "surplus"),
    [
        (None, "not_issued", 0, 0, Side(0, 0)),
        (page(100, status="refused"), "not_issued", 0, 0, Side(0, 0)),
        (page(100, status="queued"), "not_recorded", 0, 0, Side(0, 0)),
        (page(100, business_date="2026-03-02"), "other_day", 0, 0, Side(0, 0)),
        (page(100, place_code="A02"), "other_place", 0, 0, Side(0, 0)),
        (page(100, height=43), "not_recorded", 0, 0, Side(0, 0)),
        (page(99), "amount_differs", 1, 99, Side(0, 0)),
    ],
)
def test_every_difference_names_the_bill_and_the_repair(
    found: dict[str, Any] | None, code: str, count: int, sum_fen: int, surplus: Side
) -> None:
    closing = close_day(DAY, "A01", [Line("MZ-1", 100)], lambda _number: found, books(count, sum_fen))
    (difference,) = closing.differences
    assert (difference.business_no, difference.code, difference.repair) == ("MZ-1", code, REPAIRS[code])
    assert closing.surplus == surplus
    assert not closing.agrees


def test_a_void_bill_is_no_line_of_the_hospital_and_no_surplus() -> None:
    with_void = books(2, 350, void=1)  # of 100
    closing = close_day(DAY, "A01", [Line("b", 250)], {"b": page(250)}.get, with_void)
    assert closing.agrees
    assert closing.void == Side(1, 100)
    found = {"a": page(100, validity="void"), "b": page(250)}
    closing = close_day(DAY, "A01", [Line("a", 100), Line("b", 250)], found.get, with_void)
    assert [one.code for one in closing.differences] == ["void"]
    assert closing.surplus == Side(0, 0)


def test_what_only_the_ledger_has_is_a_surplus() -> None:
    closing = close_day(DAY, "A01", [Line("a", 100)], {"a": page(100)}.get, books(3, 700))
    assert (closing.differences, closing.surplus, closing.agrees) == ([], Side(2, 600), False)
    assert close_day(DAY, "A02", [], {}.get, books(3, 700)).agrees  # another place's


def test_the_file_may_be_the_one_that_bills_are_imported_from(tmp_path: Path) -> None:
    file = tmp_path / "his.csv"
    file.write_bytes("业务流水号,总金额,项目名称\nMZ-1,128.50,西药费\nMZ-1,,诊察费\n\nMZ-2,0.1,\n".encode("gb18030"))
    assert read_lines(file) == [Line("MZ-1", 12_850), Line("MZ-2", 10)]
    file.write_text("\ufeffbusiness_no,total\nMZ-1,128.50\nMZ-1,128.50\n", "utf-8")
    assert read_lines(file) == [Line("MZ-1", 12_850)]
    for wrong, said in (
        ("number,total\n", "no column business_no"),
        ("business_no,total\nMZ-1,12.345\n", "row 2: '12.345' is no amount"),
        ("business_no,total\nMZ-1,NaN\n", "row 2"),
        ("business_no,total\nMZ-1,-1\n", "row 2"),
        ("business_no,total\n,1\n", "row 2: no business number"),
        ("business_no,total\nMZ-1,1\nMZ-1,2\n", "row 3: another total"),
        ("business_no,total\nMZ-1\n", "no total for MZ-1"),
        ("", "no column"),
    ):
        file.write_text(wrong, "utf-8")
        with pytest.raises(CommandFailed, match=said):
            read_lines(file)
