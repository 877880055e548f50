"""Who validates, who is about to, and what is proposed: a page for operators, made from the newest state."""

from __future__ import annotations

from typing import Any

from chain import keyspace
from chain.ledger import Ledger
from chain.records import ChangeBody, ValidatorsBody
from chain.state import body_of, record_of
from chain.stored_record import entry_of
from chain.validators import ValidatorSet

CHANGES_SHOWN_MAX = 100  # open ones; each costs its proposer a signed operation
CHANGES_READ_MAX = 10_000


def membership_page(ledger: Ledger) -> dict[str, Any]:
    """`next` is the set that begins at the head + 2, if another one; `changes` are those that can still be approved."""
    newest = ledger.state.get(keyspace.VALIDATORS, ValidatorsBody)
    following = ledger.following
    return {
        "height": ledger.head.height,
        "current": _set_page(ledger, ledger.members),
        "next": _set_page(ledger, following) if following.epoch != ledger.members.epoch else None,
        "newest_epoch": newest.epoch if newest is not None else following.epoch,
        "changes": _open_changes(ledger, following.epoch),
    }


def _set_page(ledger: Ledger, members: ValidatorSet) -> dict[str, Any]:
    return {
        "epoch": members.epoch,
        "quorum": members.quorum,
        "may_fail": members.f,
        "members": [
            {
                "organisation": member.organisation,
                "key": member.key.hex(),
                "renewed_at": renewal.height if (renewal := ledger.renewal_of(member.organisation)) else None,
            }
            for member in members.members
        ],
    }


def _open_changes(ledger: Ledger, epoch: int) -> list[dict[str, Any]]:
    prefix = keyspace.stored_record(keyspace.change(b""))
    rows = []
    for key, value in ledger.state.scan(prefix, limit=CHANGES_READ_MAX):
        change = body_of(record_of(entry_of(value)[1]), ChangeBody)
        if change.epoch or change.based_on != epoch or change.until_height <= ledger.head.height + 1:
            continue
        rows.append(
            {
                "change": key[len(prefix) :].decode(),
                "proposer": change.proposer,
                "until_height": change.until_height,
                "approvals": change.approvals,
                "seats": [
                    {"organisation": seat.organisation, "key": seat.key[0].hex() if seat.key else None}
                    for seat in change.changes
                ],
            }
        )
    return rows[:CHANGES_SHOWN_MAX]
