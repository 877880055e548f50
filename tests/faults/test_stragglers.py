"""Who comes late while the others work: a mirror that begins, a validator that lost its disk, a gateway that was away.
RELIABILITY 2.1 P4, 2.3 I6, I10 and I12; PROTOCOL 11, 14 and 17."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.faults.history import Load
from tests.faults.wired import OBSERVER, Wired
from tests.network.running import VALIDATORS

pytestmark = pytest.mark.processes

LEVEL_S = 60.0  # until whoever comes late stands where the others stand
AWAY_BLOCKS = 100  # that are made without it
BLOCKS = 3


def test_a_mirror_that_begins_replays_from_genesis_while_bills_go_in(network: Wired, load: Load) -> None:
    """I6: what it derives from all blocks is what the others have, that voted for each."""
    before = network.height()
    network.up(OBSERVER)
    try:
        network.until(
            lambda: network.is_level(OBSERVER, before + 1), "it has all that was there before, and more", LEVEL_S
        )
        bills = len(load.recorded)
        network.until(lambda: len(load.recorded) > bills, "bills go in")
        load.leave()
        network.until(lambda: network.agreed((*VALIDATORS, "archive", OBSERVER)), "one height and root", LEVEL_S)
        height = network.height([OBSERVER])
        followed = network.counted("medbill_follow_total", OBSERVER)
        assert followed["blocks"] >= height  # each of them, from the first on
        assert not followed.get("lies")
    finally:
        network.medbill("network", "down", "--home", str(network.home), "--node", OBSERVER)


def test_a_validator_that_lost_its_disk_votes_again_while_bills_go_in(network: Wired, load: Load) -> None:
    """README, "Running it": rebuild and renew, and nobody waits meanwhile."""
    victim, home = "bigdata", str(network.node_home("bigdata"))
    network.kill(victim)
    shutil.rmtree(network.node_home(victim) / "data")
    bills = len(load.recorded)
    rebuilt = json.loads(network.medbill("node", "rebuild", "--home", home, "--from-peers", "--json"))
    assert rebuilt["blocks_fetched"] == rebuilt["height"] > 0
    network.start(victim, 60)
    assert "follows without voting: journal_missing" in (network.status(victim) or {})["reasons"]
    assert network.json("node", "renew", "--home", home)["status"] == "recorded"
    network.until(lambda: network.is_ready(victim), "it is ready", LEVEL_S)
    assert len(load.recorded) > bills
    with network.paused("finance"):  # now nothing is decided without it
        height = network.height([victim])
        network.until(lambda: network.is_level(victim, height + BLOCKS), "it votes")


def test_a_gateway_that_was_away_catches_up_and_its_outbox_drains(network: Wired, load: Load) -> None:
    """DESIGN 6: what it answered with a number lies on its disk while others work, and is recorded when it is back."""
    for wire in network.between(["hospital-a"]):
        wire.cut()
    network.until(lambda: network.figure("hospital-a", "outbox_items") >= 5, "bills wait")
    network.kill("hospital-a")
    height = network.height()
    network.until(lambda: network.height() >= height + AWAY_BLOCKS, "the others work on", LEVEL_S)
    network.heal()
    height = network.height()
    network.up("hospital-a")
    network.until(lambda: network.is_level("hospital-a", height), "it is level", LEVEL_S)
    load.leave()
    network.until(lambda: network.figure("hospital-a", "outbox_items") == 0, "nothing waits any more", LEVEL_S)


def test_who_waits_for_a_view_alone_says_so_until_the_others_change_theirs(network: Wired, load: Load) -> None:
    """PROTOCOL 6 and 10: a backup that is cut off with work leaves its view alone. Linked again it follows, and it votes
    when the others leave too, which then need it. No restart."""
    primary = network.primary()
    lone = next(name for name in VALIDATORS if name != primary)
    pid = network.pid(lone)
    for wire in network.between([lone]) + network.between(["hospital-b"], set(VALIDATORS) - {lone}):
        wire.cut()  # what hospital-b has goes to that one alone
    network.until(lambda: waits_for(network, lone) in network.reasons(lone), "it waits", 20)
    waits = waits_for(network, lone)
    network.heal()
    network.until(
        lambda: network.reasons(lone) in ([waits], []), "it is linked", 20
    )  # [] if they had a reason to change
    height = network.height()
    network.until(lambda: network.is_level(lone, height + BLOCKS), "it follows")
    with network.paused(primary):
        network.until(lambda: network.is_ready(lone), "it is ready again", 20)
        height = network.height([lone])
        network.until(lambda: network.is_level(lone, height + BLOCKS), "it votes: two others alone decide nothing")
    assert network.pid(lone) == pid


def waits_for(network: Wired, name: str) -> str:
    """What /readyz says of one that left its view alone."""
    return f"waits for view {(network.status(name) or {}).get('view')}"
