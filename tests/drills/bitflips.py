"""`make bitflips`: one bit of one file is flipped, at 200 places of every kind of file (RELIABILITY G5).

Whatever opens, proves or serves the file then gives the very answers that it gave before (harmless), or refuses and names
the place (stopped), or goes on from less and gets the rest from the log or from peers (healed). Another answer is wrong, and
there must be none. A share of what stopped is healed by the commands' own code afterwards and must then be as before.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from chain.database import Database
from chain.errors import ChainError, GenesisRefused
from chain.genesis import genesis_from_json
from chain.ledger import Ledger
from chain.proof_file import check_file
from node.backup import verify_backup
from node.config import ConfigRefused
from node.errors import JournalCopied, JournalMissing, NodeError
from node.gateway_store import GatewayStore
from node.journal import Journal
from node.keystore import load_secret, load_signing_key
from node.network_file import load_network_file
from node.peer_certificate import PeerContexts
from node.rebuild_log import LogMender
from node.rebuild_replay import Replay
from node.sealed_box import DetailsBox, is_erased
from tests.drills.flip_kit import Kit, make_kit
from tests.tables import as_markdown, write_table

PAGE = Path(__file__).with_name("README.md")
PLACES = 200
HEAL_EVERY = 20  # of what stopped
HARMLESS, STOPPED, HEALED, SETTING = "harmless", "stopped", "healed", "other setting"
REFUSALS = (ChainError, NodeError, ConfigRefused)
PLACE_WORDS = (
    "/",
    "genesis",
    "journal",
    "block",
    "state",
    "details",
    "gateway",
    "certificate",
    "organisation",
    "Expected",
)
Look = Callable[[], str]


class Wrong(Exception):
    """Another answer than before, and nobody said so."""


class Kind(NamedTuple):
    """One kind of file: what it is called, where it lies, what looks at it, how it is healed, what is put back."""

    name: str
    path: Path
    look: Look
    heal: Callable[[], None] | None = None
    put_back: Callable[[], None] = lambda: None
    prepare: Callable[[], None] = lambda: None
    leave: Callable[[], None] = lambda: None


class Tally(NamedTuple):
    kind: str
    size: int
    places: int
    outcomes: Counter[str]
    mended: int  # of those that stopped, that were healed afterwards
    wrong: list[str]  # offset.bit and what was seen


# ── what looks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def look_at_validator(kit: Kit, truth: dict[bytes, bytes]) -> str:
    """As a start does: journal, block log, state; then all that it could be asked. Of the state, damage that a start
    meets is mended by it; what a later read meets stops the node, and its next start mends it."""
    home, data = kit.home("finance"), kit.config("finance").data_dir
    genesis = genesis_from_json(home.genesis.read_bytes())
    journal = log = ledger = None
    try:
        journal = Journal.open(data / "journal")
        log = BlockLog.open(
            data / "blocks",
            journal_has_votes_above=journal.has_records_above,
            floor=journal.floor,
            digest_of=lambda record: decode(record, FinalBlock).block.header.digest(),
        )
        ledger = Ledger.open(data, genesis, log=log, indexes=False)
        blocks = [log.read(height) for height in range(1, log.height + 1)]
        if blocks != kit.blocks[: len(blocks)]:
            raise Wrong("another block")
        shorter = len(blocks) < len(kit.blocks)
        ledger.flush()
        held = dict(ledger.state.store.scan(b""))
        held.pop(b"~", None)
        if not shorter and held != truth:
            raise Wrong("another state")
        return HEALED if shorter or ledger.dropped else HARMLESS
    finally:
        for store in (journal, log, ledger.state.store if ledger else None):
            if store is not None:
                store.close()


def look_at_journal(kit: Kit, truth: list[tuple[int, int, bytes]]) -> str:
    journal = Journal.open(kit.config("finance").data_dir / "journal")
    try:
        found = [tuple(entry) for entry in journal.records()]
        whole = (journal.keys, journal.renewal, journal.floor)
    finally:
        journal.close()
    if found != truth:
        raise Wrong(f"{len(found)} entries, or others" if found != truth[: len(found)] else "entries cut in silence")
    if whole != kit_journal_head(kit):
        raise Wrong("another head")
    return HARMLESS


_heads: dict[Path, tuple[list[bytes], bytes, tuple[int, bytes] | None]] = {}


def kit_journal_head(kit: Kit) -> tuple[list[bytes], bytes, tuple[int, bytes] | None]:
    if kit.root not in _heads:
        journal = Journal.open(kit.config("finance").data_dir / "journal")
        _heads[kit.root] = (journal.keys, journal.renewal, journal.floor)
        journal.close()
    return _heads[kit.root]


def look_at_store(kit: Kit, node: str, store: str, truth: dict[bytes, bytes]) -> str:
    """Every row reads as it was written, and every box opens."""
    path = kit.config(node).data_dir / store
    box = DetailsBox(load_secret(kit.home(node).storage_key))
    if store == "gateway":
        opened = GatewayStore.open(path, kit.genesis.digest())
        database = opened._database
    else:
        database = Database.open(path)
    try:
        found = dict(database.scan(b""))
        if found != truth:
            raise Wrong("other rows")
        for key, value in found.items():
            if store == "details" and key.startswith(b"d/") and not is_erased(value[32:]):
                box.open(value[32:], key.rpartition(b"/")[2].decode())
        return HARMLESS
    finally:
        database.close()


def look_at_genesis(kit: Kit, node: str, store: str) -> str:
    genesis = genesis_from_json(kit.home(node).genesis.read_bytes())
    if genesis.digest() == kit.genesis.digest():
        return HARMLESS
    data = kit.config(node).data_dir
    if store == "gateway":
        GatewayStore.open(data / store, genesis.digest())._database.close()
    else:
        log = BlockLog.open_read_only(data / "blocks")
        try:
            Ledger.open(data, genesis, log=log, indexes=False)
        finally:
            log.close()
    raise Wrong("taken for this ledger's")


def look_at_config(kit: Kit, node: str) -> str:
    config = kit.config(node)
    whole = kit.whole_config(node)
    if config == whole:
        return HARMLESS
    contexts = PeerContexts(kit.home(node).tls_certificate, kit.home(node).tls_key, kit.genesis.authorities())
    if (contexts.me.node, contexts.me.organisation) != (config.name, config.organisation):
        raise NodeRefused(f"{kit.home(node).node_yaml}: not of this certificate")
    if config.kind != whole.kind:
        raise NodeRefused(f"{kit.home(node).node_yaml}: no store of that kind lies here")
    return SETTING  # an address, a figure, a name of another node: what it answers is proven all the same


class NodeRefused(NodeError):
    """As the start does."""


def look_at_key(path: Path, load: Callable[[Path], object], truth: object) -> str:
    if _comparable(load(path)) != truth:
        raise Wrong("another key")
    return HARMLESS


def look_at_tls(kit: Kit) -> str:
    home = kit.home("finance")
    contexts = PeerContexts(home.tls_certificate, home.tls_key, kit.genesis.authorities())
    if (contexts.me.node, contexts.me.organisation) != ("finance", "finance"):
        raise Wrong("another node")
    return HARMLESS


def look_at_network_file(kit: Kit, truth: object) -> str:
    return HARMLESS if load_network_file(kit.network_json.parent) == truth else SETTING


def look_at_proof(kit: Kit, truth: object) -> str:
    verdict = check_file(kit.proof.read_bytes(), (kit.whole / "finance/config/genesis.json").read_bytes())
    if not verdict.valid:
        return STOPPED
    if verdict != truth:
        raise Wrong("valid, and says something else")
    return HARMLESS


def look_at_backup(kit: Kit, truth: object) -> str:
    report, totals = verify_backup(kit.backup)
    if not report.valid:
        return STOPPED
    if totals != truth:
        raise Wrong("valid, with other totals")
    return HARMLESS


# ── healing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class WholePeer:
    """A peer that has every block."""

    def __init__(self, blocks: list[bytes]) -> None:
        self._blocks = blocks

    def block(self, height: int) -> tuple[str, bytes] | None:
        return ("peer", self._blocks[height - 1]) if height <= len(self._blocks) else None

    def refuse(self, peer: str, why: str) -> None:
        raise Wrong(f"a sound block was refused: {why}")


def heal_block_log(kit: Kit) -> None:
    """What `rebuild --from-peers` does with the log."""
    with tempfile.TemporaryDirectory() as work:
        directory = kit.config("finance").data_dir / "blocks"
        replay = Replay(Path(work) / "replay", kit.genesis, indexes=False)
        LogMender(directory, replay, WholePeer(kit.blocks), lambda done, total: None).run()
        replay.close()
        log = BlockLog.open_read_only(directory)
        try:
            if [log.read(height) for height in range(1, log.height + 1)] != kit.blocks[: log.height]:
                raise Wrong("another block after healing")
        finally:
            log.close()


# ── all kinds ────────────────────────────────────────────────────────────────────────────────────────────────────────


def kinds_of(kit: Kit) -> list[Kind]:
    finance, archive, gateway = (kit.root / node for node in ("finance", "archive", "hospital-a"))
    state = contents(finance / "data/state")
    kit.restore("finance", "state")
    journal = Journal.open(finance / "data/journal")
    entries = [tuple(entry) for entry in journal.records()]
    journal.close()
    kit_journal_head(kit)

    def validator() -> str:
        return look_at_validator(kit, state)

    def put_state_back() -> None:
        kit.restore("finance", "state")

    def put_blocks_back() -> None:
        kit.restore("finance", "blocks")
        kit.restore("finance", "state")

    segments = sorted((finance / "data/blocks").glob("*.log"))
    kinds = [
        Kind("block log, closed segment", segments[0], validator, lambda: heal_block_log(kit), put_blocks_back),
        Kind("block log, last segment", segments[-1], validator, lambda: heal_block_log(kit), put_blocks_back),
        Kind("journal", finance / "data/journal/journal.log", lambda: look_at_journal(kit, entries)),
    ]
    for name, path in store_files(finance / "data/state"):
        kinds.append(
            Kind(
                f"state, {name}",
                path,
                validator,
                lambda: second_start(kit, state),
                put_state_back,
            )
        )
    kinds.append(unopened(kit, "finance", "state", validator, lambda: second_start(kit, state)))
    for node, store in (("archive", "details"), ("hospital-a", "gateway")):
        truth = contents(kit.root / node / "data" / store)
        kit.restore(node, store)
        for name, path in store_files(kit.root / node / "data" / store):
            kinds.append(
                Kind(
                    f"{store}, {name}",
                    path,
                    partial(look_at_store, kit, node, store, truth),
                    None,
                    partial(kit.restore, node, store),
                )
            )
        kinds.append(unopened(kit, node, store, partial(look_at_store, kit, node, store, truth)))
    for node, store in (("finance", "state"), ("hospital-a", "gateway")):
        kinds.append(
            Kind(
                f"genesis.json of a {kit.config(node).kind}",
                kit.home(node).genesis,
                partial(look_at_genesis, kit, node, store),
                None,
                partial(kit.restore, node, store),
            )
        )
        kinds.append(
            Kind(
                f"node.yaml of a {kit.config(node).kind}",
                kit.home(node).node_yaml,
                partial(look_at_config, kit, node),
            )
        )
    keys: list[tuple[Path, str, Callable[[Path], object]]] = [
        (finance, "vote.key", load_signing_key),
        (gateway, "unit.key", load_signing_key),
        (archive, "seal.key", load_signing_key),
        (gateway, "mac.key", load_secret),
        (gateway, "storage.key", load_secret),
    ]
    for home_directory, file, load in keys:
        path = home_directory / "config" / file
        kinds.append(Kind(file, path, partial(look_at_key, path, load, _comparable(load(path)))))
    home = kit.home("finance")
    genesis = home.genesis.read_bytes()
    verdict = check_file(kit.proof.read_bytes(), genesis)
    totals = verify_backup(kit.backup)[1]
    network = load_network_file(kit.network_json.parent)
    kinds += [
        Kind("tls.key", home.tls_key, lambda: look_at_tls(kit)),
        Kind("tls.pem", home.tls_certificate, lambda: look_at_tls(kit)),
        Kind("network.json", kit.network_json, lambda: look_at_network_file(kit, network)),
        Kind("proof file", kit.proof, lambda: look_at_proof(kit, verdict)),
    ]
    for path in sorted(path for path in kit.backup.rglob("*") if path.is_file()):
        kinds.append(Kind(f"backup, {path.name}", path, lambda: look_at_backup(kit, totals)))
    return kinds


def unopened(kit: Kit, node: str, store: str, look: Look, heal: Callable[[], None] | None = None) -> Kind:
    """LevelDB's log with every row of a store in it, as a killed node leaves it."""
    [log] = [path for path in kit.unopened(node, store).glob("*.log") if path.stat().st_size]
    return Kind(
        f"{store}, LevelDB log of a killed node",
        kit.root / node / "data" / store / log.name,
        look,
        heal,
        partial(kit.restore_unopened, node, store),
        partial(kit.restore_unopened, node, store),
        partial(kit.restore, node, store),
    )


def _comparable(key: object) -> object:
    return getattr(key, "seed", key)


def contents(path: Path) -> dict[bytes, bytes]:
    database = Database.open(path)
    try:
        found = dict(database.scan(b""))
    finally:
        database.close()
    if path.name == "state":
        found.pop(b"~", None)
    return found


def store_files(store: Path) -> list[tuple[str, Path]]:
    """One of each sort; the largest table."""
    tables = sorted(store.glob("*.ldb"), key=lambda path: path.stat().st_size)
    logs = [path for path in store.glob("*.log") if path.stat().st_size]
    return [
        *(("LevelDB table", path) for path in tables[-1:]),
        *(("LevelDB log", path) for path in logs[-1:]),
        *(("MANIFEST", path) for path in sorted(store.glob("MANIFEST-*"))[-1:]),
        ("CURRENT", store / "CURRENT"),
        ("marker", store / "medbill-database"),
    ]


def second_start(kit: Kit, truth: dict[bytes, bytes]) -> None:
    """A state in which damage was met is derived again by the next start."""
    if look_at_validator(kit, truth) != HEALED or look_at_validator(kit, truth) != HARMLESS:
        raise Wrong("not healed by the next start")


# ── the sweep ────────────────────────────────────────────────────────────────────────────────────────────────────────


def sweep(kind: Kind, places: int, seed: int, kit: Kit) -> Tally:
    """`places` bits of the file, or one of every byte if it is smaller; then the file is as it was."""
    kind.prepare()
    size = kind.path.stat().st_size
    chosen = random.Random(f"{seed}/{kind.name}")
    offsets = range(size) if size <= places else sorted(chosen.sample(range(size), places))
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    mended = 0
    for offset in offsets:
        bit = chosen.randrange(8)
        with kit.flipped(kind.path, offset, bit):
            try:
                outcome = kind.look()
            except GenesisRefused:
                outcome = STOPPED
            except REFUSALS as refusal:
                outcome = STOPPED if names_place(refusal) else f"wrong: names no place: {refusal}"
            except (JournalMissing, JournalCopied):
                outcome = STOPPED
            except Exception as error:
                outcome = f"wrong: {type(error).__name__}: {error}"
            if outcome == STOPPED and kind.heal is not None and outcomes[STOPPED] % HEAL_EVERY == 0:
                try:
                    kind.heal()
                    mended += 1
                except Exception as error:
                    outcome = f"wrong: not healed: {type(error).__name__}: {error}"
        kind.put_back()
        if outcome.startswith("wrong"):
            wrong.append(f"{offset}.{bit} {outcome}")
            outcome = "wrong"
        outcomes[outcome] += 1
    kind.leave()
    return Tally(kind.name, size, len(offsets), outcomes, mended, wrong)


def names_place(refusal: Exception) -> bool:
    """Whether an operator can tell from it which file is meant, or what of it."""
    return any(word in str(refusal) for word in PLACE_WORDS)


def table(tallies: list[Tally]) -> str:
    columns = (HARMLESS, STOPPED, HEALED, SETTING, "wrong")
    rows = [
        [tally.kind, f"{tally.size:,}", f"{tally.places}", *(f"{tally.outcomes[name] or ''}" for name in columns)]
        for tally in tallies
    ]
    return as_markdown(["Kind of file", "Bytes", "Places", *columns], rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=PLACES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bills", type=int, default=20)
    parser.add_argument("--write", action="store_true", help="the table in README.md anew")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="medbill-bitflips-") as place:
        kit = make_kit(Path(place), chosen.bills)
        tallies = []
        print(
            f"{'kind of file':<34} {'bytes':>8} {'places':>6} {'harmless':>8} {'stopped':>8} {'healed':>7} "
            f"{'setting':>7} {'wrong':>6}  then healed"
        )
        for kind in kinds_of(kit):
            tally = sweep(kind, chosen.places, chosen.seed, kit)
            tallies.append(tally)
            count = tally.outcomes
            print(
                f"{tally.kind:<34} {tally.size:>8} {tally.places:>6} {count[HARMLESS]:>8} {count[STOPPED]:>8} "
                f"{count[HEALED]:>7} {count[SETTING]:>7} {count['wrong']:>6}  {tally.mended or ''}",
                flush=True,
            )
            for line in tally.wrong[:5]:
                print(f"    {line}")
    places = sum(tally.places for tally in tallies)
    bad = sum(tally.outcomes["wrong"] for tally in tallies)
    total = f"{len(tallies)} kinds of file, {places} places, {bad} wrong, {time.monotonic() - began:.0f} s, seed {chosen.seed}"
    print(total)
    if chosen.write:
        write_table(PAGE, f"{total}.\n\n{table(tallies)}", "bit flips")
    return 1 if bad else 0


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
