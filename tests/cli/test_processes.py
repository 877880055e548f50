"""Nodes as processes: started once, known again, waited for, stopped. DESIGN 11; ECOSYSTEM 6."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from cli import processes
from cli.failures import CommandFailed
from cli.processes import (
    RunningNode,
    find_running,
    is_alive,
    remove_pid_file,
    running_pid,
    start_nodes,
    stop_nodes,
    wait_ready,
    write_pid_file,
)
from node.home import NetworkHome, NodeHome
from node.network_file import NodeEntry, load_network_file, save_network_file
from tests.cli.conftest import Ran

STAND_IN = Path(__file__).with_name("stand_in.py")

Start = Callable[..., list[RunningNode]]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def entry(home: Path) -> NodeEntry:
    """hospital-b, on a port of its own; it is the whole network."""
    network = load_network_file(home)
    own = msgspec.structs.replace(network.node("hospital-b"), api_port=None, operations_port=free_port())
    save_network_file(NetworkHome(home), msgspec.structs.replace(network, nodes=[own]))
    return own


@pytest.fixture
def start(home: Path, entry: NodeEntry, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start the node as a stand-in of some behaviour; what still runs afterwards is killed."""
    begun: list[RunningNode] = []

    def run(behaviour: str = "ready") -> list[RunningNode]:
        def spawn(place: NodeHome) -> subprocess.Popen[bytes]:
            arguments = [
                sys.executable,
                str(STAND_IN),
                "--home",
                str(place.root.resolve()),
                str(entry.operations_port),
                behaviour,
            ]
            with place.log_file.open("ab") as log:
                return subprocess.Popen(arguments, stdout=log, stderr=log, start_new_session=True)

        monkeypatch.setattr(processes, "_spawn", spawn)
        nodes = start_nodes(home, [entry])
        begun.extend(nodes)
        return nodes

    yield run
    for node in begun:
        if node.process is not None and node.process.poll() is None:
            node.process.kill()
            node.process.wait()


def test_a_network_is_started_once_and_known_again(start: Start, home: Path, entry: NodeEntry) -> None:
    heard: list[tuple[int, str]] = []
    nodes = start()
    wait_ready(nodes, lambda ready, beside: heard.append((ready, beside)), 20)

    assert heard[-1] == (1, "")
    [again] = start()
    assert (again.pid, again.process) == (nodes[0].pid, None)  # running already: left alone
    assert [node.pid for node in find_running(home, [entry])] == [nodes[0].pid]
    assert stop_nodes(nodes, lambda text: None) == []
    assert find_running(home, [entry]) == []
    assert not NetworkHome(home).node("hospital-b").pid_file.exists()


def test_a_killed_node_is_started_again(start: Start) -> None:
    """Issue 2: kill -9 one validator, start it again. Its pid file is stale then."""
    [first] = start()
    assert first.process is not None
    wait_ready([first], lambda *_: None, 20)
    first.process.kill()
    first.process.wait()
    [second] = start()

    assert second.pid != first.pid
    wait_ready([second], lambda *_: None, 20)


def test_a_node_that_ends_is_named_with_its_last_words(start: Start) -> None:
    with pytest.raises(CommandFailed) as caught:
        wait_ready(start("ends"), lambda *_: None, 20)
    assert caught.value.code == "node_ended"
    assert "hospital-b ended: journal_missing: no journal" in caught.value.detail
    assert "node.log" in caught.value.detail


def test_at_the_deadline_it_is_said_which_node_waits_for_what(start: Start) -> None:
    heard: list[str] = []
    nodes = start("never-ready")
    with pytest.raises(CommandFailed) as caught:
        wait_ready(nodes, lambda ready, beside: heard.append(beside), 1.0)
    assert (caught.value.code, caught.value.exit_code) == ("not_ready", 5)
    assert "hospital-b: too_few_peers" in caught.value.detail
    assert "hospital-b: too_few_peers" in heard


def test_a_deaf_node_is_killed_with_a_note(start: Start) -> None:
    nodes, notes = start("deaf"), list[str]()
    wait_ready(nodes, lambda *_: None, 20)

    assert stop_nodes(nodes, notes.append, deadline_s=0.2) == ["hospital-b"]
    assert notes[0].startswith("hospital-b did not end within 0 s of SIGTERM: killed")
    assert not is_alive(nodes[0])


def test_a_taken_port_is_named_before_anything_is_started(start: Start, home: Path, entry: NodeEntry) -> None:
    """Issue 2, bad input: a taken port."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", entry.operations_port))
        holder.listen(1)
        with pytest.raises(CommandFailed) as caught:
            start()
    assert caught.value.code == "port_taken"
    assert f"hospital-b: port {entry.operations_port} on 127.0.0.1 is taken; stop the program" in caught.value.detail
    assert find_running(home, [entry]) == []


def test_another_process_of_the_same_number_is_not_the_node(home: Path, entry: NodeEntry) -> None:
    """A pid file outlives a crash; its number may belong to anybody by then."""
    place = NetworkHome(home).node(entry.name)
    write_pid_file(place, os.getpid())
    assert running_pid(place) is None
    assert find_running(home, [entry]) == []

    remove_pid_file(place, os.getpid() + 1)
    assert place.pid_file.exists()
    for text in ("", "x", "-1", "0", "99999999999999999999"):
        place.pid_file.write_text(text)
        assert running_pid(place) is None


def test_up_and_down_as_commands(medbill: Callable[..., Ran], start: Start, home: Path) -> None:
    start()
    ran = medbill("network", "up", "--home", home, "--detach", "--json")
    assert (ran.code, ran.document["ready"], ran.document["started"]) == (0, 1, 0)
    assert medbill("network", "down", "--home", home, "--json").document == {"stopped": ["hospital-b"], "killed": []}
    assert medbill("network", "down", "--home", home).out == "no node was running\n"
    assert medbill("network", "up", "--home", home, "--node", "nobody").code == 2


def test_what_up_started_is_taken_down_when_it_fails(
    medbill: Callable[..., Ran], start: Start, home: Path, entry: NodeEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_nodes(start("never-ready"), lambda text: None)
    monkeypatch.setattr(processes.wait_ready, "__defaults__", (0.0,))
    ran = medbill("network", "up", "--home", home, "--detach", "--json")

    assert (ran.code, ran.document["code"]) == (5, "not_ready")
    assert find_running(home, [entry]) == []


@pytest.mark.processes
def test_four_real_validators_come_up_and_go_down(medbill: Callable[..., Ran], tmp_path: Path) -> None:
    """DESIGN 11: `network up --detach` returns when ready; no process is left after `down`."""
    import re

    text = (Path(__file__).parents[2] / "network.yaml").read_text()
    for port in sorted(set(re.findall(r"port: (\d{4})", text))):
        text = text.replace(f"port: {port}", f"port: {free_port()}")
    (tmp_path / "network.yaml").write_text(text)
    home = tmp_path / "n"
    assert medbill("network", "init", "--config", tmp_path / "network.yaml", "--home", home).code == 0
    names = [word for name in ("finance", "health", "insurance", "bigdata") for word in ("--node", name)]
    try:
        ran = medbill("network", "up", "--home", home, "--detach", "--json", *names)
        assert (ran.code, ran.out and ran.document["started"]) == (0, 4), ran.out
        status = medbill("network", "status", "--home", home, "--json").document
        assert [row["state"] for row in status["nodes"]][:4] == ["ready"] * 4
        assert medbill("node", "status", "--home", home / "nodes" / "finance", "--json").document["ready"] is True
        ran = medbill("node", "start", "--home", home / "nodes" / "finance")
        assert (ran.code, "already_running" in ran.err) == (6, True)
    finally:
        down = medbill("network", "down", "--home", home, "--json").document
    assert down["killed"] == []
    assert find_running(home, load_network_file(home).nodes) == []
