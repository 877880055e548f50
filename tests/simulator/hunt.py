"""A quiet network in which a liar works with the network against what the safety argument rests on."""

from __future__ import annotations

from dataclasses import replace

from tests.simulator.options import QUIET, Options


def hunting(seed: int, **changes: object) -> Options:
    """n = 4; member 1, the primary of view 1, opens views of its own making and signs whatever it sees."""
    options = replace(
        Options.from_seed(seed),
        n=4,
        liars=(1,),
        lies=("views", "yes"),
        forgetful=(),
        losses=(),
        is_too_many=False,
        is_real_crypto=False,
        is_bytes_on_wire=False,
        is_executed_everywhere=False,
        is_hunted=True,
        fault_ms=6_000,
        **QUIET,  # type: ignore[arg-type]
        drip=0.0,
        crash_every_ms=0,
        crash_all=0.0,
        storm=0.0,
        submit_every_ms=300,
        heartbeat_ms=600_000,
        change_every_ms=0,
    )
    return replace(options, **changes)  # type: ignore[arg-type]
