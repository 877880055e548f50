"""Payees, rules of splitting and splits; what a bank attests."""

from __future__ import annotations

from chain.codec import Count, Digest, Fen, LocalDate, Milliseconds, Name, Wire
from chain.operation import AccountRef, LineRule, Mac, Reason, Share
from chain.records.record import State

# ways to share
SHARE = 1  # so many parts of the whole
FIXED = 2  # a sum
REMAINDER = 3  # what the others leave


class PayeeBody(Wire, frozen=True):
    kind: Reason
    account: AccountRef
    consent: Digest
    state: State  # records.ACTIVE or SUSPENDED
    reason: str  # why it is not active, or empty
    changes: Count  # of its standing so far
    owed_fen: Fen  # to the organisation, of shares that it could not give back


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


class TakenBackBody(Wire, frozen=True):
    split: Digest
    share: Count
    amount_fen: Fen
    owed_fen: Fen  # so much of it the payee had not got any more


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
    ledger_fen: Fen
    statement: Digest
