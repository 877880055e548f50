"""2xx: ranges of bill numbers, and leases cut from them."""

from __future__ import annotations

from chain.codec import BillCode, BillId, Count, Name, PlaceCode, Wire
from chain.operation.fields import Persons, Reason, Serial


class RangeRef(Wire, frozen=True):
    """Names a range: who holds it, of which code, from which number."""

    holder: Name
    code: BillCode
    first: Serial


class AllotRange(Wire, frozen=True, tag=200):
    """The holder of `parent` cuts a piece from its front for an organisation that it supervises."""

    parent: RangeRef
    first: Serial  # must be the parent's next free number
    count: Count
    holder: Name
    persons: Persons


class TakeLease(Wire, frozen=True, tag=201):
    """A hospital cuts a piece of its own range for one gateway and issuing point."""

    range: RangeRef
    first: Serial
    count: Count
    gateway: Name
    place: PlaceCode


class ReportUnused(Wire, frozen=True, tag=202):
    """A number of a lease was spent on nothing: it explains the gap and can never be used."""

    bill: BillId
    lease_first: Serial
    reason: Reason
