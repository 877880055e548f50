"""The classes of difference, in their precedence within each way of comparing, and the entries that would put them right.

A line, or a pair of lines, has one class of way `lines` at most: the first that fits. The other ways are looked at besides: a bill may
be missing of a payment whose amount differs too. `docs/reconciliation.md` shows both tables.
"""

from __future__ import annotations

from typing import NamedTuple

from chain.reconciliation_result import BANK_CLASSES, BILL_CLASSES, LINE_CLASSES

LINES, BILLS, BANK = "lines", "bills", "bank"  # ways: ours and channel, orders and bills, channel and bank

(
    DUPLICATE_OURS, DUPLICATE_THEIRS, SUSPENSE, ONLY_OURS, ONLY_THEIRS, STATUS_DIFFERS, AMOUNT_DIFFERS, TRADE_DIFFERS,
) = LINE_CLASSES  # fmt: skip
BILL_MISSING, BILL_DIFFERS = BILL_CLASSES
DUPLICATE_BANK, BANK_MISSING, BANK_DIFFERS = BANK_CLASSES

BOOK_PAYMENT, BOOK_REFUND = "book_payment", "book_refund"
TAKE_BACK_PAYMENT, TAKE_BACK_REFUND = "take_back_payment", "take_back_refund"
CARRY = "carry"
ASK_CHANNEL, ASK_BANK = "ask_channel", "ask_bank"
ISSUE_BILL, CORRECT_BILL = "issue_bill", "correct_bill"
CLAIM_FROM_CHANNEL, BOOK_SURPLUS = "claim_from_channel", "book_surplus"


class DifferenceClass(NamedTuple):
    name: str
    way: str
    means: str
    entries: tuple[str, ...]  # one of them is proposed


class Entry(NamedTuple):
    name: str
    means: str


CLASSES: tuple[DifferenceClass, ...] = (
    DifferenceClass(
        DUPLICATE_OURS,
        LINES,
        "we have one payment or refund twice; the second line",
        (TAKE_BACK_PAYMENT, TAKE_BACK_REFUND),
    ),
    DifferenceClass(DUPLICATE_THEIRS, LINES, "the channel lists one trade twice; the second line", (ASK_CHANNEL,)),
    DifferenceClass(
        SUSPENSE,
        LINES,
        "only one side has it, and its time is near the day's end: carried to the next day, once",
        (CARRY,),
    ),
    DifferenceClass(
        ONLY_OURS,
        LINES,
        "we have it as paid or given back, the channel has nothing of it; also what was carried a day in vain",
        (TAKE_BACK_PAYMENT, TAKE_BACK_REFUND),
    ),
    DifferenceClass(
        ONLY_THEIRS,
        LINES,
        "the channel took it or gave it back, we have nothing of it; also a second trade of one order",
        (BOOK_PAYMENT, BOOK_REFUND),
    ),
    DifferenceClass(
        STATUS_DIFFERS,
        LINES,
        "one side says that money moved, the other that it did not, or not yet",
        (BOOK_PAYMENT, BOOK_REFUND, TAKE_BACK_PAYMENT, TAKE_BACK_REFUND, ASK_CHANNEL),
    ),
    DifferenceClass(
        AMOUNT_DIFFERS,
        LINES,
        "both have it, with different amounts",
        (BOOK_PAYMENT, BOOK_REFUND, TAKE_BACK_PAYMENT, TAKE_BACK_REFUND),
    ),
    DifferenceClass(
        TRADE_DIFFERS, LINES, "both have it with one amount, under different numbers of the channel", (ASK_CHANNEL,)
    ),
    DifferenceClass(BILL_MISSING, BILLS, "all parts of an order are paid, and there is no bill", (ISSUE_BILL,)),
    DifferenceClass(BILL_DIFFERS, BILLS, "the order's bill has another total than the order", (CORRECT_BILL,)),
    DifferenceClass(DUPLICATE_BANK, BANK, "a bank's line stands twice; it is counted once", (ASK_BANK,)),
    DifferenceClass(
        BANK_MISSING,
        BANK,
        "the channel has money for the day, and the bank has no line of it",
        (CLAIM_FROM_CHANNEL, BOOK_SURPLUS),
    ),
    DifferenceClass(
        BANK_DIFFERS,
        BANK,
        "the bank's lines of the day are not payments less refunds less fees of the channel's",
        (CLAIM_FROM_CHANNEL, BOOK_SURPLUS),
    ),
)
ENTRIES: tuple[Entry, ...] = (
    Entry(BOOK_PAYMENT, "enter a payment of this amount for the order, from the channel's account"),
    Entry(BOOK_REFUND, "enter a refund of this amount"),
    Entry(TAKE_BACK_PAYMENT, "enter the opposite of a payment, of this amount"),
    Entry(TAKE_BACK_REFUND, "enter the opposite of a refund, of this amount"),
    Entry(CARRY, "nothing to enter today: the next day's run compares it again"),
    Entry(ASK_CHANNEL, "nothing to enter before the channel has said which is right"),
    Entry(ASK_BANK, "nothing to enter before the bank has said which is right"),
    Entry(ISSUE_BILL, "issue the order's bill over this amount"),
    Entry(CORRECT_BILL, "correct the bill (a red bill and a new one); the amount is how far it is off"),
    Entry(CLAIM_FROM_CHANNEL, "enter a receivable from the channel of this amount"),
    Entry(BOOK_SURPLUS, "enter a liability to the channel of this amount"),
)
