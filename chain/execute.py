"""Apply a block, purely: which transactions may stand in it, what becomes of each operation, which state comes out.

A bad signature, a key not in force, an expired, repeated, too early, malformed or oversized transaction makes the
block invalid; everything else is an outcome. Validators execute before they vote, so all roots are part of what is
agreed. The result is kept on the side until the block is final, or thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from chain import keyspace
from chain.block import PROTOCOL_VERSION, RECORDED, Header, Outcome, outcomes_root, transactions_root
from chain.codec import Count, Digest, Name, Wire
from chain.errors import BlockInvalid
from chain.records import SEAL, UNIT, KeyBody, ParametersBody, ValidatorsBody
from chain.rules import RULES, Context, Refused
from chain.rules.accounts import verify_conserved
from chain.signature import ED25519
from chain.state import Overlay, SavedState, StateChange, body_of, record_of
from chain.transaction import OPERATIONS_MAX, Entry, ReceivedTransaction
from chain.validators import ValidatorSet

SignatureHolds = Callable[[ReceivedTransaction, bytes], bool]  # (transaction, public key) -> whether it signed

TIME_MS_MAX = 253_370_764_800_000  # 9999-01-01: rules turn block times into dates, which end with that year


class Parent(msgspec.Struct, frozen=True):
    """What a block is built on: the last final block (or genesis) and the state after it."""

    chain_id: bytes
    digest: bytes
    height: int
    time_ms: int
    history_root: bytes  # over the digests of the heights 0 ... height
    voters: ValidatorSet  # votes on the next block
    following: ValidatorSet  # and on the one after that; its epoch may be earlier
    parameters: ParametersBody
    state: SavedState
    is_remembered: Callable[[bytes], bool]  # transaction digest -> whether it ran within the replay window
    block_digest: Callable[[int], bytes | None]
    keys: dict[tuple[str, bytes], KeyBody] = msgspec.field(default_factory=dict)  # in force, once looked up

    def key_in_force(self, organisation: str, key_id: bytes) -> KeyBody:
        """That an organisation may sign transactions of the next block with. Raises BlockInvalid."""
        body = self.keys.get((organisation, key_id))
        if body is None:
            body = self.keys[organisation, key_id] = key_in_force(self.state, organisation, key_id, self.height + 1)
        return body


class KeyWitness(Wire, frozen=True):
    """A key record as it stood in the parent's state, with its path: what a proof needs about who signed."""

    organisation: Name
    key_id: Digest
    place: Count
    count: Count  # leaves of the parent's state
    record: Annotated[bytes, msgspec.Meta(min_length=1)]
    path: list[Digest]


@dataclass(frozen=True, slots=True)
class Execution:
    """A block worked out: its header, and what to save when it becomes final."""

    header: Header
    digest: bytes
    transactions: list[ReceivedTransaction]
    outcomes: list[Outcome]
    change: StateChange
    witnesses: list[KeyWitness]
    following: ValidatorSet  # votes from header.height + 2 on; its epoch is that height if this block made it
    renewed: list[str]  # organisations that this block recorded a renewal of, ascending


def key_in_force(state: SavedState, organisation: str, key_id: bytes, height: int) -> KeyBody:
    """The key that an organisation may sign transactions with at a height. Raises BlockInvalid."""
    body = state.get(keyspace.key(organisation, key_id), KeyBody)
    if body is None or body.purpose not in (UNIT, SEAL):
        raise BlockInvalid("key_unknown")
    if not body.from_height <= height < body.until_height:
        raise BlockInvalid("key_not_in_force")
    return body


def verify_transaction(parent: Parent, received: ReceivedTransaction, signature_holds: SignatureHolds) -> KeyBody:
    """Check that a transaction may stand in the block after `parent`; returns the key that signed it.

    Used alike by whoever admits, proposes and checks. Raises BlockInvalid with the code of the first fault:
    transaction_malformed, suite_unknown, transaction_too_large, transaction_expired, transaction_too_early,
    transaction_repeated, key_unknown, key_not_in_force, bad_signature.
    """
    transaction, parameters = received.transaction, parent.parameters
    height = parent.height + 1
    if not 1 <= len(transaction.entries) <= OPERATIONS_MAX or transaction.entries[-1].linked:
        raise BlockInvalid("transaction_malformed")
    if transaction.suite != ED25519:
        raise BlockInvalid("suite_unknown")
    if received.size_bytes > parameters.block_bytes_max or len(transaction.entries) > parameters.block_operations_max:
        raise BlockInvalid("transaction_too_large")
    if transaction.valid_until_height < height:
        raise BlockInvalid("transaction_expired")
    if transaction.valid_until_height > height + parameters.replay_window:
        raise BlockInvalid("transaction_too_early")
    if parent.is_remembered(received.digest):
        raise BlockInvalid("transaction_repeated")
    key = parent.key_in_force(transaction.organisation, transaction.key_id)
    if not signature_holds(received, key.public):
        raise BlockInvalid("bad_signature")
    return key


def execute_block(
    parent: Parent,
    time_ms: int,
    proposer: str,
    transactions: Sequence[ReceivedTransaction],
    signature_holds: SignatureHolds,
) -> Execution:
    """Work out the block of `transactions` after `parent`. Raises BlockInvalid with the code of the first fault.

    Of the block: time_not_after_parent, time_beyond_calendar, too_many_transactions, too_many_operations,
    block_too_large, transaction_repeated; then those of `verify_transaction`, transaction by transaction.
    """
    parameters = parent.parameters
    height = parent.height + 1
    if time_ms <= parent.time_ms:
        raise BlockInvalid("time_not_after_parent")
    if time_ms > TIME_MS_MAX:
        raise BlockInvalid("time_beyond_calendar")
    if len(transactions) > parameters.block_transactions_max:
        raise BlockInvalid("too_many_transactions")
    if sum(len(received.transaction.entries) for received in transactions) > parameters.block_operations_max:
        raise BlockInvalid("too_many_operations")
    if sum(received.size_bytes for received in transactions) > parameters.block_bytes_max:
        raise BlockInvalid("block_too_large")
    if len({received.digest for received in transactions}) != len(transactions):
        raise BlockInvalid("transaction_repeated")
    overlay = Overlay(parent.state)
    outcomes: list[Outcome] = []
    witnesses: dict[tuple[str, bytes], KeyWitness] = {}
    for received in transactions:
        key = verify_transaction(parent, received, signature_holds)
        transaction = received.transaction
        name = (transaction.organisation, transaction.key_id)
        if name not in witnesses:
            witnesses[name] = _witness(parent.state, *name)
        codes = _run(overlay, parent, received, key.purpose, time_ms)
        outcomes += [
            Outcome(received.digest, index, digest, code)
            for index, (digest, code) in enumerate(zip(received.operation_digests, codes, strict=True))
        ]
    change = overlay.finish(height)
    header = Header(
        version=PROTOCOL_VERSION,
        chain_id=parent.chain_id,
        height=height,
        parent=parent.digest,
        time_ms=time_ms,
        proposer=proposer,
        transactions_root=transactions_root([received.digest for received in transactions]),
        outcomes_root=outcomes_root(outcomes),
        outcomes_count=len(outcomes),
        state_root=change.root,
        state_count=change.count,
        history_root=parent.history_root,
        validators=parent.voters.digest(),
        next_validators=parent.following.digest(),
    )
    following, renewed = _set_after(parent, change)
    return Execution(
        header,
        header.digest(),
        list(transactions),
        outcomes,
        change,
        list(witnesses.values()),
        following,
        renewed,
    )


def verify_block(
    parent: Parent, header: Header, transactions: Sequence[ReceivedTransaction], signature_holds: SignatureHolds
) -> Execution:
    """Execute a proposed block and check that the same header comes out.

    Raises BlockInvalid as `execute_block` does, or `header_differs` naming the first field that does.
    """
    execution = execute_block(parent, header.time_ms, header.proposer, transactions, signature_holds)
    if execution.header != header:
        for name in header.__struct_fields__:
            if getattr(execution.header, name) != getattr(header, name):
                raise BlockInvalid("header_differs", name)
    return execution


def _set_after(parent: Parent, change: StateChange) -> tuple[ValidatorSet, list[str]]:
    """The newest set after a block, and who has a renewal in it. Most blocks change neither."""
    entry = change.records.get(keyspace.VALIDATORS)
    if entry is None:
        return parent.following, []
    newest = body_of(record_of(entry[1]), ValidatorsBody).members_set()
    return newest, [
        member.organisation for member in newest.members if keyspace.renewal(member.organisation) in change.records
    ]


def _witness(state: SavedState, organisation: str, key_id: bytes) -> KeyWitness:
    entry = state.entry(keyspace.key(organisation, key_id))
    if entry is None:
        raise BlockInvalid("key_unknown")
    place, record = entry
    return KeyWitness(organisation, key_id, place, state.count, record, state.path(place))


def _run(overlay: Overlay, parent: Parent, received: ReceivedTransaction, purpose: int, time_ms: int) -> list[str]:
    """The outcome codes of a transaction's operations, chain by chain."""
    entries = received.transaction.entries
    codes: list[str] = []
    start = 0
    while start < len(entries):
        end = start
        while entries[end].linked:
            end += 1
        end += 1
        codes += _run_chain(overlay, parent, received, purpose, time_ms, start, entries[start:end])
        start = end
    return codes


def _run_chain(
    overlay: Overlay,
    parent: Parent,
    received: ReceivedTransaction,
    purpose: int,
    time_ms: int,
    start: int,
    chain: Sequence[Entry],
) -> list[str]:
    """All of a linked chain, or nothing of it: the culprit has its own code, the others `linked_failed`."""
    mark = overlay.mark()
    for offset, entry in enumerate(chain):
        digest = received.operation_digests[start + offset]
        context = Context(
            received.transaction.organisation,
            purpose,
            parent.height + 1,
            time_ms,
            digest,
            parent.parameters,
            parent.block_digest,
        )
        try:
            changes = RULES[type(entry.operation)](overlay, entry.operation, context)
            verify_conserved(overlay, changes)
            overlay.apply(changes, digest)
        except Refused as refusal:
            overlay.roll_back(mark)
            return [refusal.code if number == offset else "linked_failed" for number in range(len(chain))]
    overlay.settle()
    return [RECORDED] * len(chain)
