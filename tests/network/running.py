"""A network of real processes for tests, driven as an operator would: by the command line and signals."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2

from cli.tokens import make_token
from node.identity import Identity

ROOT = Path(__file__).resolve().parents[2]
VALIDATORS = ("finance", "health", "insurance", "bigdata")
GATEWAYS = ("hospital-a", "hospital-a-2", "hospital-b")
PORTS = range(20_000, 32_000)
PURPOSES = {"auditor": {"Purpose": "audit"}, "finance_clerk": {"Purpose": "supervision"}}
REASON = re.compile(r'^(medbill_\w+)\{reason="([^"]*)"\} ([0-9.e+]+)$', re.MULTILINE)


def free_listener() -> socket.socket:
    """A socket on a port that nobody has now, and that no outgoing connection will be given: those begin at 32768."""
    for port in random.sample(PORTS, len(PORTS)):
        listener = socket.socket()
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
            continue
        return listener
    raise AssertionError("no port is free")


def with_free_ports(text: str) -> str:
    """network.yaml with every port replaced by one that nobody listens on now."""
    with ExitStack() as held:

        def free(match: re.Match[str]) -> str:
            listener = held.enter_context(free_listener())
            return f"{match[1]}{listener.getsockname()[1]}"

        return re.sub(r"(\w+_port: )\d+", free, text)


def one_person(text: str) -> str:
    """network.yaml where one person alone may do everything: for stories of crashes and of rules, not of people."""
    changed = re.sub(r"(\n  two_persons: ).*", r"\1[]", text)
    assert changed != text
    return changed


class Network:
    """Made from the example network.yaml, on free ports, in `directory`."""

    def __init__(self, directory: Path, change: Callable[[str], str] = lambda text: text) -> None:
        self.directory = directory
        self.home = directory / "home"
        self.config = directory / "network.yaml"
        self.config.write_text(change(with_free_ports((ROOT / "network.yaml").read_text("utf-8"))), "utf-8")
        self.medbill("network", "init", "--config", str(self.config), "--home", str(self.home))
        file = json.loads((self.home / "network.json").read_text("utf-8"))
        self.nodes: dict[str, dict[str, Any]] = {node["name"]: node for node in file["nodes"]}
        self.chain_id: str = file["chain_id"]
        self.killed_s = 0.0  # when the last signal was sent
        self._clients: dict[tuple[str, str], httpx2.Client] = {}

    # ── the command line ─────────────────────────────────────────────────────────────────────────────────────────────

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            stdin=subprocess.DEVNULL,
        )

    def medbill(self, *arguments: str, expect: int = 0, timeout: float = 120) -> str:
        """Standard output of a command that must end with `expect`."""
        done = self.run(*arguments, timeout=timeout)
        assert done.returncode == expect, (
            f"medbill {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout

    def json(self, *arguments: str, expect: int = 0, timeout: float = 120) -> Any:
        return json.loads(self.medbill(*arguments, "--json", expect=expect, timeout=timeout))

    # ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def up(self, *names: str) -> None:
        chosen = [part for name in names for part in ("--node", name)]
        self.medbill("network", "up", "--home", str(self.home), "--detach", *chosen)

    def spawn(self, home: Path, **environment: str) -> subprocess.Popen[bytes]:
        """The process of a node by itself, which need not become ready; what it says goes into its log."""
        with (home / "logs" / "node.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "cli.main", "node", "start", "--home", str(home)],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self, name: str, seconds: float = 30) -> None:
        """Start a node that need not become ready; returns when it answers."""
        self.spawn(self.node_home(name))
        self.until(lambda: self.status(name), f"{name} answers", seconds)

    def add_gateway(self, organisation: str, office: str) -> None:
        """A home for the gateway of a hospital that `organisation init` made keys for; its name is the hospital's."""
        with free_listener() as api, free_listener() as operations:
            ports = [str(listener.getsockname()[1]) for listener in (api, operations)]
        self.medbill(
            *("node", "init-gateway", "--name", organisation, "--organisation", organisation, "--office", office),
            *("--api-port", ports[0], "--operations-port", ports[1], "--home", str(self.home)),
        )
        file = json.loads((self.home / "network.json").read_text("utf-8"))
        self.nodes = {node["name"]: node for node in file["nodes"]}

    def stop(self, *names: str) -> None:
        """As an operator does: each finishes its block."""
        chosen = [part for name in names for part in ("--node", name)]
        self.medbill("network", "down", "--home", str(self.home), *chosen)

    def down(self) -> None:
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        self.run("network", "down", "--home", str(self.home))

    def pid(self, name: str) -> int:
        return int((self.node_home(name) / "run" / "node.pid").read_text())

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        pid = self.pid(name)
        os.kill(pid, number)
        self.killed_s = time.monotonic()
        if number in (signal.SIGKILL, signal.SIGTERM):
            self.until(lambda: not _is_alive(pid), f"{name} ends", 20)

    def node_home(self, name: str) -> Path:
        return self.home / "nodes" / name

    # ── what nodes say ───────────────────────────────────────────────────────────────────────────────────────────────

    def status(self, name: str) -> dict[str, Any] | None:
        try:
            answer = httpx2.get(f"http://127.0.0.1:{self.nodes[name]['operations_port']}/status", timeout=2)
        except httpx2.HTTPError:
            return None
        return dict(answer.json())

    def counted(self, name: str, node: str = "finance") -> dict[str, int]:
        """Reason -> count of one metric."""
        address = f"http://127.0.0.1:{self.nodes[node]['operations_port']}/metrics"
        answer = httpx2.get(address, timeout=5, trust_env=False)
        return {reason: int(float(count)) for metric, reason, count in REASON.findall(answer.text) if metric == name}

    def statuses(self, names: tuple[str, ...] = VALIDATORS) -> list[dict[str, Any]]:
        return [status for name in names if (status := self.status(name)) is not None]

    def until(self, reached: Callable[[], Any], what: str, seconds: float = 30) -> Any:
        """The first true value of `reached`, asked ten times a second."""
        deadline = time.monotonic() + seconds
        while True:
            value = reached()
            if value:
                return value
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(0.1)

    def agreed(self, names: tuple[str, ...] = VALIDATORS) -> bool:
        """Whether all of them stand at one height with one state root."""
        standings = {(status["height"], status["state_root"]) for status in self.statuses(names)}
        return len(standings) == 1 and len(self.statuses(names)) == len(names)

    # ── REST ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def api(
        self,
        name: str,
        role: str | None = None,
        organisation: str | None = None,
        person: str = "test",
        identity: Identity | None = None,
    ) -> httpx2.Client:
        """A client of a node's REST service; by default in the role that its own people have most. `identity` is a
        patient's: `person` says whose. Who has to name a purpose names one, unless a request says another."""
        node = self.nodes[name]
        role = role or ("cashier" if node["kind"] == "gateway" else "auditor")
        organisation = organisation or node["organisation"]
        key = (name, f"{organisation}/{role}/{person}")
        if key not in self._clients:
            secret = self.home / "organisations" / organisation / "token.key"
            token = make_token(secret, self.chain_id, organisation, person, role, 3600, identity)
            self._clients[key] = httpx2.Client(
                base_url=f"http://127.0.0.1:{node['api_port']}/v1",
                headers={"Authorization": f"Bearer {token}", **PURPOSES.get(role, {})},
                timeout=40,
                trust_env=False,
            )
        return self._clients[key]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def bill_request(business_no: str, total_fen: int = 12_345, **changes: Any) -> dict[str, Any]:
    """A small outpatient bill as JSON."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(time.time() + 8 * 3600))
    return {
        "kind": "outpatient",
        "business_no": business_no,
        "business_time": now,
        "place_code": "A01",
        "payer": {"type": "person", "name": "测试甲", "id_type": "01", "id_number": "330102199001011234"},
        "total_fen": total_fen,
        "payments": {"insurance_fund_fen": 0, "personal_account_fen": 0, "other_fen": 0, "cash_fen": total_fen},
        "self_paid_fen": 0,
        "self_funded_fen": 0,
        "charges": [
            {"code": "09", "name": "西药费", "quantity_milli": 1000, "unit": "项", "amount_fen": total_fen},
        ],
        "items": [],
        "visit": {"department": "内科"},
        "cashier": "收费员01",
        "checker": "复核员02",
        **changes,
    }
