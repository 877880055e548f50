"""Former versions of a bill's record, and of the list of its claims, worked out again from the operations that made them.

A ledger keeps the current version of a record only; each names the digest of the one before. What changed a bill's own
record is known: its issue, exceptions and releases of its seal, a withdrawal, a reversal; what changed the list of its claims is in the
index of its life. So the versions are made again in order, and the last one has to be the stored one to the byte, which then
holds for all before it, since it names them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from chain import keyspace
from chain.codec import Wire, encode
from chain.digest import EMPTY_DIGEST
from chain.errors import StorageDamaged
from chain.ledger import Ledger
from chain.operation import DecideClaim, IssueBill, LockClaim, PayClaim, ReleaseClaim, ReverseBill
from chain.records import (
    COVERED,
    NORMAL,
    RED,
    REVERSED,
    UNIT,
    VOID,
    WITHHELD,
    BillBody,
    OrganisationBody,
    Record,
    WatermarkBody,
)
from chain.rules import RULES, Context, Refused
from chain.rules.context import Body
from chain.rules.lives import replaced
from chain.state import body_of
from node.life_index import LifeIndex
from node.recorded_operations import RecordedOperation, known_operation
from node.seal_index import SealIndex

Step = tuple[RecordedOperation, Wire]  # an operation, and the record's body after it


def bill_versions(ledger: Ledger, seals: SealIndex, bill: str) -> list[Record]:
    """All versions of a bill's record, oldest first; empty if there is no such bill. Raises StorageDamaged."""
    record = ledger.state.record(keyspace.bill(bill))
    if record is None:
        return []
    body = body_of(record, BillBody)
    changes: list[tuple[RecordedOperation, Callable[[BillBody], BillBody]]] = []
    for change in seals.changes_of(bill):
        changes.append((known_operation(ledger, change.operation), _sealed(change.reason)))
    void = ledger.state.record(keyspace.void(bill))
    if void is not None:
        changes.append((known_operation(ledger, void.origin), lambda before: replaced(before, validity=VOID)))
    if body.validity == REVERSED:
        red = ledger.state.record(keyspace.bill(body.related[0]))
        if red is None:
            raise StorageDamaged("state", f"the red bill of {bill} is missing")
        made = known_operation(ledger, red.origin)
        related = list(body.related)
        changes.append((made, lambda before: replaced(before, validity=REVERSED, related=related)))
    first = known_operation(ledger, record.origin)
    standing = _issued(first, body)
    steps: list[Step] = [(first, standing)]
    for operation, change_to in sorted(changes, key=lambda change: change[0].place):
        standing = change_to(standing)
        steps.append((operation, standing))
    return _verified(_versions(steps), record, f"versions of bill {bill}")


def _sealed(reason: str) -> Callable[[BillBody], BillBody]:
    seal = WITHHELD if reason else COVERED
    return lambda before: replaced(before, seal=seal, withheld=reason)


def _issued(made: RecordedOperation, now: BillBody) -> BillBody:
    operation = made.operation
    if not isinstance(operation, IssueBill | ReverseBill):
        raise StorageDamaged("state", f"operation {made.digest.hex()} issues no bill")
    is_red = isinstance(operation, ReverseBill)
    related = [operation.original] if isinstance(operation, ReverseBill) else []
    validity = RED if is_red else NORMAL
    return BillBody.of(operation, made.organisation, now.kind, made.height, validity=validity, related=related)


# ── claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Claims:
    """A view for the rules of claims: what they wrote so far; the bill as it must have been, since the ledger took the step."""

    def __init__(self, ledger: Ledger, bill: BillBody) -> None:
        self._ledger = ledger
        self._bill = replaced(bill, validity=NORMAL, seal=COVERED, withheld="", height=0)
        self.bodies: dict[bytes, Wire] = {}

    def get(self, key: bytes, kind: type[Body]) -> Body | None:
        if kind is BillBody:
            return self._bill  # type: ignore[return-value]
        if kind in (OrganisationBody, WatermarkBody):
            return self._ledger.state.get(key, kind)
        return self.bodies.get(key)  # type: ignore[return-value]

    def origin(self, key: bytes) -> bytes | None:
        return None  # no step was taken twice


def claims_versions(ledger: Ledger, lives: LifeIndex, bill: str) -> list[Record]:
    """All versions of the list of a bill's claims, oldest first; empty if it was never claimed. Raises StorageDamaged."""
    key = keyspace.claims(bill)
    record = ledger.state.record(key)
    body = ledger.state.get(keyspace.bill(bill), BillBody)
    if record is None or body is None:
        return []
    view = _Claims(ledger, body)
    steps: list[Step] = []
    for digest in lives.operations_of(bill):
        made = known_operation(ledger, digest)
        if not isinstance(made.operation, LockClaim | DecideClaim | PayClaim | ReleaseClaim):
            continue
        context = Context(
            made.organisation, UNIT, made.height, made.time_ms, digest, ledger.genesis.parameters, lambda _height: None
        )
        try:
            changes = RULES[type(made.operation)](view, made.operation, context)
        except Refused as refusal:
            raise StorageDamaged(f"state, claims on {bill}", f"the ledger took what is now {refusal.code}") from None
        view.bodies.update(changes)
        if key in changes:
            steps.append((made, changes[key]))
    return _verified(_versions(steps), record, f"versions of the claims on {bill}")


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _versions(steps: Iterable[Step]) -> list[Record]:
    """One a block, made by the last operation of the block that changed the record."""
    versions: list[Record] = []
    origin, former = b"", EMPTY_DIGEST
    for made, body in steps:
        if versions and versions[-1].height == made.height:
            versions.pop()
        elif versions:
            former = versions[-1].digest()
        origin = origin or made.digest
        versions.append(Record(len(versions) + 1, made.height, former, origin, made.digest, encode(body)))
    return versions


def _verified(versions: list[Record], stored: Record, what: str) -> list[Record]:
    if not versions or versions[-1] != stored:
        raise StorageDamaged(f"state, {what}", "worked out again they do not lead to the stored one")
    return versions
