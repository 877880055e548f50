"""The one interface of all channels.

One payment part is one `PaymentRequest`, kept by the caller before anything is sent, and given again with every later
question: UnionPay knows an order by its number and the second when it was placed, the insurance interface by a message
number made of both. Asking again with the same request is harmless everywhere: all channels take an order or a refund
number once. After ChannelUnreachable, AnswerMalformed or AnswerForged nobody knows what happened: `query` tells.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from datetime import date
from hashlib import sha256
from typing import BinaryIO, ClassVar

import msgspec

from chain.rules.accounts import AMOUNT_FEN_MAX
from node.channels.errors import NoticeForeign
from node.channels.statement_line import StatementLine

ABSENT = "absent"  # a fifth state, of questions: the channel knows no such order
QR_CODE, FORM, NONE = "qr_code", "form", "none"  # kinds of invitations

ORDER_NO = re.compile(
    r"[0-9A-Za-z]{8,32}"
)  # what Alipay (64), WeChat Pay (6 to 32) and UnionPay (8 to 40, no - or _) share
SUBJECT_CHARACTERS_MAX = 40  # WeChat Pay takes 127 bytes


class PaymentRequest(msgspec.Struct, frozen=True):
    """One part of a payment order, for one channel. Raises ValueError where it could not be sent."""

    order_no: str  # ORDER_NO; ours, unique for ever
    amount_fen: int  # 1 to AMOUNT_FEN_MAX
    placed_ms: int  # since the epoch; never changes afterwards
    expires_ms: int  # the payer may pay until then
    subject: str  # what the payer reads; nothing about a patient
    details: dict[str, str] = {}  # what one channel alone wants to know, see its file; never logged

    def __post_init__(self) -> None:
        if not ORDER_NO.fullmatch(self.order_no):
            raise ValueError("an order number has 8 to 32 letters and digits")
        if not 1 <= self.amount_fen <= AMOUNT_FEN_MAX:
            raise ValueError("an amount is from 1 to AMOUNT_FEN_MAX fen")
        if not 0 <= self.placed_ms < self.expires_ms:
            raise ValueError("an order expires after it was placed")
        if not 1 <= len(self.subject) <= SUBJECT_CHARACTERS_MAX or not self.subject.isprintable():
            raise ValueError("a subject has 1 to 40 printable characters")
        if set(self.subject) & set("&={}"):
            raise ValueError("a subject without '&', '=', '{' and '}': some channels sign them as if they were ours")


class RefundRequest(msgspec.Struct, frozen=True):
    """Money back from a payment, all or part of it."""

    refund_no: str  # ORDER_NO; ours, unique among orders too
    trade_no: str  # the channel's number of the payment
    amount_fen: int
    placed_ms: int

    def __post_init__(self) -> None:
        if not ORDER_NO.fullmatch(self.refund_no):
            raise ValueError("a refund number has 8 to 32 letters and digits")
        if not 1 <= self.amount_fen <= AMOUNT_FEN_MAX or self.placed_ms < 0 or not self.trade_no:
            raise ValueError("a refund has an amount, a moment and the number of what was paid")


class ChannelState(msgspec.Struct, frozen=True):
    """What a channel says about a payment. SUCCESS also where it was given back since."""

    state: str  # SUCCESS, PENDING, FAILED, CLOSED, ABSENT
    trade_no: str = ""  # the channel's own; of SUCCESS
    amount_fen: int = 0  # of SUCCESS; whoever asked compares it
    time_ms: int = 0  # of SUCCESS: when it was paid


class Invitation(msgspec.Struct, frozen=True):
    """What the payer opens. Where the channel answers at once, `state` already has the outcome."""

    kind: str  # QR_CODE, FORM, NONE
    text: str = ""  # what the QR code says; an HTML page that posts itself
    state: ChannelState | None = None


class RefundState(msgspec.Struct, frozen=True):
    state: str  # SUCCESS, PENDING, FAILED, ABSENT
    refund_no: str
    amount_fen: int = 0  # of SUCCESS and PENDING


class Notice(msgspec.Struct, frozen=True):
    """What a channel told by itself, after its signature was found to hold. Comes again and again, late, in any order.

    The same `notice_no` is the same notice. A refund's notice is a reason to ask, not yet the refund: Alipay's amount is
    the sum of all refunds so far.
    """

    kind: str  # PAYMENT, REFUND
    order_no: str
    refund_no: str  # of a refund
    trade_no: str
    amount_fen: int
    state: str
    time_ms: int
    notice_no: str
    evidence: bytes  # SHA-256 of the body as it came, 32 bytes


class Acknowledgement(msgspec.Struct, frozen=True):
    """What a notice is answered with."""

    status: int
    content_type: str
    body: bytes


class Channel(ABC):
    """Somebody who takes money for us. `name` is the `channel` of its statement lines."""

    name: ClassVar[str]
    asks_payer: ClassVar[bool] = (
        False  # who pays says so to the channel itself; else it takes the word of who calls `pay`
    )

    @abstractmethod
    async def pay(self, request: PaymentRequest) -> Invitation:
        """Place an order. Raises ChannelUnreachable, AnswerMalformed, AnswerForged, ChannelRefused, as all questions do."""

    @abstractmethod
    async def query(self, request: PaymentRequest) -> ChannelState:
        """How it stands."""

    @abstractmethod
    async def close(self, request: PaymentRequest) -> ChannelState:
        """Take the invitation back. CLOSED: nobody can pay any more; SUCCESS: it was paid first; PENDING: ask again later,
        since this channel closes orders by their expiry alone."""

    @abstractmethod
    async def refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        """Give money back. PENDING is the usual answer where banks are behind it."""

    @abstractmethod
    async def query_refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        """How a refund stands."""

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """`headers` with names in lower case. Raises NoticeRefused's kinds, nothing else."""
        raise NoticeForeign(f"{self.name} sends no notices")

    def acknowledgement(self, is_accepted: bool) -> Acknowledgement:
        """Accepted once the notice is on our disk, and for one that was there already; what is refused will come again."""
        return Acknowledgement(200 if is_accepted else 400, "text/plain", b"")

    @abstractmethod
    async def statement(self, day: date, target: BinaryIO) -> None:
        """Write the channel's file of a day as it came to `target`, in pieces. Raises StatementNotReady,
        StatementDigestDiffers too."""

    @abstractmethod
    def read_statement(self, source: BinaryIO) -> Iterator[StatementLine]:
        """The lines of such a file; memory does not grow with it. Raises StatementMalformed, at the latest after the
        last line: nothing is known of a file until the iteration has ended."""

    async def end(self) -> None:
        """Let go of connections."""
        return


def evidence_of(body: bytes) -> bytes:
    return sha256(body).digest()
