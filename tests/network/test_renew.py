"""Validators that must not vote, and their way back by `medbill node renew`: real processes. Source: PROTOCOL rule 14;
RELIABILITY 3.4 and G7."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from tests.network.running import Network, bill_request, with_free_ports

pytestmark = pytest.mark.processes

MEMBERS = ("bigdata", "finance", "health", "insurance")


@pytest.fixture(scope="module")
def province(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network(tmp_path_factory.mktemp("renewed"))
    try:
        network.up(*MEMBERS, "archive", "hospital-a")
        yield network
    finally:
        network.down()


def grow(network: Network, bills: int) -> None:
    """So many sealed bills: two blocks each."""
    for number in range(bills):
        body = bill_request(f"renewed-{head(network)}-{number}")
        answer = network.api("hospital-a").post("/bills", json=body, headers={"Prefer": "wait=20"})
        assert answer.json()["status"] == "sealed", answer.text


def learner(network: Network, name: str) -> str | None:
    """Why it does not vote, once it answers."""
    status = network.until(lambda: network.status(name), f"{name} answers")
    reason = status["learner"]
    return None if reason is None else str(reason)


def signed_heights(network: Network, name: str) -> list[int]:
    """Heights of the blocks whose certificate, as the archive has it, holds a vote of the organisation."""
    log = BlockLog.open_read_only(network.node_home("archive") / "data" / "blocks")
    seat = MEMBERS.index(name)
    heights = []
    for height in range(1, log.height + 1):
        certificate = decode(log.read(height), FinalBlock).certificate
        if seat in [vote.seat for vote in certificate.signatures]:
            heights.append(height)
    log.close()
    return heights


def head(network: Network) -> int:
    return int(network.status("archive")["height"])


def renew(network: Network, name: str) -> dict[str, object]:
    return dict(network.json("node", "renew", "--home", str(network.node_home(name))))


def votes_again(network: Network, name: str) -> None:
    network.until(lambda: learner(network, name) is None, f"{name} votes again")
    height = head(network)
    other = next(member for member in MEMBERS if member != name)
    network.kill(other)  # now nothing is decided without it
    grow(network, 1)
    assert signed_heights(network, name)[-1] > height
    network.up(other)


def test_a_wiped_journal_is_renewed_while_the_node_runs(province: Network) -> None:
    """The key was kept, the votes were not."""
    network, name = province, "insurance"
    grow(network, 2)
    network.stop(name)
    journal = network.node_home(name) / "data" / "journal"
    shutil.rmtree(journal)
    height = head(network)
    network.spawn(network.node_home(name))
    assert learner(network, name) == "journal_missing"
    grow(network, 2)
    assert not [signed for signed in signed_heights(network, name) if signed > height]

    outcome = renew(network, name)
    assert outcome["status"] == "recorded"
    votes_again(network, name)
    assert "renewed at" in network.medbill("validators", "list", "--home", str(network.home))
    before = journal.stat().st_ino
    for other, code in ((name, "renewed_lately"), ("finance", "votes_already")):
        refused = network.run("node", "renew", "--home", str(network.node_home(other)), "--json")
        assert (refused.returncode, json.loads(refused.stdout)["code"]) == (6, code)
    assert journal.stat().st_ino == before  # a refusal moves nothing


def test_a_restored_journal_is_renewed_while_the_node_is_stopped(province: Network, tmp_path: Path) -> None:
    """A backup of the whole home, put back as new files."""
    network, name = province, "health"
    home = network.node_home(name)
    network.stop(name)
    shutil.copytree(home, tmp_path / "backup", copy_function=shutil.copy2)
    network.up(name)
    grow(network, 2)
    network.kill(name)
    shutil.rmtree(home)
    shutil.copytree(tmp_path / "backup", home, copy_function=shutil.copy2)
    height = head(network)
    network.spawn(home)
    assert learner(network, name) == "journal_copied"
    grow(network, 1)
    assert not [signed for signed in signed_heights(network, name) if signed > height]
    network.stop(name)
    assert renew(network, name)["status"] == "recorded"
    network.up(name)
    votes_again(network, name)


def test_a_damaged_journal_makes_a_learner_and_not_a_dead_node(province: Network) -> None:
    network, name = province, "bigdata"
    grow(network, 1)
    network.kill(name)
    file = network.node_home(name) / "data" / "journal" / "journal.log"
    data = bytearray(file.read_bytes())
    data[400] ^= 4
    file.write_bytes(data)
    network.spawn(network.node_home(name))
    assert learner(network, name) == "journal_damaged"
    answer = network.status(name)
    assert "follows without voting: journal_damaged" in answer["reasons"]
    grow(network, 1)
    assert renew(network, name)["status"] == "recorded"
    votes_again(network, name)


def test_a_clone_beside_the_original_never_votes(province: Network, tmp_path: Path) -> None:
    """Two live copies of a home, with other ports: the copy knows what it is, and the network goes on."""
    network, name = province, "finance"
    home, clone = network.node_home(name), tmp_path / "clone"
    shutil.copytree(home, clone, copy_function=shutil.copy2)
    config = clone / "config" / "node.yaml"
    text = config.read_text("utf-8")
    ports = (network.nodes[name]["peer_port"], network.nodes[name]["operations_port"])
    for port in ports:
        text = text.replace(f"port: {port}", f"one_port: {port}")
    config.write_text(with_free_ports(text).replace("one_port:", "port:"), "utf-8")
    (clone / "run" / "node.pid").unlink(missing_ok=True)
    network.spawn(clone)
    pid_file = clone / "run" / "node.pid"
    network.until(pid_file.exists, "the clone runs")
    log = clone / "logs" / "node.log"
    network.until(lambda: "journal_copied" in log.read_text("utf-8"), "it says what it is")
    grow(network, 3)
    os.kill(int(pid_file.read_text()), 15)
    grow(network, 1)
    network.until(lambda: network.agreed(MEMBERS), "all stand at one height")
    for member in MEMBERS:
        assert network.status(member)["evidence"] == 0
