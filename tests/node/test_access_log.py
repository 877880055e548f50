"""Who read which details (FEATURES 33): on the disk before the answer, one write a request, found out when it is altered."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chain import failpoint, keyspace
from chain.access_anchor import check_anchor
from chain.accesses import EMPTY_ANCHOR, Access, check_accesses
from chain.codec import encode
from chain.database import Database
from chain.details import check_code
from chain.errors import ProofMismatch, StorageFailed
from chain.operation import AnchorAccesses
from chain.records import AccessesBody
from node.access_anchors import ANCHOR_AFTER_S
from node.access_log import DAY_MS, AccessLog, Opened
from node.identity import Identity
from node.rights import ALL_FIELDS
from node.service import Reader, ServiceRefused
from tests.chain.making import Chain, bill_id, details
from tests.network.running import ROOT
from tests.node.test_mirror import AUDITOR, CASHIER, CLERK, STRANGERS, Archive

HOLDER = Reader("u-8", "finance-city", "patient", Identity("test", "TEST-000001", "Synthetic Person"))
CASE = Reader("u-1", "finance", "auditor", purpose="fraud-investigation", case_number="2026-17")
NOW_MS = 1_790_000_000_000


class Log:
    """A log of its own over a real database."""

    def __init__(self, home: Path) -> None:
        self.path, self.anchored = home / "details", EMPTY_ANCHOR
        if not self.path.exists():
            Database.create(self.path).close()
        self.thread = ThreadPoolExecutor(1)
        self.chain = Chain()
        self.writes: list[int] = []  # rows of each
        self.open()

    def open(self) -> None:
        self.database = Database.open(self.path)
        write = self.database.write

        def counted(puts: Mapping[bytes, bytes], deletes: Any = (), sync: bool = True) -> None:
            assert sync
            write(puts, deletes, sync)
            self.writes.append(len(puts))

        self.database.write = counted  # type: ignore[method-assign, assignment]
        self.log = AccessLog(self.database, self.thread, self.chain.ledger, lambda: self.anchored, 30, lambda: NOW_MS)

    def note(self, count: int, reader: Reader | None = AUDITOR) -> None:
        for number in range(1, count + 1):
            self.log.note(Opened(reader, bill_id(number), "hospital-a", ["payer_name", "items"]))

    def rows(self) -> list[bytes]:
        return [data for _number, data in self.log.entries(1, 1_000)]

    def entries(self) -> list[Access]:
        found = [self.log.entry(number) for number, _data in self.log.entries(1, 1_000)]
        assert None not in found
        return [entry for entry in found if entry is not None]

    def close(self) -> None:
        self.database.close()
        self.thread.shutdown()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path)
    yield log
    failpoint.arm("")
    log.close()


# ── the log itself ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_list_costs_one_write_and_requests_that_come_together_share_one(log: Log) -> None:
    log.note(100)
    await log.log.written()
    assert log.writes == [201]  # entry and index row of each, and the head
    await log.log.written()
    assert log.writes == [201]  # nothing was opened: nothing is written

    async def request(number: int) -> None:
        log.log.note(Opened(AUDITOR, bill_id(number), "hospital-a", ["items"]))
        await log.log.written()

    await asyncio.gather(*(request(number) for number in range(1, 21)))
    assert len(log.writes) <= 3  # the first one's, and one for all that came meanwhile
    assert check_accesses(log.rows(), EMPTY_ANCHOR).count == 120
    assert log.log.numbers_of(bill_id(7)) == [7, 107]


async def test_the_chain_goes_on_after_a_restart(log: Log) -> None:
    log.note(3)
    await log.log.written()
    log.database.close()
    log.open()
    log.note(2, None)
    await log.log.written()

    assert check_accesses(log.rows(), (log.log.number, log.log.head)).count == 5
    first, last = log.entries()[0], log.entries()[-1]
    assert (first.organisation, first.role, first.subject, first.purpose) == ("finance", "auditor", "u-1", "audit")
    assert (first.height, first.time_ms, first.shown_ms) == (log.chain.height, NOW_MS, NOW_MS)
    assert first.fields == ["items", "payer_name"]
    assert (last.organisation, last.role, last.subject, last.purpose) == ("", "bearer", "", "verification")


async def test_what_the_disk_does_not_take_is_not_given(log: Log) -> None:
    failpoint.arm("details.before_write=EIO@1")
    log.note(1)
    with pytest.raises(ServiceRefused, match="storage_failed"):
        await log.log.written()
    assert isinstance(log.log.failure, StorageFailed)
    with pytest.raises(ServiceRefused, match="storage_failed"):
        await log.log.written()  # nor later: the node stops
    log.note(1)
    with pytest.raises(ServiceRefused, match="storage_failed"):
        await log.log.written()
    failpoint.arm("")
    log.database.close()
    log.open()
    assert log.log.number == 0
    log.note(1)
    await log.log.written()
    assert check_accesses(log.rows(), EMPTY_ANCHOR).count == 1


async def test_a_request_that_breaks_off_breaks_no_chain(log: Log) -> None:
    """Its client goes away while the entry is written: the entry stands, and the next one follows it."""
    for _ in range(20):
        log.note(1)
        request = asyncio.ensure_future(log.log.written())
        await asyncio.sleep(0)
        request.cancel()
        await asyncio.gather(request, return_exceptions=True)
    log.note(1)
    await log.log.written()
    assert check_accesses(log.rows(), (log.log.number, log.log.head)).count == 21


KILLED = """
import asyncio, sys
from pathlib import Path
from tests.node.test_access_log import Log
from chain import failpoint

async def main():
    log = Log(Path(sys.argv[1]))
    log.note(2)
    await log.log.written()
    failpoint.arm(sys.argv[2])
    log.note(1)
    await log.log.written()
    print("given", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize(("point", "kept"), [("details.before_write", 2), ("details.after_write", 3)])
async def test_killed_around_the_write_no_answer_is_without_its_entry(tmp_path: Path, point: str, kept: int) -> None:
    """Before it: neither entry nor answer. After it: an entry of an answer that nobody got. Never the other way round."""
    ran = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", KILLED, str(tmp_path), f"{point}=kill@1"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert "given" not in ran.stdout
    log = Log(tmp_path)
    try:
        assert check_accesses(log.rows(), (log.log.number, log.log.head)).count == kept
        log.note(1)
        await log.log.written()
        assert check_accesses(log.rows(), EMPTY_ANCHOR).count == kept + 1
    finally:
        log.close()


async def test_a_torn_write_leaves_the_entries_before_it(log: Log, tmp_path: Path) -> None:
    """Power went while a request's entries were written: they are there whole or not at all."""
    log.note(2)
    await log.log.written()
    (file,) = log.path.glob("*.log")
    before = file.stat().st_size
    log.note(3)
    await log.log.written()
    after = file.stat().st_size
    for place, size in enumerate((before + 1, (before + after) // 2, after - 1)):
        home = tmp_path / f"crashed-{place}"
        shutil.copytree(log.path, home / "details", ignore=shutil.ignore_patterns("LOCK"))
        with (home / "details" / file.name).open("r+b") as torn:
            torn.truncate(size)
        crashed = Log(home)
        try:
            assert check_accesses(crashed.rows(), (crashed.log.number, crashed.log.head)).count == 2
            crashed.note(1)
            await crashed.log.written()
            assert check_accesses(crashed.rows(), EMPTY_ANCHOR).count == 3
        finally:
            crashed.close()


async def test_an_older_copy_of_the_disk_goes_on_behind_the_anchor_and_the_gap_is_told(log: Log) -> None:
    log.note(2)
    await log.log.written()
    log.anchored = (5, b"\x05" * 32)  # by entries that this copy never had
    log.note(1)
    await log.log.written()
    assert log.log.number == 6
    entry = log.log.entry(6)
    assert entry is not None
    assert entry.former == b"\x05" * 32
    with pytest.raises(ProofMismatch, match="entry 3 is missing"):
        check_accesses(log.rows(), log.anchored)


def test_who_may_read_all_says_what_for(log: Log) -> None:
    for role in ("auditor", "finance_clerk"):
        with pytest.raises(ServiceRefused, match="purpose_missing"):
            log.log.note(Opened(Reader("u-1", "finance", role), bill_id(1), "hospital-a", []))
    for role, purpose in (
        ("cashier", "treatment-payment"),
        ("insurer_clerk", "claim-review"),
        ("patient", "own-affairs"),
    ):
        log.log.note(Opened(Reader("u-1", "hospital-a", role), bill_id(1), "hospital-a", []))
        assert log.log._noted[-1].purpose == purpose
    granted = Opened(Reader("u-1", "insurer-a", "insurer_clerk"), bill_id(1), "hospital-a", [], purpose="complaint")
    log.log.note(granted)
    assert log.log._noted[-1].purpose == "complaint"


def test_a_patient_is_not_named_in_it(log: Log) -> None:
    log.log.note(Opened(Reader("330102199001011234", "finance-city", "patient"), bill_id(1), "hospital-a", []))
    entry = log.log._noted[-1]
    assert (entry.organisation, entry.subject, entry.role) == ("", "", "patient")


def test_a_case_is_shown_later(log: Log) -> None:
    log.log.note(Opened(CASE, bill_id(1), "hospital-a", []))
    entry = log.log._noted[-1]
    assert (entry.case_number, entry.shown_ms) == ("2026-17", NOW_MS + 30 * DAY_MS)


# ── at an archive ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path)
    yield archive
    archive.close()


def logged(archive: Archive) -> list[Access]:
    log = archive.mirror.bills.accesses
    found = [log.entry(number) for number, _data in log.entries(1, 1_000)]
    return [entry for entry in found if entry is not None]


def ways(archive: Archive, bill: str) -> list[Callable[[], Awaitable[Any]]]:
    """Everything that opens the details of bill 1, and a search."""
    mirror, code = archive.mirror, check_code(details(bill).seed, bill)
    return [
        lambda: mirror.bill(bill, AUDITOR),
        lambda: mirror.bills_by_business_no("hospital-a", "No. 1", CLERK),
        lambda: mirror.proof(bill, CASHIER, ["payer_name"], None),
        lambda: mirror.face_source(bill, AUDITOR, "face", None),
        lambda: mirror.proof(bill, None, ["payer_name"], code),
        lambda: mirror.face_source(bill, None, "list", code),
        lambda: mirror.audit_bills({"issuer": "hospital-a"}, None, 10, AUDITOR),
        lambda: mirror.patients.my_bills(HOLDER, None, 20),
    ]


async def test_every_way_to_the_details_leaves_an_entry(archive: Archive) -> None:
    """One each, on the disk when the answer is given."""
    bill = await archive.issue(1)
    await archive.seal()
    mirror = archive.mirror
    for number, ask in enumerate(ways(archive, bill), 1):
        assert await ask()
        assert mirror.bills.accesses.number == number
    # what stands on the ledger alone leaves none, nor does a refusal
    assert await mirror.proof(bill, AUDITOR, [], None) is not None
    assert await mirror.bill(bill, Reader("u-9", "insurance", "auditor")) is not None
    assert await mirror.history(bill, CASHIER) is not None
    assert await mirror.proof(bill, None, ["payer_name"], "000000") is None
    for stranger in STRANGERS:
        assert await mirror.bill(bill, stranger) is None

    told = [(entry.bill, entry.role, entry.organisation, entry.purpose) for entry in logged(archive)]
    assert told == [
        (bill, "auditor", "finance", "audit"),
        (bill, "finance_clerk", "finance-city", "supervision"),
        (bill, "cashier", "hospital-a", "treatment-payment"),
        (bill, "auditor", "finance", "audit"),
        (bill, "bearer", "", "verification"),
        (bill, "bearer", "", "verification"),
        ("", "auditor", "finance", "audit"),
        (bill, "patient", "", "own-affairs"),
    ]
    assert logged(archive)[2].fields == ["payer_name"]
    assert set(logged(archive)[0].fields) < set(ALL_FIELDS)
    assert all(entry.issuer == "hospital-a" for entry in logged(archive))


@pytest.mark.parametrize("way", range(8))
async def test_nothing_is_given_that_the_disk_does_not_take(archive: Archive, way: int) -> None:
    bill = await archive.issue(1)
    ask = ways(archive, bill)[way]
    failpoint.arm("details.before_write=EIO@1")
    try:
        with pytest.raises(ServiceRefused, match="storage_failed"):
            await ask()
    finally:
        failpoint.arm("")
    with pytest.raises(StorageFailed):
        await archive.mirror.anchors.step()  # and the node ends
    assert archive.mirror.bills.accesses.number == 0


async def test_without_a_purpose_nothing_opens(archive: Archive) -> None:
    bill = await archive.issue(1)
    nameless = Reader("u-1", "finance", "auditor")
    for ask in (
        lambda: archive.mirror.bill(bill, nameless),
        lambda: archive.mirror.proof(bill, nameless, ["payer_name"], None),
        lambda: archive.mirror.face_source(bill, nameless, "face", None),
        lambda: archive.mirror.audit_bills({"issuer": "hospital-a"}, None, 10, nameless),
    ):
        with pytest.raises(ServiceRefused, match="purpose_missing"):
            await ask()
    assert await archive.mirror.proof(bill, nameless, [], None) is not None  # nothing private in it
    assert logged(archive) == []


async def test_the_log_is_anchored_a_minute_after_something_new(archive: Archive) -> None:
    bill = await archive.issue(1)
    anchors, now_s = archive.mirror.anchors, [0.0]
    anchors._now_s = lambda: now_s[0]
    await anchors.step()
    assert archive.sent() == []
    assert anchors.proof() is None
    await archive.mirror.bill(bill, AUDITOR)
    await archive.mirror.bill(bill, CLERK)
    await anchors.step()
    assert archive.sent() == []  # not at once: more may come
    now_s[0] = ANCHOR_AFTER_S
    await anchors.step()
    (transaction,) = archive.sent()
    head = logged(archive)[-1].digest()
    assert [entry.operation for entry in transaction.entries] == [AnchorAccesses(1, 2, head)]
    await archive.mirror.bill(bill, CLERK)
    standing = await anchors.anchor()  # while one is under way there is no second one
    assert standing is not None
    assert archive.sent() == []
    assert archive.block(transaction) == ["recorded"]
    assert archive.chain.body(keyspace.accesses("finance-city"), AccessesBody) == AccessesBody(1, 2, head)
    proof = anchors.proof()
    assert proof is not None
    proven = check_anchor(proof, archive.chain.genesis)
    rows = [data for _number, data in archive.mirror.bills.accesses.entries(1, 100)]
    assert check_accesses(rows, (proven.last, proven.head)).count == 3
    assert await anchors.anchor() is not None  # the third, on demand
    assert archive.block(*archive.sent()) == ["recorded"]
    assert await anchors.anchor() is None
    archive.restart()
    assert archive.mirror.bills.accesses.number == 3
    assert await archive.mirror.anchors.anchor() is None


async def test_the_rows_for_auditors_hold_the_very_bytes(archive: Archive) -> None:
    bill = await archive.issue(1)
    for _ in range(3):
        await archive.mirror.bill(bill, AUDITOR)
    page = archive.mirror.accesses(0, 2)
    assert [row["number"] for row in page.data] == [1, 2]
    assert page.next == "2"
    rest = archive.mirror.accesses(2, 2)
    assert ([row["number"] for row in rest.data], rest.next) == ([3], None)
    assert bytes.fromhex(rest.data[0]["entry"]) == encode(logged(archive)[2])
    assert rest.data[0]["subject"] == "u-1"
