"""CSV files: every row gets an outcome, running again is harmless, half-written files wait. Row 3."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.intake.errors import FormatRefused
from chain.bill import BillRequest
from cli.csv_import import import_csv, whole_files
from cli.failures import CommandFailed
from cli.formats.csv_columns import COLUMNS
from cli.formats.csv_file import load_csv, parse_csv
from cli.formats.csv_rows import bills_of, read
from docs import csv_columns as page
from tests.cli.conftest import Ran
from tests.cli.nodes import Asked, FakeNode
from tests.cli.test_import import Gateway, silence

NOW = "2026-03-01T12:00:00+08:00"
HEADING = (
    "业务流水号,票据种类,开票时间,交款人,总金额,医保统筹基金支付,项目编码,项目名称,明细编码,明细名称,数量,单价,金额"
)
ROWS = (
    "CSV-1,门诊,2026-03-01 09:30:00,示例甲,128.50,80,02,西药费,XY1,阿莫西林胶囊,3,34.5,103.50",
    "CSV-1,,,,,,01,诊察费,,,,,25.00",
    "CSV-2,registration,2026/3/1 9:31,示例乙,10,,13,挂号费,,,,,10",
)
TEXT = "\r\n".join([HEADING, *ROWS, ""])


def written(path: Path, text: str = TEXT, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def bills(path: Path) -> dict[str, BillRequest | FormatRefused]:
    return dict(read(path, as_cny=False, now=NOW, place_code="A01"))


def refusal(path: Path, business_no: str = "CSV-1") -> tuple[str, str]:
    found = bills(path)[business_no]
    assert isinstance(found, FormatRefused), found
    return found.code, found.pointer


def outcomes(path: Path, encoding: str = "utf-8") -> list[dict[str, str]]:
    with path.open(encoding=encoding, newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def day(tmp_path: Path) -> Path:
    return written(tmp_path / "day.csv")


def test_rows_of_one_business_number_are_one_bill(day: Path) -> None:
    found = bills(day)
    assert list(found) == ["CSV-1", "CSV-2"]
    first, second = found["CSV-1"], found["CSV-2"]
    assert isinstance(first, BillRequest)
    assert isinstance(second, BillRequest)
    assert (first.kind, first.total_fen, first.place_code, first.payer.name) == ("outpatient", 12_850, "A01", "示例甲")
    assert (first.payments.insurance_fund_fen, first.payments.cash_fen) == (8_000, 4_850)
    assert [(charge.code, charge.amount_fen) for charge in first.charges] == [("02", 10_350), ("01", 2_500)]
    (item,) = first.items
    assert (item.code, item.quantity_milli, item.unit_price_e4, item.amount_fen) == ("XY1", 3_000, 345_000, 10_350)
    assert first.business_time == "2026-03-01T09:30:00.000+08:00"
    assert (second.kind, second.business_time) == ("registration", "2026-03-01T09:31:00.000+08:00")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_three_encodings_say_the_same_and_the_outcome_file_keeps_its_own(tmp_path: Path, encoding: str) -> None:
    file = written(tmp_path / "day.csv", encoding=encoding)
    report = import_csv([file], Gateway(), "A01", 0, lambda steps, text: None)
    assert report.report.issued == 2
    assert report.files[0].encoding == ("gb18030" if encoding == "gb18030" else "utf-8")
    rows = outcomes(tmp_path / "day.outcome.csv", encoding)
    assert [row["交款人"] for row in rows] == ["示例甲", "", "示例乙"]
    assert (tmp_path / "day.outcome.csv").read_bytes()[:3] == (
        b"\xef\xbb\xbf" if encoding == "utf-8-sig" else "业务".encode(encoding)[:3]
    )


def test_the_second_run_issues_nothing_and_every_row_says_same_bill(day: Path) -> None:
    gateway = Gateway()
    first = import_csv([day], gateway, "A01", 0, lambda steps, text: None)
    assert (first.report.issued, first.report.already_issued) == (2, 0)
    assert [row["status"] for row in outcomes(day.with_name("day.outcome.csv"))] == ["issued"] * 3
    second = import_csv([day], gateway, "A01", 0, lambda steps, text: None)
    assert (second.report.issued, second.report.already_issued, second.report.total_fen) == (0, 2, 13_850)
    assert [row["status"] for row in outcomes(day.with_name("day.outcome.csv"))] == ["same_bill"] * 3
    assert day.read_text("utf-8") == TEXT.replace("\r\n", "\n")


def test_a_bad_row_refuses_its_own_bill_and_no_other(tmp_path: Path) -> None:
    file = written(tmp_path / "day.csv", TEXT.replace("103.50", "103.49"))
    report = import_csv([file], Gateway(), "A01", 0, lambda steps, text: None)
    assert (report.report.issued, [entry["code"] for entry in report.report.refused]) == (1, ["sum_mismatch"])
    rows = outcomes(tmp_path / "day.outcome.csv")
    assert [(row["status"], row["code"]) for row in rows] == [("refused", "sum_mismatch")] * 2 + [("issued", "")]


@pytest.mark.parametrize(
    ("before", "after", "code", "pointer"),
    [
        ("CSV-1,,,,,,01", "CSV-1,住院,,,,,01", "rows_differ", "/3/kind"),
        ("128.50,80", "一百,80", "wrong_type", "/2/total"),
        ("128.50,80", ",80", "member_missing", "/2/total"),
        ("128.50,80", "-128.50,80", "total_not_positive", "/2/total"),
        ("128.50,80", "128.50,800", "sum_mismatch", "/2/total"),
        ("2026-03-01 09:30:00", "March 1", "time_malformed", "/2/business_time"),
        ("门诊", "牙科", "field_refused", "/2"),
        ("示例甲", "", "field_refused", "/2"),
        ("25.00", "25.00,surplus", "row_malformed", "/3"),
        ("诊察费,,,,,25.00", "诊察费,,,,,", "member_missing", "/3/amount"),
        ("01,诊察费,,,,,25.00", "02,西药费,,,,,25.00", "member_missing", "/3/item_name"),
    ],
)
def test_what_is_wrong_is_named_by_line_and_column(
    tmp_path: Path, before: str, after: str, code: str, pointer: str
) -> None:
    assert before in TEXT
    assert refusal(written(tmp_path / "day.csv", TEXT.replace(before, after, 1))) == (code, pointer)


def test_a_row_without_a_business_number_is_refused_by_itself(tmp_path: Path) -> None:
    file = written(tmp_path / "day.csv", TEXT.replace("CSV-2", ""))
    assert refusal(file, "") == ("member_missing", "/4/business_no")
    assert isinstance(bills(file)["CSV-1"], BillRequest)


@pytest.mark.parametrize(
    ("heading", "code"),
    [
        (HEADING.replace("总金额", "合计"), "column_unknown"),
        (HEADING.replace("医保统筹基金支付", "total"), "column_repeated"),
        (HEADING.replace("医保统筹基金支付", "备注").replace("交款人", "复核人"), "column_missing"),
    ],
)
def test_a_header_at_fault_refuses_every_row(tmp_path: Path, heading: str, code: str) -> None:
    file = written(tmp_path / "day.csv", TEXT.replace(HEADING, heading))
    report = import_csv([file], Gateway(), "A01", 0, lambda steps, text: None)
    assert report.report.issued == 0
    rows = outcomes(tmp_path / "day.outcome.csv")
    assert [(row["status"], row["code"]) for row in rows] == [("refused", code)] * 3


def test_files_that_are_no_csv_are_one_refusal_each(tmp_path: Path) -> None:
    for name, content, code in (
        ("bytes.csv", b"\xff\xff\xff\xff", "encoding_unknown"),
        ("quote.csv", HEADING.encode() + b'\n"never closed\n', "file_damaged"),
        ("empty.csv", b"", "file_damaged"),
    ):
        (tmp_path / name).write_bytes(content)
        report = import_csv([tmp_path / name], Gateway(), "A01", 0, lambda steps, text: None)
        assert [entry["code"] for entry in report.report.refused] == [code]


def test_when_the_gateway_stays_away_the_outcome_file_says_what_was_not_sent(day: Path) -> None:
    gateway = Gateway()
    gateway.trouble = [silence] * 100
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cli.importing.RETRY_S", 0.0)
        patch.setattr("cli.importing.RETRIES_MAX", 2)
        with pytest.raises(CommandFailed):
            import_csv([day], gateway, "A01", 0, lambda steps, text: None)
    assert [row["status"] for row in outcomes(day.with_name("day.outcome.csv"))] == ["not_sent"] * 3


def test_of_a_folder_only_whole_files_are_read(tmp_path: Path) -> None:
    """No final line break, or growing: left for the next run, and said. Outcome files are none of the input."""
    written(tmp_path / "whole.csv")
    written(tmp_path / "half.csv", TEXT[:-4])
    growing = written(tmp_path / "growing.csv")
    written(tmp_path / "whole.outcome.csv")
    written(tmp_path / "notes.txt")

    def grow(seconds: float) -> None:
        growing.write_bytes(growing.read_bytes() + (ROWS[2].replace("CSV-2", "CSV-3") + "\r\n").encode())

    whole, left = whole_files(tmp_path, grow)
    assert [path.name for path in whole] == ["whole.csv"]
    assert {Path(entry["file"]).name: entry["reason"] for entry in left} == {
        "growing.csv": "growing",
        "half.csv": "no_final_line_break",
    }
    assert [path.name for path in whole_files(tmp_path, lambda seconds: None)[0]] == ["growing.csv", "whole.csv"]


def test_the_command_takes_files_or_a_folder(
    medbill: Callable[..., Ran], home: Path, node: FakeNode, tmp_path: Path
) -> None:
    gateway = Gateway()
    gateway.seals_at_once = True

    def batch(asked: Asked) -> tuple[int, Any]:
        return 200, gateway.post(asked.path, json.dumps(asked.body).encode())

    node.answers["POST", "/v1/bills:batch"] = batch
    folder = tmp_path / "staging"
    folder.mkdir()
    file = written(folder / "day.csv")
    through = ("--home", home, "--via", "hospital-a", "--json")
    assert medbill("bill", "import", file, *through).document["issued"] == 2
    written(folder / "half.csv", TEXT[:-2])
    ran = medbill("bill", "import", "--folder", folder, *through)
    assert (ran.code, ran.document["issued"], ran.document["already_issued"]) == (0, 0, 2)
    assert [entry["reason"] for entry in ran.document["left"]] == ["no_final_line_break"]
    assert "left for the next run" in ran.err
    for wrong in ((), (file, "--folder", folder), ("--folder", folder, "--format", "his"), ("--folder", file)):
        assert medbill("bill", "import", *wrong, *through).code == 2


CELLS = st.one_of(
    st.sampled_from(
        ["", "CSV-1", "门诊", "0", "-1", "0.001", "9999999999999.999999999999", "1e9", "2026-02-30 25:61", "月"]
    ),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.text(max_size=12),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=15), max_size=6), st.sampled_from(["utf-8", "gb18030"]))
def test_hostile_rows_are_refused_one_by_one_and_nothing_else(rows: list[list[str]], encoding: str) -> None:
    """Whatever stands in the cells: a request or a refusal for each business number."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([HEADING.split(","), *rows])
    file = parse_csv(Path("day.csv"), text.getvalue().encode(encoding, "replace"))
    for _number, bill in bills_of(file, NOW, "A01"):
        assert isinstance(bill, BillRequest | FormatRefused)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_file_or_a_refusal(content: bytes) -> None:
    for data in (content, HEADING.encode() + b"\n" + content):
        try:
            file = parse_csv(Path("day.csv"), data)
        except FormatRefused:
            continue
        assert all(isinstance(bill, BillRequest | FormatRefused) for _number, bill in bills_of(file, NOW, "A01"))


def test_the_page_shows_the_columns_as_they_are() -> None:
    """`python -m docs.csv_columns` changes nothing; no two headings mean one column."""
    assert page.PAGE.read_text("utf-8") == page.page()
    assert len({heading for column in COLUMNS for heading in (column.name, column.title)}) == 2 * len(COLUMNS)


def test_the_example_of_the_page_is_read(tmp_path: Path) -> None:
    file = written(tmp_path / "example.csv", page.EXAMPLE)
    found = bills(file)
    assert len(found) == 2
    assert all(isinstance(bill, BillRequest) for bill in found.values()), found
    assert load_csv(file).refusal is None


def test_a_settlement_and_an_unknown_payer_stand_in_columns_of_their_own(tmp_path: Path) -> None:
    """FEATURES 8: 结算号, and 不明 for an emergency's patient."""
    text = (
        "业务流水号,票据种类,交款人类型,交款人,总金额,结算号,项目编码,项目名称,金额\n"
        "CSV-1,体检,单位,样例工厂,10.00,TJ-1,01,体检费,10.00\n"
        "CSV-2,outpatient,不明,无名氏,20.00,,01,诊察费,20.00\n"
        "CSV-3,outpatient,unknown,无名氏,20.00,,01,诊察费,20.00\n"
    )
    found = bills(written(tmp_path / "day.csv", text))
    read_as = []
    for bill in found.values():
        assert isinstance(bill, BillRequest), bill
        read_as.append((bill.payer.type, bill.group))
    assert read_as == [("unit", "TJ-1"), ("unknown", ""), ("unknown", "")]
