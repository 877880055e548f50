"""Visits: from when somebody is there until they leave, with a cap that they agreed to and the orders that were paid on the way.

The patient confirms once, at the cap. A charge goes into one linked chain with the payment of its order: so beyond the cap
nothing is paid. Refunds do not restore the cap. Stamps tell when each step began; what lies between two is
`node/visit_timeline.py`'s affair. An emergency waits for nothing: neither for what is overdue nor for an appointment; who
declared it is on record.
Codes in their order of precedence:
  OpenVisit    already_recorded, visit_exists, then the signer's, not_a_hospital, visit_malformed, emergency_undeclared,
               amount_not_positive, amount_too_large, time_out_of_window; with an appointment appointment_unknown,
               appointment_of_other, appointment_used, then, unless they have checked in, those of `CheckIn` after
               appointment_unknown; without one, unless an emergency was declared, account_overdue
  StampVisit   already_recorded, stamp_exists, then the signer's, the visit's, standing_moved, stamp_before_former,
               time_out_of_window, too_many_stamps
  ChargeVisit  already_recorded, already_charged, then the signer's, the visit's, order_unknown, order_unpaid, order_of_other,
               order_used, visit_cap_exceeded, too_many_charges
  CloseVisit   already_recorded, visit_closed, then the signer's, visit_unknown, stamp_before_former, time_out_of_window
  the visit's  visit_unknown, visit_closed
Source: DOMAIN sections 0, 5.1 and 7.
"""

from __future__ import annotations

from msgspec.structs import replace

from chain import keyspace
from chain.operation import ChargeVisit, CloseVisit, OpenVisit, StampVisit
from chain.records import CHECKED_IN, ReasonBody, Stamp, VisitBody
from chain.rules.accounts import verify_signer
from chain.rules.appointments import appointment_of, arrive
from chain.rules.context import DAY_MS, HOSPITAL, Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.credit import is_holder_overdue
from chain.rules.paid_orders import paid_order
from chain.rules.payments import verify_amount

OUTPATIENT, INPATIENT, EMERGENCY = "outpatient", "inpatient", "emergency"
KINDS = frozenset({OUTPATIENT, INPATIENT, EMERGENCY})
REGISTERED = "registered"  # the first stamp of every visit
AHEAD_MS_MAX = 60_000  # of block time that a hospital's clock may be
STAMPS_MAX = 100
CHARGES_MAX = 100


def open_visit(view: View, operation: OpenVisit, context: Context) -> Changes:
    hospital = context.organisation
    own = keyspace.visit(hospital, operation.visit)
    refuse_repeated(view, own, context, "visit_exists")
    verify_signer(view, context)
    if organisation(view, hospital).kind != HOSPITAL:
        raise Refused("not_a_hospital")
    _verify_kind(operation)
    verify_amount(operation.cap_fen)
    _verify_clock(operation.at_ms, context)
    if operation.at_ms < context.time_ms - context.parameters.business_days_behind_max * DAY_MS:
        raise Refused("time_out_of_window")
    changes: Changes = {
        own: VisitBody(
            operation.kind,
            operation.holder,
            operation.appointment,
            operation.cap_fen,
            operation.emergency,
            [Stamp(REGISTERED, operation.at_ms)],
            [],
            0,
            0,
        )
    }
    for name in operation.appointment:
        changes |= _use(view, operation, context, name)
    waits = not operation.appointment and not operation.emergency
    if waits and is_holder_overdue(view, hospital, operation.holder, context.time_ms):
        raise Refused("account_overdue")
    return changes


def _verify_kind(operation: OpenVisit) -> None:
    """An emergency has somebody who declared it, an in-patient's visit may have, an out-patient's has not."""
    if operation.kind not in KINDS or (operation.kind == OUTPATIENT and operation.emergency):
        raise Refused("visit_malformed")
    if operation.kind == EMERGENCY and not operation.emergency:
        raise Refused("emergency_undeclared")


def _use(view: View, operation: OpenVisit, context: Context, name: bytes) -> Changes:
    """An appointment becomes this visit; who has not checked in does so by it."""
    appointment = appointment_of(view, context.organisation, name)
    if appointment.holder != operation.holder:
        raise Refused("appointment_of_other")
    if appointment.visit:
        raise Refused("appointment_used")
    changes: Changes = {}
    if appointment.state != CHECKED_IN:
        changes = arrive(view, context, name, appointment)
    return changes | {
        keyspace.appointment(context.organisation, name): replace(
            appointment, state=CHECKED_IN, visit=[operation.visit], time_ms=context.time_ms
        )
    }


def stamp_visit(view: View, operation: StampVisit, context: Context) -> Changes:
    step = keyspace.visit_step(context.organisation, operation.visit, str(operation.number))
    refuse_repeated(view, step, context, "stamp_exists")
    verify_signer(view, context)
    visit = _open_visit_of(view, context.organisation, operation.visit)
    if operation.number != len(visit.stamps):
        raise Refused("standing_moved")
    _verify_after(visit, operation.at_ms)
    _verify_clock(operation.at_ms, context)
    if len(visit.stamps) == STAMPS_MAX:
        raise Refused("too_many_stamps")
    return {
        keyspace.visit(context.organisation, operation.visit): replace(
            visit, stamps=[*visit.stamps, Stamp(operation.step, operation.at_ms)]
        ),
        step: ReasonBody(""),
    }


def charge_visit(view: View, operation: ChargeVisit, context: Context) -> Changes:
    hospital = context.organisation
    step = keyspace.visit_step(hospital, operation.visit, operation.order.hex())
    refuse_repeated(view, step, context, "already_charged")
    verify_signer(view, context)
    visit = _open_visit_of(view, hospital, operation.visit)
    order, paid_fen = paid_order(view, hospital, operation.order, visit.holder)
    if order.visit:
        raise Refused("order_used")
    if visit.charged_fen + paid_fen > visit.cap_fen:
        raise Refused("visit_cap_exceeded")
    if len(visit.orders) == CHARGES_MAX:
        raise Refused("too_many_charges")
    return {
        keyspace.visit(hospital, operation.visit): replace(
            visit, orders=[*visit.orders, operation.order], charged_fen=visit.charged_fen + paid_fen
        ),
        keyspace.order(hospital, operation.order): replace(order, visit=[operation.visit]),
        step: ReasonBody(operation.step),
    }


def close_visit(view: View, operation: CloseVisit, context: Context) -> Changes:
    step = keyspace.visit_step(context.organisation, operation.visit, "closed")
    refuse_repeated(view, step, context, "visit_closed")
    verify_signer(view, context)
    visit = _visit_of(view, context.organisation, operation.visit)
    _verify_after(visit, operation.at_ms)
    _verify_clock(operation.at_ms, context)
    return {
        keyspace.visit(context.organisation, operation.visit): replace(visit, closed_ms=operation.at_ms),
        step: ReasonBody(""),
    }


def _visit_of(view: View, hospital: str, name: bytes) -> VisitBody:
    visit = view.get(keyspace.visit(hospital, name), VisitBody)
    if visit is None:
        raise Refused("visit_unknown")
    return visit


def _open_visit_of(view: View, hospital: str, name: bytes) -> VisitBody:
    visit = _visit_of(view, hospital, name)
    if visit.closed_ms:
        raise Refused("visit_closed")
    return visit


def _verify_after(visit: VisitBody, at_ms: int) -> None:
    if at_ms < visit.stamps[-1].at_ms:
        raise Refused("stamp_before_former")


def _verify_clock(at_ms: int, context: Context) -> None:
    if at_ms > context.time_ms + AHEAD_MS_MAX:
        raise Refused("time_out_of_window")
