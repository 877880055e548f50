"""Room on the disk: below the reserve no new work is taken, and nothing of it is kept (RELIABILITY 3.2, rule 7)."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from node.disk_space import RESERVE_BYTES_MAX, DiskSpace, boundless, free_bytes, reserve_of
from node.service import ServiceRefused
from tests.node.gateway_province import Province, bill

RESERVE = 1_000


class Disk:
    """A file system that is as full as the story says, and a clock."""

    def __init__(self, free: int) -> None:
        self.free = free
        self.now_s = 0.0
        self.asked = 0

    def ask(self, _path: Path) -> int:
        self.asked += 1
        if self.free < 0:
            raise OSError(errno.EIO, "input/output error")
        return self.free

    def space(self) -> DiskSpace:
        return DiskSpace(Path("/"), RESERVE, self.ask, lambda: self.now_s)


def test_it_is_low_below_the_reserve_and_not_at_it() -> None:
    disk = Disk(RESERVE)
    assert not disk.space().is_low()
    disk.free = RESERVE - 1
    assert disk.space().is_low()


def test_there_is_room_again_only_when_a_quarter_more_is_free() -> None:
    """A node at the edge does not change its mind with every block."""
    disk = Disk(RESERVE - 1)
    space = disk.space()
    seen = [space.is_low()]
    for free in (RESERVE, RESERVE * 5 // 4 - 1, RESERVE * 5 // 4, RESERVE, RESERVE - 1):
        disk.free = free
        disk.now_s += 1.0
        seen.append(space.is_low())
    assert seen == [True, True, True, False, False, True]


def test_the_disk_is_asked_once_a_second_at_most() -> None:
    disk = Disk(RESERVE)
    space = disk.space()
    for _ in range(1_000):
        space.is_low()
    assert disk.asked == 1
    disk.now_s += 1.0
    space.is_low()
    assert disk.asked == 2


def test_a_disk_that_does_not_answer_counts_as_full() -> None:
    assert Disk(-1).space().is_low()


def test_the_default_reserve_is_the_smaller_of_two_bounds(tmp_path: Path) -> None:
    assert 0 < reserve_of(tmp_path) <= RESERVE_BYTES_MAX
    assert DiskSpace(tmp_path).reserve_bytes == reserve_of(tmp_path)
    assert free_bytes(tmp_path) > 0


def test_without_a_reserve_it_is_never_low() -> None:
    assert not boundless().is_low()


async def test_a_gateway_that_is_low_gives_no_number_and_keeps_nothing(tmp_path: Path) -> None:
    """DESIGN 10: 503 only if nothing was kept; with room again the same request has its bill."""
    province = Province(tmp_path)
    try:
        gateway = await province.start()
        disk = Disk(RESERVE - 1)
        gateway._issuing._space = gateway._space = disk.space()
        before = gateway._leases.numbers_left()

        with pytest.raises(ServiceRefused) as refused:
            await gateway.issue(bill("FULL-1"))

        assert refused.value.code == "disk_nearly_full"
        assert gateway._leases.numbers_left() == before
        assert len(gateway._outbox.items) == 0
        assert "disk_nearly_full" in gateway.not_ready()
        disk.free, disk.now_s = 2 * RESERVE, 1.0
        standing = await gateway.issue(bill("FULL-1"))
        assert standing.bill_id == "330601260000000001"
        assert "disk_nearly_full" not in gateway.not_ready()
    finally:
        await province.stop()
