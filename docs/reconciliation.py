"""`docs/reconciliation.md`: what is compared, the classes of difference, and how the files look: python -m docs.reconciliation"""

from __future__ import annotations

from pathlib import Path

from cli.formats.csv_columns import Column
from cli.formats.reconciliation_columns import BANK_COLUMNS, LINE_BYTES_MAX, STATEMENT_COLUMNS
from cli.statement_readers import READERS
from node.reconciliation.business_day import NEAR_MIDNIGHT_MS
from node.reconciliation.classes import BANK, BILLS, CLASSES, ENTRIES, LINES
from node.reconciliation.reconcile import GROUP_LINES_MAX

PAGE = Path(__file__).parent / "reconciliation.md"
PICTURE = """\
   bills ◄── every order paid in all parts has a bill over its total ──► our lines
                                                                            ▲
                                                    order no., refund no.;  │  state, amount, trade no.
                                                                            ▼
   bank  ◄── payments − refunds − fees of the day, to the fen ─────────► statement of the channel
"""
STATEMENT_EXAMPLE = """\
channel,kind,order_no,trade_no,refund_no,amount,fee,state,time
alipay,payment,P-1001,2026042022001,,180.00,0.72,success,2026-04-20 09:31:07
alipay,payment,P-1002,2026042022002,,264.30,1.06,success,2026-04-20 09:40:00
alipay,refund,P-1001,2026042022001,R-1,50.00,-0.20,success,2026-04-20 16:02:45
end,3,444.30,50.00,1.58
"""
BANK_EXAMPLE = """\
业务日期,渠道,入账金额,银行流水号
2026-04-20,alipay,392.72,8801-000017
"""
OURS_EXAMPLE = """\
{"channel":"alipay","kind":"payment","order_no":"P-1001","amount_fen":18000,"state":"success","time_ms":1776648667000,"trade_no":"2026042022001","is_bill_due":true,"order_total_fen":18000,"bill_id":"330601260000000007","bill_total_fen":18000}
{"channel":"alipay","kind":"payment","order_no":"P-1002","amount_fen":26430,"state":"success","time_ms":1776649200000,"trade_no":"2026042022002","is_bill_due":true,"order_total_fen":26430,"bill_id":"330601260000000008","bill_total_fen":26430}
{"channel":"alipay","kind":"refund","order_no":"P-1001","amount_fen":5000,"state":"success","time_ms":1776672165000,"trade_no":"2026042022001","refund_no":"R-1"}
{"end":{"lines":3,"payments_fen":44430,"refunds_fen":5000}}
"""
WAYS = {LINES: "ours and the channel's", BILLS: "our orders and their bills", BANK: "the channel's and the bank's"}


def page() -> str:
    parts = [
        "# Reconciliation",
        "",
        "Made by `python -m docs.reconciliation` from the tables in `node/reconciliation/classes.py` and `cli/formats/reconciliation_columns.py`; a test compares, and",
        "reads the examples. How it works, and what it costs: [node/reconciliation](../node/reconciliation/README.md).",
        "",
        "Each morning, for each channel, what the ledger has of the day before is compared four ways:",
        "",
        "```text",
        PICTURE.rstrip("\n"),
        "```",
        "",
        "```",
        "medbill reconciliation run --home DIR --organisation hospital-a --channel alipay --day 2026-04-20 \\",
        "    --ours ours.jsonl --statement alipay.csv --format medbill --bank bank.csv --out alipay-0420.reconciliation",
        "medbill reconciliation run --home DIR --organisation hospital-a --channel alipay --day 2026-04-21 \\",
        "    --ours ours.jsonl --statement alipay.csv --carried alipay-0420.reconciliation --out alipay-0421.reconciliation",
        "medbill reconciliation show alipay-0420.reconciliation --csv differences.csv",
        "medbill reconciliation verify alipay-0420.reconciliation --genesis genesis.json --statement alipay.csv",
        "```",
        "",
        "The result is signed with the organisation's unit key: figures of every side, counts and gaps by class, what is carried from and to other days, the digest of",
        "each file that was compared, and the first differences. All of them lie beside it in `NAME.differences.jsonl`, whose digest is signed. `run` ends with 0 if all",
        "agrees, 1 if there are differences or items carried on, 2 if a file is refused; a refused run writes nothing, and a result is never written over. `verify` ends",
        "with 3 if a byte of result or rows was changed, or if a file named with it is not the one compared; `proof verify` takes results too. With",
        "`run --via MIRROR` the result holds the proof of the key that signed it; without, genesis must name the key, and no node is asked.",
        "",
        "Nothing is edited, anywhere: each difference names the entry that would put it right, and that is a new entry. Making it is for whoever answers for the money.",
        "",
        "## Differences",
        "",
        "In their precedence: a line, or a pair, has the first class of *ours and the channel's* that fits; the other two ways are looked at besides.",
        "",
        "| Class | Between | Means | Entry proposed |",
        "| --- | --- | --- | --- |",
    ]
    parts += [
        f"| `{entry.name}` | {WAYS[entry.way]} | {entry.means} | {', '.join(f'`{name}`' for name in entry.entries)} |"
        for entry in CLASSES
    ]
    parts += ["", "| Entry | Means |", "| --- | --- |"]
    parts += [f"| `{entry.name}` | {entry.means} |" for entry in ENTRIES]
    parts += [
        "",
        "A gap is what the channel (bills, bank) has more than we (orders, channel) have; a refund counts as less than nothing. So ours, the gaps and theirs add up, and",
        "a result in which they do not is refused by its check. What is pending, failed or closed on both sides, or on one and unknown to the other, moved no money and",
        "is no difference.",
        "",
        f"**Midnight.** What only one side has is carried to the next day if its time is at most {NEAR_MIDNIGHT_MS // 60_000} minutes (`--near-midnight`) from the day's end, on either side of it. The",
        "next day's run, with `--carried`, checks the result of the day before and its rows, and compares these items with its own lines. What then meets nobody is",
        "`only_ours` or `only_theirs`: nothing is carried twice. Results follow day by day; a day without business has one too, of files without lines.",
        "",
        "## Files",
        "",
        "`--ours`: JSON lines, one for each payment or refund of the channel whose time lies in the day, and a last line with the number of lines and the sums of all of",
        "them. Lines of other channels are passed over. `time_ms` is when the channel took the money, as its notice said, or when the ledger recorded it.",
        "",
        "```json",
        OURS_EXAMPLE.rstrip("\n"),
        "```",
        "",
        "`order` and `notice` may be added: their names on the ledger, 64 hexadecimal digits. `is_bill_due` is true when all parts of the order are paid.",
        "",
        f"`--statement`, in the form that `--format` names: {', '.join(f'`{name}`' for name in READERS)}. `medbill` is a CSV file in UTF-8 with English or Chinese headings in any order, and a last row",
        "`end,LINES,PAYMENTS,REFUNDS,FEES` with its counts and sums:",
        "",
        *_file(STATEMENT_EXAMPLE, STATEMENT_COLUMNS),
        "`--bank`: a CSV file, UTF-8 or GB18030, of any channels and days; what is not of this channel and day is passed over. Lines of one day are added up. Without it the",
        "bank is not compared, and the result says so. ISO 20022 `camt.053` is not read: neither channel nor statement day has a field in it, banks write them into free",
        "text, each in its way.",
        "",
        *_file(BANK_EXAMPLE, BANK_COLUMNS),
        "Amounts are yuan with two decimals at most, and never rounded. Numbers begin with a letter or digit and have letters, digits and `_.:|*@/-`, 64 at most, so",
        f"nothing in them is a formula to a spreadsheet. A line has {LINE_BYTES_MAX} bytes at most, and one order or refund {GROUP_LINES_MAX} lines. A refusal names file and line, and repeats",
        "nothing of it.",
        "",
    ]
    return "\n".join(parts)


def _file(example: str, columns: tuple[Column, ...]) -> list[str]:
    rows = [f"| `{column.name}` | {column.title} | {column.means} |" for column in columns]
    return ["```", example.rstrip("\n"), "```", "", "| Column | 列 | Means |", "| --- | --- | --- |", *rows, ""]


def main() -> None:
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
