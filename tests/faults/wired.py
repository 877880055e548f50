"""The example network with a proxy on every link, and what happens on a link or to a process."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import yaml

from tests.faults.proxy import Lines, Wire
from tests.network.running import VALIDATORS, Network, one_person, with_free_ports

NODES = (*VALIDATORS, "archive", "hospital-a", "hospital-b")  # one gateway for each hospital is enough here
OBSERVER = "observer"  # a mirror that no office needs, not up: its home is as `network init` made it
OBSERVER_LINES = f"""\
  - name: {OBSERVER}
    kind: mirror
    organisation: health
    peer_port: 1
    api_port: 2
    operations_port: 3

"""
LAST_NODE = "# Ranges that genesis starts with"


class Wired(Network):
    """Made and not up. `wires` are by (who dials, who listens): of two validators the lower name dials."""

    def __init__(self, directory: Path) -> None:
        super().__init__(
            directory, lambda text: with_free_ports(one_person(text).replace(LAST_NODE, OBSERVER_LINES + LAST_NODE))
        )
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

    def reasons(self, name: str) -> list[str]:
        """Why a node is not ready, as /readyz has it; none if it is."""
        address = f"http://127.0.0.1:{self.nodes[name]['operations_port']}/readyz"
        answer = httpx2.get(address, timeout=5, trust_env=False)
        assert (answer.status_code == 200) == answer.json()["ready"] == (not answer.json()["reasons"])
        return [str(reason) for reason in answer.json()["reasons"]]

    def is_ready(self, name: str) -> bool:
        return not self.reasons(name)

    def is_level(self, name: str, height: int) -> bool:
        """Whether a node has that block."""
        return int((self.status(name) or {}).get("height", 0)) >= height

    def figure(self, node: str, name: str) -> int:
        """One metric of a node, by its name without prefix."""
        address = f"http://127.0.0.1:{self.nodes[node]['operations_port']}/metrics"
        lines = httpx2.get(address, timeout=5, trust_env=False).text.splitlines()
        return next(int(float(line.split()[1])) for line in lines if line.startswith(f"medbill_{name} "))

    def height(self, names: Iterable[str] = VALIDATORS) -> int:
        """The highest that any of them has flushed."""
        return max((int(status["height"]) for status in self.statuses(tuple(names))), default=0)
