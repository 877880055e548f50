"""10xx: accounts, transfers and holds of money."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.codec import Digest, Fen, Milliseconds, Name, Wire
from chain.operation.fields import Reason


class AccountRef(Wire, frozen=True):
    """Names an account: who answers for it, and under which name."""

    owner: Name
    account: Digest  # random, or a MAC under a key of the owner's own: it tells nobody whose money it is


Limit = Annotated[int, msgspec.Meta(ge=1, le=99)]  # records.UNLIMITED, DEBITS_WITHIN_CREDITS or CREDITS_WITHIN_DEBITS


class OpenAccount(Wire, frozen=True, tag=1000):
    """An organisation begins an account that it answers for."""

    account: Digest
    purpose: Reason  # what it is for, as its owner calls it
    limit: Limit
    takes_from_others: bool  # whether another organisation may pay something in; never on a debt


class CloseAccount(Wire, frozen=True, tag=1001):
    """Nothing is moved on it any more, and no hold on it captured. It has to be even."""

    account: Digest


class TransferRef(Wire, frozen=True):
    """Names a transfer: who signed it, and under which name."""

    organisation: Name
    transfer: Digest


class Transfer(Wire, frozen=True, tag=1010):
    """Money goes from one account to another, for ever. Signed by who answers for the debited one."""

    transfer: Digest  # its name: random, or a MAC of the signer's own number
    debit: AccountRef
    credit: AccountRef
    amount_fen: Fen
    code: Reason  # what for
    about: Annotated[list[Digest], msgspec.Meta(max_length=1)]  # what it belongs to, if anything
    corrects: Annotated[list[TransferRef], msgspec.Meta(max_length=1)]  # a transfer that went the other way


class HoldMoney(Wire, frozen=True, tag=1020):
    """Money is kept back for a transfer to come: it counts against the limits at once."""

    hold: Digest
    debit: AccountRef
    credit: AccountRef
    amount_fen: Fen
    until_ms: Milliseconds  # by block time; then it is as if it had never been
    code: Reason
    about: Annotated[list[Digest], msgspec.Meta(max_length=1)]


class CaptureHold(Wire, frozen=True, tag=1021):
    """A hold becomes a transfer, once; what is left of it is free again."""

    hold: Digest
    transfer: Digest  # the name of what it becomes
    amount_fen: Fen  # at most what is held


class ReleaseHold(Wire, frozen=True, tag=1022):
    """Nothing comes of a hold."""

    hold: Digest
    reason: Reason
