"""What has become of each thing written here, and who waits for more of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from chain.block import RECORDED
from node.gateway_store import BillRow, GatewayStore, OperationRow, operation_key
from node.service import Standing, Status

WAITERS_MAX = 20_000  # requests that wait at once; one more is answered at once
SUPERSEDED = "already_issued"  # the code of a bill in whose place another stands


class Standings:
    """Reads the store; `wake` is called for what changed, `wake_all` when a seal may concern anybody."""

    def __init__(self, store: GatewayStore, office: str) -> None:
        self._store, self._office = store, office
        self._waiters: dict[bytes, set[asyncio.Future[None]]] = {}  # operation digest -> who; WAITERS_MAX in all
        self._count = 0

    def of_operation(self, digest: bytes) -> Standing | None:
        """None if the organisation never asked for it, as far as is known here."""
        row = self._store.get(operation_key(digest), OperationRow)
        if row is None:
            return None
        bill = self._store.bill(row.bill) if row.bill else None
        if bill is not None and bill.digest == digest:
            return self.of_bill(bill)
        status: Status = "queued" if not row.code else "recorded" if row.code == RECORDED else "refused"
        return Standing(
            digest.hex(),
            status,
            code=row.code if status == "refused" else None,
            height=row.height or None,
            bill_id=row.bill or None,
        )

    def of_bill(self, row: BillRow) -> Standing:
        """Where another bill stands for this one, that one's standing, with `superseded_by`."""
        digest = row.digest.hex()
        if row.superseded_by:
            winner = self._store.bill(row.superseded_by)
            if winner is not None and not winner.superseded_by:
                other = self.of_bill(winner)
                return msgspec.structs.replace(
                    other, operation=digest, code=SUPERSEDED, superseded_by=row.superseded_by
                )
        status = self.status_of(row)
        return Standing(
            digest,
            status,
            code=row.code if status == "refused" else None,
            height=row.height or None,
            sealed_height=self.sealed_height(row) if status == "sealed" else None,
            bill_id=row.operation.bill,
            superseded_by=row.superseded_by or None,
        )

    def status_of(self, row: BillRow) -> Status:
        if not row.code:
            return "queued"
        if row.code != RECORDED:
            return "refused"
        return "sealed" if self.is_sealed(row) else "recorded"

    def is_sealed(self, row: BillRow) -> bool:
        """Below the office's watermark and not excepted, or released later."""
        return row.code == RECORDED and not row.withheld and row.height <= self._store.watermark(self._office)

    def sealed_height(self, row: BillRow) -> int | None:
        """Height of the block that recorded the seal, if it is known."""
        if row.released_height:
            return row.released_height
        seal = self._store.seal_over(row.height)
        return seal.height if seal is not None else None

    # ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def wait(self, standing: Standing, seconds: float, until: Status) -> Standing:
        """The standing when `until` (or something final) is reached, or what there is after so many seconds."""
        digest = bytes.fromhex(standing.operation)
        deadline = asyncio.get_running_loop().time() + seconds
        latest = standing
        while True:
            current = self.of_operation(digest)
            if current is not None:
                latest = msgspec.structs.replace(
                    current, check_code=current.check_code or standing.check_code, repeated=standing.repeated
                )
            left = deadline - asyncio.get_running_loop().time()
            if self._is_reached(latest, until) or left <= 0 or not await self._changed(digest, left):
                return latest

    def _is_reached(self, standing: Standing, until: Status) -> bool:
        if standing.status in (until, "sealed") or (standing.status == "refused" and not standing.superseded_by):
            return True
        return standing.status == "recorded" and (until != "sealed" or standing.bill_id is None)

    async def _changed(self, digest: bytes, seconds: float) -> bool:
        """Whether something changed, or the time is over (a last look is due); False if there is no room to wait."""
        if self._count >= WAITERS_MAX:
            return False
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(digest, set()).add(future)
        self._count += 1
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            pass
        finally:
            self._count -= 1
            waiting = self._waiters.get(digest)
            if waiting is not None:
                waiting.discard(future)
                if not waiting:
                    del self._waiters[digest]
        return True

    def wake(self, digests: Iterable[bytes]) -> None:
        for digest in digests:
            for future in self._waiters.get(digest, ()):
                if not future.done():
                    future.set_result(None)

    def wake_all(self) -> None:
        self.wake(list(self._waiters))
