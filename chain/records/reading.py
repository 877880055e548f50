"""Who may read a bill, whose it is, what is disputed, who read it."""

from __future__ import annotations

from chain.codec import BillId, Count, Digest, Height, Milliseconds, Name, Wire
from chain.operation import FieldId, Mac, Reason
from chain.records.record import State

# grant axis, each grant for itself
NOT_GRANTED = 1
GRANTED = 2
REVOKED = 3

# dispute axis
NOT_DISPUTED = 1
DISPUTED = 2  # nobody reimburses it
DISPUTE_SETTLED = 3


class GrantBody(Wire, frozen=True):
    """That an organisation may read a bill; `GrantRead` says what each field is."""

    bill: BillId
    to: Name
    fields: list[FieldId]
    purpose: Reason
    until_ms: Milliseconds
    holder: Mac
    state: State
    height: Height  # of the block that recorded it


class GrantRef(Wire, frozen=True):
    granter: Name
    grant: Digest


class GrantsBody(Wire, frozen=True):
    """A bill's grants in the order in which they were given; what ended long ago makes room."""

    given: Count  # so many ever were
    grants: list[GrantRef]


class BoundBody(Wire, frozen=True):
    """Who became a bill's holder by showing its slip first."""

    holder: Digest


class DisputeBody(Wire, frozen=True):
    """A bill's newest dispute."""

    state: State
    number: Count
    holder: Digest
    reason: str
    outcome: str  # once it is settled
    time_ms: Milliseconds  # of the block that began it


class ProxyBody(Wire, frozen=True):
    """Who may read for whom, in pseudonyms, until a moment."""

    principal: Digest
    agent: Digest
    until_ms: Milliseconds
    ended: bool


class ProxyEndBody(Wire, frozen=True):
    """A proxy's end before its time."""

    ended_ms: Milliseconds  # by block time


class AccessesBody(Wire, frozen=True):
    """How far an archive's log of accesses is anchored."""

    first: Count
    last: Count
    head: Digest
