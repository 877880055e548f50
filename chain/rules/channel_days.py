"""What each channel took and gave back for an organisation on a day, and what of it came to the bank: a day book of channels.

Days are local and by block time, as a channel's own statement has them but for what lies around midnight.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.records import ChannelDayBody
from chain.rules.accounts import Books
from chain.rules.context import Context, Refused, View, local_date
from chain.rules.orders import INSIDE

BANK_LINES_MAX = 64  # of one channel and day


def note_channel(
    view: View, books: Books, context: Context, channel: str, *, taken_fen: int = 0, refunded_fen: int = 0
) -> None:
    """A payment or a refund of now. Accounts of the ledger itself are no channels with another side."""
    if channel in INSIDE:
        return
    day = local_date(context.time_ms, context.parameters.utc_offset_minutes)
    key = keyspace.channel_day(context.organisation, channel, day)
    body = _day(view, books, key)
    books.changes[key] = replace(
        body,
        taken=body.taken + bool(taken_fen),
        taken_fen=body.taken_fen + taken_fen,
        refunded=body.refunded + bool(refunded_fen),
        refunded_fen=body.refunded_fen + refunded_fen,
    )


def note_bank(
    view: View, books: Books, context: Context, channel: str, day: int, line: bytes, amount_fen: int, fee_fen: int
) -> None:
    """Raises Refused `bank_day_full`."""
    key = keyspace.channel_day(context.organisation, channel, day)
    body = _day(view, books, key)
    if len(body.bank_lines) >= BANK_LINES_MAX:
        raise Refused("bank_day_full")
    books.changes[key] = replace(
        body,
        banked_fen=body.banked_fen + amount_fen,
        fee_fen=body.fee_fen + fee_fen,
        bank_lines=[*body.bank_lines, line],
    )


def _day(view: View, books: Books, key: bytes) -> ChannelDayBody:
    body = books.changes.get(key) or view.get(key, ChannelDayBody)
    return body if isinstance(body, ChannelDayBody) else ChannelDayBody(0, 0, 0, 0, 0, 0, [])
