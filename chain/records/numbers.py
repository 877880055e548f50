"""Ranges of bill numbers and their leases; what became of a number."""

from __future__ import annotations

from chain.codec import BillId, Count, Digest, Name, PlaceCode, Wire
from chain.operation import RangeRef, Serial


class RangeBody(Wire, frozen=True):
    first: Serial
    count: Count
    next: Count  # children are cut from here; one above the last serial when nothing is left
    parent: list[RangeRef]  # one, or none for a province's own


class RangesBody(Wire, frozen=True):
    """All ranges of one holder and code: their first numbers, ascending."""

    firsts: list[Serial]


class LeaseBody(Wire, frozen=True):
    first: Serial
    count: Count
    gateway: Name
    place: PlaceCode
    cleared: bool  # its numbers may not be used any more


class ClearanceBody(Wire, frozen=True):
    """What became of a lease's numbers when the office cleared it; together they are its count."""

    office: Name
    normal: Count
    reversed: Count
    red: Count
    void: Count
    unused: Count


class LeasesBody(Wire, frozen=True):
    """All leases of one gateway and code: their first numbers, in the order taken."""

    firsts: list[Serial]


class BusinessBody(Wire, frozen=True):
    bill: BillId
    content_mac: Digest


class UnusedBody(Wire, frozen=True):
    reason: str
