"""Clearance (核销): an office accounts for every number of a lease, and closes it.

The counts are derived by the office's mirror from the bills and reports of unused numbers, never declared by the hospital;
whoever has the ledger derives them again, as of the block before it was sent. That all is explained the mirror sees to, not the
rule, which would have to look at each number. The rule keeps them together: they add up to the lease, once, and afterwards no
number of it can be used. Source: Zhejiang medical e-bill measure of 2019, clearance; DOMAIN 1.2.

Codes in their order of precedence: already_recorded, already_cleared, wrong_key, organisation_unknown, not_supervised,
lease_unknown, counts_mismatch.
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import ClearLease
from chain.records import UNIT, ClearanceBody, LeaseBody
from chain.rules.context import Changes, Context, Refused, View, organisation, refuse_repeated


def clear_lease(view: View, operation: ClearLease, context: Context) -> Changes:
    """Record what became of a lease's numbers; it is closed."""
    own = keyspace.clearance(operation.issuer, operation.code, operation.first)
    refuse_repeated(view, own, context, "already_cleared")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    if organisation(view, operation.issuer).supervisor != context.organisation:
        raise Refused("not_supervised")
    place = keyspace.lease(operation.issuer, operation.code, operation.first)
    lease = view.get(place, LeaseBody)
    if lease is None:
        raise Refused("lease_unknown")
    counts = (operation.normal, operation.reversed, operation.red, operation.void, operation.unused)
    if sum(counts) != lease.count:
        raise Refused("counts_mismatch")
    return {
        own: ClearanceBody(context.organisation, *counts),
        place: LeaseBody(lease.first, lease.count, lease.gateway, lease.place, True),
    }
