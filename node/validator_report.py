"""What a validator tells its operators: `/status` and the figures of `/metrics`. Nothing in it is personal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from node.validator import Validator


def status_of(validator: Validator) -> dict[str, Any]:
    head, replica = validator.ledger.head, validator.runtime.replica
    members = validator.ledger.members
    return {
        "height": head.height,
        "digest": head.digest.hex(),
        "state_root": head.state_root.hex(),
        "state_count": head.state_count,
        "time_ms": head.time_ms,
        "view": replica.view,
        "active": replica.is_active,
        "primary": members.members[members.primary(replica.view)].organisation,
        "seat": validator.seat,
        "learner": validator.learner_reason or None,
        "validators_linked": validator.linked_validators,
        "mempool": {"transactions": len(validator.pool), "bytes": validator.pool.bytes},
        "evidence": len(validator.effects.evidence),
    }


def figures_of(validator: Validator) -> dict[str, float]:
    """Metric name without prefix -> value; `_total` marks counters."""
    saver, replica, n = validator.saver.figures, validator.runtime.replica, validator.ledger.members.n
    return {
        "consensus_height": validator.ledger.head.height,
        "consensus_view": replica.view,
        "consensus_active": float(replica.is_active),
        "validators": n,
        "missing_validators": n - 1 - len(validator.linked_validators),
        "mempool_transactions": len(validator.pool),
        "mempool_bytes": validator.pool.bytes,
        "state_records": validator.ledger.state.count,
        "flushes_total": saver.flushes,
        "flush_seconds_total": saver.flush_seconds,
        "equivocation_total": len(validator.effects.evidence),
        "learner": float(bool(validator.learner_reason)),
    }
