"""A validator that serves what does not hold, and followers that ask it: found out, dropped, nobody stops. RELIABILITY
2.2 Y11; 2.3 I1, I10, I13."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chain.codec import decode
from chain.genesis import genesis_from_json
from chain.proof import Proof
from node import rebuild_peers
from node.config import load_node_config
from node.home import NodeHome
from node.rebuild_peers import PeerBlocks
from tests.faults.history import Load, Recorder
from tests.faults.liar import FEW, HONEST, JUNK, LIAR, LIES, PATH, TRUTH, WITHHELD, Liar
from tests.faults.wired import Wired
from tests.network.running import VALIDATORS

pytestmark = pytest.mark.processes

FOLLOWERS = ("archive", "hospital-a")
LATE = "bigdata"
AWAY_BLOCKS = 20  # that are made without it
BLOCKS = 3
TOLD_S = 20.0  # until who has no other server has been lied to
BACK_S = 20.0  # until it is level again, beside honest servers and the liar


@pytest.fixture(scope="module")
def liar(network: Wired, recorder: Recorder) -> Iterator[Liar]:
    """In the place of one validator, while cashiers work and another validator is far behind; after it all four agree,
    and nothing that was promised is lost."""
    with Load(network, ["hospital-a", "hospital-b"], pause_s=0.1, recorder=recorder) as load:
        network.kill(LATE)
        height = network.height()
        network.until(lambda: network.height() >= height + AWAY_BLOCKS, "blocks without it")
        network.kill(LIAR)
        pids = {name: network.pid(name) for name in (*HONEST, *FOLLOWERS, "hospital-b") if name != LATE}
        try:
            with Liar(network) as liar:
                yield liar
                network.heal()
                load.verify()
        finally:
            network.up(*VALIDATORS)
    network.until(lambda: network.agreed((*VALIDATORS, "archive")), "one height and root", 30)
    last = (network.status("archive") or {})["digest"]
    for name in ("hospital-a", "hospital-b"):
        network.until(lambda: (network.status(name) or {}).get("digest") == last, f"{name} has the same block")  # noqa: B023
    assert {name: network.pid(name) for name in pids} == pids  # nobody stopped


def refused_by(network: Wired, node: str) -> int:
    """Answers of servers that a follower did not take, and those that it waited for in vain."""
    if node == "archive":
        counted = network.counted("medbill_follow_total", node)
        return counted.get("lies", 0) + counted.get("silences", 0)
    return network.figure(node, "refused_answers_total")


def test_a_validator_that_is_behind_takes_no_lie(network: Wired, liar: Liar) -> None:
    """Y11: at first only the liar is there to be asked. What it shows of true blocks is taken, and nothing else."""
    for wire in network.between([LATE], HONEST):
        wire.cut()
    liar.turns = LIES
    network.start(LATE, 60)
    network.until(lambda: all(liar.told_to(LATE, lie) for lie in LIES), "every lie is told", TOLD_S)
    assert refusals(network, LATE) >= 3  # no quorum's signatures twice, another list once
    height = network.height(HONEST)
    assert not network.is_level(LATE, height)
    liar.turns = ()
    network.heal()
    network.until(lambda: network.is_level(LATE, height), "it is level", BACK_S)
    network.until(lambda: network.height(HONEST) >= height + BLOCKS, "it votes: the honest go on", BACK_S)


def test_followers_that_have_only_a_liar_take_nothing_and_go_on_with_the_honest(network: Wired, liar: Liar) -> None:
    """Y11: the archive and a gateway hear nobody else for a while; before each lie it told them the truth."""
    for wire in network.between(FOLLOWERS, HONEST):
        wire.cut()
    for lie in LIES:
        tell(network, liar, TRUTH)
        before = {name: refused_by(network, name) for name in FOLLOWERS}
        tell(network, liar, lie)
        if lie == WITHHELD:  # the last: the honest are there again before the archive waits no more
            network.heal()
        for name in FOLLOWERS[:1] if lie == WITHHELD else FOLLOWERS:  # a gateway counts no silence
            network.until(lambda: refused_by(network, name) > before[name], f"{name} finds out: {lie}")  # noqa: B023
    height = network.height(HONEST)
    network.until(lambda: all(network.is_level(name, height) for name in FOLLOWERS), "they are level", BACK_S)


def tell(network: Wired, liar: Liar, lie: str) -> None:
    """Until both have heard it."""
    liar.lie = lie
    before = {name: liar.told_to(name, lie) for name in FOLLOWERS}
    network.until(lambda: all(liar.told_to(name, lie) > before[name] for name in FOLLOWERS), f"{lie} is told", TOLD_S)


def test_validators_are_told_of_blocks_that_nobody_signed_and_go_on(network: Wired, liar: Liar) -> None:
    """Y11: they ask for what the liar says to have, a million blocks, and count what comes."""
    liar.lie = JUNK
    before, height = {name: refusals(network, name) for name in HONEST}, network.height(HONEST)
    network.until(lambda: all(refusals(network, name) > before[name] for name in HONEST), "they count it", TOLD_S)
    assert all(liar.told_to(name, JUNK) for name in HONEST)
    network.until(lambda: network.height(HONEST) >= height + BLOCKS, "blocks come")


def refusals(network: Wired, node: str) -> int:
    counted = network.counted("medbill_messages_refused_total", node)
    return sum(counted.get(code, 0) for code in ("CertificateInvalid", "MessageMalformed"))


def test_a_record_with_a_wrong_path_is_no_part_of_a_proof(network: Wired, liar: Liar, recorder: Recorder) -> None:
    """Y11, wrong proof: a proof without its newest record says so; with the honest it has one."""
    gateway = network.api("hospital-a")
    bill = next(call.bill for call in recorder.calls if call.organisation == "hospital-a" and call.height)

    def shows_its_record() -> bool:
        return decode(gateway.get(f"/bills/{bill}/proof").content, Proof).current is not None

    liar.lie = PATH
    for wire in network.between(["hospital-a"], HONEST):
        wire.cut()
    network.until(lambda: network.figure("hospital-a", "validator_links") == 1, "only the liar is left")
    network.until(lambda: not shows_its_record() and liar.records, "the liar is asked for the record")
    network.heal()
    network.until(shows_its_record, "an honest record")


def test_a_rebuild_waits_once_for_who_says_nothing(
    network: Wired, liar: Liar, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Y11, withheld blocks: each block would be asked of another peer here; of that one no more."""
    monkeypatch.setattr(rebuild_peers, "BLOCKS_MAX", 1)
    monkeypatch.setattr(rebuild_peers, "ASK_TIMEOUT_S", 1.0)
    liar.lie = WITHHELD
    before = liar.told_to(LATE, WITHHELD)
    genesis = genesis_from_json((network.home / "genesis.json").read_bytes())
    with PeerBlocks(NodeHome(stopped), load_node_config(stopped), genesis) as peers:
        network.until(lambda: LIAR in [link.node for link in peers._links()], "the liar is there")
        assert all(peers.block(height) for height in range(1, AWAY_BLOCKS))
    assert liar.told_to(LATE, WITHHELD) == before + 1


def test_a_rebuild_takes_no_block_that_no_quorum_signed(network: Wired, liar: Liar, stopped: Path) -> None:
    """Y11: at first only the liar is there to be asked; it is asked no more, and the honest give all."""
    (stopped / "data" / "blocks" / "00000001.log").unlink()
    liar.lie = FEW
    before = liar.told_to(LATE, FEW)
    for wire in network.between([LATE], HONEST):
        wire.cut()
    command = ("node", "rebuild", "--home", str(stopped), "--from-peers", "--json")
    with ThreadPoolExecutor(1) as thread:
        rebuilding = thread.submit(network.medbill, *command)
        network.until(lambda: liar.told_to(LATE, FEW) > before, "the liar is asked", TOLD_S)
        network.heal()
        rebuilt = json.loads(rebuilding.result())
    # on a busy machine its first answer may come when it is not waited for any more: then it is asked once more, and that is all
    assert before < liar.told_to(LATE, FEW) <= before + 2
    assert rebuilt["blocks_fetched"] == rebuilt["height"] > AWAY_BLOCKS


@pytest.fixture
def stopped(network: Wired) -> Iterator[Path]:
    """The home of a validator that does not run; afterwards it votes."""
    network.kill(LATE)
    yield network.node_home(LATE)
    network.start(LATE, 60)
    height = network.height(HONEST)
    network.until(lambda: network.height(HONEST) >= height + BLOCKS, "blocks come with it", BACK_S)
