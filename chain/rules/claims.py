"""Claims: an insurer locks a part of a bill's own part, decides, pays; never more in all than the own part.

One lock at a time: who comes second is told, and by whose height; once the first is decided, another may lock what is left.
A lock ends by block time, as if it had never been. Only a bill that its office has sealed counts.
Codes in their order of precedence:
  lock     already_recorded, claim_exists, wrong_key, not_an_insurer, bill_unknown, bill_not_normal, bill_not_sealed, bill_in_arrears,
           disputed, amount_not_positive, lock_too_long, claim_locked, already_reimbursed, exceeds_reimbursable, too_many_claims
  decide   already_recorded, already_decided, wrong_key, claim_unknown, then the table's, claim_expired, amount_exceeds_lock
  pay      already_recorded, already_paid, wrong_key, claim_unknown, then the table's
  release  already_recorded, already_released, wrong_key, claim_unknown, then the table's
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import DecideClaim, LockClaim, PayClaim, ReleaseClaim
from chain.records import (
    APPROVED,
    IN_ARREARS,
    LOCKED,
    NORMAL,
    PAID,
    UNIT,
    ClaimBody,
    ClaimRef,
    ClaimsBody,
    ClaimStepBody,
)
from chain.rules.context import Changes, Context, Refused, View, organisation, refuse_repeated
from chain.rules.disputes import is_disputed
from chain.rules.lives import circulation_of, claims_of, is_sealed, known_bill, standing
from chain.rules.moves import begin, moved

INSURERS = ("insurance", "insurer")  # kinds of organisation: the bureau, and companies
LOCK_MS_MAX = 7 * 86_400_000
CLAIMS_MAX = 16  # of one bill that count at once


def lock_claim(view: View, operation: LockClaim, context: Context) -> Changes:
    """Reserve a part of what is left of the own part."""
    own = keyspace.claim(context.organisation, operation.claim)
    refuse_repeated(view, own, context, "claim_exists")
    _verify_unit(context)
    if organisation(view, context.organisation).kind not in INSURERS:
        raise Refused("not_an_insurer")
    bill = known_bill(view, operation.bill)
    if bill.validity != NORMAL:
        raise Refused("bill_not_normal")
    if not is_sealed(view, bill):
        raise Refused("bill_not_sealed")
    if circulation_of(view, operation.bill) == IN_ARREARS:
        raise Refused("bill_in_arrears")
    if is_disputed(view, operation.bill):
        raise Refused("disputed")
    if operation.amount_fen <= 0:
        raise Refused("amount_not_positive")
    if not context.time_ms < operation.until_ms <= context.time_ms + LOCK_MS_MAX:
        raise Refused("lock_too_long")
    living = _living(view, operation.bill, context)
    if any(claim.state == LOCKED for _ref, claim in living):
        raise Refused("claim_locked")
    left = bill.self_paid_fen + bill.self_funded_fen - sum(claim.approved_fen for _ref, claim in living)
    if left == 0 and living:
        raise Refused("already_reimbursed")
    if operation.amount_fen > left:
        raise Refused("exceeds_reimbursable")
    if len(living) >= CLAIMS_MAX:
        raise Refused("too_many_claims")
    state = moved("claim", "lock", begin("claim"))
    refs = [*(ref for ref, _claim in living), ClaimRef(context.organisation, operation.claim)]
    return {
        own: ClaimBody(operation.bill, state, operation.amount_fen, 0, operation.until_ms, context.height),
        keyspace.claims(operation.bill): ClaimsBody(refs),
    }


def decide_claim(view: View, operation: DecideClaim, context: Context) -> Changes:
    """Grant a part of what was locked, or nothing; what is not granted is free for others."""
    step = keyspace.claim_step(context.organisation, operation.claim, "decided")
    refuse_repeated(view, step, context, "already_decided")
    claim = _own_claim(view, operation.claim, context)
    state = moved("claim", "approve" if operation.approved_fen else "reject", claim.state)
    if standing(claim, context.time_ms) != LOCKED:
        raise Refused("claim_expired")
    if not 0 <= operation.approved_fen <= claim.locked_fen:
        raise Refused("amount_exceeds_lock")
    return _stepped(view, operation.claim, context, claim, state, operation.approved_fen, step, ClaimStepBody("", b""))


def pay_claim(view: View, operation: PayClaim, context: Context) -> Changes:
    """What was granted is paid: the bill cannot be reversed behind the insurer's back."""
    step = keyspace.claim_step(context.organisation, operation.claim, "paid")
    refuse_repeated(view, step, context, "already_paid")
    claim = _own_claim(view, operation.claim, context)
    state = moved("claim", "pay", claim.state)
    note = ClaimStepBody("", operation.payment_mac)
    return _stepped(view, operation.claim, context, claim, state, claim.approved_fen, step, note)


def release_claim(view: View, operation: ReleaseClaim, context: Context) -> Changes:
    """What it held is free again."""
    step = keyspace.claim_step(context.organisation, operation.claim, "released")
    refuse_repeated(view, step, context, "already_released")
    claim = _own_claim(view, operation.claim, context)
    state = moved("claim", "release", claim.state)
    note = ClaimStepBody(operation.reason, b"")
    return _stepped(view, operation.claim, context, claim, state, 0, step, note)


def _stepped(
    view: View,
    name: bytes,
    context: Context,
    claim: ClaimBody,
    state: int,
    approved_fen: int,
    step: bytes,
    note: ClaimStepBody,
) -> Changes:
    """The claim's next state, and the list of those that count where it no longer does."""
    changes: Changes = {
        step: note,
        keyspace.claim(context.organisation, name): ClaimBody(
            claim.bill, state, claim.locked_fen, approved_fen, claim.until_ms, claim.height
        ),
    }
    if state not in (APPROVED, PAID):
        ref = ClaimRef(context.organisation, name)
        others = [other for other, _claim in _living(view, claim.bill, context) if other != ref]
        changes[keyspace.claims(claim.bill)] = ClaimsBody(others)
    return changes


def _living(view: View, bill: str, context: Context) -> list[tuple[ClaimRef, ClaimBody]]:
    """Claims that still count: locks that run, what was granted, what was paid."""
    return [
        (ref, claim)
        for ref, claim in claims_of(view, bill)
        if standing(claim, context.time_ms) in (LOCKED, APPROVED, PAID)
    ]


def _own_claim(view: View, name: bytes, context: Context) -> ClaimBody:
    _verify_unit(context)
    claim = view.get(keyspace.claim(context.organisation, name), ClaimBody)
    if claim is None:
        raise Refused("claim_unknown")
    return claim


def _verify_unit(context: Context) -> None:
    if context.purpose != UNIT:
        raise Refused("wrong_key")
