"""The day as a hospital compares it: its bills by business date, found in what was followed, and the certified day books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from node import issued_days
from node.gateway import Gateway
from node.service import ServiceRefused, Standing
from tests.chain.making import NOON_MS
from tests.node.gateway_province import PATIENCE_S, Province, bill, sealed, until

TODAY = date(2026, 6, 1)
DAY_MS = 86_400_000


@pytest.fixture
async def province(tmp_path: Path) -> AsyncIterator[Province]:
    province = Province(tmp_path)
    yield province
    await province.stop()


async def recorded(gateway: Gateway, business_no: str, day: date = TODAY, **changes: object) -> str:
    request = bill(business_no, business_time=f"{day.isoformat()}T11:00:00+08:00", **changes)
    standing = await gateway.wait(await gateway.issue(request), PATIENCE_S, "recorded")
    assert standing.status == "recorded"
    return standing.bill_id or ""


async def listed(
    gateway: Gateway, first: date = TODAY, last: date | None = None, place: str | None = None
) -> list[str]:
    return [one.bill_id for one in await gateway.bills_by_day(first, last or first, place)]


async def test_bills_are_listed_by_their_business_date_in_the_order_of_the_ledger(province: Province) -> None:
    """Of all gateways of the hospital, red ones too; what is queued stands in no list."""
    gateway, other = await province.start("hospital-a"), await province.start("hospital-a-2")
    yesterday = TODAY - timedelta(days=1)
    first = await recorded(gateway, "B-1")
    late = await recorded(gateway, "B-2", yesterday)
    second = await recorded(other, "B-3", place_code="A02")
    red = await gateway.wait(await gateway.reverse(first, "refund", "cashier one", None), PATIENCE_S, "recorded")
    for one in (gateway, other):
        await until(lambda one=one: one.head().height == province.chain.height)  # type: ignore[misc]
        assert await listed(one) == [first, second, red.bill_id]
        assert await listed(one, yesterday) == [late]
        assert await listed(one, yesterday, TODAY) == [first, late, second, red.bill_id]
        assert await listed(one, place="A02") == [second]
        assert await listed(one, TODAY + timedelta(days=1)) == []
        assert [entry.is_red for entry in await one.bills_by_day(TODAY, TODAY, None)] == [False, False, True]
    province.hold()
    await gateway.issue(bill("B-4"))
    assert await listed(gateway) == [first, second, red.bill_id]


async def test_a_list_goes_on_where_it_was(province: Province, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same days again: only newer blocks are read; after a block turned out fuller, all of them."""
    gateway = await province.start()
    bills = [await recorded(gateway, f"B-{number}") for number in range(3)]
    assert await listed(gateway) == bills
    asked: list[int] = []
    plain = gateway.store.parts_from

    def watched(height: int, limit: int) -> list[object]:
        asked.append(height)
        return list(plain(height, limit))

    monkeypatch.setattr(gateway.store, "parts_from", watched)
    assert await listed(gateway) == bills
    assert asked == []
    known = gateway.head().height
    bills.append(await recorded(gateway, "B-9"))
    assert await listed(gateway) == bills
    assert asked == [known + 1]
    gateway._days.forget()
    assert await listed(gateway) == bills
    assert asked[-1] == 1


async def test_many_blocks_are_read_piece_by_piece(province: Province, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issued_days, "PARTS_AT_ONCE", 2)
    gateway = await province.start()
    bills = [await recorded(gateway, f"B-{number}") for number in range(7)]
    assert await listed(gateway) == bills


async def test_only_blocks_that_may_hold_a_day_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eighteen days of blocks: a list of the fourth begins in the fourth and ends with the bounds of business dates."""
    province = Province(tmp_path, business_days_behind_max=3)
    try:
        await _eighteen_days(province, monkeypatch)
    finally:
        await province.stop()


async def _eighteen_days(province: Province, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = await province.start()
    days = [TODAY + timedelta(days=number) for number in range(18)]
    bills = []
    for number, day in enumerate(days):
        province.now_ms = NOON_MS + number * DAY_MS
        province.chain.time_ms = max(province.chain.time_ms, province.now_ms)
        bills.append(await recorded(gateway, f"B-{number}", day))
    read: list[int] = []
    plain = gateway.store.parts_from

    def watched(height: int, limit: int) -> list[object]:
        parts = plain(height, limit)
        read.extend(part.header.time_ms for part in parts)
        return list(parts)

    monkeypatch.setattr(gateway.store, "parts_from", watched)
    monkeypatch.setattr(issued_days, "PARTS_AT_ONCE", 1)
    assert await listed(gateway, days[3]) == [bills[3]]
    begin_ms = NOON_MS + 3 * DAY_MS
    behind = province.chain.genesis.parameters.business_days_behind_max
    assert min(read) > begin_ms - DAY_MS
    assert max(read) < begin_ms + (behind + 3) * DAY_MS
    assert len(read) < len(days)
    for day, expected in zip(days, bills, strict=True):
        assert await listed(gateway, day) == [expected]


async def test_day_books_are_those_of_the_ledger(province: Province) -> None:
    """By place and kind, withdrawn and red ones beside; a day without a book has no rows."""
    gateway = await province.start()
    await recorded(gateway, "B-1", total_fen=10_000)
    await recorded(gateway, "B-2", total_fen=500, place_code="A02")
    standing: Standing = await gateway.issue(bill("B-3", 700))
    await sealed(province, gateway, standing)
    await gateway.wait(await gateway.reverse(standing.bill_id or "", "refund", "cashier", None), PATIENCE_S)
    rows = await gateway.day_books(TODAY - timedelta(days=1), TODAY, None)
    found = [(row["place"], row["date"], row["kind"], row["count"], row["sum_fen"], row["red_sum_fen"]) for row in rows]
    assert found == [
        ("A01", "2026-06-01", "outpatient", 2, 10_700, -700),
        ("A02", "2026-06-01", "outpatient", 1, 500, 0),
    ]
    assert [row["place"] for row in await gateway.day_books(TODAY, TODAY, "A02")] == ["A02"]
    province.peers["hospital-a"].is_cut = True
    with pytest.raises(ServiceRefused, match="unavailable"):
        await gateway.day_books(TODAY, TODAY, None)


@pytest.mark.parametrize(
    ("first", "last", "place", "code"),
    [
        (TODAY, TODAY - timedelta(days=1), None, "parameter_invalid"),
        (TODAY - timedelta(days=40), TODAY, None, "parameter_invalid"),
        (date(1999, 12, 31), date(1999, 12, 31), None, "parameter_invalid"),
        (TODAY, TODAY, "B01", "place_unknown"),
    ],
)
async def test_what_cannot_be_listed_is_refused(
    province: Province, first: date, last: date, place: str | None, code: str
) -> None:
    gateway = await province.start()
    for ask in (gateway.day_books, gateway.bills_by_day):
        with pytest.raises(ServiceRefused) as refusal:
            await ask(first, last, place)
        assert refusal.value.code == code
