"""What is due and cannot be done now: told once, whatever it was, and only a disk that fails ends it."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from chain.errors import StorageDamaged
from node.money.waiting import TOLD_MAX, Waiting
from node.service import ServiceRefused

NAME = b"n" * 32


async def fails(error: Exception) -> None:
    raise error


async def test_the_same_reason_is_told_once_and_another_one_again() -> None:
    waiting = Waiting("bill_did_not_follow")
    with capture_logs() as logs:
        for error in (ServiceRefused("outbox_full"), ServiceRefused("outbox_full"), ValueError("what nobody foresaw")):
            assert not await waiting.attempt(NAME, fails(error))
    assert [(line["event"], line["code"], line["exc_info"]) for line in logs] == [
        ("bill_did_not_follow", "outbox_full", False),
        ("bill_did_not_follow", "internal_error", True),
    ]
    assert waiting.codes == {NAME: "internal_error"}
    waiting.forget(NAME)
    assert waiting.codes == {}


async def test_a_disk_that_fails_is_not_passed_over() -> None:
    with pytest.raises(StorageDamaged):
        await Waiting("bill_did_not_follow").attempt(NAME, fails(StorageDamaged("gateway store", "a row")))


async def test_what_waits_is_remembered_up_to_a_bound() -> None:
    waiting = Waiting("bill_did_not_follow")
    with capture_logs() as logs:
        for number in [*range(TOLD_MAX + 1), TOLD_MAX]:
            waiting.tell(number.to_bytes(32), "outbox_full")
    assert (len(waiting.codes), len(logs)) == (TOLD_MAX, TOLD_MAX)
    waiting.tell(bytes(32), "disk_nearly_full")
    assert waiting.counts() == {"disk_nearly_full": 1, "outbox_full": TOLD_MAX - 1}
