"""`medbill proof verify`: 0 with every check listed, 3 for any other byte, 2 without a usable genesis. DESIGN 5, 11."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from chain.codec import encode
from chain.genesis import genesis_to_json
from chain.operation import operation_digest
from chain.proof_file import PROOF_BYTES_MAX
from cli.durations import parse_duration_ms
from cli.exit_codes import ExitCode
from cli.failures import CommandFailed
from cli.proof_check import verdict_exit_code
from tests.chain.making import Chain, bill_id, issue_bill
from tests.cli.conftest import Ran

Medbill = Callable[..., Ran]


@pytest.fixture(scope="module")
def story() -> tuple[bytes, bytes]:
    """(proof of a sealed bill, genesis.json)."""
    chain = Chain()
    lease = chain.lease()
    assert chain.run("hospital-a", issue_bill(lease_first=lease)) == ["recorded"]
    seal = chain.seal()
    assert chain.run_seal(seal) == "recorded"
    return encode(chain.proof(bill_id(1), seal=operation_digest(seal))), genesis_to_json(chain.genesis).encode()


@pytest.fixture
def files(story: tuple[bytes, bytes], tmp_path: Path) -> tuple[Path, Path]:
    proof, genesis = tmp_path / "bill.proof", tmp_path / "genesis.json"
    proof.write_bytes(story[0])
    genesis.write_bytes(story[1])
    return proof, genesis


def test_a_proof_holds_with_every_check_listed(
    medbill: Medbill, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", no_network)
    ran = medbill("proof", "verify", files[0], "--genesis", files[1], "--json")

    assert ran.code == 0
    assert ran.document["valid"] is True
    assert {"form", "ledger", "block", "unit signature", "seal"} <= {check["name"] for check in ran.document["checks"]}
    assert ran.document["bill"]["bill_id"] == bill_id(1)
    lines = medbill("proof", "verify", files[0], "--genesis", files[1]).out.splitlines()
    assert lines[0].startswith("ok      form")
    assert lines[-1] == "valid"


def test_any_byte_changed_is_invalid(story: tuple[bytes, bytes]) -> None:
    """Issue 2: every byte is flipped in turn by the bench of proofs; here every 29th, and every length of the head."""
    proof, genesis = story
    assert verdict_exit_code(proof, genesis) is ExitCode.OK
    for place in range(0, len(proof), 29):
        changed = proof[:place] + bytes([proof[place] ^ 1]) + proof[place + 1 :]
        assert verdict_exit_code(changed, genesis) is ExitCode.INVALID, place
    for length in range(0, len(proof), 97):
        assert verdict_exit_code(proof[:length], genesis) is ExitCode.INVALID
    assert verdict_exit_code(proof + b"\0", genesis) is ExitCode.INVALID


@pytest.mark.parametrize("data", [b"", b"\xff" * 10, b"\x9f" * 100_000, bytes(PROOF_BYTES_MAX + 1), "证明".encode()])
def test_bytes_that_are_no_proof_are_invalid_and_nothing_else(data: bytes, story: tuple[bytes, bytes]) -> None:
    assert verdict_exit_code(data, story[1]) is ExitCode.INVALID


@pytest.mark.parametrize("genesis", [b"", b"{}", b"\xff", b"[" * 100_000, b'{"version": 1}'])
def test_without_a_usable_genesis_it_is_a_usage_error(genesis: bytes, story: tuple[bytes, bytes]) -> None:
    assert verdict_exit_code(story[0], genesis) is ExitCode.USAGE


def test_another_ledgers_genesis_makes_it_invalid(story: tuple[bytes, bytes]) -> None:
    from tests.chain.making import genesis

    other = genesis_to_json(genesis(name="another province")).encode()
    assert verdict_exit_code(story[0], other) is ExitCode.INVALID


def test_a_missing_file_is_a_usage_error(medbill: Medbill, files: tuple[Path, Path], tmp_path: Path) -> None:
    ran = medbill("proof", "verify", tmp_path / "none.proof", "--genesis", files[1], "--json")
    assert (ran.code, ran.document["code"]) == (2, "file_unreadable")
    assert medbill("proof", "verify", files[0], "--genesis", tmp_path).code == 2


def test_an_old_proof_is_invalid_under_a_maximal_age(
    medbill: Medbill, files: tuple[Path, Path], story: tuple[bytes, bytes]
) -> None:
    from tests.chain.making import NOON_MS

    day = parse_duration_ms("24h")
    assert verdict_exit_code(*story, max_age_ms=day, now_ms=NOON_MS + day // 2) is ExitCode.OK
    assert verdict_exit_code(*story, max_age_ms=day, now_ms=NOON_MS + 2 * day) is ExitCode.INVALID
    assert medbill("proof", "verify", files[0], "--genesis", files[1], "--max-age", "1s").code == 3
    assert medbill("proof", "verify", files[0], "--genesis", files[1], "--max-age", "soon").code == 2


def test_what_was_proven_once_cannot_be_contradicted_later(
    medbill: Medbill, files: tuple[Path, Path], tmp_path: Path
) -> None:
    """`--trust` keeps checkpoints; a quorum that signs two blocks of one height is found out."""
    trust = tmp_path / "trust.json"
    assert medbill("proof", "verify", files[0], "--genesis", files[1], "--trust", trust).code == 0
    kept = json.loads(trust.read_text())["checkpoints"]
    assert [entry["height"] for entry in kept] == [3]
    assert medbill("proof", "verify", files[0], "--genesis", files[1], "--trust", trust).code == 0
    assert json.loads(trust.read_text())["checkpoints"] == kept

    trust.write_text(json.dumps({"checkpoints": [{**kept[0], "digest": "00" * 32}]}))
    assert medbill("proof", "verify", files[0], "--genesis", files[1], "--trust", trust).code == 3
    assert json.loads(trust.read_text())["checkpoints"][0]["digest"] == "00" * 32
    trust.write_text("[{]")
    assert medbill("proof", "verify", files[0], "--genesis", files[1], "--trust", trust).code == 2


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "0h", "1.5h", "1w", "24 h", "９h", "9" * 12 + "d"])
def test_a_duration_is_a_number_and_a_unit(text: str) -> None:
    assert parse_duration_ms("24h") == 86_400_000
    with pytest.raises(CommandFailed):
        parse_duration_ms(text)
