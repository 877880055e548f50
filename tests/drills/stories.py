"""The drills, each a story in commands: something is lost, an operator acts, nothing acknowledged is missing.

Each takes a province that is up with bills in it and leaves it up and whole. `python -m tests.drills` prints the table;
`tests/network/test_damage.py` and `tests/node/test_restore.py` run some of them with every `make test`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.drills.province import AGENCIES, EVERYBODY, Province
from tests.network.running import GATEWAYS, VALIDATORS

VICTIM = "insurance"


def restore_one_validator(province: Province, place: Path) -> str:
    """Its data are gone; another node's backup brings blocks and state; it follows without voting until renewed."""
    province.medbill("node", "backup", "--home", province.home_of("finance"), "--to", str(place / "one"))
    province.issue(3)
    province.stop(VICTIM)
    shutil.rmtree(province.node_home(VICTIM) / "data")
    restored = province.ask_json("node", "restore", "--home", province.home_of(VICTIM), "--from", str(place / "one"))
    province.start(VICTIM)
    province.until_quiet()
    status = province.status(VICTIM)
    assert status is not None
    assert status["height"] > restored["height"]
    assert any("journal_missing" in reason for reason in status["reasons"]), status["reasons"]
    province.issue(2)
    caught_up = province.until_quiet()
    again = return_by_renewal(province, VICTIM)
    return f"restored at block {restored['height']}, caught up to {caught_up}, votes again at {again}"


def return_by_renewal(province: Province, victim: str) -> int:
    """A learner votes again from the epoch that its organisation's renewal opens (PROTOCOL 14); the height then."""
    province.medbill("node", "renew", "--home", province.home_of(victim))
    province.until(lambda: is_voting(province, victim), f"{victim} votes", 60)
    province.issue(2)
    return province.until_quiet()


def is_voting(province: Province, name: str) -> bool:
    status = province.status(name)
    return status is not None and not status["reasons"]


def wipe_disk(province: Province, _place: Path) -> str:
    """A validator's blocks, state and journal are gone, keys kept: all comes from the others, and it returns by renewal."""
    victim = "health"
    province.stop(victim)
    shutil.rmtree(province.node_home(victim) / "data")
    rebuilt = province.ask_json("node", "rebuild", "--home", province.home_of(victim), "--from-peers")
    assert rebuilt["blocks_kept"] == 0
    assert rebuilt["blocks_fetched"] == rebuilt["height"] > 0
    assert rebuilt["journal"].startswith("missing")
    province.start(victim)
    province.issue(2)
    province.until_quiet()
    return f"{rebuilt['blocks_fetched']} blocks fetched, votes again at block {return_by_renewal(province, victim)}"


def lose_a_segment(province: Province, _place: Path) -> str:
    """The file of the block log is gone, state and journal are there: fetched again, the node votes as before."""
    province.stop(VICTIM)
    (province.node_home(VICTIM) / "data" / "blocks" / "00000001.log").unlink()
    refused = province.run("node", "start", "--home", province.home_of(VICTIM), timeout=60)
    assert refused.returncode == 1
    assert "block log" in refused.stderr
    rebuilt = province.ask_json("node", "rebuild", "--home", province.home_of(VICTIM), "--from-peers")
    assert rebuilt["blocks_fetched"] == rebuilt["height"]
    province.start(VICTIM)
    province.issue(2)
    province.until(lambda: is_voting(province, VICTIM), f"{VICTIM} votes")
    return f"{rebuilt['blocks_fetched']} blocks fetched, votes on"


def spoil_the_block_log(province: Province, _place: Path) -> str:
    """A flipped bit in the middle of the block log: the start names it, the sound blocks before it are kept."""
    province.stop(VICTIM)
    log = province.node_home(VICTIM) / "data" / "blocks" / "00000001.log"
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 8
    log.write_bytes(data)
    assert province.run("node", "start", "--home", province.home_of(VICTIM), timeout=60).returncode == 1
    rebuilt = province.ask_json("node", "rebuild", "--home", province.home_of(VICTIM), "--from-peers")
    assert rebuilt["blocks_kept"] > 0
    assert rebuilt["blocks_fetched"] > 0
    assert len(rebuilt["set_aside"]) == 1
    assert province.ask_json("node", "verify", "--home", province.home_of(VICTIM))["valid"]
    province.start(VICTIM)
    province.issue(2)
    province.until_quiet()
    return f"{rebuilt['blocks_kept']} blocks kept, {rebuilt['blocks_fetched']} fetched"


def damage_the_journal(province: Province, _place: Path) -> str:
    """A flipped bit in the journal: the node follows and says why; put aside, it returns by renewal."""
    victim = "bigdata"
    province.stop(victim)
    journal = province.node_home(victim) / "data" / "journal" / "journal.log"
    data = bytearray(journal.read_bytes())
    data[5] ^= 1
    journal.write_bytes(data)
    province.start(victim)
    status = province.until(lambda: province.status(victim), "it answers")
    assert any("journal_damaged" in reason for reason in status["reasons"]), status["reasons"]
    province.stop(victim)
    rebuilt = province.ask_json("node", "rebuild", "--home", province.home_of(victim), "--set-journal-aside")
    assert "put aside" in rebuilt["journal"]
    province.start(victim)
    status = province.until(lambda: province.status(victim), "it answers")
    assert any("journal_missing" in reason for reason in status["reasons"]), status["reasons"]
    province.until_quiet()
    return f"journal_damaged, put aside, journal_missing; votes again at {return_by_renewal(province, victim)}"


def damage_the_gateway(province: Province, _place: Path) -> str:
    """A gateway's store does not open any more while bills are queued: its outbox is salvaged, no number given twice."""
    province.stop(*VALIDATORS)
    before = set(province.issue(5, wait=0))
    province.stop("hospital-a")
    store = province.node_home("hospital-a") / "data" / "gateway"
    (manifest,) = store.glob("MANIFEST-*")
    data = bytearray(manifest.read_bytes())
    data[len(data) // 3] ^= 2
    manifest.write_bytes(data)
    refused = province.run("node", "start", "--home", province.home_of("hospital-a"), timeout=60)
    assert refused.returncode == 1
    assert "storage_damaged" in refused.stderr
    rebuilt = province.ask_json("node", "rebuild", "--home", province.home_of("hospital-a"))
    province.up(*VALIDATORS, "hospital-a")
    province.until_quiet()
    again = set(province.issue(3))
    assert not before & again
    province.verify_nothing_lost()
    return f"{len(rebuilt['lost'])} losses told, 5 queued bills recorded after all"


def lose_the_details(province: Province, _place: Path) -> str:
    """The archive's details are gone: they come again from the gateways."""
    province.stop("archive")
    shutil.rmtree(province.node_home("archive") / "data" / "details")
    rebuilt = province.ask_json("node", "rebuild", "--home", province.home_of("archive"))
    assert any("details of" in loss for loss in rebuilt["lost"])
    for gateway in GATEWAYS:
        province.stop(gateway)
        province.medbill("node", "rebuild", "--home", province.home_of(gateway), "--offer-details")
    province.up("archive", *GATEWAYS)
    auditor = province.api("archive")
    bill = next(iter(province.acknowledged.values()))

    def is_known() -> bool:
        claimed = {"bill_id": bill["bill_id"], "check_code": bill["check_code"]}
        return bool(auditor.post("/verifications", json=claimed).json().get("verdict") == "genuine")

    province.until(is_known, "the archive has the details again", 60)
    province.stop("archive")
    again = province.ask_json("node", "rebuild", "--home", province.home_of("archive"))
    assert again["lost"] == [], again["lost"]
    province.up("archive")
    return "lost, offered by the gateways, whole again"


def restore_the_network(province: Province, place: Path) -> str:
    """All block logs are lost: one node's backup restores every node, and unsafe-new-journal lets them vote again."""
    province.until_quiet()
    province.stop(*GATEWAYS)
    height, digest = province.last_block("archive")
    province.medbill("node", "backup", "--home", province.home_of("archive"), "--to", str(place / "all.tar"))
    province.medbill("node", "verify", "--backup", str(place / "all.tar"))
    province.down()
    for name in AGENCIES:
        shutil.rmtree(province.node_home(name) / "data")
        province.medbill("node", "restore", "--home", province.home_of(name), "--from", str(place / "all.tar"))
    for name in VALIDATORS:
        province.start(name)
    for name in VALIDATORS:  # nobody may vote, and each says so
        status = province.status(name)
        assert status is not None
        assert any("journal_missing" in reason for reason in status["reasons"]), status["reasons"]
    province.down()
    wrong = ("--height", str(height), "--digest", "00" * 32, "--all-nodes-are-stopped")
    province.medbill("node", "unsafe-new-journal", "--home", province.home_of("finance"), *wrong, expect=6)
    for name in VALIDATORS:
        words = ("--height", str(height), "--digest", digest, "--all-nodes-are-stopped")
        province.medbill("node", "unsafe-new-journal", "--home", province.home_of(name), *words)
    province.up(*EVERYBODY)
    province.issue(5)
    province.verify_nothing_lost()
    return f"five homes restored at block {height}, going on at {province.until_quiet()}"


DRILLS: list[tuple[str, Callable[[Province, Path], str]]] = [
    ("restore one node", restore_one_validator),
    ("lost segment", lose_a_segment),
    ("flipped bit in the block log", spoil_the_block_log),
    ("damaged journal", damage_the_journal),
    ("wiped disk", wipe_disk),
    ("damaged gateway store", damage_the_gateway),
    ("lost details", lose_the_details),
    ("restore the network from one backup", restore_the_network),
]
