"""Grants: a patient lets an organisation read a bill, field by field, until a moment; and takes it back.

The patient has no key on the ledger: whoever keeps the bill's details (its issuer, or the office that supervises the issuer) has
seen who the patient is, and signs. Either of them may take back what the other has given. A grant ends by block time, as if it had
been revoked. What it opens is up to who keeps the details; that it was open, and for how long, stands here for everybody.
Codes in their order of precedence:
  give    already_recorded, grant_exists, wrong_key, bill_unknown, not_details_keeper, organisation_unknown, not_a_reader,
          organisation_suspended or organisation_closed, fields_malformed, grant_too_long, too_many_grants
  revoke  already_recorded, already_revoked, wrong_key, then the table's, not_details_keeper, grant_expired
"""

from __future__ import annotations

from chain import keyspace
from chain.details import FIELDS
from chain.operation import GrantRead, RevokeGrant
from chain.records import (
    ACTIVE,
    GRANTED,
    REVOKED,
    SUSPENDED,
    UNIT,
    BillBody,
    GrantBody,
    GrantRef,
    GrantsBody,
    OrganisationBody,
    ReasonBody,
)
from chain.rules.context import Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.lives import Reads, known_bill
from chain.rules.moves import begin, moved

READERS = ("employer", "insurer", "insurance", "platform")  # kinds of organisation that read what they are granted
NEVER_GRANTED = frozenset({"check_code", "token"})  # they prove that somebody holds the bill
GRANTABLE = frozenset(number for number, name in FIELDS.items() if name not in NEVER_GRANTED)
GRANT_MS_MAX = 5 * 366 * 86_400_000
GRANTS_MAX = 64  # listed of one bill; as many may be in force
GIVEN_MAX = 1_000  # of one bill, ever: its history stays one that can be read


def grant_read(view: View, operation: GrantRead, context: Context) -> Changes:
    """One more organisation may read."""
    own = keyspace.grant(context.organisation, operation.grant)
    refuse_repeated(view, own, context, "grant_exists")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    _verify_keeper(view, known_bill(view, operation.bill), context)
    reader = organisation(view, operation.to)
    if reader.kind not in READERS:
        raise Refused("not_a_reader")
    if reader.state != ACTIVE:
        raise Refused("organisation_suspended" if reader.state == SUSPENDED else "organisation_closed")
    if not set(operation.fields) <= GRANTABLE or operation.fields != sorted(set(operation.fields)):
        raise Refused("fields_malformed")
    if not context.time_ms < operation.until_ms <= context.time_ms + GRANT_MS_MAX:
        raise Refused("grant_too_long")
    before = view.get(keyspace.grants(operation.bill), GrantsBody)
    given = before.given + 1 if before else 1
    if given > GIVEN_MAX:
        raise Refused("too_many_grants")
    refs = _with_room(grants_of(view, operation.bill), context.time_ms)
    state = moved("grant", "give", begin("grant"))
    return {
        own: GrantBody(
            operation.bill,
            operation.to,
            operation.fields,
            operation.purpose,
            operation.until_ms,
            operation.holder,
            state,
            context.height,
        ),
        keyspace.grants(operation.bill): GrantsBody(given, [*refs, GrantRef(context.organisation, operation.grant)]),
    }


def revoke_grant(view: View, operation: RevokeGrant, context: Context) -> Changes:
    """It opens nothing from this block on."""
    end = keyspace.grant_end(operation.granter, operation.grant)
    refuse_repeated(view, end, context, "already_revoked")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    own = keyspace.grant(operation.granter, operation.grant)
    grant = view.get(own, GrantBody)
    state = moved("grant", "revoke", grant.state if grant else begin("grant"))
    assert grant is not None  # the table knows of no other
    if context.organisation != operation.granter:
        _verify_keeper(view, known_bill(view, grant.bill), context)
    if not is_in_force(grant, context.time_ms):
        raise Refused("grant_expired")
    return {
        end: ReasonBody(operation.reason),
        own: GrantBody(
            grant.bill, grant.to, grant.fields, grant.purpose, grant.until_ms, grant.holder, state, grant.height
        ),
    }


def grants_of(view: Reads, number: str) -> list[tuple[GrantRef, GrantBody]]:
    """Those that are listed of a bill, in the order in which they were given; which are in force, `is_in_force` says."""
    listed = view.get(keyspace.grants(number), GrantsBody)
    found = []
    for ref in listed.grants if listed else []:
        body = view.get(keyspace.grant(ref.granter, ref.grant), GrantBody)
        assert body is not None  # written with the list
        found.append((ref, body))
    return found


def is_in_force(grant: GrantBody, time_ms: int) -> bool:
    """Whether it opens anything at a time."""
    return standing(grant, time_ms) == GRANTED


def standing(grant: GrantBody, time_ms: int) -> int:
    """Its state at a time: a grant that ran out is as if it had been revoked."""
    return REVOKED if grant.state == GRANTED and grant.until_ms <= time_ms else grant.state


def _with_room(listed: list[tuple[GrantRef, GrantBody]], time_ms: int) -> list[GrantRef]:
    """The list without the oldest that has ended, where it is full. Raises Refused `too_many_grants`."""
    if len(listed) >= GRANTS_MAX:
        ended = [place for place, (_ref, grant) in enumerate(listed) if not is_in_force(grant, time_ms)]
        if not ended:
            raise Refused("too_many_grants")
        del listed[ended[0]]
    return [ref for ref, _grant in listed]


def _verify_keeper(view: View, bill: BillBody, context: Context) -> None:
    """The bill's issuer, or the office that supervises the issuer."""
    if context.organisation == bill.issuer:
        return
    issuer = view.get(keyspace.organisation(bill.issuer), OrganisationBody)
    if issuer is None or issuer.supervisor != context.organisation:
        raise Refused("not_details_keeper")
