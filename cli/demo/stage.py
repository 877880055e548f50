"""Where a demo plays: a network made for it, commands run as a person would, and what they answered."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cli import output
from cli.client import Client, open_client
from cli.processes import running_pid
from node.home import NetworkHome
from node.network_checks import is_port_free

COMMAND_SECONDS = 120
HIS_GATEWAY, HIS_APP = "hospital-b", "HISB"  # whose own system calls the vendor interface, and what it calls itself
TLS_EDIT = f"/- name: {HIS_GATEWAY}$/{{n;s/kind: gateway$/&\\n    api_tls: true/}}"  # for sed
SEALED = "sealed"


class SceneFailed(Exception):
    """What a scene promised did not happen."""


class Stage:
    """One network at `directory`/home, from a copy of `config`: TLS at one gateway, and free ports where others are taken."""

    def __init__(self, directory: Path, config: Path, samples: Path, *, with_tls: bool = True) -> None:
        self.directory, self.samples = directory, samples
        self.home = directory / "home"
        directory.mkdir(parents=True, exist_ok=True)
        self.original, self.config = config, directory / "network.yaml"
        text = config.read_text("utf-8")
        text, self.moved_ports = _on_free_ports(_with_tls(text) if with_tls else text)
        self.config.write_text(text, "utf-8")
        self.his_key = secrets.token_hex(16)
        self.issued_fen: dict[str, int] = {}  # hospital -> fen of all bills that the scenes issued, red ones included
        self.measured: dict[str, str] = {}  # what the scoreboard shows beside the scenes

    # ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def medbill(self, *arguments: str, expect: int = 0, prefix: tuple[str, ...] = (), show: bool = True) -> Any:
        """Run a command, print it, and return its JSON (or None). Raises SceneFailed for another exit code."""
        if show:
            output.note("  $ " + shlex.join([*prefix, "medbill", *arguments]))
        code, said = self.run(*arguments, prefix=prefix)
        if code != expect:
            raise SceneFailed(f"medbill {' '.join(arguments[:2])} ended with {code}, not {expect}: {str(said)[-600:]}")
        return said

    def run(self, *arguments: str, prefix: tuple[str, ...] = ()) -> tuple[int, Any]:
        """Exit code and JSON (or None) of a command that may end as it likes. Raises SceneFailed if it says no JSON."""
        done = subprocess.run(
            [*prefix, sys.executable, "-m", "cli.main", *arguments, "--json"],
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        try:
            return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None
        except ValueError:
            said = (done.stdout + done.stderr).strip()[-600:]
            raise SceneFailed(f"medbill {' '.join(arguments[:2])}: the answer is not JSON: {said}") from None

    def say(self, text: str) -> None:
        output.note("  " + text)

    def file(self, name: str, value: Any) -> str:
        """The path of a JSON file of the demo's, for a command to read."""
        path = self.directory / f"{name}.json"
        path.write_text(json.dumps(value, ensure_ascii=False, indent=1), "utf-8")
        return str(path)

    def client(self, node: str, role: str = "cashier") -> Client:
        return open_client(self.home, node, role, "demo")

    # ── processes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def kill(self, *names: str) -> None:
        """SIGKILL: no goodbye, no flush."""
        for name in names:
            home = NetworkHome(self.home).node(name)
            pid = running_pid(home)
            if pid is None:
                raise SceneFailed(f"{name} does not run")
            output.note(f"  $ kill -9 $(cat {home.pid_file})")
            os.kill(pid, signal.SIGKILL)
        self.until(
            lambda: all(running_pid(NetworkHome(self.home).node(name)) is None for name in names), "they are dead"
        )

    def up(self, *names: str) -> None:
        self.medbill(
            "network",
            "up",
            "--home",
            str(self.home),
            "--detach",
            *(part for name in names for part in ("--node", name)),
        )

    def let_his_in(self) -> None:
        """Name hospital B's own system at its gateway, before that starts."""
        file = NetworkHome(self.home).node(HIS_GATEWAY).medical_apps
        self.say(f"hospital B's own system calls its gateway: appid and key stand in {file}")
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            json.dump({HIS_APP: self.his_key}, stream)

    def statuses(self) -> dict[str, dict[str, Any]]:
        """node -> its /status, of those that answer."""
        rows = self.medbill("network", "status", "--home", str(self.home), show=False)["nodes"]
        return {row["name"]: row["status"] for row in rows if "status" in row}

    def until(self, reached: Callable[[], Any], what: str, seconds: float = 30) -> Any:
        """The first true value of `reached`. Raises SceneFailed after `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            value = reached()
            if value:
                return value
            if time.monotonic() > deadline:
                raise SceneFailed(f"not within {seconds:.0f} s: {what}")
            time.sleep(0.02)

    def count(self, hospital: str, total_fen: int) -> None:
        """Note a bill's amount for the auditor's scene."""
        self.issued_fen[hospital] = self.issued_fen.get(hospital, 0) + total_fen


def _with_tls(text: str) -> str:
    """network.yaml where the gateway that a hospital system calls serves HTTPS: `TLS_EDIT` does the same."""
    heading = f"  - name: {HIS_GATEWAY}\n    kind: gateway\n"
    return text if f"{heading}    api_tls:" in text else text.replace(heading, f"{heading}    api_tls: true\n")


def _on_free_ports(text: str) -> tuple[str, bool]:
    """The same if all its ports are free, else on others; and whether they are others."""
    ports = [int(port) for port in re.findall(r"_port: (\d+)", text)]
    if all(is_port_free("127.0.0.1", port) for port in ports):
        return text, False
    with ExitStack() as held:

        def free(match: re.Match[str]) -> str:
            listener = held.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            return f"_port: {listener.getsockname()[1]}"

        return re.sub(r"_port: \d+", free, text), True


def bill_body(business_no: str, place: str, total_fen: int, **changes: Any) -> dict[str, Any]:
    """An outpatient bill over invented drugs, as JSON for POST /v1/bills."""
    now = time.strftime("%Y-%m-%dT%H:%M:%S+08:00", time.gmtime(time.time() + 8 * 3600))
    fund = total_fen * 6 // 10
    return {
        "kind": "outpatient",
        "business_no": business_no,
        "business_time": now,
        "place_code": place,
        "payer": {"type": "person", "name": "林小满", "id_type": "01", "id_number": "331002199203040021"},
        "total_fen": total_fen,
        "payments": {"insurance_fund_fen": fund, "cash_fen": total_fen - fund},
        "charges": [{"code": "09", "name": "西药费", "quantity_milli": 1000, "unit": "项", "amount_fen": total_fen}],
        "visit": {"department": "内科", "visit_date": now[:10]},
        "cashier": "收费员07",
        "checker": "复核员02",
        **changes,
    }


def agreed(stage: Stage, asked: dict[str, Any], where: list[str]) -> Any:
    """What a second person makes of what a first one asked."""
    expect(asked["status"], "awaiting_second")
    return stage.medbill("approvals", "agree", asked["approval"], "--person", "checker-02", *where)


def expect(actual: Any, expected: Any) -> None:
    if actual != expected:
        raise SceneFailed(f"expected {expected!r}, got {actual!r}")
