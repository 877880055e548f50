"""What a bit-flip sweep works on: homes of every kind of node from a real network, and what they truly hold."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from chain.block_log import BlockLog
from chain.database import Database
from chain.genesis import Genesis, genesis_from_json
from chain.ledger import Ledger
from node.config import NodeConfig, load_node_config
from node.home import NodeHome
from node.journal import Journal
from tests.drills.province import Province

SEGMENT_BYTES = 8_192  # so that a short chain has closed segments
BATCH_ROWS = 16
STORES = {"archive": ("state", "details"), "finance": ("state",), "hospital-a": ("gateway",)}


class Kit:
    """Homes `finance` (validator), `archive` (mirror) and `hospital-a` (gateway), stopped; `whole` holds copies of
    them that nobody touches."""

    def __init__(self, root: Path) -> None:
        self.root, self.whole = root / "homes", root / "whole"
        self.proof, self.backup, self.network_json = root / "bill.proof", root / "backup", root / "network.json"
        self.genesis: Genesis = genesis_from_json((self.whole / "finance/config/genesis.json").read_bytes())
        self.blocks = self._blocks()

    def home(self, node: str) -> NodeHome:
        return NodeHome(self.root / node)

    def config(self, node: str) -> NodeConfig:
        return load_node_config(self.root / node)

    def whole_config(self, node: str) -> NodeConfig:
        """What node.yaml says, as if it lay in the home that is worked on."""
        config = load_node_config(self.whole / node)
        paper_forms = self.home(node).paper_forms
        return msgspec.structs.replace(config, data_dir=self.root / node / "data", paper_forms=paper_forms)

    def _blocks(self) -> list[bytes]:
        log = BlockLog.open_read_only(self.whole / "finance" / "data" / "blocks")
        try:
            return [log.read(height) for height in range(1, log.height + 1)]
        finally:
            log.close()

    def restore(self, node: str, store: str) -> None:
        """The directory of a store as it was. Files in it are made anew."""
        self._put(node, store, self.whole / node / "data" / store)

    def restore_unopened(self, node: str, store: str) -> None:
        """A store as a killed node leaves it: all rows lie in LevelDB's own log still, batch after batch."""
        self._put(node, store, self.unopened(node, store))

    def unopened(self, node: str, store: str) -> Path:
        return self.whole / "unopened" / node / store

    def _put(self, node: str, store: str, source: Path) -> None:
        place = self.root / node / "data" / store
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(source, place)

    def truth(self, path: Path) -> bytes:
        """What a file of `root` held before anybody flipped anything."""
        return (self.whole / path.relative_to(self.root)).read_bytes()

    @contextmanager
    def flipped(self, path: Path, offset: int, bit: int) -> Iterator[None]:
        """One bit of a file is another one meanwhile; it stays the same file, so that a journal is no copy."""
        data = path.read_bytes()
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(bytes([data[offset] ^ 1 << bit]))
        try:
            yield
        finally:
            if path.exists():
                with path.open("r+b") as file:
                    file.write(data)
                    file.truncate(len(data))


def make_kit(root: Path, bills: int) -> Kit:
    """Runs a network for it."""
    (root / "network").mkdir()
    province = Province(root / "network")
    try:
        province.up()
        ids = province.issue(bills)
        province.issue(2, gateway="hospital-b", place="B01")
        client = province.api("hospital-a")
        answer = client.post(f"/bills/{ids[0]}/reversal", json={"reason": "录入错误", "operator": "收费员01"})
        assert answer.status_code in (201, 202), answer.text
        province.issue(1)
        province.until_quiet()
        proof = client.get(f"/bills/{ids[1]}/proof")
        assert proof.status_code == 200, proof.text
        (root / "bill.proof").write_bytes(proof.content)
        province.medbill("node", "backup", "--home", province.home_of("archive"), "--to", str(root / "backup"))
        shutil.copyfile(province.home / "network.json", root / "network.json")
    finally:
        province.down()
    for node in STORES:
        shutil.copytree(province.node_home(node), root / "homes" / node)
        _settle(root / "homes" / node, node)
    shutil.copytree(root / "homes", root / "whole")
    kit = Kit(root)
    for node, stores in STORES.items():
        for store in stores:
            _write_unopened(kit.whole / node / "data" / store, kit.unopened(node, store))
    return kit


def _write_unopened(store: Path, to: Path) -> None:
    """The same rows in another database that is not opened again."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "copy"  # opening changes files
        shutil.copytree(store, copy)
        database = Database.open(copy)
        rows = list(database.scan(b""))
        database.close()
    database = Database.create(to)
    for start in range(0, len(rows), BATCH_ROWS):
        database.write(dict(rows[start : start + BATCH_ROWS]), [], sync=True)
    database.close()


def _settle(home: Path, node: str) -> None:
    """LevelDB's own log becomes a table and there is a new log; the block log gets closed segments, the journal is made
    anew with the same entries, for a copied one is found out before any bit of it is looked at."""
    data = home / "data"
    if node != "hospital-a":  # the state may be some blocks behind the log: that is replayed at a start
        genesis = genesis_from_json(NodeHome(home).genesis.read_bytes())
        Ledger.open(data, genesis, log=BlockLog.open(data / "blocks"), indexes=node == "archive").close()
    for store in STORES[node]:
        for number in range(2):
            database = Database.open(data / store)
            database.write({b"~": bytes([number])}, [], sync=True)
            database.close()
    if node != "hospital-a":
        _split(data / "blocks")
    if node == "finance":
        _remake_journal(data / "journal")


def _split(blocks: Path) -> None:
    old = BlockLog.open_read_only(blocks)
    new = BlockLog.create(blocks.with_name("split"), segment_bytes_max=SEGMENT_BYTES)
    for height in range(1, old.height + 1):
        new.append(height, old.read(height), old.journal_sequence(height))
        new.flush()
    old.close()
    new.close()
    shutil.rmtree(blocks)
    blocks.with_name("split").rename(blocks)


def _remake_journal(directory: Path) -> None:
    moved = directory.with_name("journal-old")
    directory.rename(moved)
    kept = _entries(moved)
    keys, renewal, first, entries = kept
    journal = Journal.create(directory, keys, renewal, first)
    for payload, height in entries:
        journal.append(payload, height)
    journal.flush()
    journal.close()
    shutil.rmtree(moved)


def _entries(directory: Path) -> tuple[list[bytes], bytes, int, list[tuple[bytes, int]]]:
    """Of a copied journal: its head says of which file it is, and that is what is passed over here."""
    from node import journal as module

    own = module.FileIdentity.is_same
    module.FileIdentity.is_same = lambda self, other: True  # type: ignore[method-assign]
    try:
        journal = Journal.open(directory)
    finally:
        module.FileIdentity.is_same = own  # type: ignore[method-assign]
    try:
        entries = [(entry.payload, entry.height) for entry in journal.records()]
        return journal.keys, journal.renewal, journal.first_sequence, entries
    finally:
        journal.close()
