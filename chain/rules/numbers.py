"""Number ranges, leases cut from them, and numbers spent on nothing.

Ranges nest: province → city → county → hospital; leases are cut from a hospital's range for one gateway and issuing
point. Children are always cut from the front, so the parent's record only keeps `next`.
Source: Zhejiang medical e-bill measure of 2019, numbering (DOMAIN 1.1, 1.2).

Codes in their order of precedence:
  allot     already_recorded, range_overlaps, wrong_key, second_person_missing, persons_malformed, same_person,
            organisation_unknown, not_supervised, range_unknown, range_not_yours, count_not_positive, range_overlaps (first below the next free number) or range_moved
            (above it), range_exhausted, directory_full
  lease     already_recorded, range_moved, wrong_key, organisation_unknown, issuer_not_entitled, organisation_suspended or
            organisation_closed, place_unknown, range_unknown, range_not_yours, count_not_positive, range_moved, range_exhausted, directory_full
  unused    already_recorded, number_used, wrong_key, lease_unknown, number_outside_lease, lease_cleared, number_used
A code that stands twice is first given for another operation's record under the same key.
"""

from __future__ import annotations

from bisect import insort

from chain import keyspace
from chain.operation import AllotRange, RangeRef, ReportUnused, TakeLease
from chain.records import UNIT, BillBody, LeaseBody, LeasesBody, RangeBody, RangesBody, UnusedBody
from chain.rules.context import Changes, Context, Refused, View, issuing_hospital, organisation, refuse_repeated
from chain.rules.second_person import verify_persons

DIRECTORY_MAX = 10_000  # ranges of a holder and code, leases of a gateway and code: each new one copies the list


def allot_range(view: View, operation: AllotRange, context: Context) -> Changes:
    """Cut the front of a range for an organisation that its holder supervises."""
    own = keyspace.number_range(RangeRef(operation.holder, operation.parent.code, operation.first))
    refuse_repeated(view, own, context, "range_overlaps")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    verify_persons(operation, context)
    if organisation(view, operation.holder).supervisor != context.organisation:
        raise Refused("not_supervised")
    parent = _cut(view, operation.parent, operation.first, operation.count, context, "range_overlaps")
    directory = keyspace.number_ranges(operation.holder, operation.parent.code)
    firsts = list(held.firsts) if (held := view.get(directory, RangesBody)) else []
    if len(firsts) >= DIRECTORY_MAX:
        raise Refused("directory_full")
    insort(firsts, operation.first)
    return {
        keyspace.number_range(operation.parent): parent,
        own: RangeBody(operation.first, operation.count, operation.first, [operation.parent]),
        directory: RangesBody(firsts),
    }


def take_lease(view: View, operation: TakeLease, context: Context) -> Changes:
    """Cut the front of a hospital's own range for one of its gateways."""
    ref = operation.range
    own = keyspace.lease(context.organisation, ref.code, operation.first)
    refuse_repeated(view, own, context, "range_moved")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    issuing_hospital(view, context.organisation, operation.place)
    parent = _cut(view, ref, operation.first, operation.count, context, "range_moved")
    directory = keyspace.leases(context.organisation, operation.gateway, ref.code)
    firsts = list(held.firsts) if (held := view.get(directory, LeasesBody)) else []
    if len(firsts) >= DIRECTORY_MAX:
        raise Refused("directory_full")
    return {
        keyspace.number_range(ref): parent,
        own: LeaseBody(operation.first, operation.count, operation.gateway, operation.place, False),
        directory: LeasesBody([*firsts, operation.first]),
    }


def _cut(view: View, ref: RangeRef, first: int, count: int, context: Context, behind: str) -> RangeBody:
    body = view.get(keyspace.number_range(ref), RangeBody)
    if body is None:
        raise Refused("range_unknown")
    if ref.holder != context.organisation:
        raise Refused("range_not_yours")
    if count < 1:
        raise Refused("count_not_positive")
    if first != body.next:
        raise Refused(behind if first < body.next else "range_moved")
    if first + count > body.first + body.count:
        raise Refused("range_exhausted")
    return RangeBody(body.first, body.count, first + count, body.parent)


def report_unused(view: View, operation: ReportUnused, context: Context) -> Changes:
    """Explain a number that was spent on nothing; it can never be used."""
    own = keyspace.unused(operation.bill)
    refuse_repeated(view, own, context, "number_used")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    leased_number(view, context.organisation, operation.bill, operation.lease_first)
    if view.get(keyspace.bill(operation.bill), BillBody) is not None:
        raise Refused("number_used")
    return {own: UnusedBody(operation.reason)}


def leased_number(view: View, issuer: str, bill: str, lease_first: int) -> LeaseBody:
    """The lease that a number was given from. Raises Refused lease_unknown, number_outside_lease or lease_cleared."""
    lease = view.get(keyspace.lease(issuer, bill[:8], lease_first), LeaseBody)
    if lease is None:
        raise Refused("lease_unknown")
    if not lease.first <= int(bill[8:]) < lease.first + lease.count:
        raise Refused("number_outside_lease")
    if lease.cleared:
        raise Refused("lease_cleared")
    return lease
