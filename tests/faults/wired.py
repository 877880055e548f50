"""The example network with a proxy on every link, and what happens on a link or to a process."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from tests.faults.proxy import Lines, Wire
from tests.network.running import VALIDATORS, Network

NODES = (*VALIDATORS, "archive", "hospital-a", "hospital-b")  # one gateway for each hospital is enough here


class Wired(Network):
    """Made and not up. `wires` are by (who dials, who listens): of two validators the lower name dials."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.lines = Lines()
        self.wires: dict[tuple[str, str], Wire] = {}
        for name in NODES:
            self._rewire(name)

    def _rewire(self, name: str) -> None:
        """What this node dials is a proxy from now on."""
        file = self.node_home(name) / "config" / "node.yaml"
        config = yaml.safe_load(file.read_text("utf-8"))
        for peer in config["peers"]:
            wire = self.lines.wire(peer["port"])
            self.wires[name, peer["name"]] = wire
            peer["port"] = wire.port
        file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), "utf-8")

    def up(self, *names: str) -> None:
        """Those of NODES, if none are named."""
        super().up(*(names or NODES))

    def down(self) -> None:
        try:
            super().down()
        finally:
            self.lines.close()

    # ── links ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def between(self, some: Iterable[str], others: Iterable[str] = VALIDATORS) -> list[Wire]:
        """The wires of `some` with `others`, whoever dials."""
        some, others = set(some), set(others)
        return [
            wire
            for (dials, listens), wire in self.wires.items()
            if (dials in some and listens in others - some) or (listens in some and dials in others - some)
        ]

    def heal(self) -> None:
        for wire in self.wires.values():
            wire.heal()

    # ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def paused(self, *names: str) -> Iterator[None]:
        """They stand still, and know nothing of it."""
        for name in names:
            self.kill(name, signal.SIGSTOP)
        try:
            yield
        finally:
            for name in names:
                self.kill(name, signal.SIGCONT)

    def primary(self) -> str:
        """By the word of most validators."""
        named = [status["primary"] for status in self.statuses() if status["primary"]]
        return str(max(sorted(set(named)), key=named.count))

    def height(self, names: Iterable[str] = VALIDATORS) -> int:
        """The highest that any of them has flushed."""
        return max((int(status["height"]) for status in self.statuses(tuple(names))), default=0)
