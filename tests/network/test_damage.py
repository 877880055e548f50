"""A validator's disk returns other bytes than were written: the node mends what is derived, or stops naming the place.

Never does it go on from a block or a state that the others do not have. The sweeps open a copy of a stopped home as a
start does, in this process; a few cases are real starts among the others.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import signal
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from chain.block import FinalBlock
from chain.block_log import BlockLog
from chain.codec import decode
from chain.errors import StorageDamaged
from chain.genesis import genesis_from_json
from chain.ledger import Applied, Ledger
from chain.state import genesis_change
from node.errors import JournalMissing
from node.home import NodeHome
from node.journal import Journal, JournalEntry
from node.verify import verify_home
from tests.network.agencies import Agencies

pytestmark = pytest.mark.processes

VICTIM = "insurance"
OTHERS = ("finance", "health", "bigdata")
BLOCKS = 6  # that the stopped home has beyond what it had
MISSED = 3  # made while it was stopped
HEADER = struct.Struct(">IQQI8s")  # of a record: chain/segment.py
FLIPS = 15  # bits tried in each file, drawn by a seed


@dataclass
class Stopped:
    """A stopped validator's home, and what all its blocks are."""

    home: Path  # never changed: copies are
    agencies: Agencies
    roots: dict[int, tuple[bytes, bytes]]  # height -> digest, state root
    offsets: list[int]  # of each record in the only segment, and the end
    state: dict[bytes, bytes]  # all that the database holds

    @property
    def height(self) -> int:
        return len(self.offsets) - 1

    @property
    def log(self) -> str:
        return "data/blocks/00000001.log"


@pytest.fixture(scope="module")
def stopped(agencies: Agencies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopped]:
    """It stays stopped while the others go on: so no copy ever votes where another one has voted."""
    for _ in range(BLOCKS):
        agencies.take_lease("hospital-b", 1)
    agencies.until(agencies.agreed, "one height and root")
    agencies.stop(VICTIM)
    agencies.start(VICTIM)  # LevelDB's own log becomes a table at the next opening
    agencies.until(agencies.agreed, "one height and root")
    agencies.stop(VICTIM)
    home = Path(shutil.copytree(agencies.node_home(VICTIM), tmp_path_factory.mktemp("stopped") / VICTIM))
    offsets, end, data = [0], 0, (home / "data/blocks/00000001.log").read_bytes()
    while end < len(data):
        end += HEADER.size + HEADER.unpack_from(data, end)[0]
        offsets.append(end)
    roots = {0: (agencies.chain, genesis_change(agencies.genesis).root)}
    log = BlockLog.open_read_only(home / "data/blocks")
    for height in range(1, log.height + 1):
        header = decode(log.read(height), FinalBlock).block.header
        roots[height] = header.digest(), header.state_root
    log.close()
    state: dict[bytes, bytes] = {}
    opened(Path(shutil.copytree(home, home.parent / "copy")), lambda ledger: state.update(contents(ledger)))
    for _ in range(MISSED):
        agencies.take_lease("hospital-b", 1)
    yield Stopped(home, agencies, roots, offsets, state)
    put_back(agencies, home)
    agencies.up(VICTIM)
    agencies.verify_serving()


@pytest.fixture
def copy(stopped: Stopped, tmp_path: Path) -> Callable[[], Path]:
    """A fresh copy of the home, in the place of the one before."""

    def fresh() -> Path:
        shutil.rmtree(tmp_path / VICTIM, ignore_errors=True)
        return Path(shutil.copytree(stopped.home, tmp_path / VICTIM, ignore=shutil.ignore_patterns("LOG", "LOG.old")))

    return fresh


def put_back(agencies: Agencies, home: Path) -> None:
    """As it was; the journal in the very same file, or the node would know it for a copy."""
    data, journal = agencies.node_home(VICTIM) / "data", Path("journal") / "journal.log"
    for part in data.iterdir():
        if part.name != "journal":
            shutil.rmtree(part)
    shutil.copytree(home / "data", data, ignore=shutil.ignore_patterns("journal"), dirs_exist_ok=True)
    (data / journal).write_bytes((home / "data" / journal).read_bytes())


def opened(home: Path, look: Callable[[Ledger], None] = lambda ledger: None) -> Applied:
    """What a start stands on: journal, block log and state, as node/build.py opens them. Raises StorageDamaged."""
    data, journal = home / "data", None
    with contextlib.suppress(JournalMissing):
        journal = Journal.open(data / "journal", may_be_copy=True)
    log = ledger = None
    try:
        log = BlockLog.open(
            data / "blocks",
            journal_has_votes_above=journal.has_records_above if journal else False,
            floor=journal.floor if journal else None,
            digest_of=lambda record: decode(record, FinalBlock).block.header.digest(),
        )
        ledger = Ledger.open(data, genesis_from_json(NodeHome(home).genesis.read_bytes()), log=log, indexes=False)
        look(ledger)
        return ledger.head
    finally:
        for store in (journal, log, ledger.state.store if ledger else None):
            if store is not None:
                store.close()


def contents(ledger: Ledger) -> dict[bytes, bytes]:
    ledger.flush()
    return dict(ledger.state.store.scan(b""))


def verify_contents(stopped: Stopped, ledger: Ledger) -> None:
    assert contents(ledger) == stopped.state


def verify_head(stopped: Stopped, head: Applied, height: int) -> None:
    assert head.height == height
    assert (head.digest, head.state_root) == stopped.roots[height]


def flip(path: Path, offset: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1 << bit
    path.write_bytes(data)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def damaged_place(do: Callable[[], object]) -> str:
    """Where damage was found; empty if none was."""
    try:
        do()
    except StorageDamaged as damage:
        return damage.place
    return ""


# ── the block log ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_home_is_sound_to_begin_with(stopped: Stopped, copy: Callable[[], Path]) -> None:
    verify_head(stopped, opened(copy()), stopped.height)
    report = verify_home(copy())
    assert report.valid, report


def test_a_log_cut_at_a_boundary_ends_there(stopped: Stopped, copy: Callable[[], Path]) -> None:
    """DESIGN 8: the journal still has every vote; what is gone comes from the others."""
    for height in (0, 1, stopped.height // 2, stopped.height - 1):
        home = copy()
        cut(home / stopped.log, stopped.offsets[height])
        verify_head(stopped, opened(home), height)


def test_a_torn_last_record_is_cut(stopped: Stopped, copy: Callable[[], Path]) -> None:
    """It may be of a write that never ended: nobody has heard of it unless the journal has votes above."""
    start, end = stopped.offsets[-2:]
    for size in (start + 1, start + HEADER.size - 1, start + HEADER.size, (start + end) // 2, end - 1):
        home = copy()
        cut(home / stopped.log, size)
        verify_head(stopped, opened(home), stopped.height - 1)


def test_an_earlier_record_cut_short_stops_the_node(stopped: Stopped, copy: Callable[[], Path]) -> None:
    """The journal has votes above it, so it was whole once: file and offset are named."""
    for record in (0, stopped.height // 2, stopped.height - 2):
        start, end = stopped.offsets[record : record + 2]
        for size in (start + 1, (start + end) // 2, end - 1):
            home = copy()
            cut(home / stopped.log, size)
            with pytest.raises(StorageDamaged) as damage:
                opened(home)
            assert damage.value.place == f"{home / stopped.log} offset {start}"


def test_one_flipped_bit_of_the_log_is_found_wherever_it_is(stopped: Stopped, copy: Callable[[], Path]) -> None:
    """Head, middle and tail of each record: the last one is cut, any other stops the node and is named."""
    chosen = random.Random(8)
    for record in range(stopped.height):
        start, end = stopped.offsets[record : record + 2]
        drawn = [
            start,
            start + 3,
            start + 11,
            start + 19,
            start + 27,
            end - 1,
            *(chosen.randrange(start, end) for _ in range(4)),
        ]
        for offset in drawn:
            home = copy()
            flip(home / stopped.log, offset, chosen.randrange(8))
            if record == stopped.height - 1:
                verify_head(stopped, opened(home), stopped.height - 1)
                continue
            with pytest.raises(StorageDamaged) as damage:
                opened(home)
            assert damage.value.place == f"{home / stopped.log} offset {start}"


def test_bytes_behind_the_log_are_cut(stopped: Stopped, copy: Callable[[], Path]) -> None:
    for rubbish in (b"\0" * 5_000, b"\xff" * 30, bytes(range(256))):
        home = copy()
        with (home / stopped.log).open("ab") as log:
            log.write(rubbish)
        verify_head(stopped, opened(home), stopped.height)


def test_a_missing_log_stops_the_node(stopped: Stopped, copy: Callable[[], Path]) -> None:
    """A start never makes one: the node has lost something, and says so."""
    for lose in (lambda home: shutil.rmtree(home / "data/blocks"), lambda home: (home / stopped.log).unlink()):
        home = copy()
        lose(home)
        with pytest.raises(StorageDamaged, match="block log"):
            opened(home)


def test_a_record_of_another_height_is_not_taken(stopped: Stopped, copy: Callable[[], Path]) -> None:
    """Whole records in the wrong order, twice, or left out: sums fit, heights do not."""
    data = (stopped.home / stopped.log).read_bytes()
    records = [data[start:end] for start, end in zip(stopped.offsets, stopped.offsets[1:], strict=False)]
    for wrong in (
        [*records[:2], records[1], *records[2:]],
        [records[1], records[0], *records[2:]],
        [*records[:1], *records[2:]],
    ):
        home = copy()
        (home / stopped.log).write_bytes(b"".join(wrong))
        with pytest.raises(StorageDamaged):
            opened(home)


# ── the state ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lost", ["", "CURRENT", "MANIFEST-*", "*.ldb", "*.log", "medbill-database"])
def test_a_state_that_lost_a_file_is_built_again(stopped: Stopped, copy: Callable[[], Path], lost: str) -> None:
    """DESIGN 1 and 8: it is derived; the log alone gives the same root."""
    home = copy()
    state = home / "data" / "state"
    if lost:
        files = list(state.glob(lost))
        assert files
        for file in files:
            file.unlink()
    else:
        shutil.rmtree(state)
    verify_head(stopped, opened(home, lambda ledger: verify_contents(stopped, ledger)), stopped.height)


def test_one_flipped_bit_of_the_state_is_mended_or_found(stopped: Stopped, copy: Callable[[], Path]) -> None:
    """Whatever file it is in: the same contents as before, or StorageDamaged naming the place, once; never others.

    `medbill node verify` of the same home says valid only where the contents are the same.
    """
    chosen = random.Random(9)
    files = [
        path.relative_to(stopped.home)
        for path in sorted((stopped.home / "data" / "state").iterdir())
        if path.stat().st_size and (path.suffix in (".ldb", ".log") or path.name.startswith(("CURRENT", "MANIFEST")))
    ]
    assert any(path.suffix == ".ldb" for path in files)
    found = 0

    def open_and_look(home: Path) -> None:
        verify_head(stopped, opened(home, partial(verify_contents, stopped)), stopped.height)

    for path in files:
        size = (stopped.home / path).stat().st_size
        for offset in [0, size - 1, *(chosen.randrange(size) for _ in range(min(FLIPS, size)))]:
            home, bit = copy(), chosen.randrange(8)
            flip(home / path, offset, bit)
            is_valid = verify_home(home).valid
            place = damaged_place(partial(open_and_look, home))
            if place:
                assert "state" in place
                assert not is_valid
                open_and_look(home)  # the next start builds it again
                found += 1
    assert found


def test_a_state_ahead_of_the_log_is_built_again(stopped: Stopped, copy: Callable[[], Path]) -> None:
    home = copy()
    cut(home / stopped.log, stopped.offsets[1])
    verify_head(stopped, opened(home), 1)


# ── the journal ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_damaged_journal_never_looks_whole(stopped: Stopped, copy: Callable[[], Path]) -> None:
    """Each entry is as it was written, or the node stops, or the journal ends earlier and says where."""
    name = "data/journal/journal.log"
    size = (stopped.home / name).stat().st_size
    whole = entries(copy())
    chosen = random.Random(10)
    bits = [(chosen.randrange(size), chosen.randrange(8)) for _ in range(FLIPS)]
    spoils: list[Callable[[Path], None]] = [
        *(partial(cut, size=at) for at in (0, 1, size // 3, size // 2, size - 1)),
        *(partial(flip, offset=at, bit=bit) for at, bit in [*bits, (0, 0), (17, 0), (40, 0), (size - 1, 0)]),
    ]
    stops = 0
    for spoil in spoils:
        home = copy()
        left: list[JournalEntry] = []
        spoil(home / name)
        place = damaged_place(partial(keep_entries, home, left))
        if place:
            assert f"{home / name} offset " in place
            stops += 1
        else:
            assert left == whole[: len(left)]
            assert len(left) < len(whole)
    assert stops > FLIPS // 2


def keep_entries(home: Path, left: list[JournalEntry]) -> None:
    left += entries(home)


def entries(home: Path) -> list[JournalEntry]:
    journal = Journal.open(home / "data" / "journal", may_be_copy=True)
    try:
        return list(journal.records())
    finally:
        journal.close()


# ── real starts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_node_with_a_torn_log_and_no_state_starts_and_catches_up(stopped: Stopped) -> None:
    """The last record torn, the state gone: derived again, the rest fetched; height and root are the others'."""
    agencies = stopped.agencies
    put_back(agencies, stopped.home)
    home = agencies.node_home(VICTIM)
    cut(home / stopped.log, stopped.offsets[-1] - 7)
    shutil.rmtree(home / "data" / "state")
    try:
        agencies.start(VICTIM)
        agencies.until(agencies.agreed, "it catches up")
        agencies.until(lambda: agencies.ask(VICTIM, "/readyz").status_code == 200, "it takes part")
    finally:
        agencies.kill(VICTIM, signal.SIGTERM)
    report = agencies.json("node", "verify", "--home", str(home))
    assert report["valid"], report


def test_a_node_that_lost_votes_follows_without_voting(stopped: Stopped) -> None:
    """PROTOCOL 14: its journal ends below the number in the last block's record."""
    agencies = stopped.agencies
    put_back(agencies, stopped.home)
    journal = agencies.node_home(VICTIM) / "data" / "journal" / "journal.log"
    cut(journal, journal.stat().st_size // 2)
    try:
        agencies.start(VICTIM)
        agencies.until(agencies.agreed, "it follows")
        answer = agencies.ask(VICTIM, "/readyz")
        assert answer.status_code == 503
        assert "follows without voting: journal_behind_block_log" in answer.json()["reasons"]
    finally:
        agencies.kill(VICTIM, signal.SIGTERM)


def test_a_node_with_a_flipped_bit_in_its_log_stops_and_names_it(stopped: Stopped) -> None:
    """One line with file and offset; `node verify` says invalid, exit 3, and names the same."""
    agencies = stopped.agencies
    put_back(agencies, stopped.home)
    home, start = agencies.node_home(VICTIM), stopped.offsets[1]
    flip(home / stopped.log, start + 200, 3)
    done = agencies.run("node", "start", "--home", str(home), timeout=60)
    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("medbill: ")]
    assert line.startswith(f"medbill: storage_damaged: {home / stopped.log} offset {start}: ")
    report = agencies.json("node", "verify", "--home", str(home), expect=3)
    (failed,) = [check for check in report["checks"] if check["ok"] is False]
    assert f"{home / stopped.log} offset {start}: " in failed["detail"]
