"""What cash and deposit share: paying is entering it in a day book, and nobody else is asked.

`query` and `close` look from the day of the order to today; a refund goes into the book of the day when it is made. Both must be of
the amount that stands there: another amount under the same number is refused. That several refunds together do not pass the payment is the ledger's rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import BinaryIO, ClassVar

from node.channels.channel import (
    ABSENT,
    NONE,
    Channel,
    ChannelState,
    Invitation,
    PaymentRequest,
    RefundRequest,
    RefundState,
)
from node.channels.day_book import DAYS_MAX, WHO, DayBook, read_day_book
from node.channels.errors import ChannelRefused
from node.channels.statement_line import CLOSED, PAYMENT, REFUND, SUCCESS, StatementLine

DAY_MS = 86_400_000


class OwnMoney(Channel):
    """`book` is the directory of the day books."""

    who: ClassVar[str]  # the key of `details` that says who took it

    def __init__(self, book: Path, clock_ms: Callable[[], int]) -> None:
        self._book, self._clock_ms = DayBook(self.name, book), clock_ms

    async def pay(self, request: PaymentRequest) -> Invitation:
        """Raises ChannelRefused `expired`, `amount_differs`, or the name of a detail that is missing or has not its form."""
        who = self._who(request)
        now_ms = self._clock_ms()
        found = await self._find(request.order_no, "", request.placed_ms)
        if found is None:
            if now_ms > min(request.expires_ms, request.placed_ms + DAYS_MAX * DAY_MS):
                raise ChannelRefused(self.name, "expired")
            line = self._line(request, PAYMENT, "", self._trade_no(request), request.amount_fen, now_ms)
            found = await self._book.enter(line, who, request.placed_ms)
        if found.amount_fen != request.amount_fen:
            raise ChannelRefused(self.name, "amount_differs")
        return Invitation(NONE, state=_paid(found))

    async def query(self, request: PaymentRequest) -> ChannelState:
        found = await self._find(request.order_no, "", request.placed_ms)
        if found is not None:
            return _paid(found)
        return ChannelState(CLOSED if self._clock_ms() > request.expires_ms else ABSENT)

    async def close(self, request: PaymentRequest) -> ChannelState:
        """Nobody pays by himself here, so what was not entered is closed by not entering it."""
        found = await self.query(request)
        return ChannelState(CLOSED) if found.state == ABSENT else found

    async def refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        """Raises ChannelRefused `unknown_payment` where nothing, or something else, was paid."""
        who = self._who(request)
        paid = await self._find(request.order_no, "", request.placed_ms)
        if paid is None or paid.trade_no != refund.trade_no or paid.amount_fen < refund.amount_fen:
            raise ChannelRefused(self.name, "unknown_payment")
        now_ms = self._clock_ms()
        line = self._line(request, REFUND, refund.refund_no, paid.trade_no, refund.amount_fen, now_ms)
        found = await self._book.enter(line, who, refund.placed_ms)
        if found.amount_fen != refund.amount_fen:
            raise ChannelRefused(self.name, "amount_differs")
        return RefundState(SUCCESS, refund.refund_no, found.amount_fen)

    async def query_refund(self, request: PaymentRequest, refund: RefundRequest) -> RefundState:
        found = await self._find(request.order_no, refund.refund_no, refund.placed_ms)
        if found is None:
            return RefundState(ABSENT, refund.refund_no)
        return RefundState(SUCCESS, refund.refund_no, found.amount_fen)

    async def statement(self, day: date, target: BinaryIO) -> None:
        await self._book.copy(day, target)

    def read_statement(self, source: BinaryIO) -> Iterator[StatementLine]:
        return read_day_book(self.name, source)

    async def _find(self, order_no: str, refund_no: str, since_ms: int) -> StatementLine | None:
        return await self._book.find(order_no, refund_no, since_ms, self._clock_ms())

    def _line(
        self, request: PaymentRequest, kind: str, refund_no: str, trade_no: str, amount_fen: int, now_ms: int
    ) -> StatementLine:
        return StatementLine(
            self.name,
            kind,
            request.order_no,
            trade_no,
            refund_no,
            amount_fen,
            0,
            SUCCESS,
            max(now_ms, request.placed_ms),
        )

    def _who(self, request: PaymentRequest) -> str:
        who = request.details.get(self.who, "")
        if not WHO.fullmatch(who):
            raise ChannelRefused(self.name, self.who)
        return who

    def _trade_no(self, request: PaymentRequest) -> str:
        """The number of what was taken."""
        return request.order_no


def _paid(line: StatementLine) -> ChannelState:
    return ChannelState(SUCCESS, line.trade_no, line.amount_fen, line.time_ms)
