"""Issuing the bills of files in batches, and waiting until they are sealed. `medbill bill import`.

A gateway gives the same bill for the same business number (DESIGN 6), so a batch may be sent again after any silence:
what it holds already comes back as `repeated`. Only after a silence it is unclear whether a repeated bill is of this run;
then its business number is asked, and the time of issue tells. Waiting sends kept batches again with `Prefer: wait`:
one question for a hundred bills.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Protocol

import msgspec

from chain.bill import BillRequest
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.formats import FormatRefused
from cli.importing_outcome import Outcome

BATCH_BILLS_MAX = 100
BATCH_BYTES_MAX = 4 << 20  # half of what a node takes in one body
WAITING_BATCHES_MAX = 64  # kept with their bodies until sealed; beyond it the oldest is waited for, then let go
ROOM_LOOKS_MAX = 12  # at WAIT_S each, before the oldest batch is let go unsealed
RETRIES_MAX = 30  # of one batch, while nobody answers or nothing is kept
RETRY_S = 1.0  # grows by half each time, to RETRY_S_MAX
RETRY_S_MAX = 5.0
WAIT_S = 10  # of `Prefer: wait`
CHINA = timezone(timedelta(hours=8))
NOT_KEPT = frozenset(
    {"no_numbers", "outbox_full", "disk_nearly_full", "unavailable", "mempool_full"}
)  # worth another try
NO_OTHER = frozenset({"already_issued", "already_recorded"})  # the bill is there: under this or another number

Reader = Callable[..., Iterator[tuple[str, BillRequest | FormatRefused]]]


class BillDesk(Protocol):
    """What is needed of `client.Client`."""

    organisation: str

    def get(self, path: str, **parameters: Any) -> Any: ...

    def post(self, path: str, body: bytes | dict[str, Any], wait_s: int = 0) -> Any: ...


class Report(msgspec.Struct):
    """What came of a run. `refused` entries are {file, business_no, code}."""

    issued: int = 0
    already_issued: int = 0
    refused: list[dict[str, str]] = []
    total_fen: int = 0
    unsealed: int = 0

    def document(self) -> dict[str, Any]:
        return {
            "issued": self.issued,
            "already_issued": self.already_issued,
            "refused": self.refused,
            "total_fen": self.total_fen,
        }


Heard = Callable[[str, str, Outcome], None]  # (file, business number or "", outcome)


class _Bill(msgspec.Struct):
    file: str
    business_no: str
    total_fen: int
    body: bytes
    is_new: bool = False  # counted as issued by this run
    is_in_total: bool = False


class Importer:
    """One run. `told` hears (files done since, text), `heard` what comes of each bill. `counted` are business numbers that
    earlier runs have in their `total_fen`, and is added to."""

    def __init__(
        self,
        desk: BillDesk,
        told: Callable[[int, str], None] = lambda steps, text: None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        heard: Heard = lambda file, business_no, outcome: None,
        counted: set[str] | None = None,
    ) -> None:
        self._desk, self._told, self._clock, self._sleep, self._heard = desk, told, clock, sleep, heard
        self._started_s = int(clock())
        self._report = Report()
        self._batch: list[_Bill] = []
        self._batch_bytes = 0
        self._waiting: deque[list[_Bill]] = deque()  # kept and not sealed; WAITING_BATCHES_MAX
        self._counted = (
            set[str]() if counted is None else counted
        )  # business numbers in `total_fen`: as many as the files hold

    def import_file(self, file: Path, reader: Reader, *, as_cny: bool, place_code: str) -> None:
        """Read and send the bills of one file. Raises CommandFailed if the gateway stays away."""
        now = datetime.fromtimestamp(self._clock(), CHINA).isoformat(timespec="seconds")
        for business_no, request in reader(file, as_cny=as_cny, now=now, place_code=place_code):
            if isinstance(request, FormatRefused):
                self._refuse(str(file), business_no, request.code, request.pointer)
                continue
            body = msgspec.json.encode(request)
            if len(self._batch) >= BATCH_BILLS_MAX or self._batch_bytes + len(body) > BATCH_BYTES_MAX:
                self._send()
            self._batch.append(_Bill(str(file), business_no, request.total_fen, body))
            self._batch_bytes += len(body)
        self._told(1, self._beside())

    def finish(self, deadline_s: float) -> Report:
        """Send what is left, and wait for seals until nothing has moved for `deadline_s`; 0 does not wait."""
        self._send()
        moved_at = self._clock()
        while self._waiting and deadline_s > 0 and self._clock() - moved_at < deadline_s:
            if self._look_again(self._waiting.popleft()):
                moved_at = self._clock()
        self._report.unsealed += sum(map(len, self._waiting))
        return self._report

    def _send(self) -> None:
        """Send the batch until each of its bills is kept or refused."""
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        was_unclear = False
        unsealed: list[_Bill] = []
        for attempt in range(RETRIES_MAX):
            if not batch:
                break
            is_last = attempt == RETRIES_MAX - 1
            try:
                outcomes = self._post(batch, 0)
            except CommandFailed as failure:
                if failure.exit_code is not ExitCode.UNREACHABLE or is_last:
                    raise
                was_unclear = was_unclear or failure.code in ("unreachable", "timed_out")
                self._told(0, f"{failure.code}: trying again")
            else:
                again: list[_Bill] = []
                for bill, outcome in zip(batch, outcomes, strict=True):
                    if outcome.get("code") in NOT_KEPT and outcome.get("operation") is None and not is_last:
                        again.append(bill)
                    elif self._count(bill, outcome, was_unclear):
                        unsealed.append(bill)
                batch = again
                self._told(0, self._beside())
            if batch:
                self._sleep(min(RETRY_S * 1.5**attempt, RETRY_S_MAX))
        if unsealed:
            self._waiting.append(unsealed)
        self._make_room()

    def _make_room(self) -> None:
        for _ in range(ROOM_LOOKS_MAX):
            if len(self._waiting) <= WAITING_BATCHES_MAX:
                return
            self._look_again(self._waiting.popleft())
        self._report.unsealed += len(self._waiting.popleft())  # seals are far behind: no longer looked at

    def _count(self, bill: _Bill, outcome: dict[str, Any], was_unclear: bool) -> bool:
        """Enter what became of a bill; whether its seal is still to be waited for."""
        status, is_repeated = outcome.get("status"), bool(outcome.get("repeated"))
        if status == "refused" and not is_repeated:
            self._refuse(bill.file, bill.business_no, str(outcome.get("code")), str(outcome.get("pointer") or ""))
            return False
        bill.is_new = not is_repeated or (was_unclear and self._was_issued_now(bill))
        if bill.business_no in self._counted:
            bill.is_new = False
        else:
            self._counted.add(bill.business_no)
            bill.is_in_total = True
            self._report.total_fen += bill.total_fen
        if bill.is_new:
            self._report.issued += 1
        else:
            self._report.already_issued += 1
        self._tell_issued(bill, outcome)
        return status in ("queued", "recorded")

    def _was_issued_now(self, bill: _Bill) -> bool:
        rows = self._desk.get("/v1/bills", issuer=self._desk.organisation, business_no=bill.business_no)["data"]
        return any(_epoch_s(str(row.get("issued_at"))) >= self._started_s for row in rows)

    def _look_again(self, batch: list[_Bill]) -> bool:
        """Ask what has become of a kept batch, waiting a while for seals. Whether anything moved."""
        try:
            outcomes = self._post(batch, WAIT_S)
        except CommandFailed as failure:
            if failure.exit_code is not ExitCode.UNREACHABLE:
                raise
            self._sleep(RETRY_S)
            outcomes = []
        if not outcomes:
            self._waiting.append(batch)
            return False
        left = [bill for bill, outcome in zip(batch, outcomes, strict=True) if not self._settle(bill, outcome)]
        if left:
            self._waiting.append(left)
        self._told(0, f"{self._beside()}, waiting for {sum(map(len, self._waiting))} seals")
        return len(left) < len(batch)

    def _settle(self, bill: _Bill, outcome: dict[str, Any]) -> bool:
        """Correct the figures by what the ledger said at last; whether nothing is left to wait for."""
        if (
            outcome.get("status") == "refused"
            and outcome.get("code") not in NO_OTHER
            and not outcome.get("superseded_by")
        ):
            self._uncount(bill)
            self._refuse(bill.file, bill.business_no, str(outcome.get("code")))
            return True
        if bill.is_new and (outcome.get("superseded_by") or outcome.get("code") in NO_OTHER):
            bill.is_new = False  # another gateway was first
            self._report.issued -= 1
            self._report.already_issued += 1
            self._tell_issued(bill, outcome)
        return outcome.get("status") in ("sealed", "refused")

    def _uncount(self, bill: _Bill) -> None:
        if bill.is_in_total:
            self._counted.discard(bill.business_no)
            self._report.total_fen -= bill.total_fen
        if bill.is_new:
            self._report.issued -= 1
        else:
            self._report.already_issued -= 1

    def _refuse(self, file: str, business_no: str, code: str, place: str = "") -> None:
        self._report.refused.append({"file": file, "business_no": business_no, "code": code})
        self._heard(file, business_no, Outcome("refused", code=code, detail=place))

    def _tell_issued(self, bill: _Bill, outcome: dict[str, Any]) -> None:
        number = str(outcome.get("superseded_by") or outcome.get("bill_id") or "")
        self._heard(bill.file, bill.business_no, Outcome("issued" if bill.is_new else "same_bill", number))

    def _post(self, batch: list[_Bill], wait_s: int) -> list[dict[str, Any]]:
        body = b'{"bills":[' + b",".join(bill.body for bill in batch) + b"]}"
        outcomes: list[dict[str, Any]] = self._desk.post("/v1/bills:batch", body, wait_s)["outcomes"]
        if len(outcomes) != len(batch):
            raise CommandFailed("answer_malformed", f"{len(outcomes)} outcomes for {len(batch)} bills")
        return outcomes

    def _beside(self) -> str:
        report = self._report
        return f"issued {report.issued}, already issued {report.already_issued}, refused {len(report.refused)}"


def _epoch_s(text: str) -> int:
    """Of a time as bills show it, to the second; 0 for what is none."""
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return 0
