"""Wishes about payees, rules of splitting, splits, and the bank that keeps the money; forms and units as in `requests.py`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.bill import Text
from chain.codec import Name
from chain.operation import NOTICE_LINES_MAX, SHARE_RULES_MAX, SHARES_MAX
from node.money.requests import Amount, Code, NameHex, Number, Wish

Paper = Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z-]{0,64}\Z")]  # number of a payee's own bill or tax invoice
Place = Annotated[int, msgspec.Meta(ge=0, lt=SHARES_MAX)]
Version = Annotated[int, msgspec.Meta(ge=1, le=999_999)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=31_536_000)]
Parts = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]

# ── payees ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class AccountWish(Wish, frozen=True):
    """An account of another organisation's, as that one told it."""

    organisation: Name
    account: NameHex


class PayeeWish(Wish, frozen=True):
    """Somebody may share in the hospital's orders, and has consented."""

    payee_no: Number
    kind: Code  # doctor, hospital, pharmacy, laboratory, supplier, courier, platform
    consent: Number  # of what the payee signed; private
    title: Text = ""  # who it is; private
    is_signer: bool = False  # the organisation itself, with its own money
    account: AccountWish | None = None  # else the hospital keeps an account for the payee


class SuspensionWish(Wish, frozen=True):
    """Nothing is split to it until it is resumed; what it has stays its own."""

    reason: Code


class ResumptionWish(Wish, frozen=True):
    """It shares again."""


class PayoutWish(Wish, frozen=True):
    """The bank has paid a payee out."""

    payout_no: Number
    amount_fen: Amount
    bank_no: Number  # of the bank's payment


class DebtPaymentWish(Wish, frozen=True):
    """What a payee owed has come to the hospital, outside the ledger."""

    repayment_no: Number
    amount_fen: Amount


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class ShareRuleWish(Wish, frozen=True):
    """What one kind of payee gets of a line: one of `parts`, `fixed_fen` and `rest`."""

    to: Code
    parts: Parts | None = None  # of the line's `whole`
    fixed_fen: Amount | None = None
    rest: bool = False  # what the others leave
    cap_parts: Parts | None = None  # what it may come to at most; 30 % where nothing is said


class LineRuleWish(Wish, frozen=True):
    kind: Code  # of charge
    shares: Annotated[list[ShareRuleWish], msgspec.Meta(min_length=1, max_length=SHARE_RULES_MAX)]
    whole: Parts = 100  # that parts are counted in


class SplitRulesWish(Wish, frozen=True):
    """The next version of a set of rules; versions never change."""

    rules: Name
    version: Version
    lines: Annotated[list[LineRuleWish], msgspec.Meta(min_length=1, max_length=NOTICE_LINES_MAX)]
    earliest_seconds: Seconds = 30  # after the order was paid
    latest_seconds: Seconds = 2_592_000


# ── splits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class ServingWish(Wish, frozen=True):
    """Who served, of their kind."""

    payee: NameHex
    paper: Paper = ""  # of all their shares in this split


class LineWish(Wish, frozen=True):
    kind: Code
    amount_fen: Amount | None = None  # else all that was asked for it


class ShareWish(Wish, frozen=True):
    line: Code
    rule: Annotated[int, msgspec.Meta(ge=0, lt=SHARE_RULES_MAX)]  # its place among the line's
    payee: NameHex
    amount_fen: Annotated[int, msgspec.Meta(ge=0, le=10**12)]
    paper: Paper = ""


class SplitWish(Wish, frozen=True):
    """A paid order's money goes to who shares in it: with `payees` the gateway works the sums out, with `shares` they are said."""

    split_no: Number
    order: NameHex
    rules: Name
    version: Version
    payees: Annotated[list[ServingWish], msgspec.Meta(max_length=SHARES_MAX)] = msgspec.field(default_factory=list)
    lines: Annotated[list[LineWish], msgspec.Meta(max_length=NOTICE_LINES_MAX)] = msgspec.field(
        default_factory=list
    )  # else all that are not split yet
    shares: Annotated[list[ShareWish], msgspec.Meta(max_length=SHARES_MAX)] = msgspec.field(default_factory=list)


class FinishWish(Wish, frozen=True):
    """No more of the order is split; the rest is the hospital's own."""


class ShareReturnWish(Wish, frozen=True):
    """A payee gives back of a share; what it has not got any more it owes by name."""

    return_no: Number
    share: Place  # in the split, from 0
    amount_fen: Amount


class OrderReturnWish(Wish, frozen=True):
    """The hospital's own money comes to the order again: of the rest that it had, or for what payees still owe it."""

    return_no: Number
    amount_fen: Amount


# ── the bank ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class CustodyWish(Wish, frozen=True):
    """The money of the hospital's orders lies with this bank, which attests it daily."""

    bank: Name


class Aimed(Wish, frozen=True):
    """What a number stands for, where the path says half of it: the same number about something else is a conflict."""

    target: str
    wish: PayoutWish | DebtPaymentWish | ShareReturnWish | OrderReturnWish
