"""Seals: the supervising finance office's signature over final bills, with a watermark per office and issuer.

Source: Zhejiang medical e-bill measure of 2019: finance verifies number and unit signature, then appends its own.
Codes in their order of precedence: already_recorded, watermark_moved, wrong_key, seal_malformed, organisation_unknown,
not_supervised, segment_not_final, header_unknown, bill_unknown, not_in_segment, already_withheld, not_withheld.
The codes from organisation_unknown to segment_not_final go segment by segment, the last four bill by bill; the table of
moves refuses `already_withheld`, though no bill can lie above the watermark and be withheld.
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import SealBills
from chain.records import SEAL, BillBody, SealBody, WatermarkBody
from chain.rules.context import Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.lives import replaced
from chain.rules.moves import moved


def seal_bills(view: View, operation: SealBills, context: Context) -> Changes:
    """Move watermarks up to final heights; withhold the excepted bills, release earlier ones."""
    office = context.organisation
    for segment in operation.segments:
        refuse_repeated(view, keyspace.seal(office, segment.issuer, segment.after), context, "watermark_moved")
    if not operation.segments:
        refuse_repeated(view, keyspace.release(office, context.operation), context, "already_recorded")
    if context.purpose != SEAL:
        raise Refused("wrong_key")
    _verify_form(operation, context)
    changes: Changes = {}
    for segment in operation.segments:
        if organisation(view, segment.issuer).supervisor != office:
            raise Refused("not_supervised")
        mark = view.get(keyspace.watermark(office, segment.issuer), WatermarkBody)
        if segment.after != (mark.upto if mark else 0):
            raise Refused("watermark_moved")
        if not segment.after < segment.upto < context.height:
            raise Refused("segment_not_final")
        changes[keyspace.watermark(office, segment.issuer)] = WatermarkBody(segment.upto)
        changes[keyspace.seal(office, segment.issuer, segment.after)] = SealBody(segment.upto, operation.header)
    if operation.segments:
        highest = max(segment.upto for segment in operation.segments)
        if context.block_digest(highest) != operation.header:
            raise Refused("header_unknown")
    else:
        changes[keyspace.release(office, context.operation)] = SealBody(0, operation.header)
    spans = {segment.issuer: segment for segment in operation.segments}
    for exception in operation.exceptions:
        body = _bill(view, exception.bill)
        span = spans.get(body.issuer)
        if span is None or not span.after < body.height <= span.upto:
            raise Refused("not_in_segment")
        seal = moved("seal", "withhold", body.seal)
        changes[keyspace.bill(exception.bill)] = replaced(body, seal=seal, withheld=exception.reason)
    for bill in operation.released:
        body = _bill(view, bill)
        if organisation(view, body.issuer).supervisor != office:
            raise Refused("not_supervised")
        changes[keyspace.bill(bill)] = replaced(body, seal=moved("seal", "release", body.seal), withheld="")
    return changes


def _verify_form(operation: SealBills, context: Context) -> None:
    issuers = [segment.issuer for segment in operation.segments]
    excepted = [exception.bill for exception in operation.exceptions]
    limit = context.parameters.seal_entries_max
    for names in (issuers, excepted, operation.released):
        if names != sorted(set(names)):
            raise Refused("seal_malformed")
    if len(excepted) > limit or len(operation.released) > limit or set(excepted) & set(operation.released):
        raise Refused("seal_malformed")
    if not issuers and (excepted or not operation.released):
        raise Refused("seal_malformed")


def _bill(view: View, bill: str) -> BillBody:
    body = view.get(keyspace.bill(bill), BillBody)
    if body is None:
        raise Refused("bill_unknown")
    return body
