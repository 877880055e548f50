"""`docs/settlements.md`, what a settlement is compared with and how files of them look: python -m docs.settlements"""

from __future__ import annotations

from pathlib import Path

from cli.formats.csv_columns import Column
from cli.formats.settlement_columns import JOIN_COLUMNS, OUTCOME, PAY_COLUMNS
from node.service import DIFFERENCES

PAGE = Path(__file__).parent / "settlements.md"
JOIN_EXAMPLE = """\
医保结算号,票据号码,医保统筹基金支付,个人账户支付,其他支付,个人现金支付
JS-2026-000017,330601260000000007,80.00,30.00,,18.50
JS-2026-000018,330601260000000008,45.20,,,4.80
JS-2026-000018,330601260000000009,12.00,,,
"""
PAY_EXAMPLE = """\
医保结算号,医疗机构,基金支付金额,支付日期,支付流水号
JS-2026-000017,hospital-a,80.00,2026-04-20,ZF-88213
JS-2026-000018,hospital-a,57.20,2026-04-20,ZF-88214
"""
MEANS = {  # difference -> what it says, and who can put it right
    "no_settlement": "the bill names money of the pooled fund or of a personal account, and no settlement is joined to it",
    "fund_differs": "bill and settlement name different amounts of the pooled fund",
    "account_differs": "… of the personal account",
    "rest_differs": "… of all else: other payments and cash, taken together",
    "not_paid": "the fund owes the settlement's part and has not paid",
    "paid_differs": "the fund paid another amount than the settlements of its bills add up to; told at each of these bills",
    "bill_reversed": "the bill was reversed and its settlement still holds: the bureau withdraws it when the money is back",
    "bill_void": "the same of a bill that was withdrawn (作废)",
    "settlement_without_bill": "the fund paid a hospital for a settlement to which no bill was joined",
}


def page() -> str:
    parts = [
        "# Medical-insurance settlements",
        "",
        "Made by `python -m docs.settlements` from `cli/formats/settlement_columns.py` and the list of differences; a test compares, and reads the examples.",
        "",
        "Three stand against each other: the bill, as its hospital signed it; the settlement (医保结算), as the insurance bureau signs it; and the payment of the",
        "fund to the hospital, as the bureau signs it too. The bureau joins a settlement to the bill whose number the hospital stated in its settlement list;",
        "several bills may be of one settlement, and a bill is of one. The ledger records what was said, whether it agrees or not; what does not agree is",
        "found from its state by whoever asks, and by everyone alike.",
        "",
        "```",
        "medbill settlement join --home DIR --organisation insurance day.csv",
        "medbill settlement pay --home DIR --organisation insurance paid.csv",
        "medbill settlement withdraw --home DIR --organisation insurance --settlement JS-2026-000017 --reason bill_reversed",
        "medbill audit settlements --home DIR --unmatched --issuer hospital-a --from 2026-03-01",
        "```",
        "",
        "`GET /v1/audit/settlements?unmatched&issuer=&from=&to=&difference=` at a mirror is the same list, for auditors, the office's clerks, and of its own settlements",
        "for the bureau's (`insurer_clerk`). Days are business dates, and of a payment without a bill the day on which it was paid.",
        "",
        "| Difference | Means |",
        "| --- | --- |",
        *(f"| `{name}` | {MEANS[name]} |" for name in DIFFERENCES),
        "",
        "A withdrawn settlement counts for nothing: it says that a payment for it came back, its bills may be joined to another one, and its number is spent.",
        "A settlement stops no reversal. Numbers of settlements and payments stand on the ledger as digests under the bureau's unit key: a settlement is joined, paid",
        "and withdrawn under one such key. Whether the hospital printed the same settlement number on the bill the match cannot see: that is a private field.",
        "",
        "## Files",
        "",
        "Headings are the English names or the Chinese ones, in any order; UTF-8, or GB18030. Amounts are yuan. `day.outcome.csv` is written beside `day.csv`: the same",
        "rows, and what came of each. The same file again is harmless; after a refusal whose cause is gone it finishes what is left.",
        "",
        *_file("settlement join", JOIN_EXAMPLE, JOIN_COLUMNS),
        *_file("settlement pay", PAY_EXAMPLE, PAY_COLUMNS),
        "| Column of the outcome file | Means |",
        "| --- | --- |",
        *(f"| `{name}` | {means} |" for name, means in OUTCOME),
        "",
    ]
    return "\n".join(parts)


def _file(command: str, example: str, columns: tuple[Column, ...]) -> list[str]:
    rows = [
        f"| `{column.name}` | {column.title} | {'yes' if column.required else ''} | {column.means} |"
        for column in columns
    ]
    return [
        f"`medbill {command}`:",
        "",
        "```",
        example.rstrip("\n"),
        "```",
        "",
        "| Column | 列 | Must be there | Means |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
    ]


def main() -> None:
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
