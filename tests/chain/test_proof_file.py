"""The three files of `medbill proof verify`: the proof, the genesis, and what its holder trusts already."""

from __future__ import annotations

import json

import pytest

from chain.access_anchor import ANCHOR_PROOF_VERSION
from chain.codec import encode
from chain.day_book_proof import DAY_BOOK_PROOF_VERSION
from chain.errors import GenesisRefused, TrustRefused
from chain.genesis import genesis_to_json
from chain.proof import Checkpoint
from chain.proof_file import CHECKPOINTS_MAX, PROOF_BYTES_MAX, check_file, read_trusted, trusted_with
from chain.proof_kinds import KINDS
from tests.chain.making import Chain, bill_id, genesis, issue_bill

CHAIN = "ab" * 32
DIGEST = "cd" * 32


@pytest.fixture(scope="module")
def files() -> tuple[bytes, bytes]:
    chain = Chain()
    chain.lease("hospital-a")
    chain.run("hospital-a", issue_bill())
    return encode(chain.proof(bill_id(1))), genesis_to_json(chain.genesis).encode()


def test_a_proof_file_is_checked_against_a_genesis_file(files: tuple[bytes, bytes]) -> None:
    proof, genesis_json = files
    verdict = check_file(proof, genesis_json)
    assert verdict.valid
    assert verdict.newest is not None
    trusted = trusted_with(None, verdict.newest)
    again = check_file(proof, genesis_json, trusted, max_age_ms=10, now_ms=verdict.bill["as_of"]["time_ms"] + 10)
    assert again.valid
    assert [check.name for check in again.checks][-2:] == ["trust", "age"]


def test_a_fork_is_found_with_the_trust_file(files: tuple[bytes, bytes]) -> None:
    proof, genesis_json = files
    newest = check_file(proof, genesis_json).newest
    assert newest is not None
    other = trusted_with(None, Checkpoint(newest.chain_id, newest.height, DIGEST))
    verdict = check_file(proof, genesis_json, other)
    assert not verdict.valid
    assert verdict.checks[-1].name == "trust"
    with pytest.raises(TrustRefused, match="forked"):
        trusted_with(other, newest)


def test_a_genesis_file_that_does_not_read_is_no_verdict_on_the_proof(files: tuple[bytes, bytes]) -> None:
    proof, genesis_json = files
    for text in (b"", b"{}", b"\xff", genesis_json[:-10], b"[" * 100_000, genesis_json.replace(b"480", b"480.0", 1)):
        with pytest.raises(GenesisRefused):
            check_file(proof, text)
    other = genesis_to_json(genesis(name="another province")).encode()
    assert check_file(proof, other).checks[-1].name == "ledger"


def test_a_file_that_no_proof_can_fill_is_refused_unread(files: tuple[bytes, bytes]) -> None:
    verdict = check_file(bytes(PROOF_BYTES_MAX + 1), files[1])
    assert [(check.name, check.ok) for check in verdict.checks] == [("form", False)]


def test_a_trust_file_grows_and_stays_sorted() -> None:
    content = None
    for height in (5, 1, 5, 3):
        content = trusted_with(content, Checkpoint(CHAIN, height, DIGEST))
    assert content is not None
    assert json.loads(content) == {
        "checkpoints": [{"chain_id": CHAIN, "height": height, "digest": DIGEST} for height in (1, 3, 5)]
    }
    assert read_trusted(content) == [Checkpoint(CHAIN, height, DIGEST) for height in (1, 3, 5)]


def test_a_trust_file_forgets_the_oldest_heights_first() -> None:
    points = [{"chain_id": CHAIN, "height": height, "digest": DIGEST} for height in range(CHECKPOINTS_MAX)]
    full = json.dumps({"checkpoints": points}).encode()
    after = read_trusted(trusted_with(full, Checkpoint(CHAIN, CHECKPOINTS_MAX, DIGEST)))
    assert (len(after), after[0].height, after[-1].height) == (CHECKPOINTS_MAX, 1, CHECKPOINTS_MAX)
    points.append(points[0])
    with pytest.raises(TrustRefused):
        read_trusted(json.dumps({"checkpoints": points}).encode())


def _file(**changes: object) -> bytes:
    point = {"chain_id": CHAIN, "height": 1, "digest": DIGEST, **changes}
    return json.dumps({"checkpoints": [{key: value for key, value in point.items() if value is not None}]}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"checkpoints": null}',
        b"[" * 100_000,
        _file(height=-1),
        _file(height=1.5),
        _file(height=True),
        _file(height="1"),
        _file(digest=None),
        _file(digest=DIGEST[:-1]),
        _file(digest=DIGEST.upper()),
        _file(chain_id="x" * 64),
        _file(note="x"),
        _file() + b"x",
    ],
)
def test_another_trust_file_is_refused(content: bytes) -> None:
    with pytest.raises(TrustRefused):
        read_trusted(content)
    with pytest.raises(TrustRefused):
        trusted_with(content, Checkpoint(CHAIN, 1, DIGEST))


def test_a_trust_file_that_contradicts_itself_is_refused() -> None:
    points = [{"chain_id": CHAIN, "height": 1, "digest": digest} for digest in (DIGEST, CHAIN)]
    with pytest.raises(TrustRefused, match="forked"):
        read_trusted(json.dumps({"checkpoints": points}).encode())


def test_no_two_kinds_of_files_have_the_same_number() -> None:
    """The first item of a file says what it is."""
    numbers = [*KINDS, DAY_BOOK_PROOF_VERSION, ANCHOR_PROOF_VERSION]
    assert sorted(numbers) == list(range(1, 11))
