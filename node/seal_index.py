"""What the office looks up about its seals, derived from final blocks: exceptions, releases, and how far all is sealed.

It lies in the database of the details and can be derived again: after a crash it is, from the height that it has come
to. Keys:  w/issuer/bill -> reason: withheld now · x/bill/height (12 digits) -> [operation, reason]: an exception, or
a release if the reason is empty · m/indexed, m/settled -> height (8)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from chain import keyspace
from chain.block import RECORDED
from chain.codec import Digest, Wire, decode, encode
from chain.failpoint import failpoint
from chain.final_view import FinalView
from chain.ledger import Ledger
from chain.operation import SealBills
from chain.records import BillBody
from chain.state import Store

SAVE_BLOCKS = 256  # the height is written so many blocks apart: as many are looked at again after a crash
_INDEXED, _SETTLED = b"m/indexed", b"m/settled"


class SealEvent(Wire, frozen=True):
    operation: Digest  # of the seal
    reason: str  # of the exception; empty for a release


class SealChange(NamedTuple):
    """What a seal said of one bill."""

    bill: str
    height: int
    operation: bytes
    reason: str  # empty for a release


class SealIndex:
    """Fed with final blocks in order, each once. Its writes are not flushed: what is lost is derived again."""

    def __init__(self, database: Store, ledger: Ledger) -> None:
        self._database, self._ledger = database, ledger
        self.indexed = self._height(_INDEXED)
        self.settled = self._height(_SETTLED)  # no bill of our issuers up to here lacks a seal or an exception
        self._saved = self.indexed
        for height in range(self.indexed + 1, ledger.head.height + 1):
            view = ledger.final(height)
            if view is not None:
                self.on_final(view)

    def on_final(self, view: FinalView) -> None:
        puts: dict[bytes, bytes] = {}
        gone: list[bytes] = []
        for operation, digest, code in seals_in(view):
            if code != RECORDED:
                continue
            for exception in operation.exceptions:
                puts[_event(exception.bill, view.header.height)] = encode(SealEvent(digest, exception.reason))
                puts[_withheld(self._issuer(exception.bill), exception.bill)] = exception.reason.encode()
            for bill in operation.released:
                puts[_event(bill, view.header.height)] = encode(SealEvent(digest, ""))
                gone.append(_withheld(self._issuer(bill), bill))
        self.indexed = view.header.height
        if puts or gone or self.indexed >= self._saved + SAVE_BLOCKS:
            puts = {key: value for key, value in puts.items() if key not in gone}
            self._save(puts, gone)

    def _save(self, puts: dict[bytes, bytes], gone: list[bytes]) -> None:
        puts[_INDEXED] = self.indexed.to_bytes(8, "big")
        puts[_SETTLED] = self.settled.to_bytes(8, "big")
        self._database.write(puts, gone, sync=False)
        failpoint("seal_index.saved")
        self._saved = self.indexed

    def withheld(self, issuer: str, limit: int | None = None) -> Iterator[tuple[str, str]]:
        """(bill, reason) of the bills that are withheld now."""
        prefix = f"w/{issuer}/".encode()
        for key, value in self._database.scan(prefix, limit=limit):
            yield key[len(prefix) :].decode(), value.decode()

    def changes_of(self, bill: str) -> list[SealChange]:
        """Exceptions and releases that named a bill, in their order; few, and none for nearly every bill."""
        prefix = f"x/{bill}/".encode()
        changes = []
        for key, value in self._database.scan(prefix):
            event = decode(value, SealEvent)
            changes.append(SealChange(bill, int(key[len(prefix) :]), event.operation, event.reason))
        return changes

    def close(self) -> None:
        """Remember how far it came."""
        self._save({}, [])

    def _height(self, key: bytes) -> int:
        value = self._database.get(key)
        height = int.from_bytes(value, "big") if value else 0
        return min(height, self._ledger.head.height)

    def _issuer(self, bill: str) -> str:
        body = self._ledger.state.get(keyspace.bill(bill), BillBody)
        return body.issuer if body else ""


def seals_in(view: FinalView) -> Iterator[tuple[SealBills, bytes, str]]:
    """(seal, its digest, outcome code) of all seals in a block, refused ones too."""
    number = 0
    for received in view.received:
        for entry in received.transaction.entries:
            outcome = view.outcomes[number]
            number += 1
            if isinstance(entry.operation, SealBills):
                yield entry.operation, outcome.operation, outcome.code


def _event(bill: str, height: int) -> bytes:
    return f"x/{bill}/{height:012d}".encode()


def _withheld(issuer: str, bill: str) -> bytes:
    return f"w/{issuer}/{bill}".encode()
