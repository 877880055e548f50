"""Anchors of an archive's log of accesses: each goes on where the one before ended (FEATURES 33).

The log itself, with who read which bill, stays at the archive (`chain/accesses.py`); a digest of its head stands here, so
that its keeper can take nothing out of it afterwards.
Codes in their order of precedence:
  anchor   already_recorded (the newest anchor again), wrong_key, no_archive, accesses_malformed, accesses_moved
"""

from __future__ import annotations

from chain import keyspace
from chain.operation import AnchorAccesses
from chain.records import UNIT, AccessesBody
from chain.rules.context import Changes, Context, Refused, View, organisation

ARCHIVING = "finance"  # kind of organisation whose archives hold details


def anchor_accesses(view: View, operation: AnchorAccesses, context: Context) -> Changes:
    """The log's next piece."""
    own = keyspace.accesses(context.organisation)
    before = view.get(own, AccessesBody)
    anchored = AccessesBody(operation.first, operation.last, operation.head)
    if before == anchored:
        raise Refused("already_recorded")
    verify_archive(view, context)
    if operation.last < operation.first:
        raise Refused("accesses_malformed")
    if operation.first != (before.last if before is not None else 0) + 1:
        raise Refused("accesses_moved")
    return {own: anchored}


def verify_archive(view: View, context: Context) -> None:
    """Raises Refused `wrong_key`; `no_archive` for who is no finance office."""
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    if organisation(view, context.organisation).kind != ARCHIVING:
        raise Refused("no_archive")
