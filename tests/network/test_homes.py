"""Homes and configurations that cannot be: the message says what and where, and what to do about it."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chain.block import FinalBlock
from chain.codec import decode
from cli.main import app
from node.messages import BlocksAnswer, GetBlocks
from tests.network.agencies import Agencies
from tests.network.running import ROOT, Network, with_free_ports

pytestmark = pytest.mark.processes

EXAMPLE = (ROOT / "network.yaml").read_text("utf-8")
VICTIM = "insurance"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """A network, made and not up."""
    network = Network(tmp_path_factory.mktemp("made"))
    yield network
    network.down()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Another one of the same file: nothing in it fits the first."""
    return Network(tmp_path_factory.mktemp("other"))


@pytest.fixture
def home(made: Network, tmp_path: Path) -> Path:
    """A copy of a validator's home, to be spoilt."""
    return Path(shutil.copytree(made.node_home(VICTIM), tmp_path / VICTIM))


def command_refused(code: str, exit_code: int, *arguments: object) -> str:
    """What a command of this process says."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return refused(result.output, result.exit_code, code, exit_code)


def refused(said: str, exit_code: int, code: str, expected: int) -> str:
    """What a command says: its code once, and no traceback."""
    assert exit_code == expected, said
    assert "Traceback" not in said
    assert said.count(f"medbill: {code}: ") == 1, said
    return said.partition(f"medbill: {code}: ")[2].strip()


def start_refused(network: Network, home: Path, code: str, exit_code: int) -> str:
    """Of `medbill node start`; one line, and the node has ended."""
    done = network.run("node", "start", "--home", str(home), timeout=60)
    message = refused(done.stdout + done.stderr, done.returncode, code, exit_code)
    assert len(message.splitlines()) == 1
    assert not (home / "run" / "node.pid").exists()
    return message


# ── network init ─────────────────────────────────────────────────────────────────────────────────────────────────────


def replaced(old: str, new: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert text.count(old) == 1, old
        return text.replace(old, new)

    return change


def without_bigdata(text: str) -> str:
    start = text.index("  - name: bigdata\n    kind: validator")
    return text[:start] + text[text.index("  # Holds the details") :]


def same_port(text: str) -> str:
    lines = text.splitlines()
    first, second = [number for number, line in enumerate(lines) if "operations_port" in line][:2]
    lines[second] = lines[first]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("change", "at", "says"),
    [
        (without_bigdata, "nodes:", ["3 validators", "at least 4", "add 1"]),
        (replaced("- name: health\n    kind: validator", "- name: finance\n    kind: validator"), "  - name: finance\n    kind: validator\n    organisation: health", ["'finance' is already on line", "rename"]),
        (replaced("- name: hospital-b\n    title", "- name: hospital-a\n    title"), "  - name: hospital-a\n    title: Second", ["'hospital-a' is already on line", "rename"]),
        (same_port, None, ["health: port", "finance's already", "give it another"]),
        (replaced("kind: mirror", "kind: miror"), "    kind: miror", ["kind", "validator, mirror, gateway"]),
        (replaced("kind: bigdata", "kind: big"), "    kind: big\n", ["kind"]),
        (replaced("[outpatient, inpatient, registration, checkup]", "[outpatient, dental]"), "  kinds: [outpatient, dental]", ["dental", "outpatient"]),
        (replaced("heartbeat_ms: 600000", "heartbeat_s: 600"), "  heartbeat_s: 600", ["heartbeat_s"]),
        (replaced("lease_count: 10000", "lease_count: 1e4"), "  lease_count: 1e4", ["lease_count", "whole number"]),
        (replaced("host: 127.0.0.1", "host: [127.0.0.1"), None, []),
    ],
    ids=[
        "three validators", "node named twice", "organisation named twice", "port given twice", "unknown kind of node",
        "unknown kind of organisation", "unknown kind of bill", "unknown key", "no whole number", "no YAML",
    ],
)  # fmt: skip
def test_a_wrong_network_file_is_refused_by_its_line(
    tmp_path: Path, change: Callable[[str], str], at: str | None, says: list[str]
) -> None:
    """Issue, bad input: network.yaml names the line and what to do; nothing is made. DESIGN 11: exit 2 is usage."""
    text = change(with_free_ports(EXAMPLE))
    file = tmp_path / "network.yaml"
    file.write_text(text, "utf-8")
    message = command_refused("config_refused", 2, "network", "init", "--config", file, "--home", tmp_path / "home")
    if at is not None:
        assert text.count(at) == 1, at
        assert f"{file}:{text[: text.index(at)].count(chr(10)) + 1}: " in message
    assert message.startswith(f"{file}:")
    for word in says:
        assert word in message
    assert os.listdir(tmp_path) == ["network.yaml"]


def test_a_taken_port_is_named_by_its_line(tmp_path: Path) -> None:
    """Issue, bad input: another program listens there now."""
    text = with_free_ports(EXAMPLE)
    file = tmp_path / "network.yaml"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        lines = text.splitlines()
        number = next(place for place, line in enumerate(lines) if line.startswith("    api_port: "))
        lines[number] = f"    api_port: {port}"
        file.write_text("\n".join(lines), "utf-8")
        command = ["network", "init", "--config", str(file), "--home", str(tmp_path / "home"), "--json"]
        result = CliRunner().invoke(app, command)
    assert result.exit_code == 2
    problem = json.loads(result.stdout)
    assert problem["code"] == "config_refused"
    (place,) = problem["errors"]
    assert place["line"] == number + 1
    assert (
        f"port {port} on 127.0.0.1 is taken by another program; stop that one or give another port" in place["detail"]
    )
    assert os.listdir(tmp_path) == ["network.yaml"]


def test_an_existing_directory_is_left_alone(made: Network) -> None:
    """DESIGN 11: `network init` refuses an existing DIR, with or without a network in it."""
    genesis = (made.home / "genesis.json").read_bytes()
    for directory in (made.home, made.home.parent):
        message = command_refused("home_exists", 6, "network", "init", "--config", made.config, "--home", directory)
        assert "name a new directory" in message
    assert (made.home / "genesis.json").read_bytes() == genesis


def test_a_directory_without_a_network_says_how_to_make_one(tmp_path: Path) -> None:
    for arguments in (["network", "up", "--detach"], ["network", "status"], ["network", "down"]):
        message = command_refused("network_unknown", 2, *arguments, "--home", tmp_path / "nothing")
        assert "medbill network init" in message


# ── node start ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_home_made_for_another_genesis_is_refused(made: Network, other: Network, home: Path) -> None:
    """Issue, bad input: the data of one ledger under the configuration of another. Nothing is dropped."""
    shutil.rmtree(home / "data")
    shutil.copytree(other.node_home(VICTIM) / "data", home / "data")
    before = contents(home / "data")
    message = start_refused(made, home, "genesis_refused", 2)
    assert other.chain_id[:16] in message
    assert made.chain_id[:16] in message
    kept = contents(home / "data")
    assert {name: data for name, data in kept.items() if "state" not in name} == {
        name: data for name, data in before.items() if "state" not in name
    }


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_another_networks_genesis_is_refused(made: Network, other: Network, home: Path) -> None:
    """The node's certificate comes from an authority that the foreign genesis does not know."""
    shutil.copy(other.home / "genesis.json", home / "config" / "genesis.json")
    start_refused(made, home, "foreign_genesis", 6)


@pytest.mark.parametrize(
    "spoil", [lambda text: text[: len(text) // 2], lambda _text: "[" * 100_000], ids=["cut", "deep"]
)
def test_a_spoilt_genesis_is_refused(made: Network, home: Path, spoil: Callable[[str], str]) -> None:
    """Never a traceback, never another ledger."""
    genesis = home / "config" / "genesis.json"
    genesis.write_text(spoil(genesis.read_text("utf-8")), "utf-8")
    start_refused(made, home, "genesis_refused", 2)


@pytest.mark.parametrize("name", ["vote.key", "tls.key"])
def test_a_key_that_others_can_read_is_refused(made: Network, home: Path, name: str) -> None:
    """DESIGN 2: keys 0600."""
    (home / "config" / name).chmod(0o644)
    message = start_refused(made, home, "key_file_refused", 6)
    assert f"config/{name}: mode 0644 lets others in; chmod 600 it" in message


@pytest.mark.parametrize("name", ["vote.key", "tls.pem", "genesis.json", "node.yaml"])
def test_a_missing_file_is_named(made: Network, home: Path, name: str) -> None:
    """One line with the file's name; exit 2 for what is configuration, 6 for a key."""
    (home / "config" / name).unlink()
    done = made.run("node", "start", "--home", str(home), timeout=60)
    assert done.returncode in (2, 6), done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("medbill: ")]
    assert name in line


def test_a_foreign_vote_key_is_refused(made: Network, home: Path) -> None:
    """A node that signs with a key that is not its seat's would only be refused by all others."""
    shutil.copy(made.node_home("finance") / "config" / "vote.key", home / "config" / "vote.key")
    start_refused(made, home, "key_file_refused", 6)


def test_a_port_taken_at_start_is_named(made: Network, home: Path) -> None:
    """By `node start`, and by `network up` before it starts anything."""
    for port in (made.nodes[VICTIM]["peer_port"], made.nodes[VICTIM]["operations_port"]):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            listener.listen()
            assert f"127.0.0.1 port {port}" in start_refused(made, home, "address_taken", 1)
            message = command_refused(
                "port_taken", 1, "network", "up", "--home", made.home, "--detach", "--node", VICTIM
            )
            assert f"{VICTIM}: port {port} on 127.0.0.1 is taken; stop the program that listens there" in message
            assert not (made.node_home(VICTIM) / "run" / "node.pid").exists()


# ── among others ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_node_is_started_once(agencies: Agencies) -> None:
    """A second start is refused, by the pid file or by the store's lock; the first one serves on."""
    home, pid = agencies.node_home(VICTIM), agencies.pid(VICTIM)
    done = agencies.run("node", "start", "--home", str(home), timeout=60)
    assert f"process {pid} runs this node" in refused(done.stderr, done.returncode, "already_running", 6)
    assert agencies.pid(VICTIM) == pid
    (home / "run" / "node.pid").unlink()
    try:
        done = agencies.run("node", "start", "--home", str(home), timeout=60)
        assert "another process has it open" in refused(done.stderr, done.returncode, "storage_locked", 6)
    finally:
        (home / "run" / "node.pid").write_text(f"{pid}\n")
    agencies.verify_serving()


def test_a_node_without_its_journal_follows_and_does_not_vote(agencies: Agencies) -> None:
    """Issue item 3, PROTOCOL 14: it may have voted and forgotten it. /readyz says so; the others go on with a quorum."""
    home = agencies.node_home(VICTIM)
    status = agencies.status(VICTIM)
    assert status is not None
    seat = status["seat"]
    agencies.stop(VICTIM)
    aside = (home / "data" / "journal").rename(home / "journal.aside")
    agencies.start(VICTIM)
    try:
        height = agencies.height()
        for _ in range(3):
            agencies.take_lease("hospital-b", 1)
        agencies.until(agencies.agreed, "it follows")
        answer = agencies.ask(VICTIM, "/readyz")
        assert answer.status_code == 503
        assert "follows without voting: journal_missing" in answer.json()["reasons"]
        with agencies.call("archive") as link:
            blocks = link.ask(GetBlocks(height + 1, 16, 0), BlocksAnswer)
            assert isinstance(blocks, BlocksAnswer)
            for data in blocks.blocks:
                certificate = decode(data, FinalBlock).certificate
                assert seat not in [vote.seat for vote in certificate.signatures]
    finally:
        agencies.stop(VICTIM)
        assert not (home / "data" / "journal").exists()  # a start never makes one
        aside.rename(home / "data" / "journal")
        agencies.up(VICTIM)
    agencies.verify_serving()
