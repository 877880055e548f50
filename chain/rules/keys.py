"""Keys that organisations sign with: units for their operations, finance offices for seals. Vote keys come with seats.

A key is a record with a first and a last height, never removed, so that what it signed stays provable; the one who held
it holds it for ever. Both operations work from the next block on: signatures are checked against the state before.
Codes in their order of precedence:
  add       already_recorded, key_used, wrong_key, purpose_unknown, suite_unknown, key_refused, key_used,
            organisation_unknown, not_entitled, height_passed, directory_full
  end       key_unknown, already_recorded, wrong_key, height_passed, key_ended, last_key
A code that stands twice is first given for another operation's record under the same key.
"""

from __future__ import annotations

from collections.abc import Iterable

from chain import keyspace
from chain.errors import KeyRefused
from chain.operation import AddKey, EndKey
from chain.records import FOR_EVER, SEAL, UNIT, HolderBody, KeyBody, KeysBody, SupervisedBody
from chain.rules.context import Changes, Context, Refused, View, organisation, refuse_repeated
from chain.signature import ED25519, verify_public_key
from chain.transaction import key_id

FINANCE = "finance"  # the kind of organisation that may seal
KEYS_MAX = 64  # of an organisation that have not ended: each change of one walks the list


def add_key(view: View, operation: AddKey, context: Context) -> Changes:
    """Give the signer's organisation another key."""
    name = key_id(operation.public)
    own = keyspace.key(context.organisation, name)
    refuse_repeated(view, own, context, "key_used")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    if operation.purpose not in (UNIT, SEAL):
        raise Refused("purpose_unknown")
    if operation.suite != ED25519:
        raise Refused("suite_unknown")
    try:
        verify_public_key(operation.public)
    except KeyRefused:
        raise Refused("key_refused") from None
    if view.get(keyspace.holder(name), HolderBody) is not None:
        raise Refused("key_used")
    if operation.purpose == SEAL:
        _verify_may_seal(view, context.organisation)
    if operation.from_height <= context.height:
        raise Refused("height_passed")
    bodies = _keys_of(view, context)
    if len(bodies) >= KEYS_MAX:
        raise Refused("directory_full")
    return {
        own: KeyBody(operation.public, operation.purpose, operation.suite, operation.from_height, FOR_EVER),
        keyspace.holder(name): HolderBody(context.organisation),
        keyspace.keys(context.organisation): KeysBody(sorted([*bodies, name])),
    }


def end_key(view: View, operation: EndKey, context: Context) -> Changes:
    """End one of the signer's own keys, or end it earlier than it was to; never the last that could sign."""
    own = keyspace.key(context.organisation, operation.key_id)
    body = view.get(own, KeyBody)
    if body is None or body.purpose not in (UNIT, SEAL):
        raise Refused("key_unknown")
    if body.until_height == operation.until_height:
        raise Refused("already_recorded")
    if context.purpose != UNIT:
        raise Refused("wrong_key")
    if operation.until_height <= context.height:
        raise Refused("height_passed")
    if operation.until_height > body.until_height:
        raise Refused("key_ended")
    ended = KeyBody(body.public, body.purpose, body.suite, body.from_height, operation.until_height)
    bodies = {**_keys_of(view, context), operation.key_id: ended}
    if not _is_always_signed_for(bodies.values(), context.height + 1):
        raise Refused("last_key")
    return {own: ended, keyspace.keys(context.organisation): KeysBody(sorted(bodies))}


def _verify_may_seal(view: View, name: str) -> None:
    """Seals are made by finance offices over the bills of those whom they supervise."""
    if organisation(view, name).kind != FINANCE or view.get(keyspace.supervised(name), SupervisedBody) is None:
        raise Refused("not_entitled")


def _keys_of(view: View, context: Context) -> dict[bytes, KeyBody]:
    """The organisation's unit and seal keys that have not ended."""
    listed = view.get(keyspace.keys(context.organisation), KeysBody)
    found: dict[bytes, KeyBody] = {}
    for name in listed.ids if listed else []:
        body = view.get(keyspace.key(context.organisation, name), KeyBody)
        if body is not None and body.until_height > context.height + 1:
            found[name] = body
    return found


def _is_always_signed_for(bodies: Iterable[KeyBody], height: int) -> bool:
    """Whether some unit key is in force at every height from `height` on."""
    units = sorted((body.from_height, body.until_height) for body in bodies if body.purpose == UNIT)
    for start, end in units:
        if start > height:
            return False
        height = max(height, end)
    return height >= FOR_EVER
