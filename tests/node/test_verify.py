"""`node verify`: everything is derived from the block log again, and whatever was altered is named (DESIGN 1, 8)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from chain import keyspace
from chain.block import FinalBlock
from chain.codec import decode, encode
from chain.database import Database
from chain.genesis import genesis_to_json
from chain.ledger import Ledger
from chain.segment import Segment
from node.answers import part_of
from node.details_store import DetailsStore
from node.gateway_store import POSITION_KEY, CertifiedHeader, Position, header_key, part_key
from node.journal import Journal
from node.messages import Part
from node.verify import Report, verify_home
from tests.chain.making import Chain, changed, genesis, issue_bill
from tests.node.following import make_ledger

NODE_YAML = """\
name: finance
kind: validator
organisation: finance
listen: {host: 127.0.0.1, port: 7101}
operations: {host: 127.0.0.1, port: PORT}
peers: []
"""


def make_home(root: Path, kind: str = "validator", port: int = 9) -> Path:
    """A node that has followed ten blocks and was stopped."""
    config = root / "config"
    config.mkdir(parents=True)
    (config / "node.yaml").write_text(NODE_YAML.replace("validator", kind).replace("PORT", str(port)))
    (config / "genesis.json").write_text(genesis_to_json(genesis()))
    data = root / "data"
    chain = Chain(ledger=_ledger(data, kind))
    chain.lease()
    for serial in range(1, 10):
        chain.run("hospital-a", issue_bill(f"B-{serial}", serial=serial))
    if kind == "validator":
        Journal.create(data / "journal").close()
    else:
        DetailsStore.create(data)
    chain.ledger.close()
    return root


def _ledger(data: Path, kind: str) -> Ledger:
    ledger = make_ledger(data, genesis())
    ledger.indexes = kind == "mirror"
    return ledger


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("node") / "home")


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """A copy, to be damaged."""
    return Path(shutil.copytree(made, tmp_path / "home"))


def failed(report: Report) -> dict[str, str]:
    return {check.name: check.detail for check in report.checks if check.ok is False}


def contents(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


def test_a_sound_home_passes_every_check_and_is_left_as_it_was(home: Path) -> None:
    """Never writes into the home; progress is told block by block."""
    before, told = contents(home), []

    report = verify_home(home, lambda height, total: told.append((height, total)))

    assert report.valid
    assert [check.name for check in report.checks] == [
        "configuration",
        "genesis",
        "block log",
        "state",
        "certificates",
        "signatures",
        "execution",
        "journal",
    ]
    *sound, journal = report.checks
    assert all(check.ok for check in sound)
    assert (journal.ok, "; a copy: this node follows" in journal.detail) == (None, True)  # as is the home in this test
    assert told == [(height, 10) for height in range(1, 11)]
    assert contents(home) == before


def test_a_mirror_s_home_passes_too(tmp_path: Path) -> None:
    """With its indexes and its details."""
    report = verify_home(make_home(tmp_path / "home", "mirror"))

    assert report.valid
    assert [check.name for check in report.checks][-1] == "details"


def test_a_state_behind_the_log_is_compared_at_its_own_height(home: Path, tmp_path: Path) -> None:
    """After kill -9 the database is some blocks behind: that is no damage."""
    shutil.rmtree(home / "data" / "state")
    Ledger.create_state(home / "data", genesis())

    report = verify_home(home)

    assert report.valid
    assert next(check.detail for check in report.checks if check.name == "state").endswith("height 0")


def test_one_flipped_bit_in_the_block_log_is_found_with_file_and_height(home: Path) -> None:
    """Each in turn over the file would do: here one in the middle of a record."""
    path = home / "data" / "blocks" / "00000001.log"
    segment = Segment(path, 1, False)
    segment.walk_records()
    offset = segment._offsets[4] + 100
    segment.close()
    data = bytearray(path.read_bytes())
    data[offset] ^= 4
    path.write_bytes(data)

    report = verify_home(home)

    assert not report.valid
    assert "00000001.log" in failed(report)["block log"]
    assert "block 5" in failed(report)["block log"]


def rewrite_log(home: Path, height: int, alter: Callable[[FinalBlock], FinalBlock]) -> None:
    """The work of somebody who knows the format: checksums fit, the content is another."""
    directory = home / "data" / "blocks"
    path = directory / "00000001.log"
    old = Segment(path, 1, False)
    old.walk_records()
    blocks = [old.read(number)[0] for number in range(1, old.last + 1)]
    old.close()
    blocks[height - 1] = encode(alter(decode(blocks[height - 1], FinalBlock)))
    path.write_bytes(b"")
    new = Segment(path, 1, True)
    for number, block in enumerate(blocks, 1):
        new.append(number, block, 0)
    new.flush()
    new.close()


def without_a_vote(final: FinalBlock) -> FinalBlock:
    return changed(final, certificate=changed(final.certificate, signatures=final.certificate.signatures[1:]))


def without_transactions(final: FinalBlock) -> FinalBlock:
    return changed(final, block=changed(final.block, transactions=[]))


def with_another_signature(final: FinalBlock) -> FinalBlock:
    transactions = [changed(entry, signature=bytes(64)) for entry in final.block.transactions]
    return changed(final, block=changed(final.block, transactions=transactions))


@pytest.mark.parametrize(
    ("alter", "check"),
    [
        (without_a_vote, "certificates"),
        (without_transactions, "execution"),
        (with_another_signature, "signatures"),
    ],
)
def test_a_block_that_was_altered_with_care_is_found_at_its_height(
    home: Path, alter: Callable[[FinalBlock], FinalBlock], check: str
) -> None:
    """Checksums are no protection against people."""
    rewrite_log(home, 6, alter)

    report = verify_home(home)

    assert "block 6" in failed(report)[check]
    assert "00000001.log" in failed(report)[check]


def test_an_altered_record_of_the_state_is_found(home: Path) -> None:
    """The node would answer from it until its next rebuild."""
    store = Database.open(home / "data" / "state")
    key = keyspace.stored_record(keyspace.organisation("hospital-a"))
    value = store.get(key)
    assert value is not None
    store.write({key: value.replace(b"330600", b"330601")})
    store.close()

    report = verify_home(home)

    assert "organisation/hospital-a" in failed(report)["state"]


@pytest.mark.parametrize("name", ["state", "blocks"])
def test_what_is_missing_is_named(home: Path, name: str) -> None:
    """A check that fails, never a traceback."""
    shutil.rmtree(home / "data" / name)

    report = verify_home(home)

    assert not report.valid
    assert str(home / "data" / name) in "".join(failed(report).values())


def test_a_lost_journal_is_told_and_is_no_damage(home: Path) -> None:
    """PROTOCOL 14: such a node follows and signs nothing."""
    shutil.rmtree(home / "data" / "journal")

    report = verify_home(home)

    assert report.valid
    assert report.checks[-1].ok is None


def test_a_genesis_of_another_ledger_fails_the_first_block(home: Path) -> None:
    """A home made for another genesis."""
    (home / "config" / "genesis.json").write_text(genesis_to_json(genesis(name="another province")))

    assert not verify_home(home).valid


def test_no_home_at_all_is_a_failed_check(tmp_path: Path) -> None:
    """As are a node.yaml or a genesis that do not read."""
    assert [check.name for check in verify_home(tmp_path).checks] == ["configuration"]
    assert not verify_home(tmp_path).valid


HOLD = """
import sys
from pathlib import Path
from chain.database import Database
store = Database.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("is_honest", [True, False])
def test_beside_a_running_node_its_word_is_compared(tmp_path: Path, is_honest: bool) -> None:
    """The database is locked, so the operations port is asked for height and root."""
    status = b""

    class Status(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(status)

        def log_message(self, *_arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Status)
    Thread(target=server.serve_forever, daemon=True).start()
    home = make_home(tmp_path / "home", port=server.server_address[1])
    header = decode(_read(home, 8), FinalBlock).block.header
    root = header.state_root.hex() if is_honest else "00" * 32
    status = f'{{"height": 8, "state_root": "{root}"}}'.encode()
    command = [sys.executable, "-c", HOLD, str(home / "data" / "state")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        report = verify_home(home)
        holder.communicate()
    server.shutdown()
    server.server_close()

    assert report.valid is is_honest
    assert "at height 8" in next(check.detail for check in report.checks if check.name == "state")


def _read(home: Path, height: int) -> bytes:
    segment = Segment(home / "data" / "blocks" / "00000001.log", 1, False)
    segment.walk_records()
    block = segment.read(height)[0]
    segment.close()
    return block


GATEWAY_YAML = """\
name: hospital-a
kind: gateway
organisation: hospital-a
operations: {host: 127.0.0.1, port: 9}
peers: [{name: archive, organisation: finance-city, kind: mirror, host: 127.0.0.1, port: 8}]
places: [A01]
lease_count: 100
lease_threshold: 10
transaction_window_blocks: 50
office: {name: archive, organisation: finance-city}
"""


def make_gateway_home(root: Path, alter: Callable[[int, Part], Part | None]) -> Path:
    """A gateway that followed seven blocks; `alter` may change or drop its part of one."""
    config = root / "config"
    config.mkdir(parents=True)
    (config / "node.yaml").write_text(GATEWAY_YAML)
    (config / "genesis.json").write_text(genesis_to_json(genesis()))
    chain = Chain()
    chain.lease()
    for serial in range(1, 6):
        chain.run("hospital-a", issue_bill(f"B-{serial}", serial=serial))
    assert chain.run_seal(chain.seal()) == "recorded"
    store = Database.create(root / "data" / "gateway")
    for height in range(1, chain.height + 1):
        view, before = chain.view(height), chain.ledger.final(height - 1)
        part = part_of(view, before.header if before else None, "hospital-a", lambda bill, name: True)
        kept = alter(height, part)
        store.write({header_key(height): encode(CertifiedHeader(view.header, view.certificate))})
        if kept is not None:
            store.write({part_key(height): encode(kept)})
    head = chain.ledger.head
    store.write({POSITION_KEY: encode(Position(chain.chain_id, head.height, head.digest, head.time_ms))})
    store.close()
    return root


def test_a_gateway_s_headers_and_parts_are_proven_again(tmp_path: Path) -> None:
    """PROTOCOL 17: headers, certificates, its own operations with paths; the home is left as it was."""
    home = make_gateway_home(tmp_path / "home", lambda height, part: part)
    before = contents(home)

    report = verify_home(home)

    assert report.valid
    assert [check.name for check in report.checks] == ["configuration", "genesis", "headers", "parts"]
    assert contents(home) == before


def without_its_outcome_path(height: int, part: Part) -> Part:
    if height != 4:
        return part
    return changed(part, cover=[bytes(32)])


def with_the_header_of_another_block(height: int, part: Part) -> Part:
    return changed(part, header=changed(part.header, time_ms=part.header.time_ms + 1)) if height == 4 else part


@pytest.mark.parametrize("alter", [without_its_outcome_path, with_the_header_of_another_block])
def test_an_altered_part_of_a_gateway_is_found_at_its_height(
    tmp_path: Path, alter: Callable[[int, Part], Part]
) -> None:
    """Nothing that it holds is believed without its proof, not even by itself."""
    report = verify_home(make_gateway_home(tmp_path / "home", alter))

    assert "block 4" in "".join(failed(report).values())
