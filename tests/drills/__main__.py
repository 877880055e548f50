"""`make drills`: every drill in real processes, and a table of what came of each. Exit 1 if one fails."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.drills.disk_full import fill_the_disk
from tests.drills.province import EVERYBODY, Province
from tests.drills.stories import DRILLS

BILLS = 20


def main() -> int:
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
    print(f"{len(rows) - len(bad)} of {len(rows)} drills ok, {sum(row[2] for row in rows):.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
