"""12xx: who shares in an order's money, by which rules; taking back, paying out, the bank that keeps it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.codec import Count, Digest, Fen, LocalDate, Milliseconds, Name, Wire
from chain.operation.accounts import AccountRef
from chain.operation.fields import Mac, Reason
from chain.operation.payments import NOTICE_LINES_MAX

SHARES_MAX = 50  # of one split
SHARE_RULES_MAX = 16  # of one kind of charge


class BindPayee(Wire, frozen=True, tag=1200):
    """Somebody may share in the signer's orders. Who it is, is a private detail."""

    payee: Digest  # its name: random, or a MAC of the signer's own number
    kind: Reason  # doctor, supplier, platform, courier, hospital …: one of `rules.division.PAYEE_KINDS`
    # another organisation's, or the signer's own money, where the signer itself is meant; none: kept by the signer
    account: Annotated[list[AccountRef], msgspec.Meta(max_length=1)]
    consent: Digest  # of what the payee signed


class SuspendPayee(Wire, frozen=True, tag=1201):
    """Nothing is split to it until it is resumed; what it has stays its own."""

    payee: Digest
    reason: Reason
    changes: Count  # how often its standing has changed before


class ResumePayee(Wire, frozen=True, tag=1202):
    """A suspended payee shares again."""

    payee: Digest
    changes: Count


class ShareRule(Wire, frozen=True):
    """What one payee gets of a kind of charge."""

    payee_kind: Reason
    way: Annotated[int, msgspec.Meta(ge=1, le=3)]  # records.SHARE, FIXED or REMAINDER
    parts: Count  # of the line's `whole`; 0 where it is no share
    amount_fen: Fen  # 0 where it is not fixed
    cap_parts: Count  # of the line's `whole`: what it may come to at most


class LineRule(Wire, frozen=True):
    """How a kind of charge is divided: all of it, to the fen."""

    kind: Reason
    whole: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]  # that parts are counted in
    shares: Annotated[list[ShareRule], msgspec.Meta(min_length=1, max_length=SHARE_RULES_MAX)]


class PublishSplitRules(Wire, frozen=True, tag=1210):
    """The next version of a set of rules of the signer's."""

    rules: Name
    version: Count  # one more than the former has
    lines: Annotated[list[LineRule], msgspec.Meta(min_length=1, max_length=NOTICE_LINES_MAX)]  # by kind, ascending
    earliest_ms: Milliseconds  # after the order was paid
    latest_ms: Milliseconds


class Share(Wire, frozen=True):
    """One payee's money of one kind of charge."""

    line: Reason
    rule: Count  # place of the rule among the line's
    payee: Digest
    amount_fen: Fen  # as the rule gives it
    # number of the payee's own bill (of a hospital) or tax invoice (of a supplier, a platform) for it; may be empty
    paper: Annotated[str, msgspec.Meta(pattern=r"\A[0-9A-Za-z-]{0,64}\Z")]


class SplitOrder(Wire, frozen=True, tag=1220):
    """The money of a paid order's charges goes to who shares in it: all or nothing."""

    split: Digest
    order: Digest
    rules: Name
    version: Count
    shares: Annotated[list[Share], msgspec.Meta(min_length=1, max_length=SHARES_MAX)]  # by line and rule, ascending


class FinishOrder(Wire, frozen=True, tag=1221):
    """No more of an order is split: the rest is the signer's own."""

    order: Digest


class TakeBackShare(Wire, frozen=True, tag=1230):
    """A payee gives back of a share, since the patient was, or will be, refunded. What it has not got any more it owes."""

    back: Digest
    split: Digest
    share: Count  # its place in the split
    amount_fen: Fen


class ReturnToOrder(Wire, frozen=True, tag=1231):
    """The signer's money comes to an order again, to be refunded: of the rest that it had, or for what payees still owe it."""

    back: Digest
    order: Digest
    source: AccountRef  # the signer's own money, or an account that is no part's
    amount_fen: Fen


class PayOwed(Wire, frozen=True, tag=1232):
    """What a payee owed is paid by its organisation, or by the one that it owes, to which it came."""

    repayment: Digest
    organisation: Name  # that the payee is bound by
    payee: Digest
    source: AccountRef  # of the signer's
    amount_fen: Fen


class PayOut(Wire, frozen=True, tag=1240):
    """A payee's money was paid out by the bank."""

    payout: Digest
    payee: Digest
    amount_fen: Fen
    payment_mac: Mac  # of the bank's number


class SuperviseMoney(Wire, frozen=True, tag=1250):
    """The money of the signer's orders lies with this bank, which attests it daily."""

    bank: Name
    number: Count  # how often it has changed


class AttestBalance(Wire, frozen=True, tag=1251):
    """A bank says what lies in an organisation's supervised account at the end of a day."""

    organisation: Name
    day: LocalDate
    balance_fen: Fen
    statement: Digest  # of the bank's own
