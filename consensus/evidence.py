"""Proof that a member lied: two of its votes in one slot (rule 16).

Evidence is the two signed votes and nothing else, in canonical order, so that everybody finds the same.
"""

from __future__ import annotations

from chain.signature import is_signature
from chain.validators import ValidatorSet, Verify
from consensus.errors import MessageMalformed
from consensus.model import Vote, kind_of
from consensus.wire import encode_message, verify_vote


def is_conflict(first: Vote, second: Vote) -> bool:
    """Whether one member voted for two digests in one (epoch, kind, view, height)."""
    return slot_of(first) == slot_of(second) and first.digest != second.digest


def slot_of(vote: Vote) -> tuple[int, int, int, int, int]:
    """In which an honest member signs one digest, ever: (epoch, height, kind, view, seat)."""
    return (vote.epoch, vote.height, kind_of(vote), vote.view, vote.seat)


def in_order(first: Vote, second: Vote) -> tuple[Vote, Vote]:
    """The pair as it is kept: the same whoever saw which vote first."""
    return (first, second) if encode_message(first) <= encode_message(second) else (second, first)


def verify_evidence(
    first: Vote, second: Vote, members: ValidatorSet, chain_id: bytes, verify: Verify = is_signature
) -> None:
    """Check that the pair convicts its signer. Raises MessageMalformed if it does not, ForeignEpoch, SeatUnknown,
    SignatureRefused if a vote is not what it says."""
    if not is_conflict(first, second) or in_order(first, second) != (first, second):
        raise MessageMalformed("these two votes convict nobody")
    verify_vote(first, members, chain_id, verify)
    verify_vote(second, members, chain_id, verify)
