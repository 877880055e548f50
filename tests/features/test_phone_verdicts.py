"""Row 22: the page's program decides as `medbill proof verify` does, proof by proof and check by check.

The same files go through `chain.proof` here and through the page's modules in Chromium: whole ones, and hundreds of
altered ones. What the page calls a proof must be one, and what is one it must not refuse.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgpack
import pytest

from api.pages.phone_page import FILES
from chain import keyspace
from chain.codec import decode, encode
from chain.details import FIELD_IDS
from chain.genesis import genesis_from_json, genesis_to_json
from chain.merkle import hash_leaf
from chain.operation import operation_digest
from chain.proof import Verdict, check_proof
from chain.records import SEAL, KeyBody, Record, state_leaf
from chain.state import genesis_change
from tests.chain import test_proof, test_proof_sets
from tests.chain.making import Chain, bill_id, certify, changed, details, genesis, issue_bill, key_of, reverse_bill
from tests.features.browser import chromium, phone
from tests.features.test_phone_page import WITHOUT_CRYPTO, WITHOUT_ED25519
from tests.network.running import ROOT

ORIGIN = "https://page.test"
CHECK = """async ([genesis, proofs]) => {
    const { readGenesis, genesisState } = await import('/v/assets/genesis.js');
    const { checkProof } = await import('/v/assets/proof.js');
    const { fromHex, toHex } = await import('/v/assets/bytes.js');
    const read = await readGenesis(genesis);
    const state = await genesisState(read);
    const verdicts = [];
    for (const proof of proofs) {
        const { valid, checks, facts } = await checkProof(fromHex(proof), read);
        verdicts.push({ valid, checks: checks.map(({ name, ok }) => [name, ok]), facts });
    }
    return { chain: toHex(read.chainId), root: toHex(state.root), count: state.count, verdicts };
}"""
# the page's name of a fact -> the command's
FACTS = {
    "bill": "bill_id", "red": "red", "issuer": "issuer", "issuerName": "issuer_name", "place": "place_code",
    "businessDate": "business_date", "totalFen": "total_fen", "height": "height", "recordedMs": "recorded_ms", "sealed": "sealed",
    "original": "original", "office": "office", "status": "status", "statusMs": "status_as_of_ms", "related": "related",
    "withheld": "seal_withheld", "opened": "opened",
}  # fmt: skip


@dataclass
class Page:
    """The page's modules in a browser, without any node."""

    held: Any

    def verdicts(self, genesis_json: str, proofs: list[bytes]) -> list[dict[str, Any]]:
        """The page's verdicts. It must know the ledger by the same number, and its state of height 0."""
        said = self.held.page.evaluate(CHECK, [genesis_json, [proof.hex() for proof in proofs]])
        held = genesis_from_json(genesis_json)
        change = genesis_change(held)
        assert (said["chain"], said["root"], said["count"]) == (held.digest().hex(), change.root.hex(), change.count)
        found: list[dict[str, Any]] = said["verdicts"]
        return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


Stories = dict[str, list[bytes]]  # genesis.json -> proofs


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> Stories:
    """What `tests/chain` tells of proofs, run once more with somebody who takes notes."""
    notes = tmp_path_factory.mktemp("stories") / "proofs"
    files = ["tests/chain/test_proof.py", "tests/chain/test_proof_sets.py"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "tests.features.proof_collector",
        *files,
    ]
    environment = {**os.environ, "PROOFS_COLLECTED": str(notes)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    found: Stories = {}
    for line in notes.read_text("utf-8").splitlines():
        note = json.loads(line)
        found.setdefault(note["genesis"], []).append(bytes.fromhex(note["proof"]))
    assert sum(map(len, found.values())) > 300
    return found


@pytest.fixture(params=["", WITHOUT_ED25519, WITHOUT_CRYPTO], ids=["own", "no-ed25519", "none"])
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Page]:
    """As a browser with its own cryptography, without Ed25519, and without any."""

    def serve(route: Any) -> None:
        name = route.request.url.rpartition("/")[2]
        media = "text/html" if name.endswith(".html") else "text/javascript"
        route.fulfill(body="<!doctype html>" if name == "index.html" else FILES[name], content_type=media)

    with phone(browser, script=request.param) as held:
        held.page.route(f"{ORIGIN}/**", serve)
        held.page.goto(f"{ORIGIN}/v/index.html")
        yield Page(held)


def flips(data: bytes, count: int, seed: int = 22) -> list[bytes]:
    """The file with one bit changed, at `count` different places."""
    chosen = random.Random(seed)
    found = []
    for place in sorted(chosen.sample(range(len(data)), min(count, len(data)))):
        altered = bytearray(data)
        altered[place] ^= 1 << chosen.randrange(8)
        found.append(bytes(altered))
    return found


def compare(page: Page, chain: Chain, proofs: list[bytes]) -> list[Verdict]:
    """Both verdicts of each file; the same, down to the name of the check that failed and the facts."""
    expected = [check_proof(proof, chain.genesis) for proof in proofs]
    for number, (ours, theirs) in enumerate(
        zip(expected, page.verdicts(genesis_to_json(chain.genesis), proofs), strict=True)
    ):
        where = f"file {number}: {ours.checks[-1]}, the page: {theirs['checks'][-1]}"
        assert ours.valid is theirs["valid"], where
        assert [[check.name, check.ok] for check in ours.checks] == theirs["checks"], where
        if ours.valid:
            facts = {FACTS[name]: value for name, value in theirs["facts"].items() if name in FACTS}
            assert facts == {name: value for name, value in ours.bill.items() if name != "as_of"}, where
            as_of = theirs["facts"]["asOf"]
            assert {"height": as_of["height"], "time_ms": as_of["timeMs"]} == ours.bill["as_of"]
    return expected


def test_22_whole_proofs_of_every_kind(page: Page) -> None:
    """Sealed, with opened fields of all kinds, reversed, red, withheld, released, of block 1, over changes of the set."""
    story = test_proof.told()
    chain, seal = story.chain, operation_digest(story.seal)
    opened = details(story.bill.bill, business_no="B-2")
    proofs = [story.data, encode(chain.proof(story.bill.bill, seal=seal, opened=opened, fields=list(FIELD_IDS)))]
    red = reverse_bill(story.bill, serial=60)
    chain.run("hospital-a", red)
    proofs += [encode(chain.proof(story.bill.bill, seal=seal)), encode(chain.proof(red.bill))]
    proofs += [encode(changed(story.proof, seal=None, current=None, opened=[]))]
    verdicts = compare(page, chain, proofs)
    assert [verdict.bill["status"] for verdict in verdicts[:4]] == ["normal", "normal", "reversed", "red"]

    other = Chain()
    other.lease("hospital-a")
    bills = [issue_bill(f"B-{serial}", serial=serial) for serial in (1, 2)]
    other.run("hospital-a", *bills)
    withheld = other.seal(["hospital-a"], excepted=[bills[0].bill])
    other.run_seal(withheld)
    proofs = [encode(other.proof(bills[0].bill)), encode(other.proof(bills[0].bill, seal=operation_digest(withheld)))]
    release = other.seal(["hospital-a"], released=[bills[0].bill])
    other.run_seal(release)
    proofs += [encode(other.proof(bills[0].bill, seal=operation_digest(release)))]
    assert [verdict.valid for verdict in compare(page, other, proofs)] == [True, False, True]

    first = Chain()
    first.block([first.sign("hospital-a", test_proof._first_lease(first)), first.sign("hospital-a", issue_bill())])
    proof = first.proof(bill_id(1))
    both = [encode(proof), encode(changed(proof, bill=changed(proof.bill, parent=proof.bill.header)))]
    assert [verdict.valid for verdict in compare(page, first, both)] == [True, False]

    moved = test_proof_sets.told()
    proofs = [*moved.early, *(encode(moved.chain.proof(bill, seal=moved.seal)) for bill in moved.bills[:5])]
    assert all(verdict.valid for verdict in compare(page, moved.chain, proofs))


def test_22_a_bit_flipped_anywhere(page: Page) -> None:
    """Hundreds of places: the page refuses each one, at the same check as the command."""
    story = test_proof.told()
    verdicts = compare(page, story.chain, flips(story.data, 250))
    assert not any(verdict.valid for verdict in verdicts)
    assert {verdict.checks[-1].name for verdict in verdicts} >= {"form", "block", "outcome", "unit signature", "seal"}
    moved = test_proof_sets.told()
    proof = encode(moved.chain.proof(moved.bills[0], seal=moved.seal))
    assert not any(verdict.valid for verdict in compare(page, moved.chain, flips(proof, 80)))


def test_22_parts_of_files_and_garbage(page: Page) -> None:
    story = test_proof.told()
    data = story.data
    files = [data[:length] for length in range(0, len(data), 97)] + [data + b"\0", data * 2, data[1:]]
    files += [b"", b"\x96", b"\xdd\xff\xff\xff\xff", b"\x91" * 10_000, b"{}", bytes(5_000), b"\xc1", b"\xd9\xff"]
    files += [data.replace(b"hospital-a", b"hospital-b"), data.replace(b"recorded", b"refused_")]
    assert not any(verdict.valid for verdict in compare(page, story.chain, files))


def test_22_every_struct_of_a_proof_put_in_another_s_place(page: Page) -> None:
    """Whole parts exchanged between the proofs of two bills: each one genuine, together nothing."""
    story = test_proof.told()
    seal = operation_digest(story.seal)
    one, other = (story.chain.proof(bill_id(serial), seal=seal) for serial in (2, 50))
    files = [encode(changed(one, **{name: getattr(other, name)})) for name in ("bill", "seal", "current")]
    for name in one.bill.__struct_fields__:
        files.append(encode(changed(one, bill=changed(one.bill, **{name: getattr(other.bill, name)}))))
    compare(page, story.chain, files)


def test_22_every_proof_that_the_stories_of_proofs_are_told_with(page: Page, stories: Stories) -> None:
    """Keys before and after their time, seals of others, sets that nobody certified, mutated trees: all of them."""
    for genesis_json, proofs in stories.items():
        held = genesis_from_json(genesis_json)
        said = page.verdicts(genesis_json, proofs)
        for proof, theirs in zip(proofs, said, strict=True):
            ours = check_proof(proof, held)
            where = f"{proof[:24].hex()} of {len(proof)} bytes: {ours.checks[-1]}, the page: {theirs['checks'][-1]}"
            assert ours.valid is theirs["valid"], where
            if not is_of_another_kind(ours, theirs):
                assert [[check.name, check.ok] for check in ours.checks] == theirs["checks"], where


def is_of_another_kind(ours: Verdict, theirs: dict[str, Any]) -> bool:
    """The page knows no operations but bills and seals, and no values that no bill has: it refuses them at once, as `form`,
    where the command looks further first."""
    return bool(not ours.valid and theirs["checks"][-1] == ["form", False])


def test_22_states_that_no_honest_validators_sign(page: Page) -> None:
    """Certified by a real quorum of the test's keys: a unit key for something else, or before and after its time, and a
    bill's record that another operation made."""
    story = test_proof.told()
    bill, current, voters = story.proof.bill, story.proof.current, story.chain.ledger.members
    assert bill.parent is not None
    assert current is not None
    record = decode(bill.key.record, Record)
    key, height = decode(record.body, KeyBody), bill.header.height

    def by(body: KeyBody) -> bytes:
        data = encode(changed(record, body=encode(body)))
        name = keyspace.key(bill.key.organisation, bill.key.key_id)
        parent = changed(bill.parent, state_root=hash_leaf(state_leaf(name, data)), state_count=1)
        header = changed(bill.header, parent=parent.digest())
        witness = changed(bill.key, place=0, count=1, record=data, path=[])
        signed = changed(bill, parent=parent, key=witness, header=header, certificate=certify(header, voters))
        return encode(changed(story.proof, bill=signed, seal=None))

    def under(**changes: Any) -> bytes:
        made = changed(current.record, **changes)
        name = keyspace.bill(story.bill.bill)
        header = changed(current.header, state_root=hash_leaf(state_leaf(name, encode(made))), state_count=1)
        newest = changed(current, place=0, record=made, path=[], header=header, certificate=certify(header, voters))
        return encode(changed(story.proof, current=newest))

    good = [by(key), by(changed(key, from_height=height)), by(changed(key, until_height=height + 1)), under(version=9)]
    bad = [
        by(changed(key, purpose=SEAL)),
        by(changed(key, from_height=height + 1)),
        by(changed(key, until_height=height)),
        by(changed(key, suite=2)),
        by(changed(key, public=key_of("hospital-b/unit").public)),
        under(origin=bytes(32)),
        under(body=b""),
        under(body=encode(key)),
    ]
    assert [verdict.valid for verdict in compare(page, story.chain, good + bad)] == [True] * len(good) + [False] * len(
        bad
    )


def respelt(value: Any, count: list[int]) -> bytes:
    """MessagePack in which the value at `count[0]` places from here is spelt longer than need be."""
    count[0] -= 1
    longer = count[0] == -1
    if isinstance(value, list):
        inner = b"".join(respelt(entry, count) for entry in value)
        return (b"\xdd" + len(value).to_bytes(4, "big") if longer else msgpack.packb(value)[: _head(value)]) + inner
    if longer and isinstance(value, bytes):
        return b"\xc6" + len(value).to_bytes(4, "big") + value
    if longer and isinstance(value, str):
        return b"\xdb" + len(value.encode()).to_bytes(4, "big") + value.encode()
    if longer and type(value) is int:
        return b"\xd3" + value.to_bytes(8, "big", signed=True)
    return bytes(msgpack.packb(value))


def _head(value: list[Any]) -> int:
    return 1 if len(value) < 16 else 3


def test_22_every_other_spelling(page: Page) -> None:
    """The same values, one of them in more bytes than need be: no proof."""
    story = test_proof.told()
    tree = msgpack.unpackb(story.data)
    assert respelt(tree, [10**6]) == story.data
    files = {respelt(tree, [place]) for place in range(0, 600, 7)} - {story.data}
    assert len(files) > 40
    assert not any(verdict.valid for verdict in compare(page, story.chain, sorted(files)))


def test_22_another_ledger_s_proof(page: Page) -> None:
    foreign = Chain(genesis(name="another province"))
    foreign.lease("hospital-a")
    foreign.run("hospital-a", issue_bill())
    (verdict,) = compare(page, Chain(), [encode(foreign.proof(bill_id(1)))])
    assert verdict.checks[-1].name == "ledger"
