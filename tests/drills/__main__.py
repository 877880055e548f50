"""`make drills`: every drill in real processes, and a table of what came of each. Exit 1 if one fails.

`python -m tests.drills [--write]`: the table in README.md too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.drills.disk_full import fill_the_disk
from tests.drills.province import EVERYBODY, Province
from tests.drills.stories import DRILLS
from tests.tables import as_markdown, write_table

PAGE = Path(__file__).with_name("README.md")

BILLS = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.drills")
    parser.add_argument("--write", action="store_true", help="the table in README.md anew")
    is_written = parser.parse_args().write
    rows: list[tuple[str, str, float, str]] = []
    with tempfile.TemporaryDirectory(prefix="medbill-drills-") as place:
        province = Province(Path(place))
        try:
            province.up()
            province.issue(BILLS)
            for name, drill in [*DRILLS, ("disk full", fill_the_disk)]:
                work = Path(place) / name.replace(" ", "-")
                work.mkdir()
                began = time.monotonic()
                try:
                    said, result = drill(province, work), "ok"
                    province.verify_nothing_lost()
                except Exception as error:
                    said, result = f"{type(error).__name__}: {str(error)[:200]}", "FAILED"
                    traceback.print_exc()
                    province.up(*EVERYBODY)
                rows.append((name, result, time.monotonic() - began, said))
                print(f"{result:<6}  {rows[-1][2]:6.1f} s  {name:<36}  {said}", flush=True)
        finally:
            province.down()
    bad = [row for row in rows if row[1] != "ok"]
    total = f"{len(rows) - len(bad)} of {len(rows)} drills ok, {sum(row[2] for row in rows):.0f} s"
    print(total)
    if is_written:
        cells = [[name, result, f"{seconds:.1f} s", said] for name, result, seconds, said in rows]
        write_table(PAGE, f"{total}.\n\n{as_markdown(['Drill', '', 'Took', 'What came of it'], cells)}", "drills")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
