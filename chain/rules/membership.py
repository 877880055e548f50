"""Who validates: changes of the set, proposed and approved by its members, and renewals of it.

A change or renewal in block h makes the newest set, with epoch h + 2: those who vote on h + 1 are known before it. What
was proposed for one set never changes another, and what does not change anything is no change. Source: PROTOCOL rules
14 and 15.

Codes in their order of precedence:
  propose   already_recorded, wrong_key, not_a_member, set_moved, change_expired, then those of a new set
  approve   change_unknown, already_approved, wrong_key, not_a_member, change_made, set_moved, change_expired, then, where
            it completes the quorum, those of a new set
  renew     already_recorded, wrong_key, not_a_member, renewed_lately
  a new set changes_malformed, then organisation by organisation organisation_unknown, seat_unknown, seat_unchanged,
            key_refused, key_used, at last too_few_members, too_many_members
"""

from __future__ import annotations

from chain import keyspace
from chain.errors import KeyRefused
from chain.operation import ApproveChange, ProposeChange, Renew, SeatChange
from chain.records import (
    FOR_EVER,
    UNIT,
    VOTE,
    ChangeBody,
    HolderBody,
    KeyBody,
    RenewalBody,
    ValidatorsBody,
)
from chain.rules.context import Changes, Context, Refused, View, organisation, refuse_repeated
from chain.signature import ED25519, verify_public_key
from chain.transaction import key_id
from chain.validators import MEMBERS_MAX, VALIDATORS_MIN, Member, quorum_size

EPOCH_AHEAD = 2  # blocks from the one that makes a set to the first that it votes on
RENEWAL_BLOCKS = 1_000  # from one renewal of a member to its next: each costs a switch and voids open proposals


def propose_change(view: View, operation: ProposeChange, context: Context) -> Changes:
    """Keep a proposal, with its proposer's approval."""
    own = keyspace.change(context.operation)
    refuse_repeated(view, own, context, "already_recorded")
    newest = _set_of_member(view, context)
    if operation.based_on != newest.epoch:
        raise Refused("set_moved")
    if operation.until_height <= context.height:
        raise Refused("change_expired")
    _members_after(view, newest, operation.changes)
    name = context.organisation
    return {
        own: ChangeBody(operation.based_on, operation.changes, operation.until_height, name, [name], 0),
    }


def approve_change(view: View, operation: ApproveChange, context: Context) -> Changes:
    """Add an approval; with a quorum of the newest set, make the set that was proposed."""
    own = keyspace.change(operation.change)
    change = view.get(own, ChangeBody)
    if change is None:
        raise Refused("change_unknown")
    if context.organisation in change.approvals:
        raise Refused("already_approved")
    newest = _set_of_member(view, context)
    if change.epoch:
        raise Refused("change_made")
    if change.based_on != newest.epoch:
        raise Refused("set_moved")
    if context.height >= change.until_height:
        raise Refused("change_expired")
    approvals = sorted([*change.approvals, context.organisation])
    # Two changes of one block share an epoch: who approved may have lost the seat to the first of them.
    seated = {member.organisation for member in newest.members}
    if len(seated.intersection(approvals)) < quorum_size(len(newest.members)):
        return {own: _with(change, approvals, 0)}
    members = _members_after(view, newest, change.changes)
    epoch = context.height + EPOCH_AHEAD
    return {
        own: _with(change, approvals, epoch),
        keyspace.VALIDATORS: ValidatorsBody(epoch, members),
        **_vote_keys(view, newest, change.changes, epoch),
    }


def renew(view: View, operation: Renew, context: Context) -> Changes:
    """The same members, and an epoch in which nothing that a lost journal forgot counts."""
    numbered = keyspace.renewal_number(context.organisation, operation.number)
    refuse_repeated(view, numbered, context, "already_recorded")
    newest = _set_of_member(view, context)
    own = keyspace.renewal(context.organisation)
    last = view.get(own, RenewalBody)
    if last is not None and context.height < last.height + RENEWAL_BLOCKS:
        raise Refused("renewed_lately")
    epoch = context.height + EPOCH_AHEAD
    renewal = RenewalBody(operation.number, context.height, epoch)
    return {keyspace.VALIDATORS: ValidatorsBody(epoch, newest.members), own: renewal, numbered: renewal}


def _set_of_member(view: View, context: Context) -> ValidatorsBody:
    """The newest set, if who signs has a seat in it. Raises Refused wrong_key or not_a_member."""
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    newest = view.get(keyspace.VALIDATORS, ValidatorsBody)
    if newest is None or all(member.organisation != context.organisation for member in newest.members):
        raise Refused("not_a_member")
    return newest


def _members_after(view: View, newest: ValidatorsBody, changes: list[SeatChange]) -> list[Member]:
    """The members that `changes` make of a set. Raises Refused."""
    names = [change.organisation for change in changes]
    if not names or names != sorted(set(names)):
        raise Refused("changes_malformed")
    seats = {member.organisation: member.key for member in newest.members}
    for place, change in enumerate(changes):
        name = change.organisation
        organisation(view, name)
        if not change.key:
            if seats.pop(name, None) is None:
                raise Refused("seat_unknown")
            continue
        (public,) = change.key
        if seats.get(name) == public:
            raise Refused("seat_unchanged")
        try:
            verify_public_key(public)
        except KeyRefused:
            raise Refused("key_refused") from None
        is_held = view.get(keyspace.holder(key_id(public)), HolderBody) is not None
        if is_held or any(change.key == earlier.key for earlier in changes[:place]):
            raise Refused("key_used")
        seats[name] = public
    if len(seats) < VALIDATORS_MIN:
        raise Refused("too_few_members")
    if len(seats) > MEMBERS_MAX:
        raise Refused("too_many_members")
    return [Member(name, public) for name, public in sorted(seats.items())]


def _vote_keys(view: View, newest: ValidatorsBody, changes: list[SeatChange], epoch: int) -> Changes:
    """Key records of those who leave or come: a vote key is in force as long as it has a seat."""
    before = {member.organisation: member.key for member in newest.members}
    records: Changes = {}
    for change in changes:
        name = change.organisation
        for public in change.key:
            records[keyspace.key(name, key_id(public))] = KeyBody(public, VOTE, ED25519, epoch, FOR_EVER)
            records[keyspace.holder(key_id(public))] = HolderBody(name)
        if name in before:
            former = keyspace.key(name, key_id(before[name]))
            body = view.get(former, KeyBody)
            since = body.from_height if body is not None else epoch
            records[former] = KeyBody(before[name], VOTE, ED25519, since, epoch)
    return records


def _with(change: ChangeBody, approvals: list[str], epoch: int) -> ChangeBody:
    return ChangeBody(change.based_on, change.changes, change.until_height, change.proposer, approvals, epoch)
