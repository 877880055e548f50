"""Homes of stopped nodes with ten blocks in them, as files; for stories about backup, restore, rebuild and doctor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chain.block_log import BlockLog
from chain.codec import encode
from chain.database import Database
from chain.genesis import genesis_to_json
from chain.ledger import Ledger
from chain.operation import RangeRef, TakeLease, operation_digest
from node.answers import part_of
from node.details_store import DetailsStore
from node.gateway_store import (
    POSITION_KEY,
    BillRow,
    BusinessRow,
    CertifiedHeader,
    LeaseRow,
    OutboxItem,
    Position,
    bill_key,
    business_key,
    header_key,
    lease_key,
    outbox_key,
    part_key,
)
from node.journal import Journal
from node.keystore import save_secret, save_signing_key
from tests.chain.making import Chain, genesis, issue_bill, vote_key_of
from tests.node.following import open_ledger

NODE_YAML = """\
name: {name}
kind: {kind}
organisation: {organisation}
operations: {{host: 127.0.0.1, port: 9}}
peers: []
"""
LISTEN = "listen: {host: 127.0.0.1, port: 7101}\n"
BLOCKS = 10
SEGMENT_BYTES = 4_000  # so that ten blocks make several segments
STORAGE_KEY = bytes(range(32))


def make_config(root: Path, name: str, kind: str, organisation: str, more: str = "") -> Path:
    config = root / "config"
    config.mkdir(parents=True)
    text = NODE_YAML.format(name=name, kind=kind, organisation=organisation) + more
    (config / "node.yaml").write_text(text + (LISTEN if kind != "gateway" else ""))
    (config / "genesis.json").write_text(genesis_to_json(genesis()))
    if kind != "validator":
        save_secret(config / "storage.key", STORAGE_KEY)
    else:
        save_signing_key(config / "vote.key", vote_key_of("finance"))
    return root


def make_chain(data: Path) -> Chain:
    """Ten blocks, nine of them with a bill; flushed one by one, in several segments."""
    data.mkdir(parents=True, exist_ok=True)
    BlockLog.create(data / "blocks", segment_bytes_max=SEGMENT_BYTES).close()
    Ledger.create_state(data, genesis())
    log = BlockLog.open(data / "blocks", segment_bytes_max=SEGMENT_BYTES)
    ledger = Ledger.open(data, genesis(), log=log, indexes=True)
    chain = Chain(ledger=ledger)
    chain.lease()
    for serial in range(1, BLOCKS):
        chain.run("hospital-a", issue_bill(f"B-{serial}", serial=serial))
    return chain


def make_validator(root: Path) -> Path:
    make_config(root, "finance", "validator", "finance")
    chain = make_chain(root / "data")
    Journal.create(root / "data" / "journal", [vote_key_of("finance").public]).close()
    chain.ledger.close()
    return root


def make_mirror(root: Path) -> Path:
    make_config(root, "archive", "mirror", "finance-city")
    chain = make_chain(root / "data")
    DetailsStore.create(root / "data")
    chain.ledger.close()
    return root


OFFICE = "places: [A01]\nlease_count: 100\nlease_threshold: 10\ntransaction_window_blocks: 100\n"
OFFICE_PEER = "office: {name: archive, organisation: finance-city}\n"


def make_gateway(root: Path) -> Path:
    """It has followed the ten blocks; one bill is queued, a lease has numbers left, another was asked for."""
    make_config(root, "hospital-a", "gateway", "hospital-a", OFFICE + OFFICE_PEER)
    path = root / "config" / "node.yaml"
    peer = "peers:\n- {name: archive, organisation: finance-city, kind: mirror, host: 127.0.0.1, port: 7105}\n"
    path.write_text(path.read_text().replace("peers: []\n", peer))
    chain = make_chain(root / "chain")
    database = Database.create(root / "data" / "gateway")
    for key, value in gateway_rows(chain):
        database.write({key: value}, [], sync=True)
    database.close()
    chain.ledger.close()
    return root


def gateway_rows(chain: Chain) -> Iterator[tuple[bytes, bytes]]:
    ledger = chain.ledger
    before = None
    for height in range(1, BLOCKS + 1):
        view = ledger.final(height)
        assert view is not None
        part = part_of(view, before, "hospital-a", lambda bill, organisation: True)
        yield header_key(height), encode(CertifiedHeader(view.header, view.certificate))
        if part.transactions or part.seals:
            yield part_key(height), encode(part)
        before = view.header
    head = ledger.head
    yield POSITION_KEY, encode(Position(ledger.chain_id, head.height, head.digest, head.time_ms))
    queued = issue_bill("B-20", serial=20)
    digest = operation_digest(queued)
    yield outbox_key(1), encode(OutboxItem(1, queued, "", False))
    yield bill_key(queued.bill), encode(BillRow(queued, digest, "", 0, 0, 0, "", "", "", 0, 0, 0, "", 0))
    yield business_key(queued.business_mac), encode(BusinessRow(queued.bill, queued.content_mac))
    code = queued.bill[:8]
    yield lease_key(code, 1), encode(LeaseRow(code, 1, 100, "A01", 21))
    asked = TakeLease(RangeRef("hospital-a", code, 1), 101, 100, "hospital-a", "A01")
    yield outbox_key(2), encode(OutboxItem(2, asked, "", False))


def reopen(home: Path) -> Ledger:
    return open_ledger(home / "data", genesis())
