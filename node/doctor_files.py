"""What `doctor` finds in the files of a home: private ones, the certificate, stores, journal and block log together."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from cryptography import x509

from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from chain.errors import ChainError, StorageDamaged
from chain.genesis import Genesis
from node.admissions import authorities_of
from node.config import GATEWAY, MIRROR, VALIDATOR, NodeConfig
from node.details_store import DIRECTORY as DETAILS
from node.errors import KeyFileRefused, NodeError
from node.home import NodeHome
from node.journal import FILE_NAME as JOURNAL_FILE
from node.keystore import load_secret, load_signing_key
from node.peer_certificate import PeerContexts
from node.verify_gateway import DIRECTORY as GATEWAY_STORE
from node.vote_memory import MARK

Found = tuple[str, Literal["ok", "warn", "fail"], str, str]
CERTIFICATE_WARN_DAYS = 30
DAY_MS = 86_400_000
PRIVATE = 0o600


def look_at_files(place: NodeHome, config: NodeConfig) -> Iterator[Found]:
    """Whether all files that the kind of node needs are there."""
    wanted = [place.genesis, place.node_yaml, place.tls_key, place.tls_certificate]
    wanted += [config.data_dir / name for name in _stores(config)]
    if config.kind == GATEWAY:
        wanted += [place.unit_key, place.mac_key, place.storage_key]
    elif config.kind == MIRROR:
        wanted.append(place.storage_key)
    missing = [path for path in wanted if not path.exists()]
    if not missing:
        yield "files", "ok", f"{len(wanted)} there", ""
    for path in missing:
        if config.data_dir in path.parents:
            advice = "'medbill node rebuild --from-peers', or 'medbill node restore'"
        else:
            advice = "put the file of this node back; keys are in no backup of 'medbill node backup'"
        yield "files", "fail", f"{path}: missing", advice


def look_at_keys(place: NodeHome, config: NodeConfig) -> Iterator[Found]:
    """Modes, and whether each reads."""
    signing = [
        *place.config_dir.glob("vote*.key"),
        *place.config_dir.glob("unit.key"),
        *place.config_dir.glob("seal.key"),
    ]
    secrets = [path for path in (place.mac_key, place.storage_key) if path.exists()]
    trouble = 0
    for path in [*signing, *secrets]:
        try:
            if path in secrets:
                load_secret(path)
            else:
                load_signing_key(path)
        except KeyFileRefused as refusal:
            trouble += 1
            yield "keys", "fail", str(refusal), "see the message"
    for path in place.config_dir.glob("*.key"):
        if stat.S_IMODE(path.stat().st_mode) & ~PRIVATE and path not in [*signing, *secrets]:
            trouble += 1
            yield "keys", "fail", f"{path}: others may read it", "chmod 600, and replace it if somebody did"
    if not trouble:
        yield "keys", "ok", f"{len(signing) + len(secrets)} read, none open to others", ""


def look_at_certificate(place: NodeHome, organisation: str, genesis: Genesis, now_ms: int) -> Iterator[Found]:
    """Of the node's own: whether genesis' authority issued it, and how long it holds."""
    try:
        contexts = PeerContexts(place.tls_certificate, place.tls_key, authorities_of(place, organisation, genesis))
    except NodeError as error:
        yield "certificate", "fail", str(error), "have the organisation's authority issue one for this node's key"
        return
    parsed = x509.load_pem_x509_certificate(place.tls_certificate.read_bytes())
    days = (int(parsed.not_valid_after_utc.timestamp() * 1000) - now_ms) // DAY_MS
    detail = f"{contexts.me.node} of {contexts.me.organisation}, {days} days left"
    advice = "have the organisation's authority issue the next one"
    if days < 0:
        yield "certificate", "fail", detail, advice
    elif days < CERTIFICATE_WARN_DAYS:
        yield "certificate", "warn", detail, advice
    else:
        yield "certificate", "ok", detail, ""


def look_at_stores(config: NodeConfig, genesis: Genesis) -> Iterator[Found]:
    """The end of the block log, and the journal beside it; read only, so also while the node runs."""
    if config.kind == GATEWAY or not (config.data_dir / "blocks").exists():
        return
    try:
        log = BlockLog.open_read_only(config.data_dir / "blocks")
    except StorageDamaged as damage:
        yield "block log", "fail", str(damage), "'medbill node rebuild --from-peers'"
        return
    try:
        if log.height >= log.first_height:
            header = decode(log.read(log.height), FinalBlock).block.header
            if header.chain_id != genesis.digest():
                yield (
                    "block log",
                    "fail",
                    "of another ledger than genesis.json",
                    "put the right genesis.json in its place",
                )
                return
        torn = f", {log.torn_bytes} unfinished bytes behind them" if log.torn_bytes else ""
        yield "block log", "ok", f"{log.height} blocks{torn}", ""
    except ChainError as error:
        yield "block log", "fail", str(error), "'medbill node rebuild --from-peers'"
        return
    finally:
        log.close()
    if config.kind == VALIDATOR:
        yield from _look_at_journal(config.data_dir / "journal")


def _look_at_journal(directory: Path) -> Iterator[Found]:
    """Whether one is there; whether it is sound, only the node that has it open may ask."""
    path = directory / JOURNAL_FILE
    if not path.is_file():
        yield "journal", "fail", f"{path}: missing, the node follows and signs nothing", "'medbill node renew'"
    elif (directory / MARK).exists():
        reason = (directory / MARK).read_text("ascii", errors="replace")[:40]
        advice = "'medbill node rebuild --set-journal-aside', then 'medbill node renew'"
        yield "journal", "fail", f"{path}: {reason}, the node signs nothing", advice
    else:
        yield "journal", "ok", f"{path.stat().st_size} bytes", ""


def _stores(config: NodeConfig) -> tuple[str, ...]:
    if config.kind == GATEWAY:
        return (GATEWAY_STORE,)
    return ("blocks", "state", DETAILS) if config.kind == MIRROR else ("blocks", "state")
