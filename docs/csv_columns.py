"""`docs/csv-import.md`, what a CSV file of bills looks like, from the table in `cli/formats/csv_columns.py`: python -m docs.csv_columns"""

from __future__ import annotations

from pathlib import Path

from cli.formats.csv_columns import COLUMNS, OUTCOME, REFUSED

PAGE = Path(__file__).parent / "csv-import.md"
EXAMPLE = """\
业务流水号,票据种类,开票时间,交款人,总金额,医保统筹基金支付,项目编码,项目名称,明细编码,明细名称,数量,单价,金额
MZ-0001,门诊,2026-03-01 09:30:00,示例甲,128.50,80.00,02,西药费,XY0001,阿莫西林胶囊,3,34.50,103.50
MZ-0001,,,,,,01,诊察费,,,,,25.00
GH-0002,挂号,2026-03-01 09:31:00,示例乙,10.00,,13,挂号费,,,,,10.00
"""


def page() -> str:
    parts = [
        "# CSV files of bills",
        "",
        "Made by `python -m docs.csv_columns` from `cli/formats/csv_columns.py`; a test compares, and reads the example.",
        "",
        "```",
        "medbill bill import --home DIR --via hospital-a day.csv            one file, or more",
        "medbill bill import --home DIR --via hospital-a --folder STAGING   every *.csv in a folder, as often as you like",
        "```",
        "",
        "A header, then a row per line of a bill; all rows with one business number are one bill, wherever they stand in the file. Headings are the English",
        "names or the Chinese ones, in any order. What belongs to the bill may stand in one of its rows or in all, but not differ.",
        "",
        "```",
        EXAMPLE.rstrip("\n"),
        "```",
        "",
        "Encoding: UTF-8 with or without a byte order mark; anything else is read as GB18030, and the command says which it was. Commas, quotes doubled, as Excel",
        "writes it. Amounts are yuan: `1234.5`, no thousands separators.",
        "",
        "`day.outcome.csv` is written beside `day.csv`, in the same encoding: the same rows, and what came of each. The same file again issues nothing: its rows say",
        "`same_bill`. Correct what was refused in the file itself and run it again. Nothing is moved or deleted; take old files away when you please.",
        "",
        "Of a folder a file is left for the next run while it grows, or as long as its last line has no end; the command names it. `*.outcome.csv` and names",
        "with a leading dot are not read. A file that is named by itself is read as it is.",
        "",
        "| Column | 列 | Of | Must be there | Means |",
        "| --- | --- | --- | --- | --- |",
    ]
    for column in COLUMNS:
        must = "yes" if column.required else ""
        parts.append(f"| `{column.name}` | {column.title} | {column.of} | {must} | {column.means} |")
    parts += ["", "| Column of the outcome file | Means |", "| --- | --- |"]
    parts += [f"| `{name}` | {means} |" for name, means in OUTCOME]
    parts += ["", "| Code | Means |", "| --- | --- |"]
    parts += [f"| `{code}` | {means} |" for code, means in REFUSED]
    return "\n".join([*parts, ""])


def main() -> None:
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
