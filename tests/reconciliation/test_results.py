"""The signed file: who signed what, that nothing was changed since, and what the next day takes from it."""

from __future__ import annotations

import csv
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from chain.codec import decode, encode
from chain.errors import ProofMismatch
from chain.genesis import genesis_from_json
from chain.proof_kinds import check_any
from chain.reconciliation_result import (
    ROWS_SHOWN_MAX,
    ReconciliationResult,
    ReconciliationStatement,
    sign_result,
)
from chain.transaction import key_id
from cli.formats.differences_csv import write_differences_csv
from cli.signing import organisation_key
from node.home import NetworkHome
from node.reconciliation.errors import ResultExists
from node.reconciliation.results import keep_result
from node.reconciliation.row import Row
from node.reconciliation.rows_file import RowsWriter, rows_path
from tests.cli.nodes import FakeNode, lead_to
from tests.house.project import ROOT
from tests.reconciliation.conftest import Desk
from tests.reconciliation.making import MONDAY, TUESDAY, Day

replace = msgspec.structs.replace
BYTES_ALTERED = 300  # drawn places; each of them alone


def monday() -> Day:
    day = Day()
    for number in range(20):
        day.pay(number, 1_000 + number)
    day.pay(60, 500, "23:59:58", "ours")
    day.pay(61, 300, "12:00:00", "theirs")
    day.credit()
    return day


def stated(desk: Desk, name: object) -> ReconciliationStatement:
    return decode(desk.result(name).read_bytes(), ReconciliationResult).statement


def test_a_result_says_who_signed_which_figures(desk: Desk) -> None:
    assert desk.run(monday()).code == 1
    told = desk.verify(MONDAY.number)
    assert told.code == 0
    assert "signed by hospital-a" in told.out
    assert told.out.endswith("valid\n")
    document = desk.verify(MONDAY.number, "--json").document
    assert document["result"]["classes"] == {"suspense": 1, "only_theirs": 1}
    assert document["result"]["day"] == MONDAY.number


def test_the_command_for_proofs_takes_results_too(desk: Desk) -> None:
    desk.run(monday())
    genesis = genesis_from_json(desk.genesis.read_bytes())
    verdict = check_any(desk.result(MONDAY.number).read_bytes(), genesis)
    assert verdict.valid
    assert [check.name for check in verdict.checks] == ["form", "ledger", "validators", "key", "signature", "sums"]


def test_an_altered_byte_of_a_result_is_found_wherever_it_is(desk: Desk) -> None:
    desk.run(monday())
    data = desk.result(MONDAY.number).read_bytes()
    genesis = genesis_from_json(desk.genesis.read_bytes())
    draw = random.Random(92)
    for place in draw.sample(range(len(data)), min(BYTES_ALTERED, len(data))):
        altered = bytearray(data)
        altered[place] ^= 1 << draw.randrange(8)
        assert not check_any(bytes(altered), genesis).valid, place
    for length in range(0, len(data), 7):
        assert not check_any(data[:length], genesis).valid, length


def test_the_command_ends_with_3_for_an_altered_result(desk: Desk) -> None:
    desk.run(monday())
    path = desk.result(MONDAY.number)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # of the signature
    path.write_bytes(data)
    told = desk.verify(MONDAY.number)
    assert told.code == 3
    assert "FAILED  signature" in told.out
    assert told.out.endswith("INVALID\n")


def test_the_command_ends_with_3_for_an_altered_row(desk: Desk) -> None:
    desk.run(monday())
    rows = desk.rows(MONDAY.number)
    rows.write_bytes(rows.read_bytes().replace(b'"P-61"', b'"P-62"'))
    told = desk.verify(MONDAY.number)
    assert told.code == 3
    assert "FAILED  rows" in told.out


@pytest.mark.parametrize("change", ["one less", "torn", "none"])
def test_rows_that_lack_something_are_not_the_signed_ones(desk: Desk, change: str) -> None:
    desk.run(monday())
    rows = desk.rows(MONDAY.number)
    lines = rows.read_bytes().splitlines(keepends=True)
    rows.write_bytes({"one less": lines[0], "torn": b"".join(lines)[:-4], "none": b""}[change])
    assert desk.verify(MONDAY.number).code == 3


def test_a_result_without_its_rows_holds_and_says_what_is_missing(desk: Desk) -> None:
    desk.run(monday())
    desk.rows(MONDAY.number).unlink()
    told = desk.verify(MONDAY.number, "--json")
    assert told.code == 0
    assert told.document["checks"][-1]["ok"] is None


def test_files_that_are_named_must_be_the_ones_compared(desk: Desk) -> None:
    desk.run(monday())
    folder = desk.folder / str(MONDAY.number)
    named = ("--ours", folder / "ours.jsonl", "--statement", folder / "statement.csv", "--bank", folder / "bank.csv")
    assert desk.verify(MONDAY.number, *named).code == 0
    with (folder / "statement.csv").open("ab") as stream:
        stream.write(b"\r\n")
    told = desk.verify(MONDAY.number, *named)
    assert told.code == 3
    assert "FAILED  statement" in told.out


def test_another_ledgers_genesis_refuses_it(desk: Desk) -> None:
    desk.run(monday())
    other = desk.folder / "genesis.json"
    other.write_bytes(desk.genesis.read_bytes().replace(b'"created_ms": 1776700000000', b'"created_ms": 1776700000001'))
    told = desk.medbill("verify", desk.result(MONDAY.number), "--genesis", other)
    assert told.code == 3
    assert "FAILED  ledger" in told.out


def test_another_organisations_key_cannot_sign_for_the_hospital(desk: Desk) -> None:
    desk.run(monday())
    statement = stated(desk, MONDAY.number)
    for name in ("hospital-b", "finance"):
        forged = sign_result(statement, organisation_key(desk.home, name), [], [])
        desk.result(MONDAY.number).write_bytes(encode(forged))
        told = desk.verify(MONDAY.number)
        assert told.code == 3
        assert "FAILED  key" in told.out


def test_a_key_that_genesis_does_not_name_signs_nothing_unless_a_mirror_proves_it(desk: Desk, tmp_path: Path) -> None:
    """Nobody could check it. What a mirror answers is checked here before anything is signed."""
    home = Path(shutil.copytree(desk.home, tmp_path / "copy", ignore=shutil.ignore_patterns("data")))
    NetworkHome(home).organisation("hospital-a").unit_key.unlink()
    shutil.copy(
        NetworkHome(home).organisation("hospital-b").unit_key, NetworkHome(home).organisation("hospital-a").unit_key
    )
    own = Desk(home, desk.folder)
    told = own.run(monday(), "--json")
    assert (told.code, told.document["code"]) == (6, "key_file_refused")

    public = organisation_key(home, "hospital-a").public
    node = FakeNode()
    lead_to(home, node, "archive")
    with node.serving():
        for answer in (b"", b"\x94\x0a\xc0\xc0\xc0", (ROOT / "README.md").read_bytes()):
            node.answers["GET", f"/v1/keys/{key_id(public).hex()}/proof"] = lambda _asked, said=answer: (200, said)
            told = own.run(monday(), "--via", "archive", "--json")
            assert (told.code, told.document["code"]) == (3, "proof_refused")
    assert not desk.result(MONDAY.number).exists()
    assert not desk.rows(MONDAY.number).exists()


WRONG: dict[str, Callable[[ReconciliationStatement], ReconciliationStatement]] = {
    "a row more": lambda stated: replace(stated, rows=stated.rows + 1),
    "no classes": lambda stated: replace(stated, classes=[]),
    "classes turned": lambda stated: replace(stated, classes=stated.classes[::-1]),
    "a class twice": lambda stated: replace(stated, classes=[*stated.classes, replace(stated.classes[-1], count=0)]),
    "a class that is none": lambda stated: replace(
        stated, classes=[*stated.classes[:-1], replace(stated.classes[-1], name="lost")]
    ),
    "a fen of ours more": lambda stated: replace(
        stated, ours=replace(stated.ours, payments_fen=stated.ours.payments_fen + 1)
    ),
    "a fen carried here": lambda stated: replace(stated, opening=replace(stated.opening, ours=1, ours_fen=1)),
    "a fen carried on": lambda stated: replace(
        stated, closing=replace(stated.closing, ours_fen=stated.closing.ours_fen + 1)
    ),
    "a fen at the bank": lambda stated: replace(
        stated, bank=[replace(stated.bank[0], credited_fen=stated.bank[0].credited_fen + 1)]
    ),
    "a row not shown": lambda stated: replace(stated, shown=stated.shown[:-1]),
}


@pytest.mark.parametrize("name", WRONG)
def test_figures_that_do_not_add_up_are_refused_even_if_signed(desk: Desk, name: str) -> None:
    desk.run(monday())
    wrong = WRONG[name](stated(desk, MONDAY.number))
    key = organisation_key(desk.home, "hospital-a")
    desk.result(MONDAY.number).write_bytes(encode(sign_result(wrong, key, [], [])))
    told = desk.verify(MONDAY.number)
    assert told.code == 3
    assert "FAILED  sums" in told.out


def test_figures_that_do_not_add_up_are_not_signed(desk: Desk) -> None:
    """Were the comparison itself at fault, no result would come of it."""
    desk.run(monday())
    wrong = WRONG["a fen of ours more"](stated(desk, MONDAY.number))
    path = desk.result("wrong")
    with RowsWriter(rows_path(path)) as rows, pytest.raises(ProofMismatch):
        keep_result(path, wrong, rows, organisation_key(desk.home, "hospital-a"), [], [])
    assert not path.exists()
    assert not rows_path(path).exists()


def test_a_result_that_cannot_be_written_leaves_no_rows_either(desk: Desk) -> None:
    """A folder of that name came meanwhile: the system refuses the file."""
    desk.run(monday())
    good = stated(desk, MONDAY.number)
    path = desk.folder / "gone" / "x.reconciliation"
    path.parent.mkdir()
    with RowsWriter(rows_path(path)) as rows:
        path.mkdir()
        with pytest.raises(ResultExists):
            keep_result(path, good, rows, organisation_key(desk.home, "hospital-a"), [], [])
    assert list(path.parent.iterdir()) == [path]


def test_a_result_is_never_written_over(desk: Desk) -> None:
    desk.run(monday())
    before = desk.result(MONDAY.number).read_bytes(), desk.rows(MONDAY.number).read_bytes()
    told = desk.run(monday(), "--json")
    assert (told.code, told.document["code"]) == (6, "result_exists")
    desk.result(MONDAY.number).rename(desk.folder / "kept")
    assert desk.run(monday(), "--json").document["code"] == "result_exists"  # its rows lie there still
    assert ((desk.folder / "kept").read_bytes(), desk.rows(MONDAY.number).read_bytes()) == before


def test_the_same_files_give_the_same_rows_whatever_their_order(desk: Desk) -> None:
    day, draw = monday(), random.Random(5)
    desk.run(day, name="one")
    draw.shuffle(day.ours)
    draw.shuffle(day.theirs)
    desk.run(day, name="two")
    assert desk.rows("one").read_bytes() == desk.rows("two").read_bytes()
    one, two = stated(desk, "one"), stated(desk, "two")
    assert replace(one, made_ms=0, inputs=[]) == replace(two, made_ms=0, inputs=[])


def test_only_the_first_rows_stand_in_the_result_and_all_beside_it(desk: Desk) -> None:
    day = Day()
    for number in range(ROWS_SHOWN_MAX + 50):
        day.pay(number, 100, sides="ours")
    desk.run(day)
    statement = stated(desk, MONDAY.number)
    assert (statement.rows, len(statement.shown)) == (ROWS_SHOWN_MAX + 50, ROWS_SHOWN_MAX)
    assert len(desk.rows(MONDAY.number).read_bytes().splitlines()) == ROWS_SHOWN_MAX + 50
    assert desk.verify(MONDAY.number).code == 0
    shown = desk.medbill("show", desk.result(MONDAY.number), "--rows", 3)
    assert shown.out.count("only_ours") == 4  # the class, and three rows
    assert f"and {ROWS_SHOWN_MAX + 47} more" in shown.out


def test_a_result_is_shown_as_a_table(desk: Desk) -> None:
    """Amounts in yuan; the same as JSON in fen."""
    desk.run(monday())
    told = desk.medbill("show", desk.result(MONDAY.number))
    assert told.code == 0
    assert "hospital-a, alipay, 2026-04-20" in told.out
    assert "P-61" in told.out
    assert "3.00" in told.out
    assert "carried on" in told.out
    document = desk.medbill("show", desk.result(MONDAY.number), "--json").document
    assert [row["theirs_fen"] for row in document["shown"]] == [None, 300]


def test_every_row_goes_into_a_spreadsheet(desk: Desk, tmp_path: Path) -> None:
    desk.run(monday())
    path = tmp_path / "differences.csv"
    assert desk.medbill("show", desk.result(MONDAY.number), "--csv", path).code == 0
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["class"], row["order_no"], row["theirs"], row["entry"]) for row in rows] == [
        ("suspense", "P-60", "", "carry"),
        ("only_theirs", "P-61", "3.00", "book_payment"),
    ]
    again = desk.medbill("show", desk.result(MONDAY.number), "--csv", path, "--json")
    assert (again.code, again.document["code"]) == (6, "result_exists")


def test_rows_of_a_stranger_are_no_formulas_to_a_spreadsheet_and_altered_ones_are_not_written(
    desk: Desk, tmp_path: Path
) -> None:
    desk.run(monday())
    stranger = Row("only_ours", "payment", "=HYPERLINK(1)", number="@x", entry="-1", ours_fen=-5)
    write_differences_csv(tmp_path / "one.csv", [stranger])
    cells = (tmp_path / "one.csv").read_text("utf-8-sig").splitlines()[1].split(",")
    assert cells[:7] == ["only_ours", "payment", "'=HYPERLINK(1)", "", "'@x", "-0.05", ""]
    assert cells[-2] == "'-1"
    rows = desk.rows(MONDAY.number)
    rows.write_bytes(rows.read_bytes().replace(b'"P-61"', b'"P-62"'))
    told = desk.medbill("show", desk.result(MONDAY.number), "--csv", tmp_path / "two.csv", "--json")
    assert (told.code, told.document["code"]) == (2, "file_refused")
    assert not (tmp_path / "two.csv").exists()


# ── the next day ─────────────────────────────────────────────────────────────────────────────────────────────────────


def tuesday() -> Day:
    day = Day(TUESDAY)
    day.pay(60, 500, "00:00:03", "theirs")
    return day


def test_the_next_day_clears_what_was_carried(desk: Desk) -> None:
    desk.run(monday())
    told = desk.run(tuesday(), "--carried", desk.result(MONDAY.number), "--json")
    assert told.code == 0
    assert (told.document["matched"], told.document["cleared"], told.document["opening"]["ours"]) == (1, 1, 1)


def test_without_the_day_before_it_is_a_difference(desk: Desk) -> None:
    desk.run(monday())
    told = desk.run(tuesday(), "--json")
    assert (told.code, told.document["shown"][0]["name"]) == (1, "only_theirs")


@pytest.mark.parametrize(
    "fault", ["signature", "row", "no rows", "other day", "other channel", "other hospital", "no result"]
)
def test_a_day_before_that_does_not_hold_or_fit_is_not_carried(desk: Desk, fault: str) -> None:
    day = Day() if fault != "other day" else Day(TUESDAY)
    day.pay(60, 500, "23:59:58", "ours")
    desk.run(day, name="before")
    path, rows = desk.result("before"), desk.rows("before")
    if fault == "signature":
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elif fault == "row":
        rows.write_bytes(rows.read_bytes().replace(b"500", b"501"))
    elif fault == "no rows":
        rows.unlink()
    elif fault == "no result":
        path.write_bytes(b"")
    elif fault in ("other channel", "other hospital"):
        statement = stated(desk, "before")
        hospital = "hospital-b" if fault == "other hospital" else "hospital-a"
        changed = replace(statement, organisation=hospital, channel="wechat" if fault == "other channel" else "alipay")
        path.write_bytes(encode(sign_result(changed, organisation_key(desk.home, hospital), [], [])))
    told = desk.run(tuesday(), "--carried", path, "--json", name="after")
    assert (told.code, told.document["code"]) == (3, "carried_refused")
    assert sorted(os.listdir(desk.folder)) == sorted(
        [entry.name for entry in (path, rows) if entry.exists()] + sorted({str(day.day.number), str(TUESDAY.number)})
    )  # nothing was written


def test_a_chain_of_three_days_carries_each_item_once(desk: Desk) -> None:
    first, second = monday(), Day(TUESDAY)
    second.pay(70, 800, "23:50:00", "theirs")
    desk.run(first)
    desk.run(second, "--carried", desk.result(MONDAY.number))
    assert {total.name: total.count for total in stated(desk, TUESDAY.number).classes} == {
        "suspense": 1,
        "only_ours": 1,
    }
    third = Day(replace(TUESDAY, number=20260422))
    third.pay(70, 800, "00:01:00", "ours")
    told = desk.run(third, "--carried", desk.result(TUESDAY.number), "--json")
    assert (told.code, told.document["cleared"]) == (0, 1)


def test_a_result_that_is_none_is_refused_by_show(desk: Desk) -> None:
    path = Path(desk.folder / "x.reconciliation")
    path.write_bytes(b"\x96\x09")
    told = desk.medbill("show", path, "--json")
    assert (told.code, told.document["code"]) == (2, "file_refused")
