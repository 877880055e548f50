"""Accounts, transfers and holds of money."""

from __future__ import annotations

from chain.codec import Digest, Fen, Milliseconds, Name, Wire
from chain.operation import AccountRef, Reason, TransferRef
from chain.records.record import State

# what an account's balance may not do
UNLIMITED = 1
DEBITS_WITHIN_CREDITS = 2  # no more goes out than came in: a wallet, a deposit, a line that was granted
CREDITS_WITHIN_DEBITS = 3  # no more comes in than went out: a debt that is paid off

# a hold of money; it expires by block time alone
HELD = 1
CAPTURED = 2
LET_GO = 3


class HeldMoney(Wire, frozen=True):
    """A hold as a limited account counts it."""

    organisation: Name  # that signed it
    hold: Digest
    amount_fen: Fen
    until_ms: Milliseconds


class AccountBody(Wire, frozen=True):
    """All that ever went out of an account and came in, and what is held of its limited side."""

    purpose: Reason
    limit: State
    takes_from_others: bool
    debits_fen: Fen
    credits_fen: Fen
    holds: list[HeldMoney]  # in the order of their making; those that expired go with the next change
    closed: bool
    part: str  # of the rules that alone moves it, "payments" …; empty: its owner does


class TransferBody(Wire, frozen=True):
    debit: AccountRef
    credit: AccountRef
    amount_fen: Fen
    code: Reason
    about: list[Digest]
    corrects: list[TransferRef]
    corrected_fen: Fen  # so much of it was taken back by others
    time_ms: Milliseconds  # of its block


class HoldBody(Wire, frozen=True):
    """Money that was held; whether it has expired, the block time says."""

    debit: AccountRef
    credit: AccountRef
    amount_fen: Fen
    until_ms: Milliseconds
    code: Reason
    about: list[Digest]
    state: State
    captured_fen: Fen
