"""Bills that a clerk of the office wants no seal on, with the reason: the sealer makes exceptions of them (FEATURES 40).

A bill's number may be named before the bill is there. What is sealed already cannot be named any more. Lies in the database
of the details under q/bill -> reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor

from chain.state import Store
from node.service import ServiceRefused
from node.thread_work import finished

WITHHELD_MAX = 10_000
_PREFIX = b"q/"


class Withholdings:
    """In memory, and on the disk before anybody is told."""

    def __init__(self, database: Store, thread: Executor) -> None:
        self._database, self._thread = database, thread
        self._changing = asyncio.Lock()
        self._reasons = {
            key[len(_PREFIX) :].decode(): value.decode() for key, value in database.scan(_PREFIX, limit=WITHHELD_MAX)
        }

    def reason_of(self, bill: str) -> str | None:
        """Why a bill is to get no seal; None if nobody minds."""
        return self._reasons.get(bill)

    def rows(self) -> list[dict[str, str]]:
        """{bill_id, reason}, by number: also of bills that are not there yet."""
        return [{"bill_id": bill, "reason": reason} for bill, reason in sorted(self._reasons.items())]

    async def change(self, withheld: dict[str, str], released: Sequence[str]) -> None:
        """Keep and forget, all of it or nothing. Raises ServiceRefused `too_many_withheld`, StorageFailed."""
        async with self._changing:
            after = {bill: reason for bill, reason in self._reasons.items() if bill not in released} | withheld
            if len(after) > WITHHELD_MAX:
                raise ServiceRefused("too_many_withheld", f"at most {WITHHELD_MAX:,} bills at a time")
            puts = {_PREFIX + bill.encode(): reason.encode() for bill, reason in withheld.items()}
            gone = [_PREFIX + bill.encode() for bill in released]
            loop = asyncio.get_running_loop()
            await finished(loop.run_in_executor(self._thread, self._database.write, puts, gone, True))
            self._reasons = after
