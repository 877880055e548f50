"""Organisations: suspended, resumed and closed by who supervises them.

A suspended or closed hospital issues nothing: no bill, no red bill, no lease. What it issued before stands, can be verified,
sealed, claimed and booked; its other steps (paper, delivery, explained numbers) go on, so that its books can be closed.

Codes in their order of precedence: wrong_key, second_person_missing, persons_malformed, same_person, organisation_unknown,
not_supervised, organisation_closed, standing_moved, then already_suspended or not_suspended. The same step twice is refused
as what it is: no record of its own is kept of it.
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import CloseOrganisation, ResumeOrganisation, SuspendOrganisation
from chain.records import ACTIVE, CLOSED, SUSPENDED, UNIT, OrganisationBody
from chain.rules.context import Changes, Context, Refused, View, organisation
from chain.rules.second_person import verify_persons


def suspend_organisation(view: View, operation: SuspendOrganisation, context: Context) -> Changes:
    """It issues nothing until it is resumed."""
    body = _supervised(view, operation, context)
    if body.state == SUSPENDED:
        raise Refused("already_suspended")
    return _standing(operation.organisation, body, SUSPENDED, operation.reason)


def resume_organisation(view: View, operation: ResumeOrganisation, context: Context) -> Changes:
    """It goes on as before."""
    body = _supervised(view, operation, context)
    if body.state != SUSPENDED:
        raise Refused("not_suspended")
    return _standing(operation.organisation, body, ACTIVE, "")


def close_organisation(view: View, operation: CloseOrganisation, context: Context) -> Changes:
    """It has ended, for ever."""
    return _standing(operation.organisation, _supervised(view, operation, context), CLOSED, operation.reason)


def _supervised(
    view: View, operation: SuspendOrganisation | ResumeOrganisation | CloseOrganisation, context: Context
) -> OrganisationBody:
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    verify_persons(operation, context)
    body = organisation(view, operation.organisation)
    if body.supervisor != context.organisation:
        raise Refused("not_supervised")
    if body.state == CLOSED:
        raise Refused("organisation_closed")
    if operation.changes != body.changes:
        raise Refused("standing_moved")
    return body


def _standing(name: str, body: OrganisationBody, state: int, reason: str) -> Changes:
    return {
        keyspace.organisation(name): OrganisationBody(
            body.name, body.kind, body.region, body.level, body.supervisor, body.places, state, reason, body.changes + 1
        )
    }
