"""What an office does on the ledger through its mirror: allot numbers, suspend, resume or close who it supervises, publish
catalogues, speak for a bill's holder, settle disputes; and what it reads of organisations and their keys.

Every step is tried by the rules as of the head first, so most refusals are told at once and nothing is sent in vain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from chain import keyspace
from chain.block import FinalBlock
from chain.codec import decode, encode
from chain.errors import ChainError
from chain.final_view import CodeRun, outcomes_of
from chain.ledger import Ledger
from chain.operation import (
    AdmitOrganisation,
    AllotRange,
    AnchorAccesses,
    BindHolder,
    ClearLease,
    DisputeBill,
    EndProxy,
    GrantProxy,
    Operation,
    PublishCatalogue,
    RangeRef,
    SettleDispute,
)
from chain.records import ACTIVE, CLOSED, SUSPENDED, OrganisationBody
from chain.signature import SigningKey
from chain.transaction import receive_transaction
from node.admissions import organisations_of
from node.approvals import SOMEBODY
from node.ledger_pages import bill_of, utc_text
from node.office_signer import OfficeSigner
from node.peer_certificate import usable_authority
from node.service import Page, ServiceRefused, Standing, StandingOperation
from node.submissions import Submissions

BLOCKS_AT_ONCE = 200  # read for a page of what a key signed; it may then be short and still have a next one
STATES = {ACTIVE: "active", SUSPENDED: "suspended", CLOSED: "closed"}

HolderOperation = BindHolder | DisputeBill | SettleDispute  # said of a bill for its holder
# what one person of the office, or the archive by itself, does
AloneOperation = ClearLease | HolderOperation | GrantProxy | EndProxy | AnchorAccesses
OfficeOperation = AdmitOrganisation | AllotRange | PublishCatalogue | StandingOperation | AloneOperation


class OfficeDesk:
    """On the ledger's loop. `find` tells (whose it is, how it stands) of an operation by its digest."""

    def __init__(
        self,
        organisation: str,
        ledger: Ledger,
        key: SigningKey | None,
        submissions: Submissions,
        find: Callable[[bytes], tuple[str, Standing] | None],
    ) -> None:
        self.signer = OfficeSigner(organisation, ledger, key, submissions, find)
        self._ledger = ledger

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def allot_range(self, parent: str, first: int, count: int, holder: str, persons: Sequence[bytes]) -> Standing:
        """`parent` is holder/code/first. Raises ServiceRefused."""
        return await self._send(_allotment(parent, first, count, holder), persons)

    async def admit(self, operation: AdmitOrganisation, persons: Sequence[bytes]) -> Standing:
        """Raises ServiceRefused, `authority_unusable` among others."""
        if operation.authority and usable_authority(operation.organisation, operation.authority) is None:
            detail = "not a certificate of its own that is signed by itself with Ed25519"
            raise ServiceRefused("authority_unusable", detail, "/authority")
        return await self._send(operation, persons)

    async def clear(self, operation: ClearLease) -> Standing:
        """A clearance as `ClearanceDesk` derived it. Raises ServiceRefused."""
        return await self._send(operation, ())

    async def send(self, operation: AloneOperation) -> Standing:
        """What needs no second person. Raises ServiceRefused."""
        return await self._send(operation, ())

    async def supervise(self, operation: StandingOperation, persons: Sequence[bytes]) -> Standing:
        """As of the organisation's standing now. Raises ServiceRefused."""
        body = self._ledger.state.get(keyspace.organisation(operation.organisation), OrganisationBody)
        if body is not None:
            operation = msgspec.structs.replace(operation, changes=body.changes)
        return await self._send(operation, persons)

    async def publish(self, operation: PublishCatalogue, persons: Sequence[bytes]) -> Standing:
        """Raises ServiceRefused."""
        return await self._send(operation, persons)

    def foresee(self, operation: HolderOperation) -> Standing | None:
        """None if the rules would take it now; its standing if it is recorded. Raises ServiceRefused."""
        return self.signer.try_now(operation)

    async def act(self, operation: HolderOperation) -> Standing:
        """What one person alone may ask for. Raises ServiceRefused."""
        return await self._send(operation, ())

    async def _send(self, operation: OfficeOperation, persons: Sequence[bytes]) -> Standing:
        self.signer.key()
        if not isinstance(operation, AloneOperation):
            needs_two = operation.__struct_config__.tag in self._ledger.parent().parameters.two_persons
            if needs_two and len(persons) < 2:
                self.signer.try_now(msgspec.structs.replace(operation, persons=SOMEBODY))
                raise ServiceRefused("second_person_missing", "another person of the office has to agree")
            operation = msgspec.structs.replace(operation, persons=list(persons))
        standing = self.signer.try_now(operation) or self.signer.known(operation)
        if standing is None:
            (standing,) = await self.signer.send(operation)
        return standing

    # ── what is read ─────────────────────────────────────────────────────────────────────────────────────────────────

    def organisations(self) -> list[dict[str, Any]]:
        """{organisation, name, kind, region, supervisor, state, reason, height} of all that the ledger has."""
        rows = []
        for name, body in organisations_of(self._ledger):
            record = self._ledger.state.record(keyspace.organisation(name))
            assert record is not None  # never deleted
            rows.append(
                {
                    "organisation": name,
                    "name": body.name,
                    "kind": body.kind,
                    "region": body.region,
                    "supervisor": body.supervisor or None,
                    "state": STATES[body.state],
                    "reason": body.reason or None,
                    "height": record.height,
                }
            )
        return rows

    async def signed_by(self, key_id: bytes, from_height: int, after: str | None, limit: int) -> Page:
        """What a key signed in blocks from `from_height` on: {height, time, transaction, operation, kind, bill_id, code}.

        `after` is the `next` of the page before: height/place. A page looks at BLOCKS_AT_ONCE blocks.
        """
        height, place = max(from_height, 1), 0
        if after is not None:
            height, place = (int(part) for part in after.split("/"))
        last = min(self._ledger.head.height, height + BLOCKS_AT_ONCE - 1)
        rows = await asyncio.to_thread(self._signed, key_id, height, last)
        rows = rows[place:] if rows and place else rows
        if len(rows) > limit:
            cut = rows[limit]["height"]
            within = sum(row["height"] == cut for row in rows[:limit])
            skipped = place if cut == height else 0
            return Page(rows[:limit], f"{cut}/{within + skipped}")
        more = last < self._ledger.head.height
        return Page(rows, f"{last + 1}/0" if more else None)

    def _signed(self, key_id: bytes, first: int, last: int) -> list[dict[str, Any]]:
        """In a thread: the block log and the store may be read beside their writers."""
        rows = []
        for height in range(first, last + 1):
            final = decode(self._ledger.log.read(height), FinalBlock)
            if all(transaction.key_id != key_id for transaction in final.block.transactions):
                continue
            chain_id = self._ledger.chain_id
            received = [receive_transaction(chain_id, transaction) for transaction in final.block.transactions]
            runs = self._ledger.state.read(keyspace.stored_outcomes(height)) or b""
            outcomes = outcomes_of(received, decode(runs, list[CodeRun]))
            number = 0
            for entry in received:
                for index, digest in enumerate(entry.operation_digests):
                    code = outcomes[number].code
                    number += 1
                    if entry.transaction.key_id != key_id:
                        continue
                    operation = entry.transaction.entries[index].operation
                    rows.append(
                        {
                            "height": height,
                            "time": utc_text(final.block.header.time_ms),
                            "organisation": entry.transaction.organisation,
                            "transaction": entry.digest.hex(),
                            "operation": digest.hex(),
                            "kind": _name(operation),
                            "bill_id": bill_of(operation),
                            "code": code,
                        }
                    )
        return rows


def _name(operation: Operation) -> str:
    """IssueBill -> issue_bill."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in type(operation).__name__).lstrip("_")


def _allotment(parent: str, first: int, count: int, holder: str) -> AllotRange:
    parts = parent.split("/")
    if len(parts) != 3 or not (parts[2].isascii() and parts[2].isdigit() and len(parts[2]) <= 10):
        raise ServiceRefused("range_unknown", "holder/code/first", "/parent")
    try:
        operation = AllotRange(RangeRef(parts[0], parts[1], int(parts[2])), first, count, holder, [])
        return decode(encode(operation), AllotRange)
    except ChainError:
        raise ServiceRefused("range_unknown", "not a range that could exist") from None
