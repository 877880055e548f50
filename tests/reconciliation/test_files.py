"""Files as they should not be: each is refused with its line, and nothing of it is repeated or written."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from api.intake.errors import FormatRefused
from cli.formats.bank_csv import read_bank_csv
from cli.formats.our_lines import read_our_lines, write_our_lines
from cli.formats.reconciliation_columns import LINE_BYTES_MAX, STATEMENT_COLUMNS, fen_of_yuan
from cli.formats.statement_csv import read_statement_csv, write_statement_csv
from node.reconciliation.errors import FileRefused, LineRefused, TemporaryFailed
from node.reconciliation.external_sort import ExternalSort
from node.reconciliation.reconcile import GROUP_LINES_MAX
from tests.house.project import ROOT
from tests.reconciliation.conftest import Desk
from tests.reconciliation.making import MONDAY, TUESDAY, Day, at, csv_bytes, replace, statement_csv

HEADING = ",".join(column.name for column in STATEMENT_COLUMNS)
LINE = "alipay,payment,P-1,2026T1,,12.30,0.05,success,2026-04-20 10:00:00"
END = "end,1,12.30,0.00,0.05"
CANARY = "Zhang"  # must not come back in any message


def day_of(count: int = 3) -> Day:
    day = Day()
    for number in range(count):
        day.pay(number, 1_000 + number)
    day.credit()
    return day


def statement(*lines: str, encoding: str = "utf-8") -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode(encoding)


def read(content: bytes) -> int:
    return len(list(read_statement_csv(io.BytesIO(content), 480)))


# ── the statement ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_statement_is_read_with_either_language_in_any_order_of_columns() -> None:
    titles = [column.title for column in STATEMENT_COLUMNS]
    cells = LINE.split(",")
    turned = csv_bytes([titles[::-1], cells[::-1], END.split(",")])
    lines = list(read_statement_csv(io.BytesIO(b"\xef\xbb\xbf" + turned), 480))
    assert lines == list(read_statement_csv(io.BytesIO(statement(HEADING, LINE, END)), 480))
    assert (lines[0].amount_fen, lines[0].fee_fen, lines[0].time_ms) == (1_230, 5, at(MONDAY, "10:00:00"))


def test_a_statement_that_is_written_reads_the_same() -> None:
    day = day_of()
    day.give_back(1, 300)
    stream = io.BytesIO()
    write_statement_csv(stream, day.theirs, 480)
    assert list(read_statement_csv(io.BytesIO(stream.getvalue()), 480)) == day.theirs
    assert stream.getvalue() == statement_csv(day.theirs)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("12.30", "12.305", "whole fen"),
        ("12.30", "1,230", "cells"),
        ("12.30", "1e3", "whole fen"),
        ("12.30", "１２.３０", "whole fen"),
        ("12.30", "¥12.30", "whole fen"),
        ("12.30", "012.30", "whole fen"),
        ("12.30", "", "whole fen"),
        ("0.05", "0.0x", "whole fen"),
        ("2026-04-20 10:00:00", "2026-04-20T10:00:00", "time"),
        ("2026-04-20 10:00:00", "2026-W17-1 10:00:00", "time"),
        ("2026-04-20 10:00:00", "2026-02-30 10:00:00", "time"),
        ("2026-04-20 10:00:00", "2026-04-20 24:00:00", "time"),
        ("2026T1,,", f"2026T1,,{CANARY},", "cells"),
        ("P-1", '"P-1', "CSV"),
    ],
)
def test_a_line_that_does_not_read_is_refused_with_its_number(old: str, new: str, says: str) -> None:
    with pytest.raises(LineRefused, match=says) as refused:
        read(statement(HEADING, LINE, LINE.replace(old, new), END))
    assert refused.value.line >= 3
    assert new not in str(refused.value) or not new


def test_a_line_in_another_encoding_is_refused_with_its_number() -> None:
    content = statement(HEADING, LINE) + statement(LINE.replace("P-1", "张"), END, encoding="gb18030")
    with pytest.raises(LineRefused, match="line 3: not UTF-8"):
        read(content)
    with pytest.raises(LineRefused, match="line 1: not UTF-8"):
        read("渠道,类型\r\n".encode("utf-16"))


@pytest.mark.parametrize(
    ("heading", "code"),
    [
        (HEADING.replace("fee", "fees"), "column_unknown"),
        (HEADING.replace(",fee", ""), "column_missing"),
        (HEADING + ",fee", "column_repeated"),
        (",", "file_damaged"),
    ],
)
def test_another_header_is_refused(heading: str, code: str) -> None:
    with pytest.raises(FormatRefused) as refused:
        read(statement(heading, LINE, END))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (statement(HEADING), "breaks off after 0 lines"),
        (statement(HEADING, LINE), "breaks off after 1 lines"),
        (statement(HEADING, LINE, END.replace("end,1", "end,2")), "other lines"),
        (statement(HEADING, LINE, END.replace("12.30", "12.31")), "other lines"),
        (statement(HEADING, LINE, END.replace("0.05", "0.06")), "other lines"),
    ],
)
def test_a_statement_that_lost_lines_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(FileRefused, match=says):
        read(content)


def test_a_statement_cut_at_any_byte_is_refused() -> None:
    content = statement_csv(day_of(2).theirs)
    assert read(content) == 2
    for length in range(len(content)):
        with pytest.raises((LineRefused, FileRefused, FormatRefused)):
            read(content[:length])


def test_a_line_after_the_end_is_refused() -> None:
    with pytest.raises(LineRefused, match="line 4: there are lines after the end"):
        read(statement(HEADING, LINE, END, LINE))


def test_a_huge_line_is_refused_before_it_is_held() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            self.given += len(buffer)
            buffer[:] = b"a" * len(buffer)
            return len(buffer)

    raw = Endless()
    with pytest.raises(LineRefused, match=f"line 1: longer than {LINE_BYTES_MAX} bytes"):
        list(read_statement_csv(io.BufferedReader(raw), 480))  # type: ignore[arg-type]
    assert raw.given < 2 * LINE_BYTES_MAX


# ── what a line may say, whichever reader made it ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"order_no": "=HYPERLINK(1)"}, "number"),
        ({"order_no": "+1"}, "number"),
        ({"order_no": "@SUM(A1)"}, "number"),
        ({"order_no": "-2"}, "number"),
        ({"order_no": "P-1\t"}, "number"),
        ({"order_no": "P-1\n"}, "number"),
        ({"order_no": "P-1\x1b[2J"}, "number"),
        ({"order_no": "P-１"}, "number"),
        ({"order_no": ""}, "number"),
        ({"order_no": "P" * 65}, "number"),
        ({"trade_no": ""}, "number"),
        ({"trade_no": "=1"}, "number"),
        ({"refund_no": "R-1"}, "refund number"),
        ({"kind": "refund"}, "refund number"),
        ({"kind": "refund", "refund_no": "=1"}, "refund number"),
        ({"kind": "fee"}, "kind or state"),
        ({"state": "done"}, "kind or state"),
        ({"amount_fen": 0}, "out of range"),
        ({"amount_fen": -1}, "out of range"),
        ({"amount_fen": 2**53 + 1}, "out of range"),
        ({"fee_fen": 2**54}, "out of range"),
        ({"channel": "wechat"}, "another channel"),
        ({"time_ms": at(TUESDAY, "00:30:00")}, "time is not of 2026-04-20"),
        ({"time_ms": at(MONDAY, "00:00:00") - 30 * 60_000 - 1}, "time is not of 2026-04-20"),
    ],
)
def test_a_line_of_the_channel_that_no_channel_of_ours_writes_is_refused(changes: dict[str, object], says: str) -> None:
    day = day_of()
    day.theirs[1] = replace(day.theirs[1], **changes)
    with pytest.raises(LineRefused, match=says) as refused:
        day.run()
    assert refused.value.line == 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"amount_fen":1001', '"amount_fen":10.01'),
        ('"amount_fen":1001', '"amount_fen":"1001"'),
        ('"amount_fen":1001', '"amount_fen":0'),
        ('"amount_fen":1001', '"amount_fen":-1001'),
        ('"amount_fen":1001', '"amount_fen":1e3'),
        ('"amount_fen":1001', '"amount_fen":true'),
        ('"amount_fen":1001', '"amount_fen":9007199254740993'),
        ('"order_no":"P-1"', '"order_no":"=P-1"'),
        ('"order_no":"P-1"', '"order_no":"P-1\\u0000"'),
        ('"order_no":"P-1"', '"order_no":"P-1\\n"'),
        ('"state":"success"', '"state":"paid"'),
        ('"is_bill_due":true', '"is_bill_due":1'),
        ('"bill_id":"3', '"bill_id":"'),
        ('"channel":"alipay"', f'"channel":"alipay","{CANARY}":"x"'),
        ('{"channel"', '["channel"'),
    ],
)
def test_a_line_of_ours_that_does_not_read_is_refused_with_its_number(old: str, new: str) -> None:
    stream = io.BytesIO()
    write_our_lines(stream, day_of().ours)
    first, second, *rest = stream.getvalue().decode().splitlines(keepends=True)
    assert old in second
    torn = "".join([first, second.replace(old, new), *rest]).encode()
    with pytest.raises(LineRefused, match="our lines, line 2") as refused:
        list(read_our_lines(io.BytesIO(torn)))
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"time_ms": at(TUESDAY, "00:00:00")}, "time is not of 2026-04-20"),
        ({"time_ms": at(MONDAY, "00:00:00") - 1}, "time is not of 2026-04-20"),
        ({"refund_no": "R-1"}, "refund number"),
        ({"bill_id": ""}, "a bill has a number and a total"),
        ({"bill_total_fen": 0}, "a bill has a number and a total"),
        ({"order_total_fen": 0}, "whose bill is due has a total"),
    ],
)
def test_a_line_of_ours_that_contradicts_itself_or_the_day_is_refused(changes: dict[str, object], says: str) -> None:
    day = day_of()
    day.ours[2] = replace(day.ours[2], **changes)
    with pytest.raises(LineRefused, match=says) as refused:
        day.run()
    assert refused.value.line == 3


def test_our_lines_of_other_channels_are_passed_over() -> None:
    day = day_of()
    day.ours.append(replace(day.ours[0], channel="wechat", time_ms=0))
    assert day.run()[0] == []


def test_our_lines_cut_at_any_byte_are_refused() -> None:
    stream = io.BytesIO()
    write_our_lines(stream, day_of(2).ours)
    content = stream.getvalue()
    assert len(list(read_our_lines(io.BytesIO(content)))) == 2
    for length in range(len(content)):
        with pytest.raises((LineRefused, FileRefused)):
            list(read_our_lines(io.BytesIO(content[:length])))
    with pytest.raises(LineRefused, match="after the end"):
        list(read_our_lines(io.BytesIO(content * 2)))
    with pytest.raises(FileRefused, match="other lines"):
        list(read_our_lines(io.BytesIO(content.replace(b'"lines":2', b'"lines":3'))))


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("2026-04-20,alipay,12.345,B-1", "whole fen"),
        ("2026-04-20,alipay,0.00,B-1", "out of range"),
        ('2026-04-20,alipay,"1,000.00",B-1', "whole fen"),
        ("2026-02-30,alipay,1.00,B-1", "not a day"),
        ("20.04.2026,alipay,1.00,B-1", "not a day"),
        ("2026-04-20,alipay,1.00,=B1", "bank_no"),
        ("2026-04-20,ALIPAY,1.00,B-1", "channel"),
        ("2026-04-20,alipay,1.00,B-1,more", "cells"),
        ("2026-04-20,alipay,1.00", "cells"),
    ],
)
def test_a_line_of_the_bank_that_does_not_read_is_refused_with_its_number(row: str, says: str) -> None:
    good = "2026-04-20,alipay,-1.00,B-0"
    heading = "业务日期,渠道,入账金额,银行流水号"
    assert len(read_bank_csv(io.BytesIO(statement(heading, good, encoding="gb18030")))) == 1
    with pytest.raises(LineRefused, match=says) as refused:
        read_bank_csv(io.BytesIO(statement(heading, good, row)))
    assert refused.value.line == 3


def test_a_banks_file_that_breaks_off_or_is_empty_is_refused() -> None:
    with pytest.raises(FileRefused, match="breaks off"):
        read_bank_csv(io.BytesIO("业务日期,渠道,入账金额,银行流水号\r\n2026-04-20,alipay,1.00,B".encode()))
    with pytest.raises(FormatRefused, match="file_damaged"):
        read_bank_csv(io.BytesIO(b""))


@pytest.mark.parametrize(("text", "fen"), [("0", 0), ("12.3", 1_230), ("-0.05", -5), ("9999999999999.99", 10**15 - 1)])
def test_yuan_are_read_to_the_fen(text: str, fen: int) -> None:
    assert fen_of_yuan(text) == fen


def test_one_order_in_a_thousand_lines_is_no_day_of_a_hospital() -> None:
    """What belongs together is held together: it has a bound."""
    day = day_of(1)
    day.theirs *= GROUP_LINES_MAX
    with pytest.raises(FileRefused, match="P-0 stands in it more than 1000 times"):
        day.run()


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "change", "code"),
    [
        ("statement.csv", lambda data: data[:-40], "line_refused"),
        ("statement.csv", lambda _data: b"", "file_refused"),
        ("statement.csv", lambda data: data.replace(b"fee", b"fees", 1), "column_unknown"),
        ("ours.jsonl", lambda data: data[:-40], "line_refused"),
        ("ours.jsonl", lambda _data: b"", "file_refused"),
        ("bank.csv", lambda data: data[:-2], "file_refused"),
    ],
)
def test_a_refused_file_ends_with_2_and_nothing_is_written(
    desk: Desk, name: str, change: Callable[[bytes], bytes], code: str
) -> None:
    files = day_of().write(desk.folder / "day")
    path = desk.folder / "day" / name
    path.write_bytes(change(path.read_bytes()))
    told = desk.run_files(files, "--json", name="refused")
    assert (told.code, told.document["code"]) == (2, code)
    assert os.listdir(desk.folder) == ["day"]


@pytest.mark.parametrize(
    "more",
    [
        ("--day", "2026-4-20"),
        ("--day", "2026-02-30"),
        ("--channel", "Alipay"),
        ("--format", "excel"),
        ("--near-midnight", "7h"),
        ("--near-midnight", "soon"),
        ("--out", "result.json"),
        ("--statement", "/nowhere/x.csv"),
    ],
)
def test_an_argument_that_means_nothing_is_a_usage_error(desk: Desk, more: tuple[str, str]) -> None:
    told = desk.run_files(day_of().write(desk.folder / "day"), *more, "--json", name="x")
    assert told.code == 2
    assert told.document["code"] in ("argument_refused", "file_unreadable")
    assert os.listdir(desk.folder) == ["day"]


def test_a_file_that_is_written_to_meanwhile_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from cli import reconciling

    def slow(stream: io.BufferedReader, minutes: int) -> object:
        yield from read_statement_csv(stream, minutes)
        with (desk.folder / "day" / "statement.csv").open("ab") as late:
            late.write(b"\r\n")

    monkeypatch.setitem(reconciling.READERS, "medbill", slow)  # type: ignore[arg-type]
    told = desk.run_files(day_of().write(desk.folder / "day"), "--json", name="x")
    assert (told.code, told.document["code"]) == (2, "file_refused")
    assert os.listdir(desk.folder) == ["day"]


# ── the disk ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_sorted_through_leaves_nothing_behind(tmp_path: Path) -> None:
    day = day_of(200)
    rows, figures = day.run(chunk_bytes=4_000, temporary=tmp_path)
    assert rows == []
    assert figures.spilled_bytes > 40_000
    assert os.listdir(tmp_path) == []
    day.theirs[100] = replace(day.theirs[100], amount_fen=0)
    with pytest.raises(LineRefused):
        day.run(chunk_bytes=4_000, temporary=tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemporaryFailed, match="--temporary names another directory") as failed:
        day_of(200).run(chunk_bytes=4_000, temporary=tmp_path / "nowhere")
    assert failed.value.code == "temporary_failed"


FULL = """
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))  # the system itself refuses to write more
from cli.main import main
import node.reconciliation.external_sort as sorting
import node.reconciliation.reconcile as reconcile
reconcile.reconcile.__kwdefaults__["chunk_bytes"] = 200_000
sys.argv = ["medbill", *sys.argv[1:]]
main()
"""


def test_a_disk_that_takes_no_more_is_said_and_nothing_is_left(desk: Desk) -> None:
    """A limit of the system's stands in for the full disk: the same error comes from the same call."""
    files = day_of(1_000).write(desk.folder / "day")
    room = desk.folder / "room"
    room.mkdir()
    arguments = ["reconciliation", "run", "--home", desk.home, "--organisation", "hospital-a", *files]
    arguments += ["--temporary", room, "--out", desk.result("x"), "--json"]
    command = [sys.executable, "-c", FULL, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert '"code": "disk_full"' in done.stdout
    assert os.listdir(room) == []
    assert sorted(os.listdir(desk.folder)) == ["day", "room"]


def test_the_files_that_are_sorted_through_have_no_name(tmp_path: Path) -> None:
    """So not even a killed process leaves one."""
    with ExternalSort(tmp_path, chunk_bytes=100) as sort:
        for number in range(100):
            sort.add(b"%06d\n" % number)
        assert sort.spilled_bytes > 500
        assert os.listdir(tmp_path) == []


def test_more_chunks_than_files_may_be_open_are_merged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from node.reconciliation import external_sort

    monkeypatch.setattr(external_sort, "FILES_MAX", 4)
    lines = [b"%06d\n" % (number * 7_919 % 3_000) for number in range(3_000)]
    with ExternalSort(tmp_path, chunk_bytes=700) as sort:
        for line in [*lines, lines[0]]:
            sort.add(line)
        assert list(sort.sorted()) == sorted([*lines, lines[0]])
