"""The table of names in node/README.md, as it has to be: `python -m tests.failpoints.pages` prints it."""

from __future__ import annotations

from chain.failpoint_table import POINTS

BEGIN, END = "<!-- failpoints -->\n", "<!-- end of failpoints -->"


def names_by_file() -> str:
    by_file: dict[str, list[str]] = {}
    for name, point in POINTS.items():
        by_file.setdefault(point.file, []).append(name)
    rows = [f"| `{file}` | {' '.join(f'`{name}`' for name in names)} |" for file, names in by_file.items()]
    return "\n".join(["| File | Failpoints |", "| --- | --- |", *rows])


if __name__ == "__main__":
    print(names_by_file())
