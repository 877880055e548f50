"""The office's store of private details: what the hospitals that it supervises delivered, sealed at rest.

Kept even where the bill is not final yet, within a bound. A gateway gives only its own organisation's details and
gets back only those. Personal data is here and nowhere else on this node; nothing of it goes into keys, logs or
errors: a business number, and a person, are found by an HMAC under keys derived from the storage key. Source: DESIGN
section 6, PROTOCOL 17.

Keys of the database:  d/issuer/bill -> details root (32) ‖ box · n/mac (16)/bill -> nothing
                       o/issuer/bill -> when it came (8): details of a bill that was not final then
                       p/mac (16)/issuer/bill -> nothing: bills that name a person's identity document, or that the person
                       has claimed
                       g/mac (16)/bill -> nothing: bills that belong to a settlement
                       v/… what `lookups.py` keeps
Beside them lie a/… (`access_log.py`), b/… (`payer_store.py`), f/… (`proxies.py`), q/… (`withholdings.py`), y/… (`submissions.py`),
and what is derived.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path

from chain.block import RECORDED
from chain.codec import decode_stored, encode
from chain.database import Database
from chain.details import FIELDS, LISTS, Details, details_root, expand, field_values
from chain.digest import EMPTY_DIGEST
from chain.errors import Malformed
from chain.failpoint import failpoint
from chain.final_view import FinalView
from chain.operation import IssueBill, ReverseBill
from chain.records import BillBody
from chain.state import Store
from node.errors import PeerRefused
from node.identity import Identity, spelt_document
from node.messages import DETAILS_MAX
from node.sealed_box import DetailsBox, is_erased
from node.thread_work import finished

DIRECTORY = "details"
NOT_FINAL_MAX = 100_000  # bills of one issuer whose details are kept before the chain knows them
RECENT_MAX = 2_000  # details kept opened in memory: the sealer is about to add them up
ANSWER_BYTES_MAX = 8 << 20  # of details in one answer; the asker asks again for the rest
ROOT_BYTES = 32
MAC_BYTES = 16  # short keys: they come in no order, so LevelDB moves each ten times

BodyOf = Callable[[str], BillBody | None]  # bill id -> its record, if it is final


class DetailsStore:
    """On one loop; work on the disk is done by `thread`, which has one worker. `payer_store.py` shares database, thread and box."""

    def __init__(
        self, database: Store, storage_key: bytes, issuers: Iterable[str], body_of: BodyOf, thread: Executor
    ) -> None:
        self.database = database
        self.issuers = frozenset(issuers)  # whose bills the office supervises
        self.turned_away = 0  # details not kept because too many wait for their bills: for metrics
        self.on_kept: list[Callable[[str, Sequence[str]], None]] = []  # called with (issuer, bills) after the flush
        self.key_for: Callable[[bytes], bytes] = lambda use: expand(storage_key, use, 32)  # for what lies beside them
        self.box = DetailsBox(storage_key)
        self._index_key = expand(storage_key, b"medbill/1/business-index", 32)
        self._person_key = expand(storage_key, b"medbill/1/person-index", 32)
        self._holder_key = expand(storage_key, b"medbill/1/bill-holder", 32)
        self.grant_key = expand(storage_key, b"medbill/1/grants", 32)  # of `grant_desk.py`: it lies nowhere else
        self._body_of, self.thread = body_of, thread
        # canonical bytes and root, for thousands of objects cost the collector's time; RECENT_MAX
        self._recent: OrderedDict[tuple[str, str], tuple[bytes, bytes]] = OrderedDict()
        self._not_final: dict[str, OrderedDict[str, int]] = {name: OrderedDict() for name in self.issuers}
        self._forget: list[bytes] = []  # marks of bills that became final; they go with the next batch
        self._lock = asyncio.Lock()
        self._load()

    def add_issuer(self, issuer: str) -> None:
        """One more hospital is supervised."""
        if issuer not in self.issuers:
            self.issuers |= {issuer}
            self._not_final[issuer] = OrderedDict()

    @classmethod
    def create(cls, data: Path) -> None:
        """Make `details/` below `data`: only `init` does."""
        Database.create(data / DIRECTORY).close()

    @classmethod
    def open(
        cls, data: Path, storage_key: bytes, issuers: Iterable[str], body_of: BodyOf, thread: Executor
    ) -> DetailsStore:
        """Raises StorageDamaged, StorageLocked: details are not derived, so nothing is made anew here."""
        return cls(Database.open(data / DIRECTORY), storage_key, issuers, body_of, thread)

    def _load(self) -> None:
        for issuer, waiting in self._not_final.items():
            prefix = f"o/{issuer}/".encode()
            found = []
            for key, value in self.database.scan(prefix):
                bill = key[len(prefix) :].decode()
                if self._body_of(bill) is None:
                    found.append((int.from_bytes(value, "big"), bill))
                else:
                    self._forget.append(key)
            waiting.update((bill, when) for when, bill in sorted(found))

    # ── keeping ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def put(self, issuer: str, details: Sequence[Details]) -> list[str]:
        """Keep an issuer's details; the ids of those that are on the disk when this returns.

        Left out are bills that another organisation issued, and those of bills that are not final once NOT_FINAL_MAX
        of them wait: the gateway sends them again. Right details are never replaced by wrong ones. Raises PeerRefused
        `not_supervised`, Malformed if one of them cannot be details of anything, StorageFailed.
        """
        if issuer not in self.issuers:
            raise PeerRefused("not_supervised")
        if len(details) > DETAILS_MAX:
            raise Malformed(f"{len(details)} details at once")
        return await finished(asyncio.ensure_future(self._put(issuer, details)))

    async def _put(self, issuer: str, details: Sequence[Details]) -> list[str]:
        loop = asyncio.get_running_loop()
        async with self._lock:
            roots = await loop.run_in_executor(self.thread, verified_roots, details)
            bodies = {entry.bill: self._body_of(entry.bill) for entry in details}
            marks = self._not_final[issuer]
            wanted: dict[str, tuple[Details, bytes]] = {}
            room = NOT_FINAL_MAX - len(marks)
            for entry, root in zip(details, roots, strict=True):
                body = bodies[entry.bill]
                if body is None and entry.bill not in marks:
                    if room <= 0:
                        self.turned_away += 1
                        continue
                    room -= 1
                if body is None or body.issuer == issuer:
                    wanted[entry.bill] = (entry, root)
            now_ms = time.time_ns() // 1_000_000
            failpoint("details_store.checked")
            kept = await loop.run_in_executor(self.thread, self._write, issuer, wanted, bodies, now_ms)
            for bill in kept:
                self._remember(issuer, bill, wanted[bill], now_ms, was_final=bodies[bill] is not None)
        failpoint("details_store.written")
        for heard in self.on_kept:
            heard(issuer, kept)
        return list(wanted)

    def _write(
        self,
        issuer: str,
        wanted: dict[str, tuple[Details, bytes]],
        bodies: dict[str, BillBody | None],
        now_ms: int,
    ) -> list[str]:
        """In the thread. Returns the bills whose details are new here."""
        puts: dict[bytes, bytes] = {}
        kept = []
        for bill, (entry, root) in wanted.items():
            key, body = _key(issuer, bill), bodies[bill]
            held = self.database.get(key)
            if held is not None and held[:ROOT_BYTES] in (root, body.details_root if body else root):
                continue
            puts[key] = root + self.box.seal(entry)
            puts |= self.index_rows(issuer, entry)
            if body is None:
                puts[_mark(issuer, bill)] = now_ms.to_bytes(8, "big")
            kept.append(bill)
        forget, self._forget = self._forget, []
        if puts or forget:
            self.database.write(puts, [key for key in forget if key not in puts], sync=True)
        return kept

    def _remember(self, issuer: str, bill: str, kept: tuple[Details, bytes], now_ms: int, was_final: bool) -> None:
        self._recent[issuer, bill] = encode(kept[0]), kept[1]
        while len(self._recent) > RECENT_MAX:
            self._recent.popitem(last=False)
        if was_final:
            return
        if self._body_of(bill) is None:
            self._not_final[issuer][bill] = now_ms
        else:
            self._forget.append(_mark(issuer, bill))  # it became final while we wrote

    def on_final(self, view: FinalView) -> None:
        """Bills of a final block no longer count as waiting for it."""
        number = 0
        for received in view.received:
            marks = self._not_final.get(received.transaction.organisation)
            for entry in received.transaction.entries:
                outcome = view.outcomes[number]
                number += 1
                operation = entry.operation
                if marks and outcome.code == RECORDED and isinstance(operation, IssueBill | ReverseBill):
                    issuer = received.transaction.organisation
                    if marks.pop(operation.bill, None) is not None:
                        self._forget.append(_mark(issuer, operation.bill))

    async def keep(self, rows: dict[bytes, bytes], sync: bool = False) -> None:
        """Rows of others, together; on the disk when this returns if `sync`. Raises StorageFailed."""
        loop = asyncio.get_running_loop()
        await finished(loop.run_in_executor(self.thread, self.database.write, rows, [], sync))

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, key: bytes) -> bytes | None:
        return self.database.get(key)

    def values(self, prefix: bytes) -> list[bytes]:
        return [value for _key, value in self.database.scan(prefix)]

    def root_of(self, issuer: str, bill: str) -> bytes | None:
        """The root of the details that are here, recomputed when they came; None if there are none."""
        recent = self._recent.get((issuer, bill))
        if recent is not None:
            return recent[1]
        held = self.database.get(_key(issuer, bill))
        return held[:ROOT_BYTES] if held is not None else None

    def get(self, issuer: str, bill: str) -> Details | None:
        """A bill's details; None if they are not here, or were erased. Raises StorageDamaged."""
        recent = self._recent.get((issuer, bill))
        if recent is not None:
            return decode_stored(recent[0], Details)
        held = self.database.get(_key(issuer, bill))
        if held is None or is_erased(held[ROOT_BYTES:]):
            return None
        return self.box.open(held[ROOT_BYTES:], bill)

    async def get_many(self, issuer: str, bills: Sequence[str]) -> list[Details]:
        """Those that are here, in the order asked for, as many as fit ANSWER_BYTES_MAX but one at least.

        For a gateway of that issuer. Raises PeerRefused `not_supervised`.
        """
        if issuer not in self.issuers:
            raise PeerRefused("not_supervised")
        return await asyncio.get_running_loop().run_in_executor(self.thread, self._read, issuer, bills)

    def _read(self, issuer: str, bills: Sequence[str]) -> list[Details]:
        found: list[Details] = []
        size = 0
        for bill in bills:
            details = self.get(issuer, bill)
            if details is None:
                continue
            size += len(encode(details))
            if found and size > ANSWER_BYTES_MAX:
                break
            found.append(details)
        return found

    def bills_of_business_no(self, issuer: str, business_no: str) -> list[str]:
        """Ids of the bills, final or not, whose details name that business number."""
        prefix = self.business_row(issuer, business_no, "")
        return [key[len(prefix) :].decode() for key, _value in self.database.scan(prefix)]

    def bills_of_person(self, identity: Identity, after: tuple[str, str] | None, limit: int) -> list[tuple[str, str]]:
        """(issuer, bill), ascending, of details that name the person's document, from behind `after` on. Whether they
        are the final bill's details, the caller looks."""
        prefix = self._person_prefix(identity.spelt())
        begin = prefix + "/".join(after).encode() + b"\0" if after is not None else None
        rows = self.database.scan(prefix, start=begin, limit=limit)
        found = [key[len(prefix) :].decode().split("/") for key, _value in rows]
        return [(issuer, bill) for issuer, bill in found]

    async def add_holder(self, identity: Identity, issuer: str, bill: str) -> None:
        """A bill is found by a person's document though it names none; on the disk when this returns. Raises StorageFailed."""
        await self.keep({self._person_prefix(identity.spelt()) + f"{issuer}/{bill}".encode(): b""}, sync=True)

    def pseudonym(self, bill: str, identity: Identity) -> bytes:
        """What the ledger calls a person by, as the holder of a bill: another one for each bill, 32 bytes."""
        return hmac.digest(self._holder_key, encode([bill, identity.spelt()]), "sha256")

    def index_rows(self, issuer: str, details: Details) -> dict[bytes, bytes]:
        """What a bill is found by: its business number, its settlement, its payer's document."""
        values, rows = field_values(details), {}
        business_no = values.get("business_no")
        if business_no:
            rows[self.business_row(issuer, business_no, details.bill)] = b""
        group = values.get("group")
        if group:
            rows[self.group_row(issuer, group, details.bill)] = b""
        number = values.get("payer_id_number", "")
        if number.strip():
            prefix = self._person_prefix(spelt_document(values.get("payer_id_type", ""), number))
            rows[prefix + f"{issuer}/{details.bill}".encode()] = b""
        return rows

    def _person_prefix(self, spelt: bytes) -> bytes:
        return b"p/" + hmac.digest(self._person_key, spelt, "sha256")[:MAC_BYTES] + b"/"

    def bills_of_group(self, issuer: str, group: str, after: str, limit: int) -> list[str]:
        """Ids above `after` of the bills, final or not, whose details name that settlement, ascending; at most `limit`."""
        prefix = self.group_row(issuer, group, "")
        start = prefix + after.encode() + b"\0" if after else None
        found = self.database.scan(prefix, start=start, limit=limit)
        return [key[len(prefix) :].decode() for key, _value in found]

    @property
    def not_final(self) -> dict[str, int]:
        """issuer -> how many details are here for bills that the chain does not know yet."""
        return {issuer: len(marks) for issuer, marks in self._not_final.items()}

    def close(self) -> None:
        self.database.close()

    def business_row(self, issuer: str, business_no: str, bill: str) -> bytes:
        """The key under which a bill is found by its business number."""
        mac = hmac.digest(self._index_key, encode([issuer, business_no]), "sha256")[:MAC_BYTES]
        return b"n/" + mac + b"/" + bill.encode()

    def group_row(self, issuer: str, group: str, bill: str) -> bytes:
        """The same of the settlement that it belongs to."""
        mac = hmac.digest(self._index_key, encode([issuer, group, "group"]), "sha256")[:MAC_BYTES]
        return b"g/" + mac + b"/" + bill.encode()


def verified_roots(details: Sequence[Details]) -> list[bytes]:
    """Their roots, after a look at their form. Raises Malformed."""
    roots = []
    for entry in details:
        numbers = [number for number, _value in entry.fields]
        if numbers != sorted(set(numbers)) or not set(numbers) <= set(FIELDS) or entry.seed == EMPTY_DIGEST:
            raise Malformed("details: fields that nobody knows, twice, or out of order")
        for number, value in entry.fields:
            if isinstance(value, list) != (FIELDS[number] in LISTS):  # what a row may hold was seen in decoding
                raise Malformed("details: a text where rows belong, or rows where a text does")
        roots.append(details_root(entry))
    return roots


def _key(issuer: str, bill: str) -> bytes:
    return f"d/{issuer}/{bill}".encode()


def _mark(issuer: str, bill: str) -> bytes:
    return f"o/{issuer}/{bill}".encode()
