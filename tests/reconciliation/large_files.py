"""Large files of one day, in no order, and what reconciling them takes: python -m tests.reconciliation.large_files LINES FOLDER

Writes both files, then runs `medbill reconciliation run` as a process of its own and prints its time and its peak of memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.formats.our_lines import write_our_lines
from cli.formats.reconciliation_columns import STATEMENT_COLUMNS
from cli.output import yuan
from node.config import load_network_config
from node.provision import provision
from node.reconciliation.our_line import OurLine
from tests.house.project import ROOT
from tests.reconciliation.making import CHANNEL, MONDAY, clock_of, name_of

DAY_S = 23 * 3600  # so that nothing is near midnight
STEP = 7_919  # a prime: places of a shuffled order, without holding one
FAULT_EVERY = 10_000  # of the channel's lines: another amount


def amount_fen(number: int) -> int:
    return 100 + number % 99_991


def time_ms(number: int) -> int:
    return MONDAY.start_ms + (number * 31 % DAY_S) * 1000


def our_lines(count: int) -> Iterator[OurLine]:
    for number in range(count):
        order, fen = f"P-20260420-{number:09d}", amount_fen(number)
        yield OurLine(
            CHANNEL, "payment", order, fen, "success", time_ms(number), f"2026042022001{number:015d}", "", name_of(order),
            name_of(f"F{number}"), True, fen, f"33060126{number:010d}", fen,
        )  # fmt: skip


def write_statement(path: Path, count: int) -> None:
    """The same, in another order, with a fault now and then."""
    paid_fen = fees_fen = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(",".join(column.name for column in STATEMENT_COLUMNS) + "\r\n")
        for place in range(count):
            number = place * STEP % count
            fen = amount_fen(number) + (1 if number % FAULT_EVERY == 1 else 0)
            fee = fen // 250
            paid_fen, fees_fen = paid_fen + fen, fees_fen + fee
            order, trade = f"P-20260420-{number:09d}", f"2026042022001{number:015d}"
            stream.write(
                f"{CHANNEL},payment,{order},{trade},,{yuan(fen)},{yuan(fee)},success,{clock_of(time_ms(number))}\r\n"
            )
        stream.write(f"end,{count},{yuan(paid_fen)},0.00,{yuan(fees_fen)}\r\n")


LOOK_S = 0.02  # between two looks at the memory of a process


def _peak_kib(pid: int) -> int:
    """Of the process itself: what `wait4` tells begins with the size of the one that started it."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:  # it has just ended
        return 0
    return 0


def measured(count: int, folder: Path) -> dict[str, Any]:
    """{lines, bytes, seconds, peak_mib, rows}: of a process that reconciles both files. `count` shares no factor with STEP."""
    ours, statement = folder / "ours.jsonl", folder / "statement.csv"
    home = folder / "network"
    if not home.exists():
        provision(load_network_config(ROOT / "network.yaml"), home, 1_776_700_000_000)
    with ours.open("wb") as stream:
        write_our_lines(stream, our_lines(count))
    write_statement(statement, count)
    command = [
        sys.executable, "-m", "cli.main", "reconciliation", "run", "--home", str(home), "--organisation", "hospital-a",
        "--channel", CHANNEL, "--day", str(MONDAY.date), "--ours", str(ours), "--statement", str(statement),
        "--temporary", str(folder), "--out", str(folder / f"{count}.reconciliation"), "--json",
    ]  # fmt: skip
    begun = time.perf_counter()
    with (folder / "out.json").open("wb") as out, (folder / "err.txt").open("wb") as err:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err)
        peak_kib = 0
        while process.poll() is None:
            peak_kib = max(peak_kib, _peak_kib(process.pid))
            time.sleep(LOOK_S)
    seconds = time.perf_counter() - begun
    said = (folder / "err.txt").read_text("utf-8")
    if process.returncode not in (0, 1) or said:
        raise RuntimeError(said)
    found = json.loads((folder / "out.json").read_bytes())
    peak_mib = peak_kib // 1024
    size = ours.stat().st_size + statement.stat().st_size
    matched = found["matched"]
    return {
        "lines": count,
        "bytes": size,
        "seconds": round(seconds, 1),
        "peak_mib": peak_mib,
        "rows": found["rows"],
        "matched": matched,
    }


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]), Path(sys.argv[2]))))
