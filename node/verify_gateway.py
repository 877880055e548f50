"""What a gateway holds of the ledger, checked again: every header and certificate, and its own part of each block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from chain.codec import decode
from chain.database import Database
from chain.errors import ChainError, StorageLocked
from chain.genesis import Genesis
from chain.validators import ValidatorSet
from node.config import NodeConfig
from node.gateway_store import POSITION_KEY, CertifiedHeader, Position, header_key, part_key, set_key
from node.messages import Part
from node.part_check import Before, Ledger, check_part
from node.store_copy import open_copy

DIRECTORY = "gateway"


def verify_gateway(
    config: NodeConfig, genesis: Genesis, place: Path, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, bool | None, str]]:
    """(name, ok, detail) of each check. Works on a copy, which may be taken beside the running gateway."""
    path = config.data_dir / DIRECTORY
    try:
        try:
            database = open_copy(path, place / DIRECTORY)
        except StorageLocked:
            database = open_copy(path, place / DIRECTORY, in_use=True)
        ledger = Ledger.of(genesis, config.organisation, config.office_name)
        value = database.get(POSITION_KEY)
        position = decode(value, Position) if value is not None else None
    except (ChainError, OSError) as error:
        yield "gateway store", False, str(error)
        return
    try:
        if position is None:
            yield "gateway store", None, "nothing has been followed yet"
        elif position.chain_id != ledger.chain_id:
            yield "gateway store", False, "made for another genesis"
        else:
            yield from verify_parts(database, ledger, position, progress)
    finally:
        database.close()


def verify_parts(
    database: Database, ledger: Ledger, position: Position, progress: Callable[[int, int], None]
) -> Iterator[tuple[str, bool | None, str]]:
    before, parts, changes = Before.genesis(ledger), 0, 0
    for height in range(1, position.height + 1):
        try:
            kept = database.get(header_key(height))
            if kept is None:
                yield "headers", False, f"the header of block {height} is missing"
                return
            header = decode(kept, CertifiedHeader)
            held = database.get(part_key(height))
            next_set = None
            if header.header.next_validators != header.header.validators:
                stored = database.get(set_key(height + 1))
                if stored is None:
                    yield "headers", False, f"the set of validators after block {height} is missing"
                    return
                next_set, changes = decode(stored, ValidatorSet), changes + 1
            bare = Part(header.header, header.certificate, [], [], [], [], next_set)
            part = decode(held, Part) if held is not None else bare
            if part.header != header.header:
                yield "parts", False, f"block {height}: the part is of another block"
                return
            if part.next_set != next_set:
                yield "parts", False, f"block {height}: the part names another set of validators"
                return
            checked = check_part(ledger, before, part)
            parts += held is not None
        except ChainError as error:
            yield "headers and parts", False, f"block {height}: {error}"
            return
        before = Before.block(header.header, checked.voters)
        progress(height, position.height)
    if before.digest != position.digest:
        yield "headers", False, f"the position names another block {position.height}"
        return
    yield "headers", True, f"{position.height} blocks, each signed by a quorum of its set, {changes} changes of the set"
    yield "parts", True, f"{parts} blocks with operations of ours or seals over them, all proven"
