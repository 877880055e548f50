"""Payees, rules of splitting and splits; what a bank attests."""

from __future__ import annotations

from chain.codec import Count, Digest, Fen, LocalDate, Milliseconds, Name, Wire
from chain.operation import AccountRef, LineRule, Mac, Reason, Share
from chain.records.record import State

# ways to share
SHARE = 1  # so many parts of the whole
FIXED = 2  # a sum
REMAINDER = 3  # what the others leave


class Debt(Wire, frozen=True):
    """What a payee owes to an order's money: it could not give it back."""

    order: Digest
    amount_fen: Fen


class PayeeBody(Wire, frozen=True):
    kind: Reason
    account: AccountRef
    consent: Digest
    state: State  # records.ACTIVE or SUSPENDED
    reason: str  # why it is not active, or empty
    changes: Count  # of its standing so far
    owed: list[Debt]  # the oldest first, each order once; further shares pay it off


class SplitRulesBody(Wire, frozen=True):
    """One version, for ever."""

    lines: list[LineRule]
    earliest_ms: Milliseconds
    latest_ms: Milliseconds


class SplitBody(Wire, frozen=True):
    order: Digest
    rules: Name
    version: Count
    shares: list[Share]
    taken_back_fen: list[Fen]  # of each share
    time_ms: Milliseconds


class OrderSplitBody(Wire, frozen=True):
    """What became of an order's money."""

    lines: list[Reason]  # kinds of charges that are split, ascending
    rest_fen: Fen  # with the signer since it was finished
    owed_fen: Fen  # by payees, together
    advanced_fen: Fen  # so much of it the signer has put in for them
    splits: list[Digest]  # in the order of their making; as few as there are lines


class FinishedBody(Wire, frozen=True):
    rest_fen: Fen  # that the signer got


class TakenBackBody(Wire, frozen=True):
    split: Digest
    share: Count
    amount_fen: Fen
    owed_fen: Fen  # so much of it the payee had not got any more
    time_ms: Milliseconds


class ReturnedBody(Wire, frozen=True):
    order: Digest
    source: AccountRef
    amount_fen: Fen
    advanced_fen: Fen  # so much of it for what payees owe
    time_ms: Milliseconds


class OwedPaidBody(Wire, frozen=True):
    payee: Digest
    source: AccountRef
    amount_fen: Fen
    time_ms: Milliseconds


class PayOutBody(Wire, frozen=True):
    payee: Digest
    amount_fen: Fen
    payment_mac: Mac
    time_ms: Milliseconds


class Closing(Wire, frozen=True):
    """What lay in a supervised account at the end of a day on which it moved."""

    day: LocalDate
    balance_fen: Fen


class CustodyBody(Wire, frozen=True):
    """Which bank an organisation's money lies with, and the newest days."""

    bank: str  # empty: none yet
    number: Count  # how often the bank has changed
    closings: list[Closing]  # by day, ascending, the newest ones


class AttestedBody(Wire, frozen=True):
    """What a bank said of a day, and what the ledger had."""

    bank: Name
    balance_fen: Fen
    ledger_fen: Fen  # another sum: `supervised_balance_mismatch`
    statement: Digest
