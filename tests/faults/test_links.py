"""What goes wrong on a line: one validator's links under load, or the line between two halves. RELIABILITY 2.1, N8-N13."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.faults.history import Load
from tests.faults.proxy import BACK, FORTH, Wire
from tests.faults.watch import Watches
from tests.faults.wired import Wired
from tests.network.running import VALIDATORS

pytestmark = pytest.mark.processes

FAULT_S = 1.5  # then it is felt: what was on its way has come, and the timer of a view has ended
GO_ON_S = 8.0  # from the fault until blocks come in spite of it; a change of view takes 1 s, a busy machine some more
BLOCKS = 3  # so many
BACK_S = 20.0  # until the victim stands where the others stand: an idle timeout and a dial at most

FAULTS: dict[str, Callable[[Wire], None]] = {
    "cut": Wire.cut,
    "silent": lambda wire: wire.set(is_silent=True),
    "silent one way": lambda wire: wire.set(FORTH, is_silent=True),
    "slow drip": lambda wire: wire.set(bytes_per_s=40),
    "late": lambda wire: wire.set(delay_s=0.2, jitter_s=0.3),
    "throttled one way": lambda wire: wire.set(BACK, bytes_per_s=4_000),
    "half open at who listens": lambda wire: wire.half_open(FORTH),
    "half open at who dials": lambda wire: wire.half_open(BACK),
    "garbage before TLS": Wire.greet_with_garbage,
    "garbage inside TLS": Wire.garble,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_validators_links_go_wrong_and_the_others_go_on(network: Wired, load: Load, fault: str) -> None:
    """N13 and P4, G8: the three others agree without it, within one change of view; it comes back by itself."""
    is_primary = len(fault) % 2 == 0  # half of them hit the primary, whatever the day
    primary = network.primary()
    victim = primary if is_primary else next(name for name in VALIDATORS if name != primary)
    others = [name for name in VALIDATORS if name != victim]
    with Watches(network, others) as watches:
        network.until(lambda: watches.height, "the others are watched")
        began = time.monotonic()
        for wire in network.between([victim]):
            FAULTS[fault](wire)
        network.until(lambda: len(watches.arrivals(began + FAULT_S)) >= BLOCKS, "the others go on", GO_ON_S)
        height = watches.height
        network.heal()
    network.until(lambda: (network.status(victim) or {}).get("height", 0) >= height, f"{victim} is back", BACK_S)


def test_halves_that_do_not_hear_each_other_stand_still_and_go_on_together(network: Wired, load: Load) -> None:
    """N8: two of four are no quorum. Nothing becomes final in either half; healed, all is final in a few seconds. A block
    that was final before may still go from one to the other in a half."""
    half = VALIDATORS[:2]
    wires = network.between(half)
    for wire in wires:
        wire.cut()
    network.until(
        lambda: all(len((network.status(name) or {})["validators_linked"]) == 1 for name in VALIDATORS), "cut"
    )
    heights = [status["height"] for status in network.statuses()]
    began = time.monotonic()
    network.until(lambda: time.monotonic() - began > 2 * FAULT_S, "the cut lasts")
    assert max(status["height"] for status in network.statuses()) == max(heights)
    network.heal()
    network.until(lambda: network.height() > max(heights) + 2, "blocks come again", BACK_S)


def test_a_handshake_that_never_ends_is_ended(network: Wired, load: Load) -> None:
    """N13: whoever connects and says nothing, or half a hello, is gone after the handshake's time, and is counted."""
    victim = "finance"
    wires = [wire for (_dials, listens), wire in network.wires.items() if listens == victim]
    for wire in wires:
        wire.set(FORTH, is_silent=True)
        wire.hang_up()
    network.until(lambda: handshakes_ended(network, victim) >= 2, "handshakes are ended", 20)
    network.heal()
    network.until(lambda: len((network.status(victim) or {})["validators_linked"]) == 3, "its links are back", BACK_S)


def handshakes_ended(network: Wired, node: str) -> int:
    return network.counted("medbill_peer_incidents_total", node).get("handshake_timeout", 0)
