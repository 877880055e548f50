"""The office's store of payers that its hospitals bound to bills, sealed at rest beside the bills' details.

Kept even where no block has recorded the binding yet, within a bound; what the ledger refuses, or records of somebody else,
is forgotten. Shown is the one alone whose root the ledger has.
Key of the database:  b/issuer/bill/payer root (hex) -> payer root (32) ‖ box
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chain import keyspace
from chain.block import RECORDED
from chain.details import Details
from chain.errors import Malformed
from chain.final_view import FinalView
from chain.ledger import Ledger
from chain.operation import BindPayer
from chain.records import BillBody, PayerBody
from chain.state import body_of
from node.bound_payer import BoundPayer, payer_root
from node.details_store import ROOT_BYTES, DetailsStore
from node.errors import PeerRefused
from node.messages import PAYERS_MAX
from node.sealed_box import is_erased
from node.thread_work import finished

WAITING_MAX = 10_000  # payers of one issuer that are kept before the ledger knows of them
ALREADY_RECORDED = "already_recorded"


class PayerStore:
    """On one loop; in the database, the thread and under the key of `store`."""

    def __init__(self, ledger: Ledger, store: DetailsStore) -> None:
        self._ledger, self._store = ledger, store
        self._lock = asyncio.Lock()
        self._waiting: dict[str, set[tuple[str, bytes]]] = {
            issuer: set() for issuer in store.issuers
        }  # WAITING_MAX each
        self._forget: list[bytes] = []  # rows of those that never will be recorded; they go with the next batch
        for issuer, waiting in self._waiting.items():
            prefix = f"b/{issuer}/".encode()
            for key, value in store.database.scan(prefix):
                bill, root = key[len(prefix) :].decode().partition("/")[0], value[:ROOT_BYTES]
                bound = ledger.state.get(keyspace.payer(bill), PayerBody)
                if bound is None:
                    waiting.add((bill, root))
                elif bound.payer_root != root:
                    self._forget.append(key)

    # ── keeping ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def put(self, issuer: str, payers: Sequence[Details]) -> list[str]:
        """Keep an issuer's; the bills of those that are on the disk when this returns. Left out are those of other issuers'
        bills, of bills that somebody else is bound to, and new ones once WAITING_MAX wait: the gateway sends them again.
        Raises PeerRefused `not_supervised`, Malformed, StorageFailed.
        """
        if issuer not in self._store.issuers:
            raise PeerRefused("not_supervised")
        if len(payers) > PAYERS_MAX:
            raise Malformed(f"{len(payers)} payers at once")
        return await finished(asyncio.ensure_future(self._put(issuer, payers)))

    async def _put(self, issuer: str, payers: Sequence[Details]) -> list[str]:
        async with self._lock:
            waiting = self._waiting.setdefault(issuer, set())  # who was admitted later has none yet
            wanted: dict[tuple[str, bytes], Details] = {}
            room = WAITING_MAX - len(waiting)
            for details in payers:
                name = details.bill, payer_root(details)
                bound = self._root_of(details.bill)
                if bound is None and name not in waiting and name not in wanted:
                    if room <= 0:
                        continue
                    room -= 1
                if self._may_bind(issuer, details.bill) and bound in (None, name[1]):
                    wanted[name] = details
            if wanted:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(self._store.thread, self._write, issuer, wanted)
            for bill, root in wanted:
                bound = self._root_of(bill)  # it may have become final while we wrote
                if bound is None:
                    waiting.add((bill, root))
                elif bound != root:
                    self._forget.append(payer_row(issuer, bill, root))
        return [bill for bill, _root in wanted]

    def _write(self, issuer: str, wanted: dict[tuple[str, bytes], Details]) -> None:
        """In the thread."""
        puts: dict[bytes, bytes] = {}
        for (bill, root), details in wanted.items():
            key = payer_row(issuer, bill, root)
            if self._store.database.get(key) is None:
                puts[key] = root + self._store.box.seal(details)
                puts |= self._store.index_rows(issuer, details)  # it is this person's bill now
        kept = {payer_row(issuer, *name) for name in wanted}
        forget, self._forget = [key for key in self._forget if key not in kept], []
        if puts or forget:
            self._store.database.write(puts, forget, sync=True)

    def _may_bind(self, issuer: str, bill: str) -> bool:
        body = self._ledger.state.get(keyspace.bill(bill), BillBody)
        return body is None or body.issuer == issuer

    def _root_of(self, bill: str) -> bytes | None:
        body = self._ledger.state.get(keyspace.payer(bill), PayerBody)
        return body.payer_root if body is not None else None

    def on_final(self, view: FinalView) -> None:
        """Those that a block tells of wait no more; who was refused, or lost a race, is forgotten."""
        number = 0
        for received in view.received:
            issuer = received.transaction.organisation
            first, number = number, number + len(received.transaction.entries)
            if not self._waiting.get(issuer):
                continue
            for place, entry in enumerate(received.transaction.entries, first):
                code = view.outcomes[place].code
                if isinstance(entry.operation, BindPayer) and code != ALREADY_RECORDED:
                    self._settle(issuer, entry.operation, code == RECORDED)

    def _settle(self, issuer: str, operation: BindPayer, is_recorded: bool) -> None:
        waiting, name = self._waiting[issuer], (operation.bill, operation.payer_root)
        others = {one for one in waiting if one[0] == operation.bill and one != name} if is_recorded else set()
        gone = others if is_recorded else waiting & {name}
        waiting -= {*gone, name}
        self._forget += [payer_row(issuer, *one) for one in gone]

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def bound(self, issuer: str, bill: str) -> BoundPayer | None:
        """Who was bound to a bill, as the ledger says; None if nobody was. Raises StorageDamaged."""
        record = self._ledger.state.record(keyspace.payer(bill))
        if record is None:
            return None
        body = body_of(record, PayerBody)
        return BoundPayer(record.origin, body.height, self._details(issuer, bill, body.payer_root))

    def _details(self, issuer: str, bill: str, root: bytes) -> Details | None:
        held = self._store.database.get(payer_row(issuer, bill, root))
        if held is None or is_erased(held[ROOT_BYTES:]):
            return None
        return self._store.box.open(held[ROOT_BYTES:], bill)

    async def get_many(self, issuer: str, bills: Sequence[str]) -> list[Details]:
        """Those that are here and recorded, for a gateway of that issuer. Raises PeerRefused `not_supervised`."""
        if issuer not in self._store.issuers:
            raise PeerRefused("not_supervised")
        found = [bound.details for bill in bills if (bound := self.bound(issuer, bill)) is not None]
        return [details for details in found if details is not None]

    @property
    def waiting(self) -> dict[str, int]:
        """issuer -> how many are here that the ledger does not know of yet."""
        return {issuer: len(names) for issuer, names in self._waiting.items()}


def payer_row(issuer: str, bill: str, root: bytes) -> bytes:
    return f"b/{issuer}/{bill}/{root.hex()}".encode()
