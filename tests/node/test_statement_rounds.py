"""Statements that a lender's service sends by itself, over a real ledger and with a set clock. FEATURES 97, 99; DOMAIN 5."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from chain.operation import StateLine
from chain.records import HOSPITAL_BEARS
from chain.transaction import Entry
from node.service import Reader, ServiceRefused
from node.services import statement_rounds
from node.services.mirror_link import Outcome
from tests.node.test_lender_desk import Lending

CHINA = timezone(timedelta(hours=8))
HOUR_MS = 3_600_000


class Stating(Lending):
    """A lender's service and the clock that it reads: the ledger's."""

    def at(self, text: str) -> None:
        """Local time is this, yyyy-mm-dd hh:mm."""
        now_ms = int(datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)
        self.story.chain.block(time_ms=now_ms - 1000)
        assert self.story.chain.time_ms == now_ms  # of the next block; the service's clock is the same

    async def opened_line(self, name: str, product: str, amount_fen: int) -> str:
        """A line of somebody's on which something is owed."""
        line = await self.line(Reader(name, "finance-city", "patient"), name, product)
        self.owe(line, name, amount_fen)
        return line

    async def page(self, line: str) -> dict[str, Any]:
        page = await self.desk.account(Reader("clerk", "lender-a", "operator"), line)
        assert page is not None
        return page

    async def dues(self, line: str) -> list[int]:
        return [due["amount_fen"] for due in (await self.page(line))["dues"]]

    async def look(self) -> int:
        return await self.desk.rounds.look()

    def asked(self) -> int:
        return sum(isinstance(operation, StateLine) for operation in self.mirror.sent)


@pytest.fixture
def lending(tmp_path: Path) -> Iterator[Stating]:
    lending = Stating(tmp_path)
    lending.publish("daily", statement_day=0, due_days=1)
    lending.at("2027-03-01 12:00")
    yield lending
    lending.book.close()


async def test_each_day_at_the_products_minute_what_is_owed_is_stated_once(lending: Stating) -> None:
    """FEATURES 97: at 20:00 local time; who owes nothing gets none."""
    assert await lending.look() == 0  # the first start
    line = await lending.opened_line("wei", "daily", 300)
    idle = await lending.line(Reader("li", "finance-city", "patient"), "li", "daily")
    lending.at("2027-03-01 19:59")
    assert await lending.look() == 0
    assert await lending.dues(line) == []
    lending.at("2027-03-01 20:00")
    assert await lending.look() == 1
    (due,) = (await lending.page(line))["dues"]
    assert due == {"due": "2027-03-02T15:59:59.999Z", "amount_fen": 300}
    for _ in range(3):
        lending.restart()
        assert await lending.look() == 0
    lending.owe(line, "wei again", 50)
    lending.at("2027-03-02 19:59")
    assert await lending.look() == 0
    lending.at("2027-03-02 20:00")
    assert await lending.look() == 1
    assert await lending.dues(line) == [300, 350]
    assert await lending.dues(idle) == []


async def test_each_month_on_the_products_day(lending: Stating) -> None:
    """FEATURES 99: the 20th; a debt of the 21st waits for the next one."""
    await lending.look()
    first = await lending.opened_line("wei", "anxin", 300)
    lending.at("2027-03-20 19:59")
    assert await lending.look() == 0
    lending.at("2027-03-20 20:00")
    assert await lending.look() == 1
    later = await lending.opened_line("li", "anxin", 70)
    for moment in ("2027-03-21 20:00", "2027-04-19 23:59", "2027-04-20 19:59"):
        lending.at(moment)
        assert await lending.look() == 0
        lending.restart()
    assert await lending.dues(later) == []
    lending.at("2027-04-20 20:01")
    assert await lending.look() == 2
    assert (await lending.dues(first), await lending.dues(later)) == ([300], [70])


async def test_a_time_that_was_missed_is_made_up_at_the_start(lending: Stating) -> None:
    """Stopped from the afternoon to the next morning: stated once, due as many days from then; that evening again."""
    await lending.look()
    line = await lending.opened_line("wei", "daily", 300)
    lending.at("2027-03-03 09:00")
    lending.restart()
    assert await lending.look() == 1
    assert (await lending.page(line))["dues"][0]["due"] == "2027-03-04T15:59:59.999Z"
    lending.restart()
    assert await lending.look() == 0
    lending.at("2027-03-03 20:00")
    assert await lending.look() == 1


async def test_the_first_start_states_nothing_of_before(lending: Stating) -> None:
    line = await lending.opened_line("wei", "daily", 300)
    lending.at("2027-03-01 21:00")
    assert [await lending.look() for _ in range(2)] == [0, 0]
    lending.at("2027-03-02 20:00")
    assert await lending.look() == 1
    assert await lending.dues(line) == [300]


async def test_killed_within_a_round_it_goes_on_where_it_was(lending: Stating, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer of the second transaction is lost, and the process with it, after midnight too: each line is stated once."""
    monkeypatch.setattr(statement_rounds, "STATED_AT_ONCE", 1)
    await lending.look()
    lines = [await lending.opened_line(f"p{number}", "daily", 100 + number) for number in range(4)]
    lending.at("2027-03-01 20:00")
    act, sent = lending.mirror.act, 0

    async def once_deaf(entries: Sequence[Entry], wait_s: int) -> list[Outcome]:
        nonlocal sent
        sent += 1
        lending.mirror.is_deaf = sent == 2
        return await act(entries, wait_s)

    monkeypatch.setattr(lending.mirror, "act", once_deaf)
    with pytest.raises(ServiceRefused):
        await lending.look()
    lending.at("2027-03-02 00:10")
    lending.restart()
    assert await lending.look() == 2
    assert [await lending.dues(line) for line in lines] == [[100], [101], [102], [103]]
    assert await lending.look() == 0


async def test_a_charge_in_between_is_stated_with_the_rest_at_the_next_look(
    lending: Stating, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lending.look()
    line, other = await lending.opened_line("wei", "daily", 300), await lending.opened_line("li", "daily", 10)
    lending.at("2027-03-01 20:00")
    act = lending.mirror.act

    async def after_a_charge(entries: Sequence[Entry], wait_s: int) -> list[Outcome]:
        monkeypatch.setattr(lending.mirror, "act", act)
        lending.owe(line, "in between", 50)
        return await act(entries, wait_s)

    monkeypatch.setattr(lending.mirror, "act", after_a_charge)
    assert await lending.look() == 1
    assert (await lending.dues(line), await lending.dues(other)) == ([], [10])
    assert await lending.look() == 1
    assert (await lending.dues(line), await lending.dues(other)) == ([350], [10])
    assert await lending.look() == 0


async def test_what_the_staff_stated_that_day_is_not_stated_again(lending: Stating) -> None:
    await lending.look()
    line = await lending.opened_line("wei", "daily", 300)
    lending.at("2027-03-01 15:00")
    assert not (await lending.desk.state(line)).repeated
    lending.owe(line, "wei later", 50)
    lending.at("2027-03-01 20:00")
    assert await lending.look() == 0
    assert await lending.dues(line) == [300]
    lending.at("2027-03-02 20:00")
    assert await lending.look() == 1
    assert (await lending.desk.state(line)).repeated


async def test_a_line_that_another_book_opened_is_stated_within_the_hour(lending: Stating) -> None:
    """This book knows no line of the product: it is seen when all are looked at."""
    line = await lending.line(product="daily")
    lending.book.close()
    (lending.directory / "book").rename(lending.directory / "lost")
    lending.open()
    await lending.look()
    lending.at("2027-03-01 19:40")
    assert await lending.look() == 0
    lending.owe(line, "wei", 300)
    lending.at("2027-03-01 20:05")
    assert await lending.look() == 0
    lending.at("2027-03-01 20:40")
    assert await lending.look() == 1
    lending.at("2027-03-02 20:00")
    assert await lending.look() == 1


async def test_nothing_is_sent_where_the_risk_is_a_hospitals(lending: Stating) -> None:
    """FEATURES 97: the hospital states; its gateway does (tests/node/test_debt_desk.py)."""
    lending.publish("risky", bearer=HOSPITAL_BEARS, statement_day=0)
    await lending.look()
    await lending.opened_line("wei", "risky", 300)
    lending.at("2027-03-01 20:00")
    assert await lending.look() == 0
    assert lending.asked() == 0


async def test_a_mirror_that_was_away_is_asked_again(lending: Stating, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement_rounds, "LOOK_S", 0.01)
    await lending.look()
    line = await lending.opened_line("wei", "daily", 300)
    lending.at("2027-03-01 20:00")
    lending.mirror.is_away = True
    task = asyncio.create_task(lending.desk.parts()["statements"]())
    await asyncio.sleep(0.1)
    assert not task.done()
    assert await lending.dues(line) == []
    lending.mirror.is_away = False
    for _ in range(500):
        await asyncio.sleep(0.01)
        if await lending.dues(line):
            break
    assert await lending.dues(line) == [300]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


# ── days ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
