"""11xx: what is owed, the orders that pay it over several channels, the money as it comes and goes back."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chain.codec import BillId, Count, Digest, Fen, LocalDate, Milliseconds, Wire
from chain.operation.fields import Mac, Reason

NOTICE_LINES_MAX = 32  # kinds of charges on one notice
NOTICES_MAX = 16  # paid by one order
PARTS_MAX = 8  # channels of one order
ANSWERED_MAX = 64  # notices that one bill answers


class LineSum(Wire, frozen=True):
    """What a notice asks for one kind of charge."""

    kind: Reason  # consultation, drug, test …
    amount_fen: Fen


class IssueNotice(Wire, frozen=True, tag=1100):
    """Somebody owes the organisation that signs: fees of a visit, or what else is collected. Who, and for what, are private details."""

    notice: Digest  # its name: random, or a MAC of the signer's own number
    kind: Reason  # medical; utility, non_tax …: other collections
    holder: Mac  # stands for who owes it, another one to each organisation
    lines: Annotated[list[LineSum], msgspec.Meta(min_length=1, max_length=NOTICE_LINES_MAX)]  # by kind, ascending
    due_ms: Milliseconds
    details_root: Digest  # over salted fields, kept by the signer


class WithdrawNotice(Wire, frozen=True, tag=1101):
    """It is owed no longer, and nothing of it was paid."""

    notice: Digest
    reason: Reason


class AnswerNotices(Wire, frozen=True, tag=1102):
    """The bill that follows what was paid: one bill for one notice, or for all those of a visit."""

    bill: BillId
    notices: Annotated[list[Digest], msgspec.Meta(min_length=1, max_length=ANSWERED_MAX)]  # ascending


class OrderPart(Wire, frozen=True):
    """How much of an order comes by which channel."""

    channel: Reason  # alipay, wechat, quickpass, card, fund, account, cash, deposit, credit
    amount_fen: Fen


class PlaceOrder(Wire, frozen=True, tag=1110):
    """Notices are going to be paid, by all parts together or not at all."""

    order: Digest
    notices: Annotated[list[Digest], msgspec.Meta(min_length=1, max_length=NOTICES_MAX)]  # ascending
    parts: Annotated[list[OrderPart], msgspec.Meta(min_length=1, max_length=PARTS_MAX)]
    until_ms: Milliseconds  # by block time; then nothing more is taken for it


class TakePayment(Wire, frozen=True, tag=1111):
    """A channel says that it has a part's money."""

    payment: Digest  # its name: a MAC of the channel's own number, so that a notice that comes again is known
    order: Digest
    part: Count  # its place in the order
    amount_fen: Fen
    evidence: Digest  # of what the channel signed


class TakeStray(Wire, frozen=True, tag=1112):
    """A channel has money that no order and no deposit waits for: too late, twice, or another sum. It is to go back."""

    payment: Digest
    order: Digest  # that it was meant for, or a deposit
    channel: Reason
    amount_fen: Fen
    evidence: Digest


class CloseOrder(Wire, frozen=True, tag=1113):
    """An order comes to nothing: its notices are owed again, and what parts were paid is to go back."""

    order: Digest
    reason: Reason


class RefundPayment(Wire, frozen=True, tag=1120):
    """Money goes back the way it came."""

    refund: Digest
    payment: Digest
    amount_fen: Fen
    notice: Annotated[list[Digest], msgspec.Meta(max_length=1)]  # of a settled order: what it was paid for
    red: Annotated[list[BillId], msgspec.Meta(max_length=1)]  # the red bill of that notice's bill
    evidence: Digest


class BankChannel(Wire, frozen=True, tag=1130):
    """What a channel took for a day has come to the bank."""

    settled: Digest  # its name: a MAC of the bank's number
    channel: Reason
    day: LocalDate  # that the channel settles
    amount_fen: Fen  # as it came
    fee_fen: Fen  # what the channel has kept
