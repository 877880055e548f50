"""Cash and deposit: a book of the day, a line an entry, and what a crash or a hand leaves of it."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest

from node.channels import (
    ABSENT,
    CLOSED,
    NONE,
    PAYMENT,
    REFUND,
    SUCCESS,
    ChannelRefused,
    ChannelState,
    StatementMalformed,
    StatementNotReady,
)
from node.channels.cash import Cash
from node.channels.day_book import DAYS_MAX, read_day_book
from node.channels.deposit import Deposit
from tests.channels.counter import DAY, DAY_MS, HOUR_MS, START_MS, Clock, Counter


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "books"


async def test_the_counters_word_is_entered_once(counter: Counter, tmp_path: Path) -> None:
    """FEATURES 86: asked again it is the same entry; the day list is a file that only we may read."""
    channel, request = counter.channels["cash"], counter.request("ORDER0000000001", cashier="C07")
    assert await channel.query(request) == ChannelState(ABSENT)
    first = await channel.pay(request)
    counter.clock.forward(60_000)
    assert await channel.pay(request) == first
    assert first.kind == NONE
    assert first.state == ChannelState(SUCCESS, request.order_no, 26_430, START_MS)
    assert await channel.query(request) == await channel.close(request) == first.state
    [line] = await counter.statement("cash")
    assert (line.kind, line.order_no, line.amount_fen, line.fee_fen) == (PAYMENT, request.order_no, 26_430, 0)
    path = tmp_path / "books" / "cash-2026-11-18.csv"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_what_the_counter_may_not_do(counter: Counter) -> None:
    """Another amount under one number, nobody's name, after the expiry, back what was never paid."""
    channel, request = counter.channels["cash"], counter.request("ORDER0000000001", cashier="C07")
    await channel.pay(request)
    other = counter.request("ORDER0000000002", cashier="C07")
    counter.clock.forward(HOUR_MS + 1)
    late = counter.request("ORDER0000000003")
    for asked, reason in (
        (counter.request("ORDER0000000001", 1, cashier="C07"), "amount_differs"),
        (late, "cashier"),
        (other, "expired"),
    ):
        if reason == "amount_differs":
            asked = type(asked)(asked.order_no, 1, START_MS, START_MS + HOUR_MS, asked.subject, asked.details)
        with pytest.raises(ChannelRefused) as refused:
            await channel.pay(asked)
        assert refused.value.reason == reason
    assert await channel.close(other) == ChannelState(CLOSED)
    for refund in (
        counter.refund("REFUND0000000001", "other", 1),
        counter.refund("REFUND0000000001", request.order_no, 26_431),
    ):
        with pytest.raises(ChannelRefused) as refused:
            await channel.refund(request, refund)
        assert refused.value.reason == "unknown_payment"
    with pytest.raises(ChannelRefused) as refused:
        await channel.pay(counter.request("ORDER0000000004", cashier="a, b"))
    assert refused.value.reason == "cashier"


async def test_a_refund_stands_in_the_book_of_its_own_day(counter: Counter) -> None:
    """Taken on the 18th, given back on the 19th, found on the 20th."""
    channel, request = counter.channels["cash"], counter.request("ORDER0000000001", cashier="C07")
    await channel.pay(request)
    counter.clock.forward(DAY_MS)
    refund = counter.refund("REFUND0000000001", request.order_no, 430)
    assert (await channel.query_refund(request, refund)).state == ABSENT
    assert (await channel.refund(request, refund)).state == SUCCESS
    assert (await channel.refund(request, refund)).amount_fen == 430
    counter.clock.forward(DAY_MS)
    assert (await channel.query_refund(request, refund)).state == SUCCESS
    assert (await channel.query(request)).state == SUCCESS
    [taken] = await counter.statement("cash")
    [given] = await counter.statement("cash", DAY.replace(day=19))
    assert (taken.kind, given.kind, given.order_no, given.refund_no) == (
        PAYMENT,
        REFUND,
        request.order_no,
        refund.refund_no,
    )
    with pytest.raises(StatementNotReady):
        await counter.statement("cash", DAY.replace(day=20))


async def test_a_deposit_is_known_by_its_transfer(book: Path) -> None:
    clock = Clock()
    channel = Deposit(book, clock)
    counter = Counter(clock, None)  # type: ignore[arg-type]  # nobody outside is asked
    request = counter.request("ORDER0000000001", transfer_id="T-18-0001")
    paid = await channel.pay(request)
    assert paid.state == ChannelState(SUCCESS, "T-18-0001", 26_430, START_MS)
    with pytest.raises(ChannelRefused) as refused:
        await channel.pay(counter.request("ORDER0000000002"))
    assert refused.value.reason == "transfer_id"
    clock.forward((DAYS_MAX + 40) * DAY_MS)
    assert (await channel.query(request)).state == SUCCESS


async def test_an_entry_that_a_crash_tore_was_never_made(book: Path) -> None:
    """Cut anywhere, the line before is whole; the next entry takes the torn one's place, and both are stated."""
    clock = Clock()
    counter = Counter(clock, None)  # type: ignore[arg-type]
    first, second = (
        counter.request("ORDER0000000001", cashier="C07"),
        counter.request("ORDER0000000002", 700, cashier="C07"),
    )
    await Cash(book, clock).pay(first)
    path = book / "cash-2026-11-18.csv"
    whole = path.read_bytes()
    await Cash(book, clock).pay(second)
    both = path.read_bytes()
    for cut in range(len(whole), len(both)):
        path.write_bytes(both[:cut])
        channel = Cash(book, clock)
        assert (await channel.query(first)).state == SUCCESS
        assert (await channel.query(second)).state == ABSENT
        await channel.pay(second)
        assert [line.amount_fen for line in read_day_book("cash", io.BytesIO(path.read_bytes()))] == [26_430, 700]
    path.write_bytes(both[:-1])  # torn, and longer than what comes in its place
    short = counter.request("ORDER003", 1, cashier="C")
    await Cash(book, clock).pay(short)
    assert path.read_bytes().startswith(whole)
    assert path.read_bytes().count(b"\n") == len(path.read_bytes().splitlines()) == 2
    assert [line.order_no for line in read_day_book("cash", io.BytesIO(path.read_bytes()))] == [
        first.order_no,
        "ORDER003",
    ]


async def test_a_line_that_a_hand_changed_is_found(book: Path) -> None:
    """One digit more money, in the middle or at the end of the book."""
    clock = Clock()
    counter = Counter(clock, None)  # type: ignore[arg-type]
    channel = Cash(book, clock)
    for number in range(3):
        await channel.pay(counter.request(f"ORDER000000000{number}", cashier="C07"))
    lines = (book / "cash-2026-11-18.csv").read_bytes().splitlines(keepends=True)
    for place in range(3):
        changed = [
            line.replace(b",26430,", b",96430,") if number == place else line for number, line in enumerate(lines)
        ]
        with pytest.raises(StatementMalformed) as refused:
            list(read_day_book("cash", io.BytesIO(b"".join(changed))))
        assert refused.value.line == place + 1
