"""A quiet network in which a liar works with the network against what the safety argument rests on."""

from __future__ import annotations

from dataclasses import replace

from tests.simulator.options import Options


def hunting(seed: int, **changes: object) -> Options:
    """n = 4; seat 1, the primary of view 1, opens views of its own making and signs whatever it sees."""
    options = replace(
        Options.from_seed(seed),
        n=4,
        liars=(1,),
        lies=("views", "yes"),
        is_real_crypto=False,
        is_bytes_on_wire=False,
        is_hunted=True,
        fault_ms=6_000,
        loss=0.0,
        kind_loss=0.0,
        duplicate=0.0,
        replay=0.0,
        delay_ms=5,
        flush_ms=1,
        execute_ms=1,
        crash_every_ms=0,
        partition_every_ms=0,
        submit_every_ms=300,
        heartbeat_ms=600_000,
        skew_ms=0,
    )
    return replace(options, **changes)  # type: ignore[arg-type]
