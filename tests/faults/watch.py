"""When each block came: a guest at every validator who waits for the next one, as a gateway does."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import cast

from node.errors import PeerRefused
from node.messages import GetMine, MineAnswer
from tests.network.caller import Caller, tls_context
from tests.network.running import VALIDATORS, Network

GUEST = "hospital-a-2"  # a gateway of the example that does not run here
WAIT_MS = 2_000


class Watch(threading.Thread):
    """At one validator. `seen` are (when, height), when in seconds of the monotonic clock."""

    def __init__(self, network: Network, node: str) -> None:
        super().__init__(name=f"watch {node}", daemon=True)
        self._network, self._node = network, node
        self._context = tls_context(network.node_home(GUEST) / "config")
        self._over = threading.Event()
        self.seen: list[tuple[float, int]] = []
        self.height = 0

    def run(self) -> None:
        while not self._over.is_set():
            try:
                self._watch()
            except (OSError, AssertionError, PeerRefused):  # it is down, or stands still: look again
                self._over.wait(0.05)

    def _watch(self) -> None:
        caller = Caller(self._network.nodes[self._node]["peer_port"])
        with caller.shake_hands(self._context).say_hello(self._network.chain_id):
            while not self._over.is_set():
                answer = cast(MineAnswer, caller.ask(GetMine(self.height + 1, 64, WAIT_MS), MineAnswer))
                if answer.parts:
                    self.height = answer.parts[-1].header.height
                    self.seen.append((time.monotonic(), self.height))

    def leave(self) -> None:
        self._over.set()


class Watches:
    """At all validators. A block is there when the first of them shows it."""

    def __init__(self, network: Network, nodes: Sequence[str] = VALIDATORS) -> None:
        self.watches = {node: Watch(network, node) for node in nodes}

    def __enter__(self) -> Watches:
        for watch in self.watches.values():
            watch.start()
        return self

    def __exit__(self, *_error: object) -> None:
        for watch in self.watches.values():
            watch.leave()

    @property
    def height(self) -> int:
        return max(watch.height for watch in self.watches.values())

    def arrivals(self, since_s: float = 0.0) -> list[float]:
        """When each new height was first seen anywhere, ascending."""
        times: list[float] = []
        top = 0
        for when, height in sorted(entry for watch in self.watches.values() for entry in list(watch.seen)):
            if height > top:
                top = height
                if when >= since_s:
                    times.append(when)
        return times

    def gap_s(self, since_s: float, until_s: float) -> float:
        """The longest time without a new block, from `since_s` on and as far as `until_s`."""
        times = [since_s, *(when for when in self.arrivals(since_s) if when <= until_s), until_s]
        return max(later - earlier for earlier, later in pairwise(times))
