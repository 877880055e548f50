"""What a validator tells its operators: `/status` and the figures of `/metrics`. Nothing in it is personal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.vote_memory import WAITS_FOR_RENEWAL

if TYPE_CHECKING:
    from node.validator import Validator


def status_of(validator: Validator) -> dict[str, Any]:
    head, members, runtime = validator.ledger.head, validator.ledger.members, validator.runtime
    replica = runtime.replica if runtime is not None else None
    return {
        "height": head.height,
        "digest": head.digest.hex(),
        "state_root": head.state_root.hex(),
        "state_count": head.state_count,
        "time_ms": head.time_ms,
        "epoch": members.epoch,
        "validators": [member.organisation for member in members.members],
        "view": replica.view if replica else None,
        "active": replica is not None and replica.is_active,
        "primary": members.members[members.primary(replica.view)].organisation if replica else None,
        "seat": members.seat_of(validator.organisation),
        "learner": validator.learner_reason or None,
        "waits_for": validator.memory.waits_for if validator.learner_reason == WAITS_FOR_RENEWAL else None,
        "validators_linked": validator.linked_validators,
        "mempool": {"transactions": len(validator.pool), "bytes": validator.pool.bytes},
        "evidence": len(validator.parts.evidence.pieces),
        "evidence_against": validator.parts.evidence.organisations(),
    }


def figures_of(validator: Validator) -> dict[str, float]:
    """Metric name without prefix -> value; `_total` marks counters."""
    saver, members, runtime = validator.saver.figures, validator.ledger.members, validator.runtime
    has_seat = members.seat_of(validator.organisation) is not None
    return {
        "consensus_height": validator.ledger.head.height,
        "consensus_epoch": members.epoch,
        "consensus_view": runtime.replica.view if runtime else 0,
        "consensus_active": float(runtime is not None and runtime.replica.is_active),
        "validators": members.n,
        "missing_validators": members.n - has_seat - len(validator.linked_validators),
        "mempool_transactions": len(validator.pool),
        "mempool_bytes": validator.pool.bytes,
        "state_records": validator.ledger.state.count,
        "flushes_total": saver.flushes,
        "flush_seconds_total": saver.flush_seconds,
        "equivocation_total": validator.effects.accusations,
        "evidence": len(validator.parts.evidence.pieces),
        "learner": float(bool(validator.learner_reason)),
    }
