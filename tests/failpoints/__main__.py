"""`make failpoints`: every failpoint struck in real processes, and a table of what came of it. Exit 1 if one fails.

`python -m tests.failpoints [--from LABEL] [--only PART] [--list]`: a label is name/node/action as the table shows it.
`--write` puts the table, a row a failpoint, into README.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.failpoints.plan import Case, cases
from tests.failpoints.stage import Row, Stage
from tests.tables import as_markdown, write_table

PAGE = Path(__file__).with_name("README.md")

HEAD = f"{'':>3}  {'failpoint':<30} {'node':<12} {'action':<12} {'struck':<6} {'back':>6} {'bills':>11}  what it said"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.failpoints")
    parser.add_argument("--from", dest="start", default="", help="go on with the first run whose label begins so")
    parser.add_argument("--only", default="", help="only runs whose label contains this")
    parser.add_argument("--list", action="store_true", help="say what would be run")
    parser.add_argument("--keep", default="", help="make the network in this directory, and leave its logs there")
    parser.add_argument("--write", action="store_true", help="the table in README.md anew")
    options = parser.parse_args()
    chosen = choose(cases(), options.start, options.only)
    if options.list:
        print("\n".join(case.label for case in chosen))
        return 0
    with tempfile.TemporaryDirectory(prefix="medbill-failpoints-") as place:
        directory = Path(options.keep or place)
        directory.mkdir(exist_ok=True)
        return run(directory, chosen, options.write)


def choose(found: list[Case], start: str, only: str) -> list[Case]:
    labels = [case.label for case in found]
    first = next((number for number, label in enumerate(labels) if label.startswith(start)), len(found))
    return [case for case in found[first:] if only in case.label]


def run(directory: Path, chosen: list[Case], is_written: bool) -> int:
    stage, rows, began = Stage(directory), [], time.monotonic()
    print(HEAD, flush=True)
    try:
        stage.begin()
        for number, case in enumerate(chosen, 1):
            row = stage.play(case)
            rows.append(row)
            print(line_of(number, row), flush=True)
            if row.fault:
                stage.mend(row.node)
        stage.verify_votes()
    finally:
        stage.end()
    bad = [row for row in rows if row.fault]
    bills = sum(row.acknowledged for row in rows), sum(row.sealed for row in rows)
    names = len({row.case.name for row in rows})
    total = (
        f"{len(rows) - len(bad)} of {len(rows)} runs at {names} failpoints held; acknowledged {bills[0]}, "
        f"sealed {bills[1]}, lost {bills[0] - bills[1]}; {len(stage.votes.seen)} votes, none twice; "
        f"{time.monotonic() - began:.0f} s"
    )
    print(total)
    if is_written:
        write_table(PAGE, f"{total}.\n\n{table(rows)}")
    return 1 if bad or not rows else 0


def table(rows: list[Row]) -> str:
    """A row a failpoint: what it was struck with, how long the slowest took to come back, and bills that were sealed."""
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row.case.name, []).append(row)
    cells = []
    for name, runs in by_name.items():
        by_node: dict[str, list[str]] = {}
        for run_ in runs:
            by_node.setdefault(run_.case.node, []).append(run_.case.action)
        struck = "; ".join(f"{role}: {', '.join(actions)}" for role, actions in by_node.items())
        back = max(run_.back_s or 0.0 for run_ in runs)
        bills = f"{sum(run_.sealed for run_ in runs)} of {sum(run_.acknowledged for run_ in runs)}"
        held = "yes" if not any(run_.fault for run_ in runs) else "**no**"
        cells.append([f"`{name}`", struck, held, f"{back:.1f} s" if back else "–", bills])
    return as_markdown(
        ["Failpoint", "Struck with", "Held", "Back after, at most", "Bills sealed of acknowledged"], cells
    )


def line_of(number: int, row: Row) -> str:
    case = row.case
    back = f"{row.back_s:.1f} s" if row.back_s else "-"
    bills = f"{row.sealed}/{row.acknowledged}"
    said = f"FAILED {row.fault}" if row.fault else row.said
    struck = "yes" if row.struck else "no"
    return (
        f"{number:>3}  {case.name:<30} {row.node:<12} {case.action:<12} {struck:<6} {back:>6} {bills:>11}  {said[:300]}"
    )


if __name__ == "__main__":
    sys.exit(main())
