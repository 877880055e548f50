"""Counting look-ups (FEATURES 26): the newest are told one by one, all are counted, and nobody waits for the disk."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chain.errors import StorageFailed
from node.lookups import GATHERED_MAX, ROWS_MAX, Lookups
from node.service import Claimed, Reader

BILL, OTHER = "330601260000000001", "330601260000000002"
INSURER = Reader("u-1", "insurer-a", "insurer_clerk")
EMPLOYER = Reader("u-2", "employer-a", "employer_clerk")
PATIENT = Reader("u-3", "finance-city", "patient")


class Disk:
    """A shelf that writes when it is let to."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.writes: list[int] = []
        self.free = asyncio.Event()
        self.free.set()
        self.fault: Exception | None = None

    def read(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def values(self, prefix: bytes) -> list[bytes]:
        return [value for key, value in sorted(self.rows.items()) if key.startswith(prefix)]

    async def keep(self, rows: dict[bytes, bytes]) -> None:
        await self.free.wait()
        if self.fault is not None:
            raise self.fault
        self.writes.append(len(rows))
        self.rows |= rows


class Clock:
    now_ms = 1_780_286_400_000

    def __call__(self) -> int:
        self.now_ms += 1_000
        return self.now_ms


def lookups(disk: Disk) -> Lookups:
    return Lookups(disk, b"v/", Clock())


def kinds(page: dict[str, Any]) -> list[str]:
    return [row["kind"] for row in page["rows"]]


async def test_the_holder_sees_who_asked_and_the_public_how_often() -> None:
    """Newest first; an institution is named, the public and a patient are not."""
    book = lookups(Disk())
    genuine = {"verdict": "genuine"}
    for number, asker in enumerate((INSURER, EMPLOYER, None, PATIENT), 1):
        assert await book.counted(genuine, BILL, asker) == {**genuine, "lookups": number}

    page = book.page(BILL)
    assert (page["count"], kinds(page)) == (4, ["public", "public", "employer", "insurer"])
    assert page["rows"][3] == {"time": "2026-06-01T04:00:01.000Z", "kind": "insurer", "organisation": "insurer-a"}
    assert set(page["rows"][0]) == {"time", "kind"}
    assert page["last"] == page["rows"][0]["time"] == "2026-06-01T04:00:04.000Z"
    assert book.page(OTHER) == {"count": 0, "last": None, "rows": []}


@pytest.mark.parametrize("verdict", ["no_match", "try_later"])
async def test_what_was_not_found_counts_nothing(verdict: str) -> None:
    """Else a stranger could fill a bill's list without having it."""
    book = lookups(Disk())
    assert await book.counted({"verdict": verdict}, BILL, None) == {"verdict": verdict}
    assert book.count(BILL) == 0


async def test_reversed_and_withdrawn_bills_are_counted_too() -> None:
    book = lookups(Disk())
    for verdict in ("genuine_reversed", "genuine_void"):
        await book.counted({"verdict": verdict}, BILL, None)
    assert book.count(BILL) == 2


async def test_a_hundred_are_told_and_all_are_counted_over_restarts() -> None:
    """ROWS_MAX, through memory, disk and both."""
    disk = Disk()
    book = lookups(disk)
    for number in range(1, ROWS_MAX + 51):
        await book.add(BILL, INSURER if number % 2 else None)
        if number % 40 == 0:
            await book.write()
    page = book.page(BILL)
    assert (page["count"], len(page["rows"])) == (ROWS_MAX + 50, ROWS_MAX)
    assert kinds(page) == ["public", "insurer"] * (ROWS_MAX // 2)
    await book.write()
    assert lookups(disk).page(BILL) == page
    assert len(disk.values(b"v/r" + BILL.encode())) == ROWS_MAX
    again = lookups(disk)
    assert await again.add(BILL, EMPLOYER) == ROWS_MAX + 51
    assert kinds(again.page(BILL))[:2] == ["employer", "public"]


async def test_nobody_waits_for_a_slow_disk_until_much_has_gathered() -> None:
    """What is being written is told meanwhile, and what comes in between is written next."""
    disk = Disk()
    book = lookups(disk)
    await book.add(BILL, INSURER)
    disk.free.clear()
    writing = asyncio.create_task(book.write())
    await asyncio.sleep(0)
    assert await book.add(BILL, None) == 2
    assert kinds(book.page(BILL)) == ["public", "insurer"]
    for number in range(GATHERED_MAX - 1):
        await asyncio.wait_for(book.add(f"{number:018d}", None), 1)
    late = asyncio.create_task(book.add(OTHER, None))
    await asyncio.sleep(0.01)
    assert not late.done()
    disk.free.set()
    await writing
    assert await late == 1
    assert (disk.writes[0], book.count(BILL), lookups(disk).count(BILL)) == (2, 2, 2)


async def test_a_list_counts_each_row_that_was_found() -> None:
    book = lookups(Disk())
    claims = [Claimed(BILL, "x"), Claimed(OTHER, "x"), Claimed(BILL, "x")]
    answers = [{"verdict": "genuine"}, {"verdict": "no_match"}, {"verdict": "genuine_void"}]
    await book.count_many(claims, answers, INSURER)
    assert (book.count(BILL), book.count(OTHER), kinds(book.page(BILL))) == (2, 0, ["insurer", "insurer"])


async def test_a_disk_that_refuses_is_told() -> None:
    disk = Disk()
    book = lookups(disk)
    await book.add(BILL, None)
    disk.fault = StorageFailed("details", "full")
    with pytest.raises(StorageFailed):
        await book.write()
    assert book.count(BILL) == 1
