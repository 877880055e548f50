"""Steps that wait for a second person: kept over a restart, sealed, bounded, and done once."""

from __future__ import annotations

from pathlib import Path

import pytest

from chain.records import ParametersBody
from node import approvals as module
from node.approvals import KEPT_MS, Approvals
from node.service import ServiceRefused
from tests.chain.making import parameters

KEY = bytes(range(32))
BODY = '{"reason":"患者退费","operator":"收费员01"}'.encode()


class Clock:
    ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(home: Path, clock: Clock, key: bytes = KEY, settled: ParametersBody | None = None) -> Approvals:
    return Approvals(home, key, settled or parameters(two_persons=[301]), clock)


async def test_what_waits_is_there_after_a_restart_and_nobody_reads_it_on_the_disk(
    tmp_path: Path, clock: Clock
) -> None:
    first = opened(tmp_path, clock)
    assert (first.needs("reverse_bill"), first.needs("allot_range")) == (True, False)
    asked = await first.ask("reverse_bill", "330601260000000001", BODY, "cashier-07")
    assert await first.ask("reverse_bill", "330601260000000001", BODY, "checker-02") == asked  # the same step
    (file,) = (tmp_path / "approvals").iterdir()
    assert not any(part in file.read_bytes() for part in (BODY, b"cashier-07", b"330601260000000001"))
    assert file.stat().st_mode & 0o077 == 0 or (tmp_path / "approvals").stat().st_mode & 0o077 == 0

    (tmp_path / "approvals" / "torn.new").write_bytes(b"half")
    again = opened(tmp_path, clock)
    assert again.waiting() == [asked]
    assert [path.name for path in (tmp_path / "approvals").iterdir()] == [asked.id]
    assert opened(tmp_path, clock, bytes(32)).waiting() == []  # of another storage key: left alone
    assert file.exists()


async def test_the_second_person_is_another_one_and_agrees_once(tmp_path: Path, clock: Clock) -> None:
    some = opened(tmp_path, clock)
    asked = await some.ask("reverse_bill", "1", BODY, "cashier-07")
    for key, subject, code in ((asked.id, "cashier-07", "same_person"), ("00" * 16, "checker-02", "approval_unknown")):
        with pytest.raises(ServiceRefused, match=code):
            some.agree(key, subject)
    assert some.agree(asked.id, "checker-02") == asked
    with pytest.raises(ServiceRefused, match="approval_under_way"):
        some.agree(asked.id, "checker-03")
    some.not_agreed(asked.id)  # the outbox was full
    some.agree(asked.id, "checker-03")
    await some.agreed(asked.id)
    with pytest.raises(ServiceRefused, match="approval_unknown"):
        some.agree(asked.id, "checker-02")
    assert list((tmp_path / "approvals").iterdir()) == []
    first, second = some.persons(asked, "checker-02")
    assert first < second
    assert some.persons(asked, "checker-02") == [first, second]
    assert not {first, second} & set(opened(tmp_path, clock, bytes(32)).persons(asked, "checker-02"))
    other = await some.ask("reverse_bill", "2", BODY, "cashier-07")
    assert not {first, second} & set(some.persons(other, "checker-02"))  # nobody tells that it was the same two
    some.agree(other.id, "checker-02")
    with pytest.raises(ServiceRefused, match="approval_under_way"):
        await some.withdraw(other.id)
    some.not_agreed(other.id)
    await some.withdraw(other.id)


async def test_it_is_forgotten_after_a_week_and_bounded(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WAITING_MAX", 2)
    some = opened(tmp_path, clock)
    old = await some.ask("reverse_bill", "1", BODY, "cashier-07")
    await some.ask("reverse_bill", "2", BODY, "cashier-07")
    with pytest.raises(ServiceRefused, match="approvals_full"):
        await some.ask("reverse_bill", "3", BODY, "cashier-07")
    clock.ms += KEPT_MS + 1
    assert some.waiting() == []
    with pytest.raises(ServiceRefused, match="approval_unknown"):
        some.agree(old.id, "checker-02")
    third = await some.ask("reverse_bill", "3", BODY, "cashier-07")
    assert [path.name for path in (tmp_path / "approvals").iterdir()] == [third.id]
