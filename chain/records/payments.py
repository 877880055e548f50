"""Notices, orders, payments: what is owed, and the money that came for it."""

from __future__ import annotations

from chain.codec import BillId, Count, Digest, Fen, LocalDate, Milliseconds, Wire
from chain.operation import AccountRef, LineSum, Mac, Reason
from chain.records.record import State

# a notice
OWED = 1
IN_ORDER = 2  # an order is to pay it
SETTLED = 3
NOT_OWED = 4  # withdrawn

# an order
ORDER_OPEN = 1
ORDER_PAID = 2
ORDER_CLOSED = 3

# a payment
COUNTED = 1  # for its order or deposit
STRAY = 2  # nothing waits for it: it is to go back


class NoticeBody(Wire, frozen=True):
    kind: Reason
    holder: Mac
    lines: list[LineSum]
    total_fen: Fen
    due_ms: Milliseconds
    details_root: Digest
    state: State
    order: list[Digest]  # that pays it, or has paid it
    bill: list[BillId]  # that answers it
    refunded_fen: Fen


class PartBody(Wire, frozen=True):
    """A part of an order; it is paid once it has a payment."""

    channel: Reason
    amount_fen: Fen
    payment: list[Digest]


class OrderBody(Wire, frozen=True):
    notices: list[Digest]
    parts: list[PartBody]
    total_fen: Fen
    until_ms: Milliseconds
    state: State
    paid_ms: Milliseconds  # 0 until it is paid
    free_fen: Fen  # of its money: neither split nor gone back
    back_fen: Fen  # of that: came back of what was split, and goes to the patient alone
    finished: bool  # nothing more of it is split
    visit: list[Digest]  # that it was paid for


class PaymentBody(Wire, frozen=True):
    """Money that a channel, a deposit or a line gave for one part of an order, or for a deposit."""

    order: list[Digest]  # none: of a deposit
    channel: Reason
    amount_fen: Fen
    source: AccountRef  # that it goes back to
    into: AccountRef  # where it is now
    state: State
    refunded_fen: Fen
    evidence: Digest
    time_ms: Milliseconds  # of its block


class RefundBody(Wire, frozen=True):
    payment: Digest
    amount_fen: Fen
    notice: list[Digest]
    red: list[BillId]
    evidence: Digest
    time_ms: Milliseconds


class AnsweredBody(Wire, frozen=True):
    """The notices that a bill answers."""

    notices: list[Digest]


class BankLineBody(Wire, frozen=True):
    channel: Reason
    day: LocalDate
    amount_fen: Fen
    fee_fen: Fen
    time_ms: Milliseconds


class ChannelDayBody(Wire, frozen=True):
    """One channel's day: what it took and gave back for the organisation, and what of it came to the bank."""

    taken: Count  # payments
    taken_fen: Fen
    refunded: Count  # refunds
    refunded_fen: Fen
    banked_fen: Fen
    fee_fen: Fen
    bank_lines: list[Digest]  # in the order of their recording


class DepositBody(Wire, frozen=True):
    kind: Reason
    holder: Mac
    account: AccountRef
    settled: bool
    payments: Count  # that came into it
