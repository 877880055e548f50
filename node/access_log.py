"""Who read which details here: a chained log that is on the disk before the details are given (FEATURES 33).

A request notes what it opens while its answer is made, and waits for `written` before it gives the answer: what cannot be
recorded is not given. Requests that come together share one synced write, so a reading costs one at most. After a crash
between the two the log tells of an answer that nobody got; the other way round cannot be.

Nothing in it is a patient's (`chain/accesses.py`), so it is not sealed. Lies in the database of the details:
a/e/number (8) -> Access · a/b/bill/number (12 digits) -> nothing · a/head -> number (8) ‖ digest
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor

import msgspec
import structlog

from chain.accesses import EMPTY_ANCHOR, Access
from chain.codec import decode, encode
from chain.errors import Malformed, StorageFailed
from chain.ledger import Ledger
from chain.state import Store
from node.purposes import purpose_of
from node.service import Reader, ServiceRefused
from node.thread_work import finished

NOTED_MAX = 20_000  # that wait for one write
EMBARGO_DAYS = 30  # before a patient is told of a reading for a case
DAY_MS = 86_400_000
BEARER, PROXY = "bearer", "proxy"  # roles that no token has: who showed a code, who read for the patient
_ENTRY, _OF_A_BILL, _HEAD = b"a/e/", b"a/b/", b"a/head"

log = structlog.get_logger("accesses")


class Opened(msgspec.Struct, frozen=True):
    """What somebody is about to read. Who: None for whoever showed a bill's check code or token."""

    reader: Reader | None
    bill: str  # empty for a search
    issuer: str
    fields: list[str]
    proxy: bytes = b""  # the relation under which a patient reads for another one
    purpose: str = ""  # that a grant was given for, where one opens them


class AccessLog:
    """On the ledger's loop; writes are done by `thread`, which has one worker. `anchored` tells (number, digest) of the newest
    entry that the ledger has an anchor of."""

    def __init__(
        self,
        database: Store,
        thread: Executor,
        ledger: Ledger,
        anchored: Callable[[], tuple[int, bytes]],
        embargo_days: int = EMBARGO_DAYS,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.failure: StorageFailed | None = None  # of a write: the node stops
        self._database, self._thread, self._ledger = database, thread, ledger
        self._anchored, self._embargo_ms, self._now_ms = anchored, embargo_days * DAY_MS, now_ms
        self._noted: list[Access] = []  # not numbered yet; at most NOTED_MAX
        self._noted_count = self._kept_count = 0  # since the start
        self._writing = asyncio.Lock()
        head = database.get(_HEAD)
        self.number, self.head = (int.from_bytes(head[:8], "big"), head[8:]) if head else EMPTY_ANCHOR

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def note(self, opened: Opened) -> None:
        """To be recorded by the next `written`. Raises ServiceRefused: `purpose_missing` from whoever has to name one,
        `unavailable` if too much waits already."""
        reader = opened.reader
        purpose = purpose_of(reader, opened.purpose)
        if len(self._noted) >= NOTED_MAX:
            raise ServiceRefused("unavailable", "too many readings wait to be recorded")
        now_ms = self._now_ms()
        is_staff = reader is not None and reader.role != "patient"
        case_number = reader.case_number if reader is not None else ""
        self._noted.append(
            Access(
                number=1,  # and its former: when it is written
                former=bytes(32),
                bill=opened.bill,
                issuer=opened.issuer,
                organisation=reader.organisation if reader is not None and is_staff else "",
                role=BEARER if reader is None else PROXY if opened.proxy else reader.role,
                subject=reader.subject if reader is not None and is_staff else "",
                proxy=opened.proxy,
                purpose=purpose,
                case_number=case_number,
                height=self._ledger.head.height,
                time_ms=now_ms,
                shown_ms=now_ms + (self._embargo_ms if case_number else 0),
                fields=sorted(opened.fields),
            )
        )
        self._noted_count += 1

    async def written(self) -> None:
        """Until all that was noted so far is on the disk. Raises ServiceRefused `storage_failed`: then nothing of it may be
        given, and the node stops."""
        wanted = self._noted_count
        if self._kept_count < wanted:
            await finished(asyncio.ensure_future(self._write(wanted)))

    async def _write(self, wanted: int) -> None:
        async with self._writing:
            if self._kept_count >= wanted:
                return  # one that waited before us took ours along
            if self.failure is not None:
                raise ServiceRefused(self.failure.code)
            noted, self._noted = self._noted, []
            number, head, puts = self._chained(noted)
            try:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._thread, self._database.write, puts, [], True)
            except StorageFailed as error:
                self.failure = error
                raise ServiceRefused(error.code) from None
            self.number, self.head = number, head
            self._kept_count += len(noted)

    def _chained(self, noted: list[Access]) -> tuple[int, bytes, dict[bytes, bytes]]:
        """(number, digest) of the last one, and the rows of all."""
        number, head = self.number, self.head
        anchored = self._anchored()
        if anchored[0] > number:  # our disk is an older copy: the gap stays to be seen
            log.error("access_log_behind", number=number, anchored=anchored[0])
            number, head = anchored
        puts: dict[bytes, bytes] = {}
        for access in noted:
            number += 1
            entry = msgspec.structs.replace(access, number=number, former=head)
            head = entry.digest()
            puts[_key(number)] = encode(entry)
            if entry.bill:
                puts[_OF_A_BILL + f"{entry.bill}/{number:012d}".encode()] = b""
        puts[_HEAD] = number.to_bytes(8, "big") + head
        return number, head, puts

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def entries(self, first: int, limit: int) -> Iterator[tuple[int, bytes]]:
        """(number, canonical bytes as they lie here), from number `first` on."""
        for key, value in self._database.scan(_ENTRY, start=_key(first), limit=limit):
            yield int.from_bytes(key[len(_ENTRY) :], "big"), value

    def numbers_of(self, bill: str) -> list[int]:
        """Of the entries about a bill, ascending."""
        prefix = _OF_A_BILL + f"{bill}/".encode()
        return [int(key[len(prefix) :]) for key, _nothing in self._database.scan(prefix)]

    def entry(self, number: int) -> Access | None:
        """None if somebody took it out, or altered it so that it does not read: the check of the whole log tells that."""
        data = self._database.get(_key(number))
        try:
            return decode(data, Access) if data is not None else None
        except Malformed:
            log.error("access_unreadable", number=number)
            return None


def _key(number: int) -> bytes:
    return _ENTRY + number.to_bytes(8, "big")
