"""`medbill node unsafe-new-journal`: the only way out when every validator has lost its journal (PROTOCOL, last section).

A network that was restored from one backup has nobody who may vote, so nobody can `renew` either. Whoever runs this
command states what no program can know: all nodes are stopped, all hold the same last block, and no vote for a height
above it counts any more, because whoever may have seen one has been restored too. If that is not so, two different
blocks may become final at one height. Its use is written down beside the data, and `medbill node doctor` shows it for ever.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from chain.directory import flush_directory
from chain.genesis import genesis_from_json
from chain.ledger import Ledger
from node.config import VALIDATOR, load_node_config
from node.errors import NodeError
from node.home import NodeHome
from node.journal import FIRST_RENEWAL, Journal
from node.vote_keys import VoteKeys

RECORD = "unsafe.json"  # in data/


class UnsafeRefused(NodeError):
    """`code`: not_a_validator, journal_exists, block_differs."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class UnsafeUse(msgspec.Struct, frozen=True):
    """One use, as it is written down."""

    at_ms: int
    height: int
    digest: str


def make_unsafe_journal(home: Path, height: int, digest: str) -> UnsafeUse:
    """Make a fresh journal for a stopped validator whose block log ends exactly at `height` with `digest` (hex).

    Raises UnsafeRefused, StorageLocked if the node runs, StorageDamaged if log or state do not hold.
    """
    place, config = NodeHome(home), load_node_config(home)
    if config.kind != VALIDATOR:
        raise UnsafeRefused("not_a_validator", f"{config.name} is a {config.kind} and has no votes")
    genesis = genesis_from_json(place.genesis.read_bytes())
    directory = config.data_dir / "journal"
    if directory.exists() and any(directory.iterdir()):
        raise UnsafeRefused(
            "journal_exists",
            f"{directory} is not empty; a node with a journal starts with it, or returns by 'medbill node renew'. If it "
            "is of no use: 'medbill node rebuild --set-journal-aside'",
        )
    log = BlockLog.open(config.data_dir / "blocks")
    ledger = Ledger.open(config.data_dir, genesis, log=log, indexes=False)
    try:
        last = genesis.digest()
        if log.height:
            last = decode(log.read(log.height), FinalBlock).block.header.digest()
        if (log.height, last.hex()) != (height, digest.lower()):
            raise UnsafeRefused(
                "block_differs",
                f"the block log ends at height {log.height} with {last.hex()}: all nodes must end alike",
            )
        renewal = ledger.renewal_of(config.organisation)
        use = UnsafeUse(time.time_ns() // 1_000_000, height, last.hex())
        _record(config.data_dir / RECORD, use)  # before the journal: used at all is what matters
        Journal.create(
            directory,
            VoteKeys(place.config_dir).publics,
            renewal.number if renewal is not None else FIRST_RENEWAL,
            log.last_journal_sequence + 1,
        ).close()
        return use
    finally:
        ledger.close()


def uses_of(data: Path) -> list[UnsafeUse]:
    """All uses on this node, oldest first. Raises msgspec.MsgspecError for a file that cannot be read."""
    path = data / RECORD
    return msgspec.json.decode(path.read_bytes(), type=list[UnsafeUse]) if path.exists() else []


def _record(path: Path, use: UnsafeUse) -> None:
    new = path.with_suffix(".new")
    with new.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode([*uses_of(path.parent), use]), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)
    flush_directory(path.parent)
