"""A network's nodes as processes of this machine: starting them, knowing them again, stopping them.

Each node runs `medbill node start` in a session of its own, so that it outlives the terminal. Its pid file names it;
since a number may have passed to another process, a process counts as the node only while its command line names the
node's home.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cli.client import OperationsClient
from cli.failures import CommandFailed
from node.home import NetworkHome, NodeHome
from node.network_checks import is_port_free
from node.network_file import NodeEntry

READY_DEADLINE_S = 60.0
STOP_DEADLINE_S = 15.0  # from SIGTERM; a node finishes its block and closes its stores well within
POLL_S = 0.1
PID_MAX = 2**22  # of Linux; a torn pid file may say anything
LOG_LINES_SHOWN = 3


class RunningNode(msgspec.Struct, frozen=True):
    entry: NodeEntry
    home: NodeHome
    pid: int
    process: subprocess.Popen[bytes] | None  # None: started by somebody else


def end_as_by_ctrl_c() -> None:
    """From now on SIGTERM ends this command as Ctrl-C does: nodes have sessions of their own, and would outlive it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with it ignored
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


def running_pid(home: NodeHome) -> int | None:
    """The process that runs this node now, or None."""
    try:
        pid = int(home.pid_file.read_text("ascii"))
    except (OSError, ValueError):
        return None
    return pid if 0 < pid <= PID_MAX and _is_node(pid, home) else None


def _is_node(pid: int, home: NodeHome) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace").rpartition(")")[2].split()[0]
        arguments = os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes()).split("\0")
        directory = os.readlink(f"/proc/{pid}/cwd")
    except (ProcessLookupError, PermissionError):
        return False
    except OSError:
        return not Path("/proc/self").exists()  # no /proc on this system: the pid file is all there is
    own = os.path.realpath(home.root)
    return state != "Z" and any(os.path.realpath(os.path.join(directory, text)) == own for text in arguments if text)


def write_pid_file(home: NodeHome, pid: int) -> None:
    home.pid_file.parent.mkdir(parents=True, exist_ok=True)
    beside = home.pid_file.with_suffix(f".{pid}")
    beside.write_text(f"{pid}\n", "ascii")
    beside.replace(home.pid_file)


def remove_pid_file(home: NodeHome, pid: int) -> None:
    """Unless another process has written its own by now."""
    try:
        if int(home.pid_file.read_text("ascii")) == pid:
            home.pid_file.unlink()
    except (OSError, ValueError):
        return


def start_nodes(directory: Path, entries: list[NodeEntry]) -> list[RunningNode]:
    """Start those that do not run yet; all of them come back. Raises CommandFailed `port_taken` before any is started."""
    found = [(entry, NetworkHome(directory).node(entry.name)) for entry in entries]
    running = {entry.name: pid for entry, home in found if (pid := running_pid(home)) is not None}
    _verify_ports([entry for entry in entries if entry.name not in running])
    nodes: list[RunningNode] = []
    try:
        for entry, home in found:
            if entry.name in running:
                nodes.append(RunningNode(entry, home, running[entry.name], None))
            else:
                process = _spawn(home)
                nodes.append(RunningNode(entry, home, process.pid, process))
                write_pid_file(home, process.pid)
    except BaseException:
        stop_nodes([node for node in nodes if node.process is not None], lambda text: None)
        raise
    return nodes


def _verify_ports(entries: list[NodeEntry]) -> None:
    taken = [(entry, port) for entry in entries for port in entry.ports() if not is_port_free(entry.host, port)]
    if taken:
        places = [
            f"{entry.name}: port {port} on {entry.host} is taken; stop the program that listens there "
            f"(ss -ltnp 'sport = :{port}'), or make the network anew with another port in network.yaml"
            for entry, port in taken
        ]
        raise CommandFailed("port_taken", "\n".join(places))


def _spawn(home: NodeHome) -> subprocess.Popen[bytes]:
    """The same program as this one, wherever the caller stands: -P keeps his directory out of the import path."""
    packages = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    home.log_file.parent.mkdir(parents=True, exist_ok=True)
    with home.log_file.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "cli.main", "node", "start", "--home", str(home.root.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=home.root,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(filter(None, packages))},
        )


def wait_ready(
    nodes: list[RunningNode], told: Callable[[int, str], None], deadline_s: float = READY_DEADLINE_S
) -> None:
    """Until every node says that it is ready; `told` hears how many are and what the others say.

    Raises CommandFailed `node_ended` as soon as one has ended, `not_ready` at the deadline.
    """
    deadline = time.monotonic() + deadline_s
    waiting = {node.entry.name: node for node in nodes}
    said: dict[str, str] = {}
    with OperationsClient() as client:
        while waiting:
            for name, node in list(waiting.items()):
                if not is_alive(node):
                    raise CommandFailed(
                        "node_ended", f"{name} ended: {last_words(node.home)}\nsee {node.home.log_file}"
                    )
                answer = client.ask(node.entry.host, node.entry.operations_port, "/readyz")
                if answer is not None and answer[0] == 200:
                    del waiting[name]
                else:
                    said[name] = "starting" if answer is None else reason_of(answer[1])
            told(len(nodes) - len(waiting), "; ".join(f"{name}: {said.get(name, 'starting')}" for name in waiting))
            if not waiting:
                return
            if time.monotonic() > deadline:
                places = "\n".join(f"{name}: {said[name]}; see {node.home.log_file}" for name, node in waiting.items())
                raise CommandFailed("not_ready", f"not ready after {deadline_s:.0f} s\n{places}")
            time.sleep(POLL_S)


def reason_of(document: dict[str, Any]) -> str:
    """What a /readyz that is not ready gives as its reason."""
    for key in ("reason", "reasons", "detail", "code"):
        value = document.get(key)
        if value:
            return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return "not ready"


def last_words(home: NodeHome) -> str:
    """The last lines of a node's log."""
    try:
        with home.log_file.open("rb") as log:
            log.seek(max(0, home.log_file.stat().st_size - 4096))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        lines = []
    return "\n".join(lines[-LOG_LINES_SHOWN:]) or "its log is empty"


def is_alive(node: RunningNode) -> bool:
    return node.process.poll() is None if node.process is not None else _is_node(node.pid, node.home)


def stop_nodes(nodes: list[RunningNode], told: Callable[[str], None], deadline_s: float = STOP_DEADLINE_S) -> list[str]:
    """SIGTERM to all at once, and SIGKILL with a note to those that outlive the deadline. Returns the killed ones' names.

    Serving nodes and validators end in any order: what was answered is durable.
    """
    alive = [node for node in nodes if is_alive(node)]
    for node in alive:
        _signal(node.pid, signal.SIGTERM)
    deadline = time.monotonic() + deadline_s
    while (alive := [node for node in alive if is_alive(node)]) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    for node in alive:
        told(
            f"{node.entry.name} did not end within {deadline_s:.0f} s of SIGTERM: killed; its log is {node.home.log_file}"
        )
        _signal(node.pid, signal.SIGKILL)
        if node.process is not None:
            node.process.wait()
    for node in nodes:
        remove_pid_file(node.home, node.pid)
    return [node.entry.name for node in alive]


def find_running(directory: Path, entries: list[NodeEntry]) -> list[RunningNode]:
    found = [(entry, NetworkHome(directory).node(entry.name)) for entry in entries]
    return [RunningNode(entry, home, pid, None) for entry, home in found if (pid := running_pid(home)) is not None]


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
