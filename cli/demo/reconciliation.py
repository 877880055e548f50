"""The scene of a morning's reconciliation: a channel's statement of 200 lines with five planted faults, and the day after.

The lines are invented, and so are their bills; files, keys, signatures and checks are the real ones.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from cli.demo.stage import Stage, expect
from cli.formats.our_lines import write_our_lines
from cli.formats.statement_csv import write_statement_csv
from node.channels.statement_line import StatementLine
from node.reconciliation.business_day import BusinessDay
from node.reconciliation.our_line import OurLine

CHANNEL, OFFSET_MINUTES = "alipay", 480
MONDAY, TUESDAY = BusinessDay(20260420, OFFSET_MINUTES), BusinessDay(20260421, OFFSET_MINUTES)
LINES = 200  # of the channel, on Monday
OTHER_AMOUNT, ONLY_OURS, ONLY_THEIRS, CLOSED, MIDNIGHT = 17, 42, 77, 123, 199
PLANTED = {
    "amount_differs": f"P-{OTHER_AMOUNT}",
    "only_ours": f"P-{ONLY_OURS}",
    "only_theirs": f"P-{ONLY_THEIRS}",
    "status_differs": f"P-{CLOSED}",
    "suspense": f"P-{MIDNIGHT}",
}
FEE_SHARE = 250  # the channel keeps one part of so many
replace = msgspec.structs.replace


def money_is_reconciled(stage: Stage) -> str:
    ours, theirs = _monday()
    monday = _run(stage, MONDAY, ours, theirs, expect_code=1)
    expect({row["name"]: row["order_no"] for row in monday["shown"]}, PLANTED)
    expect((monday["theirs"]["lines"], monday["rows"]), (LINES, len(PLANTED)))
    late = [replace(_their_line(MIDNIGHT), time_ms=TUESDAY.start_ms + 2_000)]
    tuesday = _run(stage, TUESDAY, [], late, "--carried", str(_result(stage, MONDAY)))
    expect((tuesday["rows"], tuesday["cleared"]), (0, 1))

    path = _result(stage, MONDAY)
    genesis = ("--genesis", str(stage.home / "genesis.json"))
    expect(stage.medbill("reconciliation", "verify", str(path), *genesis)["valid"], True)
    altered = path.with_name("altered.reconciliation")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    altered.write_bytes(data)
    expect(stage.medbill("reconciliation", "verify", str(altered), *genesis, expect=3)["valid"], False)
    said = ", ".join(f"{name} {order}" for name, order in sorted(PLANTED.items()))
    return f"{LINES} lines, {said} and no other; the next day clears {PLANTED['suspense']}; one byte changed: exit 3"


def _our_line(number: int) -> OurLine:
    fen = _amount_fen(number)
    return OurLine(
        CHANNEL, "payment", f"P-{number}", fen, "success", _time_ms(number), f"2026T{number:06d}", is_bill_due=True,
        order_total_fen=fen, bill_id=f"33060126{number:010d}", bill_total_fen=fen,
    )  # fmt: skip


def _their_line(number: int) -> StatementLine:
    fen = _amount_fen(number)
    return StatementLine(
        CHANNEL, "payment", f"P-{number}", f"2026T{number:06d}", "", fen, fen // FEE_SHARE, "success", _time_ms(number)
    )


def _amount_fen(number: int) -> int:
    return 1_000 + 137 * number


def _time_ms(number: int) -> int:
    return MONDAY.end_ms - 2_000 if number == MIDNIGHT else MONDAY.start_ms + (8 * 3_600 + 120 * number) * 1_000


def _monday() -> tuple[list[OurLine], list[StatementLine]]:
    numbers = range(LINES + 2)
    ours = [_our_line(number) for number in numbers if number != ONLY_THEIRS]
    theirs = {number: _their_line(number) for number in numbers if number not in (ONLY_OURS, MIDNIGHT)}
    theirs[OTHER_AMOUNT] = replace(theirs[OTHER_AMOUNT], amount_fen=theirs[OTHER_AMOUNT].amount_fen - 100)
    theirs[CLOSED] = replace(theirs[CLOSED], state="closed", fee_fen=0)
    return ours, list(theirs.values())


def _result(stage: Stage, day: BusinessDay) -> Path:
    return stage.directory / f"{CHANNEL}-{day.number}.reconciliation"


def _run(
    stage: Stage,
    day: BusinessDay,
    ours: list[OurLine],
    theirs: list[StatementLine],
    *more: str,
    expect_code: int = 0,
) -> Any:
    files = [stage.directory / f"{name}-{day.number}" for name in ("ours", "statement")]
    with files[0].open("wb") as stream:
        write_our_lines(stream, ours)
    with files[1].open("wb") as stream:
        write_statement_csv(stream, theirs, OFFSET_MINUTES)
    who = ("--home", str(stage.home), "--via", "archive", "--organisation", "hospital-a")
    named = ("--ours", str(files[0]), "--statement", str(files[1]), "--out", str(_result(stage, day)))
    day_of = ("--channel", CHANNEL, "--day", str(day.date))
    return stage.medbill("reconciliation", "run", *who, *day_of, *named, *more, expect=expect_code)
