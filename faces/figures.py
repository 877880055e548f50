"""Amounts, quantities, prices and dates as text: what PDF and OFD print alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def yuan(fen: int) -> str:
    """12345 -> 123.45; no separators, as on bills."""
    sign, fen = ("-", -fen) if fen < 0 else ("", fen)
    return f"{sign}{fen // 100}.{fen % 100:02d}"


def unit_price(price_e4: int) -> str:
    """1/10,000 yuan, with two to four decimals."""
    sign, price = ("-", -price_e4) if price_e4 < 0 else ("", price_e4)
    decimals = f"{price % 10_000:04d}"
    return f"{sign}{price // 10_000}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def quantity(milli: int) -> str:
    """1/1,000 of the unit, without trailing zeros."""
    sign, milli = ("-", -milli) if milli < 0 else ("", milli)
    decimals = f"{milli % 1000:03d}".rstrip("0")
    return f"{sign}{milli // 1000}{'.' + decimals if decimals else ''}"


def day(yyyymmdd: int) -> str:
    """20261126 -> 2026年11月26日."""
    return f"{yyyymmdd // 10_000}年{yyyymmdd // 100 % 100:02d}月{yyyymmdd % 100:02d}日"


def moment(time_ms: int, utc_offset_minutes: int) -> datetime:
    """In the ledger's zone, to the second."""
    zone = timezone(timedelta(minutes=utc_offset_minutes))
    return (_EPOCH + timedelta(seconds=time_ms // 1000)).astimezone(zone)
