"""The network that is measured: the example network as processes, with one more home, whose place the client takes."""

from __future__ import annotations

import json
import os
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
import yaml

from bench.rest import Door
from chain.failpoint import VARIABLE
from cli.demo.stage import Stage
from cli.processes import running_pid, start_nodes
from cli.tokens import make_token
from node.home import NetworkHome, NodeHome
from node.network_file import load_network_file

OBSERVER_LINES = """\
  - name: observer
    kind: mirror
    organisation: health
    peer_port: 7199
    api_port: 8199
    operations_port: 9199

"""
RANGES = "# Ranges that genesis starts with"
VALIDATORS = ("finance", "health", "insurance", "bigdata")
GATEWAYS = {"hospital-a": "A01", "hospital-b": "B01"}  # -> the issuing point that it is asked for
UP = (*VALIDATORS, "archive", *GATEWAYS)
TOKEN_SECONDS = 12 * 3600


class Held(msgspec.Struct, frozen=True):
    """By a process."""

    cpu_s: float
    rss_mib: float


class BenchNetwork(Stage):
    """`make` it, then measure."""

    def __init__(self, directory: Path, config: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        widened = directory / "bench.yaml"
        widened.write_text(config.read_text("utf-8").replace(RANGES, OBSERVER_LINES + RANGES), "utf-8")
        super().__init__(directory, widened, directory, with_tls=False)
        nodes = yaml.safe_load(self.config.read_text("utf-8"))["nodes"]
        self.nodes: dict[str, dict[str, Any]] = {node["name"]: node for node in nodes}

    def make(self) -> None:
        self.medbill("network", "init", "--config", str(self.config), "--home", str(self.home), show=False)
        self.up(*UP)

    def start_alone(self, name: str) -> None:
        """Start it again, and return as soon as it answers: it may be behind."""
        start_nodes(self.home, [entry for entry in load_network_file(self.home).nodes if entry.name == name])
        self.until(lambda: self.height(name), f"{name} answers")

    def restart(self, failpoints: str) -> None:
        """All of them, with `failpoints` armed."""
        self.down()
        os.environ[VARIABLE] = failpoints
        try:
            self.up(*UP)
        finally:
            del os.environ[VARIABLE]

    def down(self) -> None:
        """Nothing, if it was never made."""
        if NetworkHome(self.home).network_json.exists():
            self.medbill("network", "down", "--home", str(self.home), show=False)

    def node_home(self, name: str) -> NodeHome:
        return NetworkHome(self.home).node(name)

    def validators(self) -> list[tuple[str, str, str, int]]:
        """(name, organisation, host, peer port)."""
        return [
            (name, self.nodes[name]["organisation"], "127.0.0.1", self.nodes[name]["peer_port"]) for name in VALIDATORS
        ]

    def door(self, gateway: str) -> Door:
        organisation = self.nodes[gateway]["organisation"]
        keys = NetworkHome(self.home).organisation(organisation)
        chain_id = json.loads((self.home / "network.json").read_text("utf-8"))["chain_id"]
        token = make_token(keys.token_key, chain_id, organisation, "bench", "cashier", TOKEN_SECONDS)
        return Door("127.0.0.1", self.nodes[gateway]["api_port"], token, GATEWAYS[gateway])

    def status(self, name: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.nodes[name]['operations_port']}/status"
        with urllib.request.urlopen(url, timeout=2) as answer:
            return dict(json.load(answer))

    def height(self, name: str) -> int:
        """0 while it does not answer."""
        try:
            return int(self.status(name)["height"])
        except OSError:
            return 0

    def primary(self) -> str:
        organisation = self.status(VALIDATORS[0])["primary"]
        return next(name for name in VALIDATORS if self.nodes[name]["organisation"] == organisation)

    def held(self) -> dict[str, Held]:
        """What each process has used until now."""
        found = {}
        for name in UP:
            pid = running_pid(self.node_home(name))
            if pid is not None:
                found[name] = Held(*_used(pid))
        return found


def _used(pid: int) -> tuple[float, float]:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return (int(fields[11]) + int(fields[12])) / 100, pages * 4 / 1024
